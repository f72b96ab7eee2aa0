"""GET /v1/strategies and what they did, on paper; PATCH writes another version of their settings."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter
from msgspec import UNSET, Meta, UnsetType

from api import answers, operations, strategy_figures
from api.answers import One, Page
from api.cursors import Cursors
from api.database import Database
from api.effective_dates import check_effective_date
from api.errors import NothingInRange, ParameterConflict
from api.identity.principal import Principal
from api.parameters import Cursor, End, Limit, Start
from api.refusals import SettingsRefused, StrategyUnknown
from api.routes.instruments import ACME
from api.schemas import faults
from api.writes import Answer, KeyWelcome, writing
from warehouse.queries import strategies
from warehouse.queries.reader import Reader
from warehouse.queries.strategies import (
    AccountDay,
    Event,
    Figures,
    Order,
    PaperTrade,
    Strategy,
    StrategySignal,
    Version,
)

TAG = "Research"
DAY = dt.date(2024, 6, 28)
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
# Before every row of a page that begins with the newest.
FIRST_PAGE = (dt.date.max, "")
BASE = "/strategies/{strategy_id:str}"
ABOUT = answers.Meta(dataset_version="6b0a1f0e5a834c0f9d5c1f7f0a9b6a11")
PRICES = ["marts.dim_instruments", "marts.fct_daily_prices"]
ACCOUNTS = ["research.strategies", "research.strategy_equity"]

StrategyId = Annotated[
    str,
    PathParameter(
        pattern=NAME_PATTERN, description="Name, as /v1/strategies lists it.", examples=[Example(value="macd_rsi")]
    ),
]

SCHEMA = {"max_rsi": {"type": "number", "minimum": 0, "maximum": 100, "default": 65.0, "description": "Points."}}
STRATEGY = Strategy(
    strategy_id="macd_rsi",
    strategy_type="macd_rsi",
    title="MACD crossings, checked by the RSI",
    description="Buys where the MACD crosses above its signal line.",
    version=1,
    is_active=True,
    parameters={"max_rsi": 65.0},
    parameter_schema=SCHEMA,
    capital=1_000_000.0,
    currency_code="USD",
    equity=1_045_300.0,
    return_total=0.0453,
    drawdown=-0.012,
    n_positions=14,
    last_trade_date=DAY,
    computed_at=dt.datetime(2024, 6, 28, 22, 8, tzinfo=dt.UTC),
)
SIGNAL = StrategySignal(
    as_of_date=DAY,
    ticker=ACME.ticker,
    instrument_id=ACME.instrument_id,
    signal="buy",
    reason="MACD crossed above its signal, RSI 52.1 is between 45 and 65.",
    indicators={"close_adj": 104.0, "rsi_14d": 52.1},
    price=51.5,
    version=1,
    order_id="macd_rsi-2024-06-28-i_acme-entry",
    execution_status="waiting",
    execution_note=None,
)
ORDER = Order(
    placed_date=DAY,
    order_id="macd_rsi-2024-06-28-i_acme-entry",
    broker_order_id="paper_6b675f2e36c970bc",
    ticker=ACME.ticker,
    instrument_id=ACME.instrument_id,
    side="buy",
    kind="market",
    reason="signal",
    is_exit=False,
    quantity_shares=310.0,
    price=None,
    stop_loss=49.1,
    take_profit=57.5,
    good_till_date=dt.date(2024, 7, 2),
    status="waiting",
    filled_shares=0.0,
    average_price=None,
    fee=0.0,
    closed_date=None,
)
TRADE = PaperTrade(
    exit_date=DAY,
    trade_id="macd_rsi-2024-06-03-i_acme",
    ticker=ACME.ticker,
    instrument_id=ACME.instrument_id,
    side="long",
    entry_date=dt.date(2024, 6, 4),
    quantity_shares=310.0,
    entry_price=48.2,
    exit_price=51.4,
    fee=15.4,
    pnl=976.6,
    return_total=0.0654,
    exit_reason="take_profit",
    context={"entry": {"reason": "MACD crossed above its signal.", "indicators": {"rsi_14d": 52.1}}, "exit": {}},
)
EVENT = Event(
    event_date=DAY,
    event_number=1,
    type="position_closed",
    severity="info",
    message="A position was closed by take profit.",
    ticker=ACME.ticker,
    instrument_id=ACME.instrument_id,
    metadata={"pnl": 976.6},
)
FIGURES = Figures(252, 0.0453, 0.081, 0.09, 0.55, 0.48, 0.35, 4, -0.06, 4_310.0, 96, 0.47, 1.3, 0.004)
ACCOUNT = AccountDay(DAY, 1_045_300.0, 310_000.0, 735_300.0, 14, 0.001, 0.002, -0.012, 16_000.0, 8.0, True)


class Performance(msgspec.Struct, frozen=True):
    """What a strategy has come to, and its account by session."""

    figures: Annotated[Figures, Meta(description="Of the whole range, after costs.")]
    account: Annotated[list[AccountDay], Meta(description="Sessions of the page, oldest first.")]


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Other settings of a strategy; what is left out stays."""

    is_active: Annotated[bool | UnsetType, Meta(description="False: it opens nothing more.")] = UNSET
    parameters: Annotated[
        dict[str, float | int | str | bool | None] | UnsetType,
        Meta(description="Parameters to change, by name, within their schema."),
    ] = UNSET
    effective_date: Annotated[
        dt.date | UnsetType,
        Meta(description="First session that they decide; the day after the newest one by default."),
    ] = UNSET


