"""Quotes become rows with the day of their market, and live bars where they have all that a bar needs."""

import datetime as dt
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pytest

from orchestration.defs.market_data.assets import take_quotes
from orchestration.defs.rankings.intraday import live_bars
from orchestration.sources.records import Quote
from tests.orchestration.conftest import Market
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of

# Thursday 10:30 in Sydney: still Wednesday by UTC.
SYDNEY_MORNING = "2024-06-26T23:30:00Z"
# Wednesday 17:30 in New York: Wednesday by UTC too.
NEW_YORK_EVENING = "2024-06-26T21:30:00Z"


class Quoting:
    """A source that quotes what it is told to, at the instant it is asked."""

    name = "test"
    first_session, last_session = dt.date(2024, 1, 2), None

    def __init__(self, **quotes: dict[str, float]) -> None:
        self._quotes = quotes

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        return [
            Quote(source_symbol=f"{name}.X", quoted_at=now, price=11.0, currency_code="AUD", **rest)  # type: ignore[arg-type]
            for name, rest in self._quotes.items()
        ]


WHOLE = {"open": 10.0, "high": 12.0, "low": 9.0, "volume": 500}


@pytest.fixture
def warehouse(market: Market, database: Any) -> WarehouseOfTest:
    """Instruments a, b and c with a close of Wednesday, as bars that were split two for one since their first."""
    for column in ("adjustment_factor", "volume_adj", "volume_shares", "price_segment"):
        market.connection.execute(
            f"alter table marts.fct_daily_prices add column if not exists {column} double precision"
        )
    for name in "abc":
        market.close(name, "2024-06-26", 10.0)
    market.connection.execute(
        "update marts.fct_daily_prices"
        " set adjustment_factor = 2, volume_shares = 100, volume_adj = 50, price_segment = 0"
    )
    return WarehouseOfTest(address=database.url)


def taken(warehouse: WarehouseOfTest, source: Quoting, *, now: str, calendar: str) -> dict[str, Any]:
    market_data = market_data_of(source, now=now, calendar=calendar)
    return cast("dict[str, Any]", take_quotes(warehouse, market_data).metadata)


@pytest.mark.parametrize(
    ("calendar", "now", "day"),
    [("XASX", SYDNEY_MORNING, dt.date(2024, 6, 27)), ("XNYS", NEW_YORK_EVENING, dt.date(2024, 6, 26))],
)
def test_a_quote_has_the_day_of_its_market(warehouse: WarehouseOfTest, calendar: str, now: str, day: dt.date):
    assert taken(warehouse, Quoting(a=WHOLE), now=now, calendar=calendar)["inserted"] == 1
    with psycopg.connect(warehouse.url) as connection:
        assert connection.execute("select trade_date from raw.quotes").fetchall() == [(day,)]


def test_a_quote_of_a_sydney_morning_is_the_bar_of_that_day(warehouse: WarehouseOfTest):
    taken(warehouse, Quoting(a=WHOLE), now=SYDNEY_MORNING, calendar="XASX")
    bars, n_incomplete = live_bars(warehouse, dt.date(2024, 6, 27))
    # Prices times 2, volume times 50 / 100.
    assert bars[["instrument_id", "open_adj", "high_adj", "low_adj", "close_adj", "volume_adj"]].values.tolist() == [
        ["a", 20.0, 24.0, 18.0, 22.0, 250.0]
    ]
    assert n_incomplete == 0
    assert live_bars(warehouse, dt.date(2024, 6, 26))[0].empty


@pytest.mark.parametrize("missing", sorted(WHOLE))
def test_a_quote_that_lacks_a_part_of_the_bar_makes_none_and_is_counted(warehouse: WarehouseOfTest, missing: str):
    lacking = {name: value for name, value in WHOLE.items() if name != missing}
    taken(warehouse, Quoting(a=WHOLE, b=lacking), now=SYDNEY_MORNING, calendar="XASX")
    bars, n_incomplete = live_bars(warehouse, dt.date(2024, 6, 27))
    assert (bars["instrument_id"].tolist(), n_incomplete) == (["a"], 1)


def test_a_source_that_quotes_prices_alone_is_stored_and_makes_no_bars(warehouse: WarehouseOfTest):
    assert taken(warehouse, Quoting(a={}, b={}), now=SYDNEY_MORNING, calendar="XASX")["inserted"] == 2
    bars, n_incomplete = live_bars(warehouse, dt.date(2024, 6, 27))
    assert (len(bars), n_incomplete) == (0, 2)


def test_a_source_without_quotes_stores_none(warehouse: WarehouseOfTest):
    source = SimpleNamespace(name="test", first_session=dt.date(2024, 1, 2), last_session=None)
    assert taken(warehouse, cast("Quoting", source), now=SYDNEY_MORNING, calendar="XASX") == {"received": 0}


def test_a_vendor_is_not_asked_again_within_a_quotes_time_to_live(warehouse):
    asked = []

    class Counting(Quoting):
        def quotes(self, symbols, now):
            asked.append(now.second)
            return super().quotes(symbols, now)

    source = Counting(a=WHOLE)
    for second in (0, 19, 20, 39, 41):
        taken(warehouse, source, now=f"2024-06-26T21:30:{second:02d}+00:00", calendar="XNYS")
    assert asked == [0, 20, 41]


def test_where_a_vendor_fails_the_next_one_may_ask_at_once(warehouse):
    class Failing(Quoting):
        def quotes(self, symbols, now):
            raise ConnectionError("down")

    now = "2024-06-26T21:30:00+00:00"
    with pytest.raises(adbc.OperationalError, match="down"):
        taken(warehouse, Failing(a=WHOLE), now=now, calendar="XNYS")
    assert taken(warehouse, Quoting(a=WHOLE), now=now, calendar="XNYS")["received"] == 1
