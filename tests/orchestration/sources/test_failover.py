import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from orchestration.sources.errors import Kind, VendorError, VendorOverBudget, VendorRefused, VendorUnavailable
from orchestration.sources.failover import FailoverSource, parse_fallbacks
from orchestration.sources.protocols import capabilities
from orchestration.sources.records import Batch, DailyBar, Instrument, Quote, Split, Turn
from orchestration.sources.wire import Gathering

DAY = dt.date(2024, 6, 3)


class Plain:
    """A source whose bars and splits of some symbols a test writes down, and what it fails with."""

    is_simulated = False
    first_session = DAY
    last_session = None
    benchmark_symbol = "SPY"

    def __init__(self, name: str, symbols: str, *, fails: VendorError | None = None, left_out: str = "") -> None:
        self.name = name
        self.label = f"Data of {name}."
        self.fails = fails
        self._symbols = symbols
        self._left_out = left_out

    def instruments(self) -> Iterator[Batch]:
        if self.fails:
            raise self.fails
        gathering = Gathering(Instrument, "instruments")
        for name in self._symbols:
            gathering.add(Instrument(source_symbol=name, ticker=name), lambda made: made, about=name)
        yield gathering.batch()

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        if self.fails:
            raise self.fails
        return [Quote(source_symbol=name, quoted_at=now, price=1.0, currency_code="USD") for name in self._symbols]

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        yield replace(self._bars(self._symbols), reached=(Turn("A", DAY, DAY),))
        if self.fails:
            raise self.fails  # in the middle: what came before must not be kept

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        yield self._bars("".join(name for name in symbols if name in self._symbols))

    def _bars(self, symbols: str) -> Batch:
        gathering = Gathering(DailyBar, "daily_bars")
        for name in self._left_out:
            gathering.leave_out(name, VendorRefused(self.name, "a request", kind=Kind.NOT_FOUND, got="nothing"))
        for name in symbols:
            bar = DailyBar(source_symbol=name, trade_date=DAY, open=None, high=None, low=None, close=1.0, volume=1,
                           currency_code="USD", adjustment="none")  # fmt: skip
            gathering.add(bar, lambda made: made, about=name)
        return gathering.batch()


class WithSplits(Plain):
    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        gathering = Gathering(Split, "splits")
        gathering.add(Split(source_symbol="A", ex_date=DAY, shares_new=4.0, shares_old=1.0), lambda s: s, about="A")
        yield gathering.batch()


def answered(source: FailoverSource, entity: str = "daily_bars") -> list[tuple[str | None, str]]:
    return [
        (batch.source, row["source_symbol"])
        for batch in getattr(source, entity)(DAY, DAY)
        for row in batch.rows.to_pylist()
    ]


def down(name: str) -> VendorUnavailable:
    return VendorUnavailable(name, "GET /bars", got="503")


def over(name: str) -> VendorOverBudget:
    return VendorOverBudget(name, "GET /bars", kind=Kind.QUOTA_DAY, retry_at=None, got="no credits")


def refusing(name: str) -> VendorRefused:
    return VendorRefused(name, "GET /bars", kind=Kind.ENTITLEMENT, got="not in the plan")


def test_the_first_source_answers_while_it_can():
    source = FailoverSource(Plain("one", "AB"), {"daily_bars": [Plain("two", "AB")]})
    assert answered(source) == [("one", "A"), ("one", "B")]


@pytest.mark.parametrize("failure", [down, over, refusing])
def test_the_next_one_answers_where_the_first_fails_and_nothing_of_the_first_is_kept(failure):
    first = Plain("one", "A", fails=failure("one"))
    source = FailoverSource(first, {"daily_bars": [Plain("two", "AB")]})
    assert answered(source) == [("two", "A"), ("two", "B")]


def test_the_first_source_is_used_again_when_it_is_back():
    first = Plain("one", "A", fails=down("one"))
    source = FailoverSource(first, {"daily_bars": [Plain("two", "A")]})
    assert answered(source) == [("two", "A")]
    first.fails = None
    assert answered(source) == [("one", "A")]


def test_quotes_and_instruments_come_from_the_next_one_as_well_and_say_so():
    first, behind = Plain("one", "A", fails=down("one")), Plain("two", "AB")
    source = FailoverSource(first, {"quotes": [behind], "instruments": [behind]})
    now = dt.datetime(2024, 6, 3, 15, tzinfo=dt.UTC)
    for asked in (source.instruments, lambda: source.quote_batches(None, now)):
        assert [(b.source, row["source_symbol"]) for b in asked() for row in b.rows.to_pylist()] == [
            ("two", "A"), ("two", "B"),
        ]  # fmt: skip
    first.fails = None
    assert [batch.source for batch in source.quote_batches(None, now)] == ["one"]
    assert [quote.source_symbol for quote in source.quotes(None, now)] == ["A"]


def test_how_far_another_has_come_in_the_first_ones_place_does_not_count():
    first = Plain("one", "A", fails=down("one"))
    source = FailoverSource(first, {"daily_bars": [Plain("two", "A")]})
    assert [batch.reached for batch in source.daily_bars(DAY, DAY)] == [()]
    first.fails = None
    assert [batch.reached for batch in source.daily_bars(DAY, DAY)] == [(Turn("A", DAY, DAY),)]


def test_symbols_that_the_first_left_out_are_asked_of_the_next_ones():
    behind = [Plain("two", "C"), Plain("three", "BC")]
    source = FailoverSource(Plain("one", "A", left_out="BC"), {"daily_bars": behind})
    assert answered(source) == [("one", "A"), ("two", "C"), ("three", "B")]


def test_where_nobody_answers_the_first_reason_is_told_with_the_others():
    source = FailoverSource(
        Plain("one", "A", fails=down("one")), {"daily_bars": [Plain("two", "A", fails=over("two"))]}
    )
    with pytest.raises(VendorUnavailable, match="one: GET /bars must be answered; got 503") as caught:
        answered(source)
    assert "two: GET /bars must fit the budget" in caught.value.__notes__[0]


def test_an_entity_that_only_another_has_comes_from_there():
    source = FailoverSource(Plain("one", "A"), {"splits": [WithSplits("two", "A")]})
    assert answered(source, "splits") == [("two", "A")]
    assert capabilities(source) >= {"instruments", "daily_bars", "splits"}
    assert "fundamentals" not in capabilities(source)


def test_it_has_the_first_ones_face():
    source = FailoverSource(
        Plain("one", "A"), {"daily_bars": [Plain("two", "A")], "splits": [WithSplits("three", "A")]}
    )
    assert (source.name, source.label, source.first_session, source.last_session) == ("one", "Data of one.", DAY, None)
    assert source.fallback_names == ("two", "three")


def test_the_order_may_differ_by_entity():
    order = parse_fallbacks(["splits:yahoo", "eodhd", "daily_bars:twelve_data"])
    assert order["splits"] == ("yahoo", "eodhd")
    assert order["daily_bars"] == ("eodhd", "twelve_data")
    assert order["fundamentals"] == ("eodhd",)


def test_a_symbol_that_begins_with_a_digit_is_no_day():
    source = FailoverSource(Plain("one", "A", left_out="4"), {"daily_bars": [Plain("two", "4")]})
    assert answered(source) == [("one", "A"), ("two", "4")]
