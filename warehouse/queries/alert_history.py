"""What it takes to try a rule on history: its instruments, the sessions, and all values of its series."""

import datetime as dt
from typing import Any, NamedTuple
from uuid import UUID

from warehouse.queries.alert_metrics import (
    COLUMNS,
    PLATFORM,
    Metric,
    catalogue_of,
)
from warehouse.queries.alert_series import history_sql, parameters_of, sessions_back
from warehouse.queries.dialogue import Dialogue
from warehouse.records.alert_series import Series, criteria_of
from warehouse.records.alerts import Instruments, Portfolio, Rule, Scope, Sector, Top, Universe
from warehouse.records.errors import RuleRefused

MOST_INSTRUMENTS = 500

# One descent of the index for each session, whatever the number of instruments.
SESSIONS = """
with recursive days as (
    (
        select trade_date from marts.fct_daily_prices
        where trade_date between %(first)s and %(last)s order by trade_date limit 1
    )
    union all
    select (
        select p.trade_date from marts.fct_daily_prices as p
        where p.trade_date > days.trade_date and p.trade_date <= %(last)s order by p.trade_date limit 1
    )
    from days
    where days.trade_date is not null
)

select trade_date from days where trade_date is not null order by trade_date
"""

SPLITS = """
select instrument_id, trade_date, split_factor, is_suspect::int
from marts.fct_daily_prices
where instrument_id = any(%(instruments)s) and trade_date between %(first)s and %(last)s
"""

TICKERS = "select instrument_id, ticker from marts.dim_instruments where instrument_id = any(%(instruments)s)"

MEMBERS_OF = {
    Portfolio: "select instrument_id from app.holdings where portfolio_id = %(id)s and user_id = %(user_id)s",
    Sector: "select instrument_id from marts.dim_instruments where sector = %(sector)s and is_active",
    Universe: """
        select instrument_id from factors.fct_universe_members
        where as_of_date = (select max(as_of_date) from factors.fct_universe_members)
    """,
    Top: """
        select instrument_id from research.rankings
        where
            profile = %(profile)s and not is_intraday and rank <= %(n)s
            and as_of_date = (
                select max(as_of_date) from research.rankings where profile = %(profile)s and not is_intraday
            )
    """,
}


class SeriesHistory(NamedTuple):
    """All values of a series: rows of instrument, session, value and adjustment factor."""

    series: Series
    metric: Metric
    rows: list[tuple[Any, ...]]


class History(NamedTuple):
    """What a rule would have seen: `sessions` reach back before `first` as far as its conditions look.

    `series` are those of the conditions, `levels` those of their levels, None for a level that is a number. `splits`
    are rows of instrument, session, split factor and whether the bar is suspect (1 or 0), none for a rule that looks at
    no price.
    """

    first: dt.date
    sessions: list[dt.date]
    instruments: list[str]
    tickers: dict[str, str]
    series: list[SeriesHistory]
    levels: list[SeriesHistory | None]
    splits: list[tuple[Any, ...]]


def history(rule: Rule, *, user_id: UUID | str, first: dt.date, last: dt.date) -> Dialogue[History]:
    """Return what a rule, as it would be stored, would have seen between two days, for the instruments of today.

    Raises
    ------
    RuleRefused
        If it is about too many instruments, or about something of which only the present is known.
    """
    catalogue = catalogue_of((yield COLUMNS, {}))
    criteria = criteria_of(rule)
    both = [series for one in criteria for series in (one.series, one.level_series) if series is not None]
    metrics = {series: catalogue.named(series.metric) for series in both}
    if any(metric.name == "data_age" for metric in metrics.values()):
        raise RuleRefused("`metric` must have a history to be tried on; got data_age, of which only now is known")
    instruments = yield from _members(rule.scope, user_id)
    back = max(map(sessions_back, both))
    # Of a year 250 days or so are sessions.
    loaded = first - dt.timedelta(days=round(1.5 * back) + 20)
    span = {"first": loaded, "last": last}
    sessions = [day for (day,) in (yield SESSIONS, span)]
    found: dict[Series, SeriesHistory] = {}
    for series, metric in metrics.items():
        parameters = {**parameters_of(series, metric), **span, "instruments": instruments, "sessions": sessions}
        found[series] = SeriesHistory(series, metric, (yield history_sql(metric, series), parameters))
    asked = {"instruments": instruments, **span}
    splits = (yield SPLITS, asked) if any(metric.is_price for metric in metrics.values()) else []
    tickers: dict[str, str] = dict((yield TICKERS, asked))
    values = [found[one.series] for one in criteria]
    levels = [None if one.level_series is None else found[one.level_series] for one in criteria]
    return History(first, sessions, instruments, tickers, values, levels, splits)


def _members(scope: Scope | None, user_id: UUID | str) -> Dialogue[list[str]]:
    match scope:
        case None:
            return [PLATFORM]
        case Instruments(instruments=names):
            members = list(names)
        case _:
            parameters = {
                "user_id": user_id,
                "id": getattr(scope, "portfolio_id", None),
                "sector": getattr(scope, "sector", None),
                "profile": getattr(scope, "profile", None),
                "n": getattr(scope, "n", None),
            }
            rows = yield MEMBERS_OF[type(scope)], parameters
            members = sorted(name for (name,) in rows)
    if len(members) > MOST_INSTRUMENTS:
        raise RuleRefused(
            f"`scope` must come to at most {MOST_INSTRUMENTS} instruments to be tried on history; got {len(members)}"
        )
    return members
