"""What must hold of the factor tables beyond each single row."""

import datetime as dt
from collections.abc import Mapping
from itertools import pairwise

import dagster as dg
import numpy as np
import pandas as pd

from orchestration.installation import Installation
from orchestration.metadata import sample
from orchestration.partitions import first_of_window, last_of_window
from orchestration.resources import MarketData, Warehouse
from transforms.statement_factors import FACTORS, factors_as_known
from warehouse.queries import factors as queries

QUALITY, GROWTH = (dg.AssetKey(["factors", name]) for name in ("fct_quality", "fct_growth"))
# Of a longer window the last session of each month stands for the others.
MOST_SESSIONS = 31
# What rounding may leave, fraction.
TOLERANCE = 1e-9
N_SAMPLES = 10


@dg.asset_check(
    asset=QUALITY, additional_deps=[GROWTH],
    description="Return on equity, profit margin and growth of sales are those of the statements that were published "
    "before the close of the day, found another way than by the joins of the tables; shows some that are not. Of a "
    f"window of more than {MOST_SESSIONS} sessions the last one of each month is looked at.",
)  # fmt: skip
def statements_known_in_time(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.AssetCheckResult:
    """Compare the sessions that the run has made; launched without a window, those of the whole history."""
    installation, tags = market_data.installation, context.run.tags
    return known_in_time_result(warehouse, installation, sessions_to_compare(installation, tags))


def sessions_to_compare(installation: Installation, tags: Mapping[str, str]) -> list[dt.date]:
    """Return the sessions of a run's window, or of a long one the last of each month."""
    sessions = installation.sessions(first_of_window(tags), last_of_window(tags))
    if len(sessions) <= MOST_SESSIONS:
        return sessions
    return [
        day for day, after in pairwise([*sessions, dt.date.max]) if (day.year, day.month) != (after.year, after.month)
    ]


def known_in_time_result(
    warehouse: Warehouse, installation: Installation, sessions: list[dt.date]
) -> dg.AssetCheckResult:
    """Return the verdict on the factors of statements on some sessions."""
    sources, zone = ",".join(installation.source_priority), installation.calendar.timezone.key
    listed = ",".join(day.isoformat() for day in sessions)
    found = warehouse.read_frame(queries.FACTORS_OF_STATEMENTS_ON, [listed])
    statements = warehouse.read_frame(queries.STATEMENTS_OF_INSTRUMENTS, [sources, zone])
    closes = pd.Series([installation.calendar.close_at(day) for day in sessions], pd.DatetimeIndex(sessions))
    expected = factors_as_known(statements, found[["as_of_date", "instrument_id"]], closes=closes)
    wrong = pd.concat([_differences(found, expected, factor) for factor in FACTORS], ignore_index=True)
    wrong = wrong.sort_values(["as_of_date", "instrument_id"])
    return dg.AssetCheckResult(
        passed=wrong.empty,
        metadata={
            "sessions": len(sessions),
            "values": len(found) * len(FACTORS),
            "values_of_other_statements": len(wrong),
            **sample(wrong.head(N_SAMPLES)),
        },
        description=None
        if wrong.empty
        else f"{len(wrong)} values are not those of the statement that was known, the first of "
        f"{wrong['as_of_date'].min():%Y-%m-%d}. Run the partitions from there on again; what stays looks ahead.",
    )


def _differences(found: pd.DataFrame, expected: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Rows of one factor that are not as expected, with the statement that should count."""
    value, as_known = (frame[factor].to_numpy(np.float64, na_value=np.nan) for frame in (found, expected))
    is_wrong = ~np.isclose(value, as_known, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    keys: pd.DataFrame = found.loc[is_wrong, ["as_of_date", "instrument_id"]]
    return keys.assign(
        factor=factor, value=value[is_wrong], value_as_known=as_known[is_wrong],
        period_end_date=expected.loc[is_wrong, "period_end_date"], published_at=expected.loc[is_wrong, "published_at"],
    )  # fmt: skip
