"""Massive's formats over the fake market."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from factorloom.fake_vendors.market import CURRENCIES, FakeMarket, Statement
from factorloom.fake_vendors.server import Asked, Reply, as_json

NEW_YORK = ZoneInfo("America/New_York")
PAGE = 1000
Events = Callable[[dt.date, dt.date], list[tuple[str, dt.date]]]
_GROUPED = re.compile(r"/v2/aggs/grouped/locale/us/market/stocks/(\d{4}-\d{2}-\d{2})")
_RATES = re.compile(r"/v2/aggs/grouped/locale/global/market/fx/(\d{4}-\d{2}-\d{2})")
_RANGE = re.compile(r"/v2/aggs/ticker/([^/]+)/range/1/day/(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})")
_FIGURES: Mapping[str, Callable[[Statement], dict[str, Any]]] = {
    "income-statements": lambda s: {
        "revenue": s.revenue,
        "net_income_loss_attributable_common_shareholders": s.net_income,
        "basic_shares_outstanding": s.shares,
    },
    "balance-sheets": lambda s: {"total_assets": s.total_assets, "total_equity": s.total_equity},
    "cash-flow-statements": lambda s: {"net_cash_from_operating_activities": s.operating_cash_flow},
}


class FakeMassive:
    """Answers what the source asks of Massive."""

    def __init__(self, market: FakeMarket) -> None:
        self._market = market

    def __call__(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if not asked.headers.get("authorization", "").startswith("Bearer "):
            return as_json({"status": "ERROR", "error": "Unknown API Key"}, 401)
        if found := _GROUPED.fullmatch(asked.path):
            return self._grouped(dt.date.fromisoformat(found[1]))
        if found := _RANGE.fullmatch(asked.path):
            return self._range(found[1], dt.date.fromisoformat(found[2]), dt.date.fromisoformat(found[3]))
        if asked.path == "/v3/reference/tickers":
            return self._tickers(asked)
        if asked.path == "/stocks/v1/splits":
            return self._events(asked, "execution_date", self._market.splits, {"split_from": 1, "split_to": 4})
        if asked.path == "/stocks/v1/dividends":
            content = {"cash_amount": 0.25, "currency": "USD"}
            return self._events(asked, "ex_dividend_date", self._market.dividends, content)
        if asked.path == "/v2/snapshot/locale/us/markets/stocks/tickers":
            return self._snapshots(asked)
        if asked.path == "/stocks/financials/v1/ratios":
            return self._ratios()
        if asked.path.startswith("/stocks/financials/v1/"):
            return self._statements(asked)
        if found := _RATES.fullmatch(asked.path):
            return self._rates(dt.date.fromisoformat(found[1]))
        if asked.path.startswith(("/v2/reference/news", "/vX/reference/tickers/")):
            return as_json({"status": "OK"})
        if asked.path == "/v1/marketstatus/now":
            return as_json({"market": "open", "exchanges": {"nyse": "open" if self._market.is_open else "closed"}})
        if asked.path == "/v1/marketstatus/upcoming":
            return as_json([])
        return as_json({"status": "NOT_FOUND", "message": "page not found"}, 404)

    def _grouped(self, day: dt.date) -> Reply:
        if not self._market.sessions(day, day):
            return as_json({"status": "OK", "adjusted": False, "resultsCount": 0})
        rows = [{"T": symbol, **self._bar(symbol, day, 16)} for symbol in [*self._market.symbols, "SPY"]]
        return as_json({"status": "OK", "adjusted": False, "resultsCount": len(rows), "results": rows})

    def _range(self, symbol: str, first: dt.date, last: dt.date) -> Reply:
        answer = {"status": "OK", "ticker": symbol, "adjusted": False}
        if not self._market.knows(symbol):
            return as_json({**answer, "resultsCount": 0})
        rows = [self._bar(symbol, day, 0) for day in self._market.sessions(first, last)]
        return as_json({**answer, "resultsCount": len(rows), "results": rows})

    def _tickers(self, asked: Asked) -> Reply:
        begin = int(asked.parameters.get("cursor", "0"))
        listed = self._market.symbols if asked.parameters.get("active") == "true" else []
        if asked.parameters.get("type") not in (None, "CS"):
            listed = []
        rows = [
            {"ticker": symbol, "name": f"Fake {symbol}", "market": "stocks", "primary_exchange": "XNYS", "type": "CS",
             "active": True, "currency_name": "usd", "share_class_figi": f"BBG{symbol}"}
            for symbol in listed[begin : begin + PAGE]
        ]  # fmt: skip
        answer: dict[str, Any] = {"status": "OK", "count": len(rows), "results": rows}
        if begin + PAGE < len(listed):
            # As the vendor does: absolute, on whatever host it was asked, and without the key.
            host = asked.headers["host"]
            answer["next_url"] = f"http://{host}{asked.path}?active=true&type=CS&cursor={begin + PAGE}"
        return as_json(answer)

    def _events(self, asked: Asked, column: str, events: Events, content: dict[str, Any]) -> Reply:
        first, last = (dt.date.fromisoformat(asked.parameters[f"{column}.{end}"]) for end in ("gte", "lte"))
        rows = [{"ticker": name, column: str(day), **content} for name, day in events(first, last)]
        return as_json({"status": "OK", "results": rows} if rows else {"status": "OK"})

    def _statements(self, asked: Asked) -> Reply:
        first, last = (dt.date.fromisoformat(asked.parameters[f"filing_date.{end}"]) for end in ("gte", "lte"))
        part = asked.path.rsplit("/", 1)[1]
        rows = [
            {"tickers": [name], "period_end": str(s.period_end), "filing_date": str(s.filed), "timeframe": "quarterly",
             "fiscal_year": float(s.period_end.year), **_FIGURES[part](s)}
            for name in self._market.symbols
            for s in self._market.statements(name, first, last)
        ]  # fmt: skip
        return as_json({"status": "OK", "results": rows} if rows else {"status": "OK"})

    def _ratios(self) -> Reply:
        rows = [
            {"ticker": name, "cik": "320193", "date": str(self._market.today), "market_cap": ratios.market_cap,
             "price_to_earnings": ratios.price_to_earnings, "price_to_book": ratios.price_to_book}
            for name in self._market.symbols
            for ratios in [self._market.ratios(name)]
        ]  # fmt: skip
        return as_json({"status": "OK", "results": rows})

    def _rates(self, day: dt.date) -> Reply:
        at = int(dt.datetime.combine(day, dt.time(23, 59, 59, 999_000), dt.UTC).timestamp() * 1000)
        rows = [{"T": f"C:{pair}", "t": at, "c": self._market.rate(pair, day)} for pair in CURRENCIES]
        return as_json({"status": "OK", "adjusted": False, "resultsCount": len(rows), "results": rows})

    def _snapshots(self, asked: Asked) -> Reply:
        wanted = asked.parameters.get("tickers")
        names = self._market.symbols if wanted is None else [n for n in wanted.split(",") if self._market.knows(n)]
        today = self._market.today
        rows = []
        for name in names:
            bar = self._bar(name, today, 16)
            rows.append({"ticker": name, "updated": bar["t"] * 10**6, "day": bar, "prevDay": {"c": bar["c"]}})
        return as_json({"status": "OK", "count": len(rows), "tickers": rows})

    def _bar(self, symbol: str, day: dt.date, hour: int) -> dict[str, Any]:
        figures = self._market.bar(symbol, day)
        at = dt.datetime.combine(day, dt.time(hour), NEW_YORK)
        return {
            "t": int(at.timestamp() * 1000), "o": figures.open, "h": figures.high, "l": figures.low,
            "c": figures.close, "v": figures.volume, "vw": figures.close, "n": 10,
        }  # fmt: skip
