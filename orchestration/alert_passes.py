"""Which sessions rules are held against in an evaluation, and which series can be looked at on each of them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

from orchestration.calendars import HomeCalendar
from warehouse.queries import alert_evaluation as queries
from warehouse.queries.alert_evaluation import Progress
from warehouse.queries.alert_metrics import Metric, read_catalogue
from warehouse.queries.alert_observations import SeriesOfPass
from warehouse.queries.alert_series import sessions_back
from warehouse.records.alert_series import Series, series_of
from warehouse.records.errors import RuleRefused

# After an interruption so many sessions are made up for; what happened before is history.
SESSIONS_MADE_UP_FOR = 22
# A table of instruments that has nothing for so many sessions is stale; others, of skill for example, lag by design.
SESSIONS_STALE = 3
SESSIONS_STALE_PLATFORM = 66

# A series of a pass, its metric (None if there is nothing to read), and the days that its query takes.
Observable = tuple[SeriesOfPass, Series, Metric | None, Mapping[str, Any]]


class Pass(NamedTuple):
    """One session, and the series to look at on it."""

    day: dt.date
    close_at: dt.datetime
    is_newest: bool
    series: list[Observable]


class Look(NamedTuple):
    """The passes of an evaluation, oldest first; how far they come; and whether anything older may have changed."""

    passes: list[Pass]
    progress: list[Progress]
    may_be_corrected: bool
    known: list["Known"]


class Known(NamedTuple):
    """A series in use: its metric (None if no table has it any more), its slice, and the newest session it has."""

    series: Series
    metric: Metric | None
    slice: str
    newest: dt.date | None
    reached: dt.date | None
    days: Sequence[dt.date]


def looks_of(connection: psycopg.Connection, calendar: HomeCalendar, last_session: dt.date) -> Look:
    """Decide which sessions to look at: those since the last look, else the newest one of each table again."""
    catalogue = read_catalogue(connection)
    progress, versions = queries.read_progress(connection), queries.read_versions(connection)
    newest_of: dict[str, dt.date | None] = {}
    known: list[Known] = []
    for key in queries.read_series(connection):
        series = series_of(key)
        try:
            metric = catalogue.named(series.metric)
        except RuleRefused:
            known.append(Known(series, None, "", None, None, ()))
            continue
        name = _slice(metric, series)
        if name not in newest_of:
            newest = queries.read_newest_day(connection, metric, series, last=last_session)
            newest_of[name] = _fresh(newest, metric, calendar, last_session)
        reached = progress[name].reached_date if name in progress else None
        days = _days(newest_of[name], reached, calendar) if metric.relation.has_instrument else ()
        known.append(Known(series, metric, name, newest_of[name], reached, days))
    of_platform = {one.newest for one in known if one.newest and one.metric and not one.metric.relation.has_instrument}
    days = sorted({day for one in known for day in one.days} | ({max(of_platform)} if of_platform else set()))
    days = days or [last_session]
    passes = [_pass(connection, calendar, known, day, is_last=day == days[-1]) for day in days]
    comes_to = {
        one.slice: Progress(one.slice, one.newest, _version(one.metric, versions))
        for one in known
        if one.metric is not None and one.newest is not None
    }
    changed = any(name not in progress or progress[name].version != one.version for name, one in comes_to.items())
    return Look(passes, list(comes_to.values()), changed, known)


def corrections_of(connection: psycopg.Connection, look: Look, calendar: HomeCalendar, day: dt.date) -> Pass:
    """Return a pass over everything that was known of an older session."""
    known = [
        one._replace(days=(day,)) if one.metric and one.metric.relation.has_instrument else one for one in look.known
    ]
    return _pass(connection, calendar, known, day, is_last=False)


def _pass(
    connection: psycopg.Connection, calendar: HomeCalendar, known: Sequence[Known], day: dt.date, *, is_last: bool
) -> Pass:
    series = [found for one in known if (found := _observable(connection, calendar, one, day)) is not None]
    return Pass(day, calendar.close_at(day), is_last, series)


def _observable(connection: psycopg.Connection, calendar: HomeCalendar, one: Known, day: dt.date) -> Observable | None:
    """Return a series as of a session; None if its table does not have the session (yet).

    One without any data, or with stale data, can be looked at on every session, and has nothing to show.
    """
    if one.metric is None or one.newest is None:
        return _row(one, is_new=False, is_newest=True), one.series, None, {}
    if one.metric.relation.has_instrument:
        if day not in one.days:
            return None
        at = day
    elif one.newest <= day:
        at = one.newest
    else:
        earlier = queries.read_newest_day(connection, one.metric, one.series, last=day)
        if earlier is None:
            return None
        at = earlier
    row = _row(one, is_new=one.reached is None or at > one.reached, is_newest=at == one.newest)
    return row, one.series, one.metric, days_of(calendar, one.series, at)


def days_of(calendar: HomeCalendar, series: Series, day: dt.date) -> dict[str, Any]:
    """Return the days that the query of a series takes for a session."""
    back = sessions_back(series)
    first, last = calendar.session_at(day, -back), calendar.previous_session(day)
    return {
        "day": day,
        "first": first,
        "last": last,
        "first_live": calendar.next_session(first),
        "close_at": calendar.close_at(day),
        "sessions": calendar.sessions(calendar.session_at(day, -max(back, SESSIONS_STALE_PLATFORM)), day),
    }


def _row(one: Known, *, is_new: bool, is_newest: bool) -> SeriesOfPass:
    series, metric = one.series, one.metric
    is_pure = series.derivation == "member" or (series.derivation.startswith("change") and series.is_relative)
    return SeriesOfPass(
        series=series.key,
        is_new=is_new,
        is_newest=is_newest,
        has_instrument=metric is not None and metric.relation.has_instrument,
        is_price=metric is not None and metric.is_price and one.newest is not None,
        is_per_share=metric is not None and metric.is_per_share and metric.is_price and not is_pure,
    )


def _slice(metric: Metric, series: Series) -> str:
    where = metric.relation.sql if metric.relation.newest == metric.relation.sql else metric.name
    return "&".join([where.replace('"', ""), *(f"{name}={value}" for name, value in series.of)])


def _version(metric: Metric | None, versions: Mapping[str, str]) -> str | None:
    return None if metric is None else versions.get(metric.relation.sql.replace('"', ""))


def _fresh(newest: dt.date | None, metric: Metric, calendar: HomeCalendar, last_session: dt.date) -> dt.date | None:
    """Return the newest day if it is a session that is not too long ago."""
    if newest is None:
        return None
    lag = SESSIONS_STALE if metric.relation.has_instrument else SESSIONS_STALE_PLATFORM
    session = newest if calendar.is_session(newest) else calendar.previous_session(newest)
    return session if session >= calendar.session_at(last_session, -lag) else None


def _days(newest: dt.date | None, reached: dt.date | None, calendar: HomeCalendar) -> list[dt.date]:
    """Return the sessions to look at; none if the table has lost those that have been looked at already."""
    if newest is None or (reached is not None and reached > newest):
        return []
    if reached is None or reached == newest:
        return [newest]
    return calendar.sessions(calendar.next_session(reached), newest)[-SESSIONS_MADE_UP_FOR:]
