"""Daily bars that somebody has sent to POST /v1/import/bars: a job takes them over by the rules of all prices."""

import tempfile
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.errors import JobImpossible
from orchestration.importing import import_bars
from orchestration.ingestion import Ingested
from orchestration.resources import MarketData, Warehouse
from warehouse.queries import uploads as queries
from warehouse.uploads import read_bars


class UploadConfig(dg.Config):
    """What is taken over."""

    upload_id: str = Field(description="The upload, a row of app.uploads.")


@dg.op
def take_over(
    context: dg.OpExecutionContext, config: UploadConfig, warehouse: Warehouse, market_data: MarketData
) -> None:
    """Store the bars of an upload under the source `import`, those that the rules refuse in quarantine."""
    # Here, since who asks for runs of these jobs knows them.
    from orchestration.job_runs import USER_TAG, JobHandle

    handle = JobHandle(warehouse, market_data.installation, context.run)
    if not handle.begin():
        context.log.info("job_has_ended")
        return
    with tempfile.TemporaryFile() as file:
        with warehouse.connection() as connection:
            upload = queries.fetch(connection, config.upload_id, file, user_id=context.run.tags.get(USER_TAG))
        if upload is None:
            raise JobImpossible("upload", f"{config.upload_id} must be an upload of the last week, and yours")
        bars = read_bars(file, upload.media_type)
        ingested = import_bars(market_data.installation, bars, warehouse=warehouse)
    context.add_output_metadata(ingested.metadata())
    handle.succeed(_result(ingested))


def _result(ingested: Ingested) -> dict[str, Any]:
    """Return what became of each bar: received = stored + exact duplicates + quarantined."""
    written = ingested.written
    return {
        "received": ingested.n_received,
        "stored": written.inserted + written.updated + written.unchanged,
        "inserted": written.inserted,
        "updated": written.updated,
        "unchanged": written.unchanged,
        "exact_duplicates": ingested.n_exact_duplicates,
        "quarantined": ingested.n_quarantined,
        "quarantined_by_rule": ingested.refused_by_rule,
        "quarantined_sample": ingested.sample,
        "first_changed_date": written.first_changed_date.isoformat() if written.first_changed_date else None,
        "is_accounted_for": ingested.is_accounted_for,
    }


@dg.job(description="Take over daily bars that somebody has sent in.")
def upload() -> None:
    """Take over one upload."""
    take_over()
