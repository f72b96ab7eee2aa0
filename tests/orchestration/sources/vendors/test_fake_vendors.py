"""One made-up market told in five formats over real connections: whoever is asked, the same figures come out."""

import datetime as dt
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from factorloom.fake_vendors.commands import FAKES, PLANS
from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.server import FakeVendor, Faults
from orchestration.calendars import HomeCalendar
from orchestration.sources.eodhd.source import EodhdSource
from orchestration.sources.errors import VendorError
from orchestration.sources.ledger import MemoryLedger
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.nordnet import NordnetSource
from orchestration.sources.transport import Limits, Time
from orchestration.sources.twelve_data.source import TwelveDataSource
from orchestration.sources.vendor import Surroundings, VendorOptions
from orchestration.sources.yahoo.source import YahooSource
from transforms.bar_verdicts import bar_verdicts

SOURCES = {
    "eodhd": EodhdSource, "massive": MassiveSource, "nordnet": NordnetSource, "twelve_data": TwelveDataSource,
    "yahoo": YahooSource,
}  # fmt: skip
HISTORIES = [name for name in SOURCES if name != "nordnet"]
# F001 pays and splits on the first of June: before it, whoever adjusts must be undone.
FIRST, LAST = dt.date(2023, 5, 25), dt.date(2023, 6, 7)
NOW = dt.datetime(2023, 6, 20, 22, 0, tzinfo=dt.UTC)
NAMES = ("F000", "F001", "F002")


class PassingTime:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> dt.datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += dt.timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def market() -> FakeMarket:
    return FakeMarket(3, HomeCalendar())


@pytest.fixture(scope="module")
def private_key() -> str:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return Ed25519PrivateKey.generate().private_bytes(pem, form, serialization.NoEncryption()).decode()


@pytest.fixture
def source_of(market, private_key) -> Iterator:
    opened = []

    def source_of(name: str, *, symbols: tuple[str, ...] = NAMES, **faults: float):
        server = FakeVendor(FAKES[name](market), faults=Faults(**faults)).__enter__()
        time = PassingTime()
        options = VendorOptions(
            api_key=None if name == "yahoo" else "any key will do".replace(" ", "-"), base_url=server.url,
            plan=PLANS[name], symbols=symbols, private_key=private_key, first_session=dt.date(2022, 1, 3),
        )  # fmt: skip
        given = Surroundings(market.calendar, lambda: NOW, MemoryLedger())
        limits, passing = Limits(n_workers=1, read_seconds=5.0), Time(time.now, time.sleep, lambda: 0.0)
        source = SOURCES[name](options, given, limits=limits, time=passing)
        opened.append((source, server))
        return source

    yield source_of
    for source, server in opened:
        source.transport.close()
        server.__exit__(None, None, None)


def rows_of(batches) -> list[dict]:
    return [row for batch in batches for row in batch.rows.to_pylist()]


@pytest.mark.parametrize("name", HISTORIES)
def test_bars_are_the_markets_whoever_tells_them(market, source_of, name):
    batches = list(source_of(name).ticker_bars(NAMES, FIRST, LAST))
    assert not [record for batch in batches for record in batch.refused]
    found = {(r["source_symbol"], r["trade_date"]): r for r in rows_of(batches)}
    assert sorted(found) == [(symbol, day) for symbol in NAMES for day in market.sessions(FIRST, LAST)]
    for (symbol, day), row in found.items():
        bar, is_adjusted = market.bar(symbol, day), row["adjustment"] == "splits"
        shares = 4 if is_adjusted and symbol == "F001" and day < dt.date(2023, 6, 1) else 1
        assert (row["close"], row["volume"]) == (pytest.approx(bar.close / shares, abs=1e-4), bar.volume * shares)
        assert row["open"] == pytest.approx(bar.open / shares, abs=1e-4)
    assert {row["adjustment"] for row in found.values()} == {"splits" if name == "yahoo" else "none"}


@pytest.mark.parametrize("name", ["massive", "eodhd"])
def test_a_whole_market_is_told_as_its_companies_are(source_of, name):
    whole = rows_of(source_of(name, symbols=()).daily_bars(FIRST, LAST))
    single = rows_of(source_of(name).ticker_bars(NAMES, FIRST, LAST))
    key = lambda row: (row["source_symbol"], row["trade_date"])  # noqa: E731
    assert sorted(whole, key=key) == sorted(single, key=key)


