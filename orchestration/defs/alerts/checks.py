"""Whether what should go out goes out."""

import datetime as dt

import dagster as dg
import pandas as pd
import psycopg

from orchestration.defs.alerts.assets import DELIVERIES, delivery_clock
from orchestration.metadata import table
from orchestration.resources import MarketData, Warehouse
from warehouse.queries.deliveries import read_overdue

OVERDUE_CHECK = "no_delivery_is_overdue"
# A tick comes every few seconds and sends for up to half a minute; this late means that nobody sends, or too slowly.
GRACE = dt.timedelta(minutes=15)
# Counted no further: beyond that the number says nothing new.
MOST = 1_000
N_SAMPLES = 10


@dg.asset_check(
    asset=DELIVERIES, name=OVERDUE_CHECK,
    description="Every delivery has been tried within 15 minutes of the instant its retry schedule names.",
)  # fmt: skip
def no_delivery_is_overdue(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Look for deliveries that should have been tried a quarter of an hour ago."""
    with warehouse.connection() as connection:
        return overdue_result(connection, now=delivery_clock(market_data.installation)())


def overdue_result(connection: psycopg.Connection, *, now: dt.datetime) -> dg.AssetCheckResult:
    """Return the verdict of the check, with the deliveries that have waited longest."""
    overdue = read_overdue(connection, before=now - GRACE, limit=MOST)
    metadata: dict[str, dg.MetadataValue] = {"overdue": dg.MetadataValue.int(len(overdue))}
    if overdue:
        metadata["samples"] = table(pd.DataFrame(overdue[:N_SAMPLES]))
    return dg.AssetCheckResult(
        passed=not overdue,
        asset_key=DELIVERIES,
        check_name=OVERDUE_CHECK,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description="Look at the ticks of the sensor alert_delivery: does it run, and what does it say?"
        if overdue
        else None,
    )
