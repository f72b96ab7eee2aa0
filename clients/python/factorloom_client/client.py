"""The client: a method for each list and thing that is read often, and a way to send everything else."""

import datetime as dt
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from factorloom_client import rows
from factorloom_client.listing import Listing
from factorloom_client.stream import Event, follow
from factorloom_client.transport import Transport

Item = TypeVar("Item")


class _One(msgspec.Struct, Generic[Item], frozen=True):
    data: Item


class Client:
    """A client of one server.

    Parameters
    ----------
    base_url
        Address of the server.
    key
        API key; without one, what is open can be read.
    timeout_seconds
        How long to wait for an answer.
    """

    def __init__(
        self, base_url: str = "http://127.0.0.1:8000", *, key: str | None = None, timeout_seconds: float = 30.0
    ) -> None:
        self._transport = Transport(base_url.rstrip("/"), key=key, timeout_seconds=timeout_seconds)

    def __enter__(self) -> Self:
        """Use the client as a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.http.close()

    def instruments(
        self,
        *,
        q: str | None = None,
        sector: str | None = None,
        market: str | None = None,
        active: bool | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Listing[rows.Instrument]:
        """List instruments."""
        query = {"q": q, "sector": sector, "market": market, "active": active, "sort": sort, "limit": limit}
        return self._list("/v1/instruments", rows.Instrument, query)

    def symbols(self, *, market: str | None = None, active: bool | None = None) -> Listing[rows.Symbol]:
        """List tickers and names alone."""
        return self._list("/v1/symbols", rows.Symbol, {"market": market, "active": active})

    def quotes(
        self, tickers: Sequence[str] | None = None, *, sector: str | None = None, limit: int | None = None
    ) -> Listing[rows.Quote]:
        """List the newest prices."""
        return self._list("/v1/quotes", rows.Quote, {"tickers": tickers, "sector": sector, "limit": limit})

    def quote(self, ticker: str) -> rows.Quote:
        """Return the newest price of one instrument."""
        return self._one(f"/v1/quotes/{ticker}", rows.Quote)

    def history(
        self,
        ticker: str,
        *,
        period: str | None = None,
        start: dt.date | None = None,
        end: dt.date | None = None,
        interval: str | None = None,
        adjusted: bool | None = None,
    ) -> Listing[rows.Bar]:
        """List the bars of one instrument."""
        query = {"period": period, "start": start, "end": end, "interval": interval, "adjusted": adjusted}
        return self._list(f"/v1/history/{ticker}", rows.Bar, query)

    def prices(
        self,
        tickers: Sequence[str],
        *,
        start: dt.date | None = None,
        end: dt.date | None = None,
        adjusted: bool | None = None,
        limit: int | None = None,
    ) -> Listing[rows.TickerBar]:
        """List the daily bars of several instruments."""
        query = {"tickers": tickers, "start": start, "end": end, "adjusted": adjusted, "limit": limit}
        return self._list("/v1/prices", rows.TickerBar, query)

    def fundamentals(
        self, ticker: str, *, as_of: dt.date | None = None, limit: int | None = None
    ) -> Listing[rows.Statement]:
        """List what was known of a company's statements."""
        return self._list(f"/v1/fundamentals/{ticker}", rows.Statement, {"as_of": as_of, "limit": limit})

    def factors(self, ticker: str, *, as_of: dt.date | None = None) -> Listing[rows.Exposure]:
        """List the factors of one instrument."""
        return self._list(f"/v1/factors/{ticker}", rows.Exposure, {"as_of": as_of})

    def indicators(
        self, ticker: str, *, start: dt.date | None = None, end: dt.date | None = None, limit: int | None = None
    ) -> Listing[rows.Indicators]:
        """List the technical indicators of one instrument."""
        query = {"start": start, "end": end, "limit": limit}
        return self._list(f"/v1/indicators/{ticker}", rows.Indicators, query)

    def news(
        self,
        *,
        ticker: str | None = None,
        start: dt.date | None = None,
        end: dt.date | None = None,
        limit: int | None = None,
    ) -> Listing[rows.Article]:
        """List what is written about companies."""
        query = {"ticker": ticker, "start": start, "end": end, "limit": limit}
        return self._list("/v1/news", rows.Article, query)

    def rankings(
        self,
        *,
        profile: str | None = None,
        sector: str | None = None,
        market: str | None = None,
        as_of: dt.date | None = None,
        is_intraday: bool | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Listing[rows.Ranked]:
        """List a day's ranking, at its close or during the session."""
        query = {
            "profile": profile, "sector": sector, "market": market, "as_of": as_of, "is_intraday": is_intraday,
            "sort": sort, "limit": limit,
        }  # fmt: skip
        return self._list("/v1/rankings", rows.Ranked, query)

    def explanation(self, ticker: str, *, profile: str | None = None, as_of: dt.date | None = None) -> rows.Explanation:
        """Return why an instrument stands where it stands."""
        return self._one(f"/v1/rankings/{ticker}/explanation", rows.Explanation, profile=profile, as_of=as_of)

    def live_signals(
        self,
        *,
        model: str | None = None,
        as_of: dt.date | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Listing[rows.Signal]:
        """List what the forecasters say now."""
        query = {"model": model, "as_of": as_of, "sort": sort, "limit": limit}
        return self._list("/v1/signals/live", rows.Signal, query)

    def models(self) -> Listing[rows.ForecasterState]:
        """List the forecasters."""
        return self._list("/v1/models", rows.ForecasterState, {})

    def evaluations(
        self, model_id: str, *, by_retraining: bool | None = None, metric: str | None = None
    ) -> Listing[rows.Evaluation]:
        """List the figures of one forecaster: over all days, or of each version on the days that it forecast."""
        query = {"by_retraining": by_retraining, "metric": metric}
        return self._list(f"/v1/models/{model_id}/evaluations", rows.Evaluation, query)

    def drift(
        self, model_id: str, *, kind: str | None = None, drifted: bool | None = None, limit: int | None = None
    ) -> Listing[rows.Drift]:
        """List how far what a forecaster sees has moved from what it learnt from."""
        query = {"kind": kind, "drifted": drifted, "limit": limit}
        return self._list(f"/v1/models/{model_id}/drift", rows.Drift, query)

    def backtests(self, *, profile: str | None = None, sort: str | None = None) -> Listing[rows.Backtest]:
        """List backtests."""
        return self._list("/v1/backtests", rows.Backtest, {"profile": profile, "sort": sort})

    def backtest(self, backtest_id: str) -> rows.BacktestDetail:
        """Return one backtest with its figures and its books."""
        return self._one(f"/v1/backtests/{backtest_id}", rows.BacktestDetail)

    def backtest_equity(self, backtest_id: str) -> Listing[rows.EquityDay]:
        """List the books of a backtest."""
        return self._list(f"/v1/backtests/{backtest_id}/equity", rows.EquityDay, {})

    def backtest_trades(self, backtest_id: str) -> Listing[rows.Trade]:
        """List the trades of a backtest."""
        return self._list(f"/v1/backtests/{backtest_id}/trades", rows.Trade, {})

    def index(self, index: str | None = None, *, as_of: dt.date | None = None) -> rows.IndexNow:
        """Return an index with what it holds."""
        return self._one("/v1/index/current", rows.IndexNow, index=index, as_of=as_of)

    def index_history(
        self,
        index: str | None = None,
        *,
        start: dt.date | None = None,
        end: dt.date | None = None,
        limit: int | None = None,
    ) -> Listing[rows.Level]:
        """List the levels of an index."""
        query = {"index": index, "start": start, "end": end, "limit": limit}
        return self._list("/v1/index/history", rows.Level, query)

    def strategies(self) -> Listing[rows.Strategy]:
        """List the trading strategies."""
        return self._list("/v1/strategies", rows.Strategy, {})

    def orders(self, *, state: str | None = None, limit: int | None = None) -> Listing[rows.UserOrder]:
        """List your orders on paper."""
        return self._list("/v1/orders", rows.UserOrder, {"state": state, "limit": limit})

    def jobs(self, *, kind: str | None = None, state: str | None = None, limit: int | None = None) -> Listing[rows.Job]:
        """List your jobs."""
        return self._list("/v1/jobs", rows.Job, {"kind": kind, "state": state, "limit": limit})

    def job(self, job_id: str) -> rows.JobDetail:
        """Return one job with what came of it."""
        return self._one(f"/v1/jobs/{job_id}", rows.JobDetail)

    def portfolios(self) -> Listing[rows.Portfolio]:
        """List your portfolios."""
        return self._list("/v1/portfolios", rows.Portfolio, {})

    def portfolio(self, portfolio_id: str) -> rows.Portfolio:
        """Return one portfolio."""
        return self._one(f"/v1/portfolios/{portfolio_id}", rows.Portfolio)

    def holdings(self, portfolio_id: str) -> Listing[rows.HeldNow]:
        """List what a portfolio holds."""
        return self._list(f"/v1/portfolios/{portfolio_id}/holdings", rows.HeldNow, {})

    def alerts(self, *, is_active: bool | None = None, limit: int | None = None) -> Listing[rows.Alert]:
        """List your alerts."""
        return self._list("/v1/alerts", rows.Alert, {"is_active": is_active, "limit": limit})

    def alert(self, alert_id: str) -> rows.Alert:
        """Return one alert."""
        return self._one(f"/v1/alerts/{alert_id}", rows.Alert)

    def webhook_endpoints(self) -> Listing[rows.Endpoint]:
        """List where your messages go; secrets are not among it."""
        return self._list("/v1/webhook-endpoints", rows.Endpoint, {})

    def events(
        self,
        *,
        type: str | None = None,
        subject: str | None = None,
        correlation_id: str | None = None,
        limit: int | None = None,
    ) -> Listing[Event]:
        """List what happened in the last 30 days, newest first: to everybody, and to you."""
        return self._list(
            "/v1/events",
            Event,
            {"type": type, "subject": subject, "correlation_id": correlation_id, "limit": limit},
        )

    def me(self) -> rows.Me:
        """Return whose key this is, and what it may do."""
        return self._one("/v1/auth/me", rows.Me)

    def datasets(self) -> Listing[rows.Dataset]:
        """List the versions of the tables."""
        return self._list("/v1/datasets", rows.Dataset, {})

    def stream(self, *, topics: Sequence[str] | None = None, last_event_id: str | None = None) -> Iterator[Event]:
        """Give events as they happen, for ever; after a break it goes on where it was."""
        return follow(self._transport, topics, last_event_id)

    def send(self, method: str, path: str, *, body: object = None, idempotency_key: str | None = None) -> Any:
        """Send any request with a body of JSON, and return the answer's JSON; None where it has no body."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        content = msgspec.json.encode(body) if body is not None else None
        answer = self._transport.send(method, path, headers=headers, content=content)
        return msgspec.json.decode(answer.content) if answer.content else None

    def _list(self, path: str, row: type[Item], query: dict[str, object]) -> Listing[Item]:
        return Listing(self._transport, path, query, row)

    def _one(self, path: str, kind: type[Item], **query: object) -> Item:
        answer = self._transport.get(path, query)
        return msgspec.json.decode(answer.content, type=_One[kind]).data  # type: ignore[valid-type]
