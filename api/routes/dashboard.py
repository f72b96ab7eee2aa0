"""GET /ui/…: what people look at in a browser. Read-only; each page asks the queries that the JSON routes ask."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, PathParameter, QueryParameter

from api import exchange, problems
from api.dashboard import pages, views
from api.dashboard.pages import Site, page
from api.errors import ApiProblem, BacktestUnknown, NotFound, ParameterError, ParameterInvalid, ValueUnknown, shown
from api.identity.principal import OPEN
from api.readiness import PRICES, Watch
from api.routes.backtests import ID_PATTERN
from api.routes.indices import NAME_PATTERN
from warehouse.queries import backtests, datasets, exposures, index_levels, instruments, rankings, signals, strategies
from warehouse.queries.instruments import Instrument
from warehouse.queries.rankings import Profile
from warehouse.queries.reader import Reader

DAY_PATTERN = r"^(\d{4}-\d{2}-\d{2})?$"
MAX_UNIVERSE = 5_000
FIRST_ROWS = 60

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])
OfProfile = Annotated[Profile, QueryParameter(description="Risk profile.")]
AsOf = Annotated[str, QueryParameter(pattern=DAY_PATTERN, description="Day; empty for the newest.")]


def view(
    path: str, *, name: str, parameters: Sequence[str] = (), tables: Sequence[str] = ()
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a page: its query parameters, and the tables whose versions are the page's."""
    return get(
        path,
        operation_id=f"page_{name}",
        include_in_schema=False,
        opt={
            "scope": "read:market",
            "parameters": frozenset(parameters),
            "datasets": (*tables, PRICES) if tables else (),
            "cache_control": "no-cache",
            "revision": pages.revision(),
        },
    )


@view("/rankings", name="rankings", parameters=("profile", "sector", "as_of", "limit"), tables=rankings.DATASETS)
async def show_rankings(
    reader: NamedDependency[Reader],
    watch: NamedDependency[Watch],
    site: NamedDependency[Site],
    profile: OfProfile = "balanced",
    sector: Annotated[str, QueryParameter(max_length=80, description="Only this sector.")] = "",
    as_of: AsOf = "",
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_UNIVERSE, description="Rows to show.")] = FIRST_ROWS,
) -> Response[str]:
    """The order of a day, and what each group of factors adds to each score."""
    newest = await rankings.newest_date(reader, profile=profile, is_intraday=False, as_of=None)
    chosen = await rankings.newest_date(reader, profile=profile, is_intraday=False, as_of=_day(as_of))
    rows = [] if chosen is None else await rankings.of_day(reader, chosen, profile=profile, limit=MAX_UNIVERSE)
    context = views.ranking(rows, sector=sector, limit=limit)
    frame = await views.frame(reader, watch, site, here="/ui/rankings")
    return page(
        "rankings.html", **frame, **context, profile=profile, as_of=as_of, as_of_date=chosen, newest_date=newest
    )


@view(
    "/rankings/{ticker:str}/explanation",
    name="explanation",
    parameters=("profile", "as_of"),
    tables=(*rankings.DATASETS, "research.signals", "factors.fct_factor_exposures"),
)
async def show_explanation(
    reader: NamedDependency[Reader],
    instrument: NamedDependency[Instrument],
    profile: OfProfile = "balanced",
    as_of: AsOf = "",
) -> Response[str]:
    """Why an instrument stands where it stands: a piece of the ranking's page."""
    ranking = await rankings.of_instrument(reader, instrument.instrument_id, profile=profile, as_of=_day(as_of))
    if ranking is None:
        raise NotFound(f"ticker: must be ranked; {instrument.ticker} is not. Choose another.")
    day = ranking.as_of_date
    factors = await exposures.of_day(reader, instrument.instrument_id, as_of=day)
    said = await signals.of_instrument(reader, instrument.instrument_id, day)
    return page("explanation.html", **views.explanation(ranking, factors, said), profile=profile)


@view(
    "/instruments/{ticker:str}",
    name="instrument",
    parameters=("profile",),
    tables=(
        *rankings.DATASETS, "research.signals", "factors.fct_factor_exposures", "research.indicators",
        "marts.fct_fundamentals", "marts.fct_news_articles", "research.news_sentiment",
    ),
)  # fmt: skip
async def show_instrument(
    reader: NamedDependency[Reader],
    watch: NamedDependency[Watch],
    site: NamedDependency[Site],
    instrument: NamedDependency[Instrument],
    profile: OfProfile = "balanced",
) -> Response[str]:
    """One instrument: price, place, factors, signals, news and statements."""
    context = await views.instrument(reader, instrument, profile)
    frame = await views.frame(reader, watch, site, here="/ui/instruments")
    return page("instrument.html", **frame, **context, instrument=instrument, profile=profile)


@view("/backtests", name="backtests", tables=("research.backtests", "research.backtest_metrics"))
async def show_backtests(
    reader: NamedDependency[Reader], watch: NamedDependency[Watch], site: NamedDependency[Site]
) -> Response[str]:
    """Every trial, the newest first, with the figures that are looked for first."""
    found = await backtests.matching(reader, limit=100)
    figures = [{row.metric: row for row in await backtests.metrics(reader, one.backtest_id)} for one in found]
    frame = await views.frame(reader, watch, site, here="/ui/backtests")
    named = [{name: of.get(name) for name in views.LISTED_METRICS} for of in figures]
    return page("backtests.html", **frame, rows=list(zip(found, named, strict=True)))