VERSION = Version(
    "macd_rsi", 2, dt.date(2024, 7, 1), True, {"max_rsi": 60}, dt.datetime(2024, 6, 28, 23, tzinfo=dt.UTC)
)


@operations.read(
    "/strategies",
    operation_id="list_strategies",
    summary="List trading strategies",
    tag=TAG,
    scope="read:market",
    datasets=ACCOUNTS,
    cache_control=operations.DAILY,
    example=Page([STRATEGY], ABOUT),
)
async def list_strategies(reader: NamedDependency[Reader]) -> Page[Strategy]:
    """All strategies on paper, their settings in force, and where their accounts stand at the newest close."""
    return Page(await strategies.known(reader), answers.meta())


@operations.write(
    "PATCH",
    BASE,
    operation_id="change_strategy",
    summary="Change the settings of a strategy",
    tag="Administration",
    scope="admin",
    status_code=200,
    problems=[404, 409, 422],
    example=One(VERSION, answers.Meta()),
)
async def change_strategy(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    strategy_id: StrategyId,
    data: Annotated[
        Change, Body(title="Settings", description="What changes.", examples=[Example(value={"is_active": False})])
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Version]]:
    """Write another version of the settings. It decides from its day on and changes no earlier decision."""
    async with writing(database, principal, request, idempotency_key) as write:
        if (known := await write.answered()) is not None:
            return known
        strategy = await _known(write.transaction, strategy_id)
        await strategies.lock_versions(write.transaction, strategy_id)
        before = await strategies.newest_version(write.transaction, strategy_id)
        if before is None:
            raise StrategyUnknown(strategy_id)
        given = {} if data.parameters is UNSET else data.parameters
        wrong = faults(given, strategy.parameter_schema, under="/parameters")
        if wrong:
            raise SettingsRefused(strategy_id, wrong)
        version = Version(
            strategy_id,
            before.version + 1,
            _effective_date(data.effective_date, strategy, before, today=write.now.date()),
            before.is_active if data.is_active is UNSET else data.is_active,
            before.parameters | given,
            write.now,
        )
        await strategies.write_version(write.transaction, version, created_by=str(write.user_id))
        write.note("strategy.changed", strategy_id, version=version.version, is_active=version.is_active)
        return await write.end(Answer(One(version, answers.meta()), 200))


class Sought(NamedTuple):
    """A page of what one strategy did, asked for by its days."""

    strategy_id: str
    first: dt.date
    last: dt.date
    limit: int
    cursor: str | None


async def provide_sought(
    strategy_id: StrategyId, start: Start = None, end: End = None, limit: Limit = 100, cursor: Cursor = None
) -> Sought:
    """Return what was asked for; its parameters are those of each list below."""
    return Sought(strategy_id, *_range(start, end), limit, cursor)


def _history(
    what: str, *, operation_id: str, summary: str, datasets: Sequence[str], example: object
) -> Callable[[operations.AnyHandler], HTTPRouteHandler]:
    """Declare a list of what a strategy did."""
    return operations.read(
        f"{BASE}/{what}", operation_id=operation_id, summary=summary, tag=TAG, scope="read:market", datasets=datasets,
        cache_control=operations.DAILY, problems=[404, 410, 422], example=Page([example], ABOUT),
    )  # fmt: skip


@_history(
    "signals", operation_id="list_strategy_signals", summary="List the signals of a strategy",
    datasets=["research.strategy_signals", *PRICES], example=SIGNAL,
)  # fmt: skip
async def list_signals(
    reader: NamedDependency[Reader], cursors: NamedDependency[Cursors], sought: NamedDependency[Sought]
) -> Page[StrategySignal]:
    """What it wanted to buy, sold or held on at each close, why, and what became of it; the newest first."""
    rows, last = await _page(reader, cursors, StrategySignal, strategies.SIGNALS, sought)
    return Page(rows, answers.meta(), cursors.after(last.as_of_date, last.instrument_id) if last else None)


