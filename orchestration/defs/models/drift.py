"""Whether what comes now is still what the forecasters have learnt from."""

import datetime as dt

import dagster as dg
import pandas as pd
from pydantic import Field

from models.registry import load_registry
from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.models.assets import EXPOSURES, GROUP, forecasts
from orchestration.defs.models.evaluation import evaluation_days
from orchestration.drifting import (
    Finding,
    features_once,
    findings,
    measure,
    quarter_starts,
    quarters_to_measure,
)
from orchestration.installation import Installation
from orchestration.metadata import OWNER, merge_metadata, picture, sample, table, table_metadata
from orchestration.plots import drift_figure
from orchestration.resources import Artifacts, MarketData, Warehouse
from transforms.drift import drift
from warehouse.merge import Window
from warehouse.queries import drift as queries
from warehouse.queries.events import write_event

DETECTED = "model.drift_detected"


class DriftConfig(dg.Config):
    """How far back to look."""

    n_quarters: int = Field(
        default=2, ge=1, le=400,
        description="Newest quarters to measure (count). The one before the present still gets labels; older ones do "
        "not change, so more than 2 is for a first look at the past.",
    )  # fmt: skip


@dg.asset(
    key=["research", "model_drift"], deps=[forecasts, evaluation_days, EXPOSURES], group_name=GROUP,
    kinds={"python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
    code_version=code_version_of(drift, measure),
)  # fmt: skip
def model_drift(
    config: DriftConfig, warehouse: Warehouse, artifacts: Artifacts, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per forecaster, quarter and thing compared: features, forecasts and skill beside the training window."""
    installation = market_data.installation
    registry = load_registry(installation.settings.models_file)
    enabled = {entry.id for entry in registry.enabled}
    quarters = quarters_to_measure(warehouse, installation, n_quarters=config.n_quarters)
    quarters = sorted(
        (one for one in quarters if one.version["model_id"] in enabled), key=lambda one: one.version["valid_from_date"]
    )
    read = features_once(warehouse)
    parts = [measure(warehouse, artifacts, registry, one, read=read) for one in quarters]
    if not parts:
        return dg.MaterializeResult(metadata={"note": "No version has forecast 10 sessions of its quarter yet."})
    rows = pd.concat(parts, ignore_index=True)
    begins = quarter_starts(installation.last_session(), config.n_quarters)
    window = Window("valid_from_date", begins[0], begins[-1])
    written = warehouse.merge("research.model_drift", rows, window=window)
    found = findings(rows)
    tell(warehouse, installation, found)
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "drifted": table(pd.DataFrame([(f.model_id, f.valid_from_date, f.reason) for f in found],
                                          columns=["forecaster", "quarter", "what"])),
            "indices": picture(drift_figure(rows[rows["valid_from_date"] == rows["valid_from_date"].max()])),
            **table_metadata(warehouse, "research.model_drift"),
        }
    )  # fmt: skip


@dg.asset_check(
    asset=model_drift,
    description="In the newest quarter no forecaster's features, forecasts or skill have left what it was trained on.",
)
def forecasters_have_not_drifted(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look at the newest window; raw factors move with the market and count as no drift of a forecaster."""
    drifted = warehouse.read_frame(queries.DRIFT_OF_NEWEST_WINDOW)
    of_forecasters = drifted[drifted["kind"] != "factor"]
    return dg.AssetCheckResult(
        passed=of_forecasters.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "drifted": len(of_forecasters),
            "raw_factors_drifted": int((drifted["kind"] == "factor").sum()),
            **sample(drifted.drop(columns=["valid_from_date"]).head(10)),
        },
    )


def tell(warehouse: Warehouse, installation: Installation, found: list[Finding]) -> None:
    """Write each finding into the log once, and ask for a version that knows the newest days, once a quarter."""
    newest = quarter_starts(installation.last_session(), 1)[0]
    with warehouse.connection() as connection:
        for one in found:
            payload = {
                "model_id": one.model_id, "model_version_id": one.model_version_id,
                "valid_from_date": one.valid_from_date.isoformat(), "last_date": one.last_date.isoformat(),
                "reasons": list(one.reasons),
            }  # fmt: skip
            write_event(
                connection, DETECTED, payload, dedup_key=f"{DETECTED}:{one.model_id}:{one.valid_from_date}",
                now=installation.clock(), subject=one.model_id,
            )  # fmt: skip
            following = installation.calendar.next_session(one.last_date)
            if one.valid_from_date == newest and _will_come(installation, following):
                wanted = queries.Retraining(one.model_id, following, one.valid_from_date, one.reason)
                queries.request_retraining(connection, wanted)


def _will_come(installation: Installation, session: dt.date) -> bool:
    """Tell whether the source will have a session, in the same quarter as the one before."""
    last = installation.source.last_session
    before = installation.calendar.previous_session(session - dt.timedelta(days=1))
    return (last is None or session <= last) and quarter_starts(session, 1) == quarter_starts(before, 1)
