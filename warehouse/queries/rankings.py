"""What the API reads of rankings: the order of a day, with what made each score."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.ordering import Key, Place, orders
from warehouse.queries.reader import Reader

Profile = Literal["conservative", "balanced", "aggressive"]

NEWEST_DATE = """
select newest.as_of_date
from research.rankings as newest
where
    newest.profile = %(profile)s and newest.is_intraday = %(is_intraday)s
    and newest.as_of_date <= coalesce(%(as_of)s, 'infinity'::date)
order by newest.as_of_date desc
limit 1
"""

FIRST_DATE = """
select as_of_date
from research.rankings
where profile = %(profile)s and is_intraday = %(is_intraday)s
order by as_of_date
limit 1
"""

DATASETS = ("research.rankings", "marts.dim_instruments")
# A universe has seldom fewer: asked for as many, it is asked once.
TOP_ROWS = 101

_COLUMNS = """
    r.rank, i.ticker, i.name, r.instrument_id, i.sector, i.market, r.as_of_date, r.score, r.signal, r.breached_limit,
    r.contribution_forecast, r.contribution_momentum, r.contribution_value, r.contribution_quality,
    r.contribution_growth, r.contribution_low_risk, r.contribution_liquidity, r.missing_groups, r.model_version_id,
    r.is_intraday, r.computed_at
"""
_FROM = """
from research.rankings as r
inner join marts.dim_instruments as i on i.instrument_id = r.instrument_id
"""

_ON_DAY = f"r.profile = %(profile)s and r.is_intraday = %(is_intraday)s and r.as_of_date = ({NEWEST_DATE})"
_OF_DAY = f"""
select {_COLUMNS} {_FROM}
where {_ON_DAY} {{filters}} {{following}}
order by {{order}}
limit %(limit)s
"""
# The day is put in order before it is joined, so that a page costs its own names and not those of the universe.
_OF_WHOLE_DAY = f"""
select {_COLUMNS}
from (select r.* from research.rankings as r where {_ON_DAY} {{following}} order by {{order}}) as r
inner join marts.dim_instruments as i on i.instrument_id = r.instrument_id
order by {{order}}
limit %(limit)s
"""
# Of places 1, 2, 3, ... the first ten are those up to 10: the rest of the day is neither sorted nor carried.
_OF_TOP = _OF_WHOLE_DAY.replace("{following}", "and r.rank <= %(limit)s")
_FILTERS = """
and (%(sector)s::text is null or i.sector = %(sector)s)
and (%(market)s::text is null or i.market = %(market)s)
"""

OF_INSTRUMENT = f"""
select {_COLUMNS} {_FROM}
where
    r.instrument_id = %(instrument_id)s and r.profile = %(profile)s and not r.is_intraday
    and r.as_of_date <= coalesce(%(as_of)s, 'infinity'::date)
order by r.as_of_date desc
limit 1
"""

FIRST_OF_INSTRUMENT = """
select min(as_of_date) from research.rankings
where instrument_id = %(instrument_id)s and profile = %(profile)s and not is_intraday
"""

Sort = Literal["rank", "-rank", "score", "-score", "ticker", "-ticker"]
_UNIQUE = Key("instrument_id", "r.instrument_id", "text")
# Those kept out by a risk limit have no rank and come last.
_FIGURES = [Key("rank", "r.rank", "integer", is_nullable=True), Key("score", "r.score", "double precision")]
_NAMES = [Key("ticker", "i.ticker", "text")]
# Two, since a filter that may be absent hides from PostgreSQL's one plan for all questions that nothing is filtered.
ORDERS = {
    **orders(_OF_WHOLE_DAY, _FIGURES, unique=_UNIQUE),
    **orders(_OF_DAY.replace("{filters}", ""), _NAMES, unique=_UNIQUE),
}
TOP = orders(_OF_TOP, _FIGURES[:1], unique=_UNIQUE)["rank"].first
FILTERED = orders(_OF_DAY.replace("{filters}", _FILTERS), [*_FIGURES, *_NAMES], unique=_UNIQUE)


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


class _FirstDay(msgspec.Struct, frozen=True):
    as_of_date: dt.date | None


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
    as_of: dt.date | None,
    *,
    profile: Profile,
    is_intraday: bool = False,
    sector: str | None = None,
    market: str | None = None,
    sort: Sort = "rank",
    after: Place | None = None,
    limit: int,
) -> list[Ranked]:
    """Return the rankings of the newest day that is not after `as_of`, in an order, those behind `after`."""
    parameters = {
        "as_of": as_of, "profile": profile, "is_intraday": is_intraday, "sector": sector, "market": market,
        "limit": limit,
    }  # fmt: skip
    is_whole = sector is None and market is None
    if is_whole and sort == "rank" and after is None and limit <= TOP_ROWS:
        top = await reader.rows(Ranked, TOP, parameters)
        # Fewer where fewer have a place: then those without one follow.
        if len(top) == limit:
            return top
    order = (ORDERS if is_whole else FILTERED)[sort]
    return await reader.rows(Ranked, order.query(after), parameters | order.parameters(after))


async def of_instrument(
    reader: Reader, instrument_id: str, *, profile: Profile, as_of: dt.date | None
) -> Ranked | None:
    """Return the newest ranking of one instrument that is not after `as_of`."""
    parameters = {"instrument_id": instrument_id, "profile": profile, "as_of": as_of}
    rows = await reader.rows(Ranked, OF_INSTRUMENT, parameters)
    return rows[0] if rows else None


async def first_date_of_instrument(reader: Reader, instrument_id: str, *, profile: Profile) -> dt.date | None:
    """Return the first day on which an instrument was ranked."""
    parameters = {"instrument_id": instrument_id, "profile": profile}
    return (await reader.rows(_FirstDay, FIRST_OF_INSTRUMENT, parameters))[0].as_of_date