@pytest.mark.parametrize("name", HISTORIES)
def test_events_are_as_declared_whoever_tells_them(source_of, name):
    source, june = source_of(name), dt.date(2023, 6, 1)
    assert [(r["source_symbol"], r["ex_date"], r["shares_new"], r["shares_old"]) for r in rows_of(
        source.splits(FIRST, LAST)
    )] == [("F001", june, 4.0, 1.0)]  # fmt: skip
    (paid,) = rows_of(source.dividends(FIRST, LAST))
    assert (paid["source_symbol"], paid["ex_date"], paid["amount"], paid["currency_code"]) == (
        "F001", june, 0.25, "USD",
    )  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_statements_are_told_once_they_are_known(source_of, market, name):
    """The quarter to March is filed on the tenth of May; who does not tell the day is believed at the end of June."""
    is_filed = name in ("massive", "eodhd")
    window = (dt.date(2023, 5, 1), dt.date(2023, 5, 31)) if is_filed else (dt.date(2023, 3, 1), dt.date(2023, 4, 28))
    expected = dt.date(2023, 3, 31) if is_filed else dt.date(2022, 12, 31)
    found = rows_of(source_of(name).fundamentals(*window))
    assert {row["source_symbol"] for row in found} == set(NAMES)
    assert {row["period_end_date"] for row in found} == {expected}
    told = {row["source_symbol"]: row["total_assets"] for row in found}
    quarters = {n: market.statements(n, dt.date(2022, 6, 1), dt.date(2023, 12, 31)) for n in NAMES}
    assert told == {n: next(float(s.total_assets) for s in quarters[n] if s.period_end == expected) for n in NAMES}


@pytest.mark.parametrize("name", HISTORIES)
def test_rates_are_in_one_direction_whoever_tells_them(source_of, market, name):
    friday = dt.date(2023, 6, 2)
    found = {(r["base_currency_code"], r["quote_currency_code"]): r["rate"] for r in rows_of(
        source_of(name).fx_rates(friday, friday)
    )}  # fmt: skip
    assert found == {
        (pair[:3], pair[3:]): pytest.approx(market.rate(pair, friday)) for pair in ("EURUSD", "GBPUSD", "USDSEK")
    }


@pytest.mark.parametrize("name", SOURCES)
def test_quotes_leave_out_whom_nobody_knows(source_of, name):
    quotes = source_of(name).quotes(["F000", "NOBODY", "F002"], NOW)
    assert [quote.source_symbol for quote in quotes] == ["F000", "F002"]
    assert {quote.currency_code for quote in quotes} == {"SEK" if name == "nordnet" else "USD"}


@pytest.mark.parametrize("name", HISTORIES)
def test_answers_about_other_days_never_become_rows(source_of, name):
    source = source_of(name, lies=1.0)
    batches, errors = [], []
    for entity in ("daily_bars", "dividends", "splits"):
        try:
            batches += list(getattr(source, entity)(dt.date(2023, 6, 6), LAST))
        except VendorError as error:
            errors.append(str(error))
    assert rows_of(batches) == []
    assert "ProtocolError" not in " ".join(errors), "a lie is an answer"


@pytest.mark.parametrize("name", HISTORIES)
def test_what_goes_wrong_half_of_the_time_is_asked_again_and_comes_out_whole(source_of, market, name):
    source = source_of(name, errors=0.2, cuts=0.15, garbage=0.15, seed=5)
    found = rows_of(source.ticker_bars(NAMES, FIRST, LAST))
    assert len(found) == len(NAMES) * len(market.sessions(FIRST, LAST))


def test_the_market_holds_no_day_that_looks_like_another():
    import pandas as pd

    market = FakeMarket(40, HomeCalendar())
    first, last = dt.date(2022, 6, 1), dt.date(2026, 11, 24)
    rows = [(name, day, *market.bar(name, day)) for name in market.symbols for day in market.sessions(first, last)]
    columns = ["source_symbol", "trade_date", "open", "high", "low", "close", "volume"]
    bars = pd.DataFrame(rows, columns=columns).assign(adjustment="none", source="massive")
    splits = pd.DataFrame(market.splits(first, last), columns=["source_symbol", "ex_date"]).assign(source="massive")
    bars["trade_date"] = pd.to_datetime(bars["trade_date"])
    splits["ex_date"] = pd.to_datetime(splits["ex_date"])
    assert bar_verdicts(bars, splits=splits).empty
