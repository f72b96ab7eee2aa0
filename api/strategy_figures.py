"""What a strategy on paper has come to beside all that was tried: a closed formula on moments that Postgres gives."""

import datetime as dt
import math

import msgspec
import numpy as np

from transforms.selection_bias import deflated_sharpe_of_moments, spread_of_sharpes
from warehouse.queries import strategies
from warehouse.queries.reader import Reader
from warehouse.queries.strategies import Beside, Figures


async def figures(reader: Reader, strategy_id: str, *, start: dt.date, end: dt.date) -> Figures:
    """Return what a strategy has come to between two days, both included."""
    found, beside = await strategies.figures(reader, strategy_id, start=start, end=end)
    return found if beside is None else msgspec.structs.replace(found, deflated_sharpe=deflated(beside, found.n_trials))


def deflated(beside: Beside, n_trials: int) -> float | None:
    """Give the deflated Sharpe ratio; None with fewer than three sessions.

    Versions beyond the accounts count without a ratio of their own: one that was replaced is a part of its account.
    """
    others = max(n_trials - len(beside.sharpes), 0)
    counted, deviation = spread_of_sharpes(np.array([*beside.sharpes, *[None] * others], dtype=np.float64))
    value = deflated_sharpe_of_moments(
        beside.sharpe, skew=beside.skew, kurtosis=beside.kurtosis, n_periods=beside.n_sessions, n_trials=counted,
        sharpe_sd=deviation,
    )  # fmt: skip
    return value if math.isfinite(value) else None
