"""What the API reads of rankings: the order of a day, with what made each score."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

Profile = Literal["conservative", "balanced", "aggressive"]

NEWEST_DATE = """
select as_of_date
from research.rankings
where profile = %(profile)s and is_intraday = %(is_intraday)s and as_of_date <= coalesce(%(as_of)s, 'infinity'::date)
order by as_of_date desc
limit 1
"""

FIRST_DATE = """
select as_of_date
from research.rankings
where profile = %(profile)s and is_intraday = %(is_intraday)s
order by as_of_date
limit 1
"""

# Those kept out by a risk limit have no rank and come last, by their id.
UNRANKED = 2_000_000_000

ORDER = f"""
select
    r.rank, i.ticker, i.name, r.instrument_id, i.sector, i.market, r.as_of_date, r.score, r.signal, r.breached_limit,
    r.contribution_forecast, r.contribution_momentum, r.contribution_value, r.contribution_quality,
    r.contribution_growth, r.contribution_low_risk, r.contribution_liquidity, r.missing_groups, r.model_version_id,
    r.is_intraday, r.computed_at
from research.rankings as r
inner join marts.dim_instruments as i on i.instrument_id = r.instrument_id
where
    r.profile = %(profile)s and r.is_intraday = %(is_intraday)s and r.as_of_date = %(as_of_date)s
    and (%(sector)s::text is null or i.sector = %(sector)s)
    and (%(market)s::text is null or i.market = %(market)s)
    and (coalesce(r.rank, {UNRANKED}), r.instrument_id) > (%(after_rank)s, %(after_id)s)
order by coalesce(r.rank, {UNRANKED}), r.instrument_id
limit %(limit)s
"""


class Ranked(msgspec.Struct, frozen=True, gc=False):
    """One instrument in the order of a day; score = 50 + the sum of the contributions."""

    rank: Annotated[int | None, Meta(description="Place, 1 best; null where a risk limit keeps it out. Unit places.")]
    ticker: columns.Ticker
    name: columns.Name
    instrument_id: columns.InstrumentId
    sector: columns.Sector
    market: columns.Market
    as_of_date: columns.AsOfDate
    score: Annotated[float, Meta(description="50 plus the sum of the contributions. Unit points 0 to 100.")]
    signal: Annotated[str, Meta(description="strong_buy, buy, hold, sell, strong_sell; not_ranked behind a limit.")]
    breached_limit: Annotated[str | None, Meta(description="Risk limit that keeps the instrument out.")]
    contribution_forecast: columns.Points
    contribution_momentum: columns.Points
    contribution_value: columns.Points
    contribution_quality: columns.Points
    contribution_growth: columns.Points
    contribution_low_risk: columns.Points
    contribution_liquidity: columns.Points
    missing_groups: Annotated[list[str], Meta(description="Groups without a value, whose weight went to the others.")]
    model_version_id: Annotated[str | None, Meta(description="Version whose forecast went in.")]
    is_intraday: Annotated[bool, Meta(description="True when made from live prices on the model of the day before.")]
    computed_at: columns.ComputedAt


class _Day(msgspec.Struct, frozen=True):
    as_of_date: dt.date


async def newest_date(reader: Reader, *, profile: Profile, is_intraday: bool, as_of: dt.date | None) -> dt.date | None:
    """Return the newest day with a ranking that is not after `as_of`."""
    parameters = {"profile": profile, "is_intraday": is_intraday, "as_of": as_of}
    rows = await reader.rows(_Day, NEWEST_DATE, parameters)
    return rows[0].as_of_date if rows else None


async def first_date(reader: Reader, *, profile: Profile, is_intraday: bool) -> dt.date | None:
    """Return the first day with a ranking."""
    rows = await reader.rows(_Day, FIRST_DATE, {"profile": profile, "is_intraday": is_intraday})
    return rows[0].as_of_date if rows else None


async def of_day(
    reader: Reader,
    as_of_date: dt.date,
    *,
    profile: Profile,
    is_intraday: bool = False,
    sector: str | None = None,
    market: str | None = None,
    after: tuple[int, str] = (0, ""),
    limit: int,
) -> list[Ranked]:
    """Return the order of a day from its best, those after `after` = (rank, instrument_id)."""
    parameters = {
        "as_of_date": as_of_date, "profile": profile, "is_intraday": is_intraday, "sector": sector, "market": market,
        "after_rank": after[0], "after_id": after[1], "limit": limit,
    }  # fmt: skip
    return await reader.rows(Ranked, ORDER, parameters)
