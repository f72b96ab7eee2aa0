"""Standing test: a verdict on one bar changes only the rows whose look-back contains it, from prices to trades."""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.pipeline.conftest import LAST_DAY, Installation
from tests.pipeline.digests import DAYED, different, digests, past_digests, rows_by_key

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

# The longest look-back is that of returns over 252 bars, each of which looks one bar further.
LOOK_BACK_BARS = 253
OF_ONE_INSTRUMENT = (
    "marts.fct_daily_prices", "research.rolling_measures",
    *(f"factors.fct_{name}" for name in ("universe_members", "momentum", "volatility", "market_risk", "price_extremes",
                                         "liquidity", "size", "value", "factor_values")),
)  # fmt: skip
NEVER = ("marts.dim_benchmark_prices",)
# Made from statements: a row less on the day of the bar, whose price nobody trusts.
FROM_STATEMENTS = ("factors.fct_quality", "factors.fct_growth")
# Ranks among the universe: the instrument's value moves everybody's place, on the days on which it has another value.
OF_A_DAY = ("factors.fct_factor_exposures", "factors.fct_sector_exposures")
# Averages that never forget, and what has learnt from the bar, is ranked by it or holds it.
FROM_THEN_ON = (
    *(f"research.{name}" for name in ("indicators", "forecasts", "rankings", "model_versions", "index_allocations",
                                      "index_values", "index_turnover")),
)  # fmt: skip


class Judged(NamedTuple):
    """An installation with one verdict more than another one; the last day that may look back at its bar."""

    installation: Installation
    instrument_id: str
    bar: dt.date
    last: dt.date


@pytest.fixture(scope="module", params=["2022-03-15", "2024-03-12"])
def judged(request, refreshed: Installation, new_installation: Callable[..., Installation]) -> Judged:
    """The early bar falls out of every look-back in time, the late one lies in the quarter of the first forecasts."""
    bar = dt.date.fromisoformat(request.param)
    installation = new_installation(f"judged_{bar}", copy_of=refreshed)
    (symbol, instrument_id) = installation.read(
        "select b.source_symbol, a.instrument_id from raw.daily_bars as b"
        " inner join raw.instrument_aliases as a using (source, source_symbol)"
        f" where b.trade_date = '{bar}' and not exists (select from raw.bar_verdicts as v"
        " where v.source_symbol = b.source_symbol) order by 1 limit 1"
    )[0]
    with installation.connect() as connection:
        connection.execute(
            "insert into raw.bar_verdicts (source, source_symbol, trade_date, rule, verdict, known_from_date, detail)"
            " values ('simulated', %s, %s, 'by_hand', 'suspect', %s, 'made up')",
            [symbol, bar, bar],
        )
    installation.refresh()
    later = installation.read(
        f"select trade_date from marts.fct_daily_prices where instrument_id = '{instrument_id}'"
        f" and trade_date > '{bar}' and not is_suspect order by 1 limit {LOOK_BACK_BARS}"
    )
    return Judged(installation, instrument_id, bar, later[-1][0])


def changed(table: str, judged: Judged, refreshed: Installation) -> list[tuple[str | None, dt.date]]:
    """Instrument and day of every row that is not the same in both."""
    before, after = rows_by_key(refreshed, table), rows_by_key(judged.installation, table)
    return sorted({(instrument, day) for instrument, day, _ in before ^ after}, key=str)


def test_every_table_is_looked_at():
    assert {*OF_ONE_INSTRUMENT, *NEVER, *FROM_STATEMENTS, *OF_A_DAY, *FROM_THEN_ON} == set(DAYED)


def test_a_verdict_changes_the_instruments_own_rows_while_they_look_back_at_the_bar(judged, refreshed):
    for table in OF_ONE_INSTRUMENT:
        rows = changed(table, judged, refreshed)
        assert {instrument for instrument, _ in rows} <= {judged.instrument_id}, table
        assert all(judged.bar <= day <= judged.last for _, day in rows), table
    assert changed("marts.fct_daily_prices", judged, refreshed)
    assert changed("factors.fct_volatility", judged, refreshed)


def test_a_verdict_changes_other_rows_only_on_the_days_that_look_back_at_the_bar(judged, refreshed):
    for table in OF_A_DAY:
        rows = changed(table, judged, refreshed)
        assert rows, table
        assert all(judged.bar <= day <= judged.last for _, day in rows), table
    indicators = changed("research.indicators", judged, refreshed)
    assert {instrument for instrument, _ in indicators} == {judged.instrument_id}
    for table in FROM_STATEMENTS:
        assert changed(table, judged, refreshed) == [(judged.instrument_id, judged.bar)], table
    for table in NEVER:
        assert changed(table, judged, refreshed) == [], table


def test_a_verdict_changes_no_forecast_ranking_or_trade_before_its_bar(judged, refreshed):
    for table in FROM_THEN_ON:
        assert all(day >= judged.bar for _, day in changed(table, judged, refreshed)), table
    day_before = str(judged.bar - dt.timedelta(days=1))
    assert different(past_digests(judged.installation, day_before), past_digests(refreshed, day_before)) == {}


@pytest.mark.parametrize("judged", ["2024-03-12"], indirect=True)
def test_a_verdict_that_no_rule_finds_any_more_leaves_no_trace_beyond_its_own_row(
    judged, refreshed, new_installation: Callable[..., Installation]
):
    withdrawn = new_installation("withdrawn", copy_of=judged.installation)
    with withdrawn.connect() as connection:
        # As after a correction: the rule had found the bar, and does not any more.
        connection.execute("update raw.bar_verdicts set rule = 'wrong_day' where rule = 'by_hand'")
    withdrawn.refresh()
    verdict = f"where trade_date = '{judged.bar}' and detail like 'Withdrawn: %'"
    assert withdrawn.read(f"select rule, verdict from raw.bar_verdicts {verdict}") == [("wrong_day", "cleared")]
    found, expected = (_without_backtests(past_digests(one, LAST_DAY)) for one in (withdrawn, refreshed))
    assert different(found, expected) == {}
    # The backtests are those of before the verdict: their ids hash all that they see, and no third ones have come.
    ids = "select backtest_id from research.backtests order by 1"
    assert withdrawn.read(ids) == judged.installation.read(ids)
    assert set(refreshed.read(ids)) < set(withdrawn.read(ids))
    written = digests(withdrawn)
    withdrawn.refresh()
    assert different(digests(withdrawn), written) == {}


def _without_backtests(found: dict[str, str]) -> dict[str, str]:
    """Leave out what is told of the newest backtests: one that is made again keeps the instant of its first time."""
    return {table: rows for table, rows in found.items() if not table.startswith("research.backtest")}
