"""What the API reads of technical indicators: those measured in prices rebased, as the prices are."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

_IN_PRICES = (
    "macd_12d_26d", "macd_signal_9d", "macd_histogram", "atr_14d", "bollinger_upper_20d", "bollinger_middle_20d",
    "bollinger_lower_20d", "sma_20d", "sma_50d", "sma_200d", "ema_12d", "ema_26d",
)  # fmt: skip
_IN_POINTS = ("rsi_14d", "stochastic_k_14d", "stochastic_d_3d", "adx_14d")

NEWEST = f"""
select
    as_of_date,
    {", ".join(_IN_POINTS)},
    {", ".join(f"{column} / %(factor)s" for column in _IN_PRICES)},
    obv_shares * %(share_factor)s
from research.indicators
where
    instrument_id = %(instrument_id)s
    and as_of_date between %(start)s and %(end)s
    and as_of_date < %(before)s
order by as_of_date desc
limit %(limit)s
"""

_Points = Annotated[float | None, Meta(description="Unit points 0 to 100.")]
_Price = Annotated[float | None, Meta(description="Unit currency per share, in terms of the latest adjusted price.")]


class Indicators(msgspec.Struct, frozen=True, gc=False):
    """The indicators of one instrument and day, defined as in TA-Lib."""

    as_of_date: columns.AsOfDate
    rsi_14d: _Points
    stochastic_k_14d: _Points
    stochastic_d_3d: _Points
    adx_14d: _Points
    macd_12d_26d: _Price
    macd_signal_9d: _Price
    macd_histogram: _Price
    atr_14d: _Price
    bollinger_upper_20d: _Price
    bollinger_middle_20d: _Price
    bollinger_lower_20d: _Price
    sma_20d: _Price
    sma_50d: _Price
    sma_200d: _Price
    ema_12d: _Price
    ema_26d: _Price
    obv_shares: Annotated[float | None, Meta(description="On-balance volume since the first bar. Unit shares.")]


async def newest(
    reader: Reader,
    instrument_id: str,
    *,
    factor: float,
    share_factor: float,
    start: dt.date,
    end: dt.date,
    before: dt.date,
    limit: int,
) -> list[Indicators]:
    """Return the newest rows between two days (both included) and before a third, newest first."""
    parameters = {
        "instrument_id": instrument_id, "factor": factor, "share_factor": share_factor,
        "start": start, "end": end, "before": before, "limit": limit,
    }  # fmt: skip
    return await reader.rows(Indicators, NEWEST, parameters)
