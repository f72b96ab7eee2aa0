"""Whatever a source has, from answers that are broken at random: no run ends by an error that is not ours.

What comes out is about what was asked for, and what is refused can be stored with its reason.
"""

import datetime as dt
import json
import random
from copy import deepcopy
from typing import Any

import httpx
import pytest

from factorloom.fake_vendors.commands import FAKES, PLANS
from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.server import Asked
from orchestration.calendars import HomeCalendar
from orchestration.sources.eodhd.source import EodhdSource
from orchestration.sources.errors import SourceError
from orchestration.sources.ledger import MemoryLedger
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.protocols import capabilities
from orchestration.sources.quoting import quote_batches
from orchestration.sources.transport import Limits, Time
from orchestration.sources.twelve_data.source import TwelveDataSource
from orchestration.sources.vendor import Surroundings, VendorOptions
from orchestration.sources.yahoo.source import YahooSource
from tests.orchestration.sources.vendors.test_mutated_answers import places

# The same lines run thousands of times.
pytestmark = pytest.mark.unwatched

N_BROKEN = 25
# Statements are known 40 days after their quarter at best.
QUARTERS = (dt.date(2023, 3, 1), dt.date(2023, 5, 15))
FIRST, LAST = dt.date(2023, 5, 30), dt.date(2023, 6, 2)
NOW = dt.datetime(2023, 6, 20, 22, 0, tzinfo=dt.UTC)
NAMES = ("F000", "F001")
CALENDAR = HomeCalendar()
SPOILED = (
    None, True, "", "NA", "abc", "１２", "nan", "\x00", "2024-13-45", "9" * 400, "1e999", {}, [], [[]],
    {"raw": 5, "fmt": "5"}, [1, 2], {"$": None}, 1e300, -1e30, 2**63, 2**70, 10**400, "\ud83d", -1, 0,
)  # fmt: skip
SOURCES = {"eodhd": EodhdSource, "massive": MassiveSource, "twelve_data": TwelveDataSource, "yahoo": YahooSource}
WITHOUT_DAYS = ("instruments", "market_holidays", "ticker_events", "company_ratios")
# What the made-up market does not have.
BODIES: dict[str, Any] = {
    "/v2/reference/news": {"results": [
        {"id": "1", "published_utc": "2023-06-01T13:30:00Z", "title": "Up", "tickers": ["F000"],
         "publisher": {"name": "W"}, "insights": [{"ticker": "F000", "sentiment": "positive"}]}
    ]},
    "/v1/marketstatus/upcoming": [
        {"exchange": "NYSE", "name": "X", "date": "2023-07-03", "status": "early-close",
         "close": "2023-07-03T17:00:00Z"}
    ],
    "/vX/reference/tickers/F000/events": {"results": {"events": [
        {"type": "ticker_change", "date": "2020-01-02", "ticker_change": {"ticker": "OLD"}},
        {"type": "ticker_change", "date": "2021-01-04", "ticker_change": {"ticker": "F000"}},
    ]}},
    "/api/news": [{"date": "2023-06-01T13:30:00+00:00", "title": "Up", "link": "https://x", "symbols": ["F000.US"],
                   "sentiment": {"polarity": 0.5}}],
    "/api/exchange-details/US": {"isOpen": True, "ExchangeHolidays": {"0": {"Holiday": "X", "Date": "2023-07-04"}}},
    "/api/symbol-change-history": [{"old_symbol": "OLD", "new_symbol": "F000", "effective": "2021-01-04"}],
    "/v1/finance/search": {"news": [
        {"uuid": "a1", "title": "Up", "publisher": "W", "link": "https://x", "providerPublishTime": 1685626200,
         "relatedTickers": ["F000"]}
    ]},
    "/press_releases": {"press_releases": [{"id": 1, "datetime": "2023-06-01T13:30:00Z", "title": "Up"}]},
}  # fmt: skip


