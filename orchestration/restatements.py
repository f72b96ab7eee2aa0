"""Which older sessions have to be computed again because what is known of their bars has changed since."""

import datetime as dt

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from orchestration.installation import Installation
from orchestration.partitions import first_of_window
from orchestration.resources import Warehouse
from warehouse.queries import market_data as queries


def restated_since_last(instance: DagsterInstance, installation: Installation, job: str) -> dt.date | None:
    """Return the oldest session with a verdict that no successful run of a job has taken into account, if there is one.

    The window that a source is asked for changes nothing before itself; only verdicts do, since a bar shows to be of
    the wrong day when the other day is known. Read from the rows and not from what a run reported: a run that was
    killed after it had judged the bars, and before it built the tables, reports nothing.
    """
    last = instance.get_run_records(RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS]), limit=1)
    if not last:
        return None
    begun, ended = _instants(last[0])
    first = first_of_window(last[0].dagster_run.tags) or installation.first_session
    parameters = [",".join(installation.source_names), begun.isoformat(), ended.isoformat(), first]
    oldest: dt.date | None = Warehouse().read(queries.OLDEST_VERDICT_SINCE, parameters).to_pylist()[0]["trade_date"]
    return oldest


def _instants(record: RunRecord) -> tuple[dt.datetime, dt.datetime]:
    created = record.create_timestamp.timestamp()
    begun, ended = record.start_time or created, record.end_time or created
    return dt.datetime.fromtimestamp(begun, dt.UTC), dt.datetime.fromtimestamp(ended, dt.UTC)