@view(
    "/backtests/{backtest_id:str}",
    name="backtest",
    tables=("research.backtests", "research.backtest_metrics", "research.backtest_equity"),
)
async def show_backtest(
    reader: NamedDependency[Reader],
    watch: NamedDependency[Watch],
    site: NamedDependency[Site],
    backtest_id: Annotated[str, PathParameter(pattern=ID_PATTERN, description="Id, as the list has it.")],
) -> Response[str]:
    """One trial: equity beside the benchmark, drawdown, figures, and everything that it was asked for."""
    found = await backtests.one(reader, backtest_id)
    if found is None:
        raise BacktestUnknown(backtest_id)
    metrics = views.ordered(await backtests.metrics(reader, backtest_id))
    frame = await views.frame(reader, watch, site, here="/ui/backtests")
    return page("backtest.html", **frame, backtest=found, metrics=metrics, has_equity=found.first_date is not None)


@view(
    "/index",
    name="index",
    parameters=("index",),
    tables=("research.index_values", "research.index_allocations", "research.risk_metrics", "marts.dim_instruments"),
)
async def show_index(
    reader: NamedDependency[Reader],
    watch: NamedDependency[Watch],
    site: NamedDependency[Site],
    index: Annotated[str, QueryParameter(pattern=NAME_PATTERN, description="Name of the index.")] = "main",
) -> Response[str]:
    """An index: its level beside the benchmark, what it holds, and its risk."""
    names = await index_levels.names(reader)
    if index not in names:
        raise ValueUnknown("index", index, names)
    rows = await index_levels.newest(reader, index, limit=1)
    level = rows[0] if rows else None
    held = [] if level is None else await index_levels.constituents(reader, index, level.as_of_date)
    risk = views.risk(await index_levels.risk(reader, index, window=None))
    frame = await views.frame(reader, watch, site, here="/ui/index")
    beside = await views.weightings(reader)
    return page("index.html", **frame, **risk, **beside, names=names, index=index, level=level, held=held)


@view(
    "/strategies",
    name="strategies",
    parameters=("strategy",),
    tables=(
        "research.strategies", "research.strategy_equity", "research.strategy_signals", "research.paper_trades",
        "research.strategy_events", "marts.dim_instruments",
    ),
)  # fmt: skip
async def show_strategies(
    reader: NamedDependency[Reader],
    watch: NamedDependency[Watch],
    site: NamedDependency[Site],
    strategy: Annotated[
        str, QueryParameter(pattern=rf"^$|{NAME_PATTERN}", description="Name of the strategy; empty for the first.")
    ] = "",
) -> Response[str]:
    """A strategy on paper: its account beside the benchmark, its trades and their gains, signals, events, settings."""
    known = await strategies.known(reader)
    chosen = next((one for one in known if strategy in ("", one.strategy_id)), None)
    if chosen is None and strategy:
        raise ValueUnknown("strategy", strategy, [one.strategy_id for one in known])
    context = {"strategy": None} if chosen is None else await views.strategy(reader, chosen)
    frame = await views.frame(reader, watch, site, here="/ui/strategies")
    return page("strategies.html", **frame, **context, strategies=known)


@view("/data", name="data")
async def show_data(
    reader: NamedDependency[Reader], watch: NamedDependency[Watch], site: NamedDependency[Site]
) -> Response[str]:
    """How new each table is, and whether the service can answer."""
    frame = await views.frame(reader, watch, site, here="/ui/data")
    return page("data.html", **frame, datasets=views.tables(await datasets.versions(reader)))


@view("/search", name="search", parameters=("q",), tables=("marts.dim_instruments",))
async def show_search(
    reader: NamedDependency[Reader],
    watch: NamedDependency[Watch],
    site: NamedDependency[Site],
    q: Annotated[str, QueryParameter(max_length=80, description="Beginning of a ticker, or part of a name.")] = "",
) -> Response[str]:
    """Instruments by ticker or name."""
    rows = await instruments.matching(reader, q=q.strip(), limit=12) if q.strip() else []
    return page("search.html", **await views.frame(reader, watch, site, here="/ui/search"), rows=rows, q=q.strip())


@get("/assets/{name:str}", operation_id="page_asset", include_in_schema=False, opt={"scope": OPEN, "parameters": {"v"}})
async def page_asset(name: FromPath[str]) -> Response[bytes]:
    """A file of the pages; its address carries its version, so it may be kept."""
    if name not in pages.ASSETS:
        raise NotFound(f"path: must be one that the pages use; got {shown(name)}. See /ui/rankings.")
    path, media_type = pages.ASSETS[name]
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(pages.content(path), media_type=media_type, headers=headers)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ParameterInvalid([ParameterError("as_of", "invalid", f"must be a day; got {shown(text)}")]) from error


def _as_page(told: Callable[[Request[Any, Any, Any], Any], Response[bytes]]) -> Callable[..., Response[Any]]:
    """Show on a page what is otherwise told as a problem; the way on of a renamed ticker stays."""

    def respond(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        answer = told(request, error)
        status = answer.status_code or 500
        if status < 400 or "text/html" not in exchange.current.get().header(b"accept"):
            return answer
        problem = msgspec.json.decode(answer.content)
        response = page("problem.html", status=status, **views.NO_FRAME, problem=problem)
        response.headers.update(answer.headers)
        return response

    return respond


ROUTER = Router(
    "/ui",
    route_handlers=[
        show_rankings, show_explanation, show_instrument, show_backtests, show_backtest, show_index, show_strategies,
        show_data, show_search, page_asset,
    ],
    exception_handlers={
        ApiProblem: _as_page(problems.on_api_problem),
        ValidationException: _as_page(problems.on_validation),
        HTTPException: _as_page(problems.on_http_exception),
        Exception: _as_page(problems.on_failure),
    },
)  # fmt: skip
