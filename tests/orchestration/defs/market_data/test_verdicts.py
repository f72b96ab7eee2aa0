"""Verdicts on bars of several sources, and what becomes of them when a bar is corrected, in a real database."""

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import numpy as np
import psycopg
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.defs.market_data.assets import bar_verdicts
from orchestration.defs.market_data.checks import (
    every_bar_belongs_to_an_instrument,
    few_bars_are_suspect,
    the_newest_session_is_complete,
    the_newest_session_of_the_index_is_there,
)
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of

FIRST, LAST = dt.date(2024, 1, 2), dt.date(2024, 4, 26)
DAYS = HomeCalendar("XNYS").sessions(FIRST, LAST)
TWIN, WRONG = 40, 50


class Bars:
    """Eighty bars of one instrument that rises by 1 % a day; some of them are another source's."""

    def __init__(self, database: Any) -> None:
        source = SimpleNamespace(
            name="one", fallback_names=("two",), first_session=FIRST, last_session=None, benchmark_symbol="IND"
        )
        market_data = market_data_of(source, now="2024-04-26T23:30:00Z")
        self.given = {"warehouse": WarehouseOfTest(address=database.url), "market_data": market_data}
        self._url = database.url
        close = 100 * 1.01 ** np.arange(len(DAYS))
        self.bars = [
            (float(c / 1.01 * 1.002), float(c * (1.003 + 1e-5 * n)), float(c / 1.01 * 0.998), float(c), 10_000 + n)
            for n, c in enumerate(close)
        ]
        self.run(
            "insert into raw.instruments (source, source_symbol, instrument_id, ticker, exchange_code, market,"
            " currency_code, is_active) values ('one', 'A', 'i1', 'AAA', 'XNYS', 'stocks', 'USD', true)"
        )

    def run(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def alias(self, source: str, *, since: dt.date = dt.date(1900, 1, 1)) -> None:
        self.run(
            "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
            " values (%s, 'A', %s, 'i1', 'AAA')",
            [source, since],
        )

    def store(self, source: str, *numbers: int, bar_of: int | None = None) -> None:
        """Write bars; `bar_of` writes that day's figures instead of their own."""
        for number in numbers:
            self.run(
                "insert into raw.daily_bars (source, source_symbol, trade_date, open, high, low, close, volume,"
                " currency_code, adjustment) values (%s, 'A', %s, %s, %s, %s, %s, %s, 'USD', 'none')"
                " on conflict (source, source_symbol, trade_date) do update set (open, high, low, close, volume)"
                " = (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)",
                [source, DAYS[number], *self.bars[number if bar_of is None else bar_of]],
            )

    def judge(self) -> dict[str, Any]:
        """Judge; return the run's metadata."""
        return cast("dg.MaterializeResult[None]", bar_verdicts(**self.given)).metadata  # type: ignore[return-value]

    def verdicts(self) -> list[tuple[Any, ...]]:
        return self.run("select source, trade_date, rule, verdict from raw.bar_verdicts order by trade_date")


@pytest.fixture
def bars(database: Any) -> Bars:
    """The first source was down on the day WRONG, and the second handed out the day TWIN again."""
    bars = Bars(database)
    bars.alias("one")
    bars.store("one", *(n for n in range(len(DAYS)) if n != WRONG))
    bars.store("two", WRONG, bar_of=TWIN)
    return bars


FOUND = [("one", DAYS[TWIN], "wrong_day", "cleared"), ("two", DAYS[WRONG], "wrong_day", "suspect")]


def test_a_bar_from_the_source_behind_is_judged_beside_those_of_the_first(bars: Bars):
    assert bars.judge()["suspect_bars"] == 1
    assert bars.verdicts() == FOUND
    assert bars.judge()["inserted"] == bars.judge()["updated"] == 0


def test_a_bar_that_the_first_source_brings_later_takes_the_place_of_the_other(bars: Bars):
    bars.judge()
    bars.store("one", WRONG)
    bars.judge()
    # The other source's bar does not count any more: what was found of it stands, and its twin is without suspicion.
    assert bars.verdicts() == FOUND
    details = bars.run("select detail from raw.bar_verdicts where source = 'one'")
    assert details[0][0].startswith("Withdrawn")


def test_a_corrected_bar_is_cleared_and_reported_as_a_change_of_its_day(bars: Bars):
    bars.judge()
    bars.store("two", WRONG)
    corrected = bars.judge()
    assert bars.verdicts() == [(source, day, rule, "cleared") for source, day, rule, _ in FOUND]
    assert (corrected["updated"], corrected["withdrawn_verdicts"]) == (2, 2)
    assert corrected["first_changed_date"].value == DAYS[TWIN].isoformat()
    again = bars.judge()
    assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, 2)


def test_a_verdict_given_by_hand_stands(bars: Bars):
    bars.run(
        "insert into raw.bar_verdicts (source, source_symbol, trade_date, rule, verdict, known_from_date, detail)"
        " values ('one', 'A', %s, 'by_hand', 'suspect', %s, 'a typing error')",
        [DAYS[10], DAYS[10]],
    )
    bars.judge()
    assert bars.verdicts()[0] == ("one", DAYS[10], "by_hand", "suspect")


def test_bars_before_the_first_alias_of_their_symbol_have_no_instrument(bars: Bars):
    bars.store("two", 0, 1, 2)
    bars.alias("two", since=DAYS[2])
    unknown = cast("dg.AssetCheckResult", every_bar_belongs_to_an_instrument(**bars.given))
    *_, row = str(unknown.metadata["sample"].value).strip().splitlines()
    assert row.startswith(f"| A | 2 | {DAYS[0]}")


def test_the_checks_look_at_the_bars_of_both_sources(bars: Bars):
    bars.judge()
    last = len(DAYS) - 1
    bars.run("delete from raw.daily_bars where trade_date = %s", [DAYS[last]])
    missing = cast("dg.AssetCheckResult", the_newest_session_is_complete(**bars.given))
    assert (missing.passed, missing.metadata["coverage"].value) == (False, 0.0)
    bars.store("two", last)
    complete = cast("dg.AssetCheckResult", the_newest_session_is_complete(**bars.given))
    assert (complete.passed, complete.metadata["coverage"].value) == (True, 1.0)
    unknown = cast("dg.AssetCheckResult", every_bar_belongs_to_an_instrument(**bars.given))
    assert (unknown.passed, unknown.metadata["symbols"].value) == (False, 1)
    bars.alias("two")
    assert cast("dg.AssetCheckResult", every_bar_belongs_to_an_instrument(**bars.given)).passed
    few = cast("dg.AssetCheckResult", few_bars_are_suspect(**bars.given))
    assert few.metadata["suspect_bars"].value == 1


@pytest.mark.parametrize(("newest", "is_there"), [(LAST, True), (DAYS[-2], False), (None, False)])
def test_the_newest_session_of_the_index_is_there_or_told_to_be_missing(bars: Bars, newest: dt.date, is_there: bool):
    if newest is not None:
        bars.run(
            "insert into raw.benchmark_bars (source, source_symbol, trade_date, close, currency_code)"
            " values ('two', 'IND', %s, 1, 'USD')",
            [newest],
        )
    result = cast("dg.AssetCheckResult", the_newest_session_of_the_index_is_there(**bars.given))
    assert (result.passed, result.severity) == (is_there, dg.AssetCheckSeverity.WARN)
    assert result.metadata["newest"].value == str(newest)
