"""A rule, a session, a look: what tests of evaluation are written in."""

import datetime as dt
from typing import Any
from uuid import UUID

from orchestration.alerting import Evaluated, evaluate
from orchestration.calendars import HomeCalendar
from warehouse.queries.alerts import create_alert
from warehouse.records.alerts import decode_rule
from warehouse.secrets import LOCAL_OWNER_ID

CALENDAR = HomeCalendar("XNYS")
NOW = dt.datetime(2024, 6, 28, 21, tzinfo=dt.UTC)
# Sessions, Thursday to Friday of the next week but one.
DAYS = CALENDAR.sessions(dt.date(2024, 6, 13), dt.date(2024, 6, 28))
AT_100: dict[str, Any] = {"operator": "at_or_above", "metric": "price", "level": 100}
ON_A = {"kind": "instruments", "instruments": ["a"]}


def add(
    market: Any, when: dict[str, Any], scope: dict[str, Any] | None = ON_A, name: str = "rule", **options: Any
) -> UUID:
    options = {"cooldown_hours": 0, **options}
    body = {"version": 2, "when": when, **({"scope": scope} if scope else {}), **options}
    return create_alert(market.connection, decode_rule(body), user_id=LOCAL_OWNER_ID, name=name, now=NOW)


def look(market: Any, day: int | dt.date, now: dt.datetime = NOW) -> Evaluated:
    last = DAYS[day] if isinstance(day, int) else day
    return evaluate(market.connection, now=now, calendar=CALENDAR, last_session=last)


def close(market: Any, day: int, price: float, instrument: str = "a", **rest: Any) -> None:
    market.close(instrument, DAYS[day].isoformat(), price, **rest)


def said(market: Any) -> list[str]:
    return [
        message
        for (message,) in market.connection.execute(
            "select message from app.alert_events order by observed_at, episode, type, message"
        )
    ]


def states(market: Any) -> list[Any]:
    return market.connection.execute("select instrument_id, state, episode from app.alert_states order by 1").fetchall()


def indicators(market: Any, day: int, rsi: float, instrument: str = "a") -> None:
    market.connection.execute(
        "insert into research.indicators (instrument_id, as_of_date, rsi_14d) values (%s, %s, %s)"
        " on conflict (instrument_id, as_of_date) do update set rsi_14d = excluded.rsi_14d",
        [instrument, DAYS[day], rsi],
    )


def average(market: Any, day: int, value: float, instrument: str = "a") -> None:
    """Write an average in the terms of the adjusted close, which is three times the price as traded."""
    market.connection.execute(
        "insert into research.indicators (instrument_id, as_of_date, sma_20d) values (%s, %s, %s)",
        [instrument, DAYS[day], 3 * value],
    )


def version(market: Any, dataset: str, name: str) -> None:
    market.connection.execute(
        "insert into app.dataset_versions (dataset, version) values (%s, %s)"
        " on conflict (dataset) do update set version = excluded.version",
        [dataset, name],
    )
