"""Retraining that drift asks for."""

import dagster as dg

from orchestration.defs.platform.jobs import train
from orchestration.resources import MarketData, Warehouse
from warehouse.queries import drift as queries


@dg.sensor(
    job=train, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains a version beside the quarterly ones where research.retraining_requests asks for it: drift "
    "does, at most once per forecaster and quarter. The version forecasts from the session after the drift was seen.",
)  # fmt: skip
def drift_retraining(warehouse: Warehouse, market_data: MarketData) -> dg.SensorResult | dg.SkipReason:
    """Ask once for each request that has no version yet."""
    today = market_data.installation.last_session()
    wanted = warehouse.read(queries.RETRAININGS_TO_DO, [today]).to_pylist()
    if not wanted:
        return dg.SkipReason("no retraining is asked for")
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                # A request is one run: what failed is run again by a person, or with the next quarter.
                run_key=f"retraining:{row['model_id']}:{row['valid_from_date']}",
                partition_key=row["window_from_date"].isoformat(),
                tags={"factorloom/reason": f"drift of {row['model_id']}"},
            )
            for row in wanted
        ]
    )
