"""The application: routes, what they are handed, and the wrapper around it all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from api import description, presentation, problems
from api.artifacts import Artifacts
from api.cors import Cors
from api.cursors import Cursors
from api.dashboard.pages import Site
from api.database import Database
from api.errors import ApiProblem
from api.following import Wake
from api.freshness import Freshness
from api.identity.gate import provide_principal
from api.identity.installation import identity_of
from api.metrics import Metrics
from api.outermost import Outermost
from api.published import Published
from api.questions import examine
from api.rates import Limiter
from api.readiness import Watch
from api.routes import (
    alert_rules,
    alerts,
    api_keys,
    auth,
    backtests,
    blackscholes,
    dashboard,
    datasets,
    deliveries,
    diagnostics,
    docs,
    events,
    explanations,
    factors,
    fundamentals,
    health,
    history,
    index_portfolios,
    indicators,
    indices,
    instruments,
    jobs,
    mail,
    models,
    news,
    oauth,
    orders,
    paper_accounts,
    portfolios,
    prices,
    provider,
    quant,
    quotes,
    rankings,
    root,
    signals,
    strategies,
    stream,
    uploads,
    webhook_endpoints,
)
from api.routes import problems as problem_pages
from api.streams import Streams
from api.tickers import Owners, provide_instrument
from api.versions import Versions
from warehouse import traces
from warehouse.clock import Clock, clock_of
from warehouse.connect import api_url, read_url
from warehouse.cursor_key import cursor_key
from warehouse.links import links_of
from warehouse.records.questions import content_hash
from warehouse.secrets import webhook_keys
from warehouse.settings import Settings

# How often the age of tables is looked up for the metrics.
METRICS_SECONDS = 15.0

VERSIONED = [
    instruments.list_instruments,
    instruments.list_symbols,
    quotes.list_quotes,
    quotes.get_quote,
    history.list_history,
    prices.list_prices,
    fundamentals.list_fundamentals,
    factors.list_factors,
    news.list_news,
    rankings.list_rankings,
    explanations.get_ranking_explanation,
    signals.list_live_signals,
    models.list_models,
    models.list_model_evaluations,
    models.list_model_drift,
    indicators.list_indicators,
    backtests.list_backtests,
    backtests.get_backtest,
    backtests.list_backtest_equity,
    backtests.list_backtest_trades,
    backtests.get_backtest_report,
    stream.stream_events,
    datasets.list_datasets,
    diagnostics.get_database_status,
    diagnostics.list_refresh_status,
    indices.get_index,
    indices.list_index_levels,
    indices.list_risk_metrics,
    indices.compare_indices,
    index_portfolios.get_rules,
    index_portfolios.write_rules,
    index_portfolios.simulate,
    index_portfolios.list_currencies,
    index_portfolios.list_member,
    index_portfolios.compare_with_benchmark,
    index_portfolios.rebalance,
    quant.ask_monte_carlo,
    quant.ask_markowitz,
    strategies.list_strategies,
    strategies.change_strategy,
    strategies.list_signals,
    strategies.list_strategy_orders,
    strategies.list_trades,
    strategies.list_events,
    strategies.get_performance,
    paper_accounts.list_account,
    paper_accounts.list_positions,
    orders.create_order,
    orders.list_orders,
    orders.get_order,
    orders.cancel_order,
    blackscholes.value_options,
    jobs.create_job,
    jobs.list_jobs,
    jobs.get_job,
    jobs.cancel_job,
    jobs.recompute_rankings,
    jobs.refresh,
    jobs.test_refresh,
    uploads.import_bars,
    portfolios.create_portfolio,
    portfolios.list_portfolios,
    portfolios.get_portfolio,
    portfolios.change_portfolio,
    portfolios.delete_portfolio,
    portfolios.list_holdings,
    portfolios.import_portfolio,
    alerts.create_alert,
    alerts.list_alerts,
    alerts.get_alert,
    alerts.change_alert,
    alerts.delete_alert,
    events.list_events,
    webhook_endpoints.create_webhook_endpoint,
    webhook_endpoints.list_webhook_endpoints,
    webhook_endpoints.delete_webhook_endpoint,
    deliveries.list_deliveries,
    deliveries.replay_deliveries,
    deliveries.rotate_webhook_secret,
    deliveries.test_webhook_endpoint,
    auth.register,
    auth.login,
    auth.me,
    oauth.authorize,
    oauth.authorize_with_password,
    oauth.exchange,
    oauth.revoke,
    provider.depart_to_provider,
    provider.arrive_from_provider,
    provider.link_to_provider,
    api_keys.create_api_key,
    api_keys.list_api_keys,
    api_keys.revoke_api_key,
    alert_rules.get_alert_schema,
    alert_rules.list_alert_metrics,
    alert_rules.try_alert,
]
UNVERSIONED: list[ControllerRouterHandler] = [
    root.welcome,
    health.livez,
    health.readyz,
    health.health,
    problem_pages.list_problems,
    problem_pages.get_problem,
    docs.docs,
    docs.docs_asset,
    docs.openapi,
    dashboard.ROUTER,
    mail.ask_to_confirm,
    mail.confirm,
    mail.ask_to_unsubscribe,
    mail.unsubscribe,
    oauth.list_signing_keys,
    oauth.describe_issuer,
]

# Made once and handed to every handler that asks for it by name.
SHARED = (
    "reader",
    "owners",
    "site",
    "database",
    "cursors",
    "watch",
    "document",
    "freshness",
    "streams",
    "gate",
    "secret_keys",
    "links",
    "webhook_allow",
    "accounts",
    "grants",
    "provider",
    "signing",
    "artifacts",
)


@lru_cache(maxsize=1)
def openapi_document() -> description.Json:
    """Return the OpenAPI document: the same for every installation, and not to be changed."""
    return description.describe(routes(), dependencies())


def create_app(
    settings: Settings, *, clock: Clock | None = None, monotonic: Callable[[], float] = time.monotonic
) -> Outermost:
    """Return the ASGI application of an installation. Nothing is connected to before it starts.

    Parameters
    ----------
    clock, monotonic
        The time, and seconds that only grow, for how old an issuer's keys are; tests turn both.
    """
    clock = clock or clock_of(settings)
    database = Database(api_url(settings), clock)
    # Reads may go to a replica; whatever is somebody's own is read where it was written.
    reader = database if settings.api_read_database_url is None else Database(read_url(settings), clock)
    versions = Versions(reader)
    schema = openapi_document()
    document = docs.Document(msgspec.json.encode(schema))
    cursors = Cursors(cursor_key(settings))
    watch = Watch(settings, clock, database)
    identity = identity_of(settings, database, monotonic=monotonic)
    freshness = Freshness(settings)
    wake = Wake(api_url(settings))
    streams = Streams(database, wake)
    limiter = Limiter(settings.requests_per_minute)
    metrics = Metrics()
    metrics.watch_pools({"primary": database.stats} | ({} if reader is database else {"replica": reader.stats}))
    metrics.watch_datasets(lambda: versions.datasets)

    @asynccontextmanager
    async def connected(_: Litestar) -> AsyncIterator[None]:
        for door in {database, reader}:
            await door.open()
        listening = asyncio.create_task(wake.listen())
        yield
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await identity.close()
        for door in {database, reader}:
            await door.close()

    @asynccontextmanager
    async def traced(_: Litestar) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(traces.flush)

    @asynccontextmanager
    async def measured(_: Litestar) -> AsyncIterator[None]:
        if settings.api_metrics_port is None:
            yield
            return
        end = metrics.serve(settings.api_metrics_host, settings.api_metrics_port)
        watching = asyncio.create_task(versions.watch(every_seconds=METRICS_SECONDS))
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        end()

    app = Litestar(
        routes(),
        openapi_config=None,
        logging_config=None,
        lifespan=[traced, connected, measured],
        before_request=examine(
            identity.gate,
            description.query_parameters(schema),
            description.query_defaults(schema),
            description.query_values(schema),
            versions,
            Published(reader, cursors.signer),
            content_hash(document.body.decode()),
            freshness,
            limiter,
        ),
        dependencies=dependencies(
            site=Site(settings.source),
            reader=reader,
            owners=Owners(reader, versions),
            database=database,
            cursors=cursors,
            watch=watch,
            document=document,
            freshness=freshness,
            streams=streams,
            gate=identity.gate,
            secret_keys=webhook_keys(settings),
            webhook_allow=settings.webhook_allow,
            links=links_of(settings),
            accounts=identity.accounts,
            grants=identity.grants,
            provider=identity.provider,
            signing=identity.signing,
            artifacts=Artifacts(settings.artifacts_uri),
        ),
        response_class=presentation.Made,
        after_request=presentation.present,
        exception_handlers={
            ApiProblem: problems.on_api_problem,
            ValidationException: problems.on_validation,
            HTTPException: problems.on_http_exception,
            RecursionError: problems.on_unreadable_body,
            UnicodeDecodeError: problems.on_unreadable_body,
            Exception: problems.on_failure,
        },
    )
    _provide_in_turn(app)
    return Outermost(app, on_end=streams.end, limiter=limiter, cors=Cors(settings.api_cors_origins), metrics=metrics)


def routes() -> list[ControllerRouterHandler]:
    """Return every route of the application."""
    return [Router("/v1", route_handlers=VERSIONED), *UNVERSIONED]


def dependencies(**shared: object) -> dict[str, Provide]:
    """Return what handlers may ask for by name; for the documentation alone, the shared things are left out."""
    return {name: _always(shared.get(name)) for name in SHARED} | {
        "instrument": Provide(provide_instrument),
        "sought": Provide(strategies.provide_sought),
        "principal": Provide(provide_principal, sync_to_thread=False),
    }


def _provide_in_turn(app: Litestar) -> None:
    """Hand out what is shared at once, and let other dependencies be provided one after the other, by name.

    Litestar calls a provider for each, and begins a task group for those that do not need each other. Most of ours have
    nothing to do, and at most one waits for anything: a tenth of a short answer's time.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, parameters in route.route_handler_map.values():
                dependencies = [
                    dependency
                    for batch in parameters.dependency_batches
                    for dependency in sorted(batch, key=lambda one: one.key)
                ]
                shared = {one.key: one.provide.dependency() for one in dependencies if one.key in SHARED}
                parameters.dependency_batches = [{one} for one in dependencies if one.key not in SHARED]
                if shared:
                    parameters.extractors = [*parameters.extractors, _handing_out(shared)]


def _handing_out(shared: dict[str, Any]) -> Callable[[dict[str, Any], Any], Awaitable[None]]:
    async def hand_out(values: dict[str, Any], _: Any) -> None:
        values.update(shared)

    return hand_out


def _always(thing: Any) -> Provide:
    def provide() -> Any:
        return thing

    return Provide(provide, sync_to_thread=False)