def source_of(name: str, symbols: tuple[str, ...], change: Any) -> Any:
    """A source whose answers are the fake vendor's, changed on the way."""
    answering = FAKES[name](FakeMarket(3, CALENDAR))

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {key.lower(): value for key, value in request.headers.items()}
        path = request.url.path if request.url.path != "/" else "/cookie"
        reply = answering(Asked(path, dict(request.url.params), {**headers, "cookie": "A3=fake"}))
        body = json.dumps(BODIES[path]).encode() if path in BODIES else reply.body
        return httpx.Response(reply.status, content=change(body))

    moment = [NOW]

    def sleep(seconds: float) -> None:
        moment[0] += dt.timedelta(seconds=seconds)

    options = VendorOptions(
        api_key=None if name == "yahoo" else "k" * 20,
        plan=PLANS[name],
        symbols=symbols,
        first_session=dt.date(2023, 1, 3),
    )
    return SOURCES[name](
        options,
        Surroundings(CALENDAR, lambda: NOW, MemoryLedger()),
        client=httpx.Client(transport=httpx.MockTransport(answer)),
        limits=Limits(n_workers=1, max_attempts=2),
        time=Time(lambda: moment[0], sleep, lambda: 0.0),
    )


def batches_of(source: Any, entity: str) -> list[Any]:
    if entity == "market_status":
        assert source.market_status() in (True, False, None)
        return []
    if entity == "quotes":
        return list(quote_batches(source, NAMES, NOW))
    if entity == "ticker_bars":
        return list(source.ticker_bars(NAMES, FIRST, LAST))
    window = QUARTERS if entity == "fundamentals" else (FIRST, LAST)
    return list(getattr(source, entity)(*(() if entity in WITHOUT_DAYS else window)))


def broken(body: bytes, draw: random.Random) -> bytes:
    """Return a body in which one to three things are spoiled, left out or repeated, or that is cut off."""
    try:
        changed = json.loads(body)
    except ValueError:
        return body[: draw.randrange(len(body) + 1)]
    for _ in range(draw.randint(1, 3)):
        inner = [path for path in places(changed) if path]
        if not inner:
            return draw.choice([b"", b"null", b"{}", b"[]", b"0"])
        *above, last = draw.choice(inner)
        parent = changed
        for key in above:
            parent = parent[key]
        how = draw.choice(["spoil", "leave out", "repeat"])
        if how == "spoil":
            parent[last] = deepcopy(draw.choice(SPOILED))
        elif how == "leave out":
            del parent[last]
        elif isinstance(parent, list):
            parent.append(deepcopy(parent[last]))
    encoded = json.dumps(changed).encode()
    return encoded if draw.random() < 0.8 else encoded[: draw.randrange(len(encoded) + 1)]


CASES = [
    (name, entity, symbols)
    for name, kind in SOURCES.items()
    for entity in sorted(capabilities(kind))
    for symbols in ((NAMES, ()) if name in ("eodhd", "massive") else (NAMES,))
]


@pytest.mark.parametrize(("name", "entity", "symbols"), CASES)
def test_broken_answers_end_no_run_and_nothing_else_comes_out_than_was_asked_for(name, entity, symbols):
    for seed in range(N_BROKEN):
        draw = random.Random(f"{name} {entity} {symbols} {seed}")
        try:
            source = source_of(name, symbols, lambda body: broken(body, draw) if draw.random() < 0.5 else body)  # noqa: B023
            batches = batches_of(source, entity)
        except SourceError:
            continue
        for batch in batches:
            check_refused(batch.refused)
            check_rows(batch.rows.to_pylist(), entity, is_by_symbol=bool(symbols))


def check_refused(refused: list[Any]) -> None:
    for record in refused:
        assert record.rule
        assert record.detail
        json.dumps(record.payload, allow_nan=False)


def check_rows(rows: list[dict[str, Any]], entity: str, *, is_by_symbol: bool) -> None:
    for row in rows:
        if entity in ("daily_bars", "ticker_bars", "benchmark_bars"):
            assert FIRST <= row["trade_date"] <= LAST
        if entity in ("dividends", "splits"):
            assert FIRST - dt.timedelta(days=3) <= row["ex_date"] <= LAST
        if entity in ("quotes", "ticker_bars") or (is_by_symbol and entity in ("daily_bars", "dividends", "splits")):
            assert row["source_symbol"] in NAMES


@pytest.mark.parametrize(("name", "entity", "symbols"), CASES)
def test_unbroken_answers_hold_something_for_each(name, entity, symbols):
    found = [row for b in batches_of(source_of(name, symbols, lambda body: body), entity) for row in b.rows.to_pylist()]
    by_symbol_alone = {("massive", "ticker_events"), ("eodhd", "news_articles")}
    if entity == "market_status":
        assert source_of(name, symbols, lambda body: body).market_status() is not None
        return
    assert bool(found) == bool(symbols or (name, entity) not in by_symbol_alone)