@_history(
    "orders", operation_id="list_strategy_orders", summary="List the orders of a strategy",
    datasets=["research.paper_orders", *PRICES], example=ORDER,
)  # fmt: skip
async def list_strategy_orders(
    reader: NamedDependency[Reader], cursors: NamedDependency[Cursors], sought: NamedDependency[Sought]
) -> Page[Order]:
    """Its orders by the session that placed them, the newest first; shares and prices are today's."""
    rows, last = await _page(reader, cursors, Order, strategies.ORDERS, sought)
    return Page(rows, answers.meta(), cursors.after(last.placed_date, last.order_id) if last else None)


@_history(
    "trades", operation_id="list_strategy_trades", summary="List the trades of a strategy",
    datasets=["research.paper_trades", *PRICES], example=TRADE,
)  # fmt: skip
async def list_trades(
    reader: NamedDependency[Reader], cursors: NamedDependency[Cursors], sought: NamedDependency[Sought]
) -> Page[PaperTrade]:
    """Positions that were closed, the newest first: entry, exit, gain after costs, and the market around them."""
    rows, last = await _page(reader, cursors, PaperTrade, strategies.TRADES, sought)
    return Page(rows, answers.meta(), cursors.after(last.exit_date, last.trade_id) if last else None)


@_history(
    "events", operation_id="list_strategy_events", summary="List what happened to a strategy",
    datasets=["research.strategy_events", "marts.dim_instruments"], example=EVENT,
)  # fmt: skip
async def list_events(
    reader: NamedDependency[Reader], cursors: NamedDependency[Cursors], sought: NamedDependency[Sought]
) -> Page[Event]:
    """Its log: positions opened and closed, orders that expired, drawdowns, other settings; the newest first."""
    rows, last = await _page(reader, cursors, Event, strategies.EVENTS, sought)
    return Page(rows, answers.meta(), cursors.after(last.event_date, f"{last.event_number:09d}") if last else None)


@operations.read(
    f"{BASE}/performance",
    operation_id="get_strategy_performance",
    summary="Get what a strategy has come to",
    tag=TAG,
    scope="read:market",
    datasets=[*ACCOUNTS, "research.paper_trades"],
    cache_control=operations.DAILY,
    problems=[404, 422],
    example=One(Performance(FIGURES, [ACCOUNT]), ABOUT),
)
async def get_performance(
    reader: NamedDependency[Reader],
    strategy_id: StrategyId,
    start: Start = None,
    end: End = None,
    limit: Limit = 252,
) -> One[Performance]:
    """Figures of the range after costs, and the account at its newest closes, as many as `limit` says."""
    first, last = _range(start, end)
    await _known(reader, strategy_id)
    rows = await strategies.accounts(reader, strategy_id, start=first, end=last, before=dt.date.max, limit=limit)
    if not rows:
        raise NothingInRange(f"the account of {strategy_id}", start=first, end=last)
    found = await strategy_figures.figures(reader, strategy_id, start=first, end=last)
    return One(Performance(found, rows[::-1]), answers.meta(as_of_date=rows[0].trade_date))


async def _page(
    reader: Reader, cursors: Cursors, shape: type[strategies.Shape], sql: str, sought: Sought
) -> tuple[list[strategies.Shape], strategies.Shape | None]:
    """Return the rows of a page, and its last one where another page follows."""
    rows = await strategies.page(
        reader, shape, sql, sought.strategy_id, start=sought.first, end=sought.last, limit=sought.limit + 1,
        before=cursors.read(sought.cursor, tuple[dt.date, str]) if sought.cursor else FIRST_PAGE,
    )  # fmt: skip
    if not rows:
        await _known(reader, sought.strategy_id)
    return answers.first_page(rows, limit=sought.limit)


def _range(start: dt.date | None, end: dt.date | None) -> tuple[dt.date, dt.date]:
    first, last = start or dt.date.min, end or dt.date.max
    if first > last:
        raise ParameterConflict(f"start: must not be after end; got {first} and {last}. Exchange them.")
    return first, last


async def _known(reader: Reader, strategy_id: str) -> Strategy:
    found = await strategies.known(reader, strategy_id)
    if not found:
        raise StrategyUnknown(strategy_id)
    return found[0]


def _effective_date(asked: dt.date | UnsetType, strategy: Strategy, before: Version, *, today: dt.date) -> dt.date:
    """Return the first day of a version; what is decided stays decided, and versions follow each other."""
    earliest = max(strategy.last_trade_date + dt.timedelta(days=1), before.effective_date)
    day = earliest if asked is UNSET else asked
    check_effective_date(day, earliest=earliest, today=today)
    return day
