"""Twelve Data's formats over the fake market."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from factorloom.fake_vendors.market import FakeMarket, Statement
from factorloom.fake_vendors.server import Asked, Reply, as_json

_EVER = (dt.date(2000, 1, 1), dt.date(2030, 12, 31))
_FIGURES: Mapping[str, Callable[[Statement], dict[str, Any]]] = {
    "income_statement": lambda s: {"sales": s.revenue, "net_income": s.net_income},
    "balance_sheet": lambda s: {"assets": {"total_assets": s.total_assets}},
    "cash_flow": lambda s: {"operating_activities": {"operating_cash_flow": s.operating_cash_flow}},
}


class FakeTwelveData:
    """Answers what the source asks of Twelve Data: numbers as text, errors with status 200."""

    def __init__(self, market: FakeMarket) -> None:
        self._market = market

    def __call__(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if not asked.headers.get("authorization", "").startswith("apikey "):
            return _error(401, "**apikey** parameter is incorrect or not specified.")
        if asked.path == "/stocks":
            return self._stocks(asked.parameters["mic_code"])
        if asked.path == "/quote":
            return self._quotes(asked.parameters["symbol"].split(","))
        if asked.path == "/market_state":
            return as_json([{"name": "NYSE", "code": "XNYS", "is_market_open": self._market.is_open}])
        symbol = asked.parameters.get("symbol", "")
        if "/" in symbol:
            return self._rates(asked, symbol)
        if not self._market.knows(symbol):
            return _error(404, f"**symbol** not found: {symbol}. Please specify it correctly.")
        answers = {"/time_series": self._series, "/dividends": self._dividends, "/splits": self._splits}
        if asked.path in answers:
            return answers[asked.path](asked, symbol)
        if asked.path in ("/income_statement", "/balance_sheet", "/cash_flow"):
            return self._statements(asked, symbol)
        if asked.path == "/statistics":
            return self._statistics(symbol)
        if asked.path == "/press_releases":
            return as_json({"press_releases": []})
        return _error(404, "page not found")

    def _stocks(self, venue: str) -> Reply:
        listed = self._market.symbols if venue == "XNYS" else []
        rows = [
            {"symbol": name, "name": f"Fake {name}", "currency": "USD", "mic_code": venue, "country": "United States",
             "type": "Common Stock", "figi_code": f"BBG{name}", "isin": "request_access_via_add_ons"}
            for name in listed
        ]  # fmt: skip
        return as_json({"data": rows, "status": "ok"})

    def _series(self, asked: Asked, symbol: str) -> Reply:
        rows = []
        for day in self._market.sessions(*_window(asked)):
            bar = self._market.bar(symbol, day)
            rows.append({"datetime": str(day), **{name: str(value) for name, value in bar._asdict().items()}})
        if not rows:
            return _error(400, "No data is available on the specified dates. Try setting different start/end dates.")
        meta = {"symbol": symbol, "interval": "1day", "currency": "USD", "mic_code": asked.parameters.get("mic_code")}
        return as_json({"meta": meta, "values": rows[::-1], "status": "ok"})

    def _rates(self, asked: Asked, pair: str) -> Reply:
        first, last = _window(asked)
        days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
        rate = self._market.rate
        rows = [{"datetime": str(day), "close": str(rate(pair.replace("/", ""), day))} for day in days]
        meta = {"symbol": pair, "interval": "1day", "currency_base": "a name", "currency_quote": "another"}
        return as_json({"meta": meta, "values": rows, "status": "ok"})

    def _dividends(self, asked: Asked, symbol: str) -> Reply:
        found = self._market.dividends(*_window(asked))
        rows = [{"ex_date": str(day), "amount": 0.25} for name, day in found if name == symbol]
        return as_json({"meta": {"symbol": symbol, "currency": "USD"}, "dividends": rows})

    def _splits(self, asked: Asked, symbol: str) -> Reply:
        content = {"description": "4-for-1 split", "ratio": 0.25, "from_factor": 4, "to_factor": 1}
        found = self._market.splits(*_window(asked))
        rows = [{"date": str(day), **content} for name, day in found if name == symbol]
        return as_json({"meta": {"symbol": symbol, "currency": "USD"}, "splits": rows})

    def _statements(self, asked: Asked, symbol: str) -> Reply:
        part = asked.path.strip("/")
        found = [] if asked.parameters["period"] == "annual" else self._market.statements(symbol, *_EVER)
        rows = [{"fiscal_date": str(s.period_end), **_FIGURES[part](s)} for s in found]
        return as_json({"meta": {"symbol": symbol, "currency": "USD"}, part: rows})

    def _statistics(self, symbol: str) -> Reply:
        ratios = self._market.ratios(symbol)
        metrics = {
            "market_capitalization": ratios.market_cap, "trailing_pe": ratios.price_to_earnings,
            "price_to_book_mrq": ratios.price_to_book,
        }  # fmt: skip
        return as_json({"meta": {"symbol": symbol, "currency": "USD"}, "statistics": {"valuations_metrics": metrics}})

    def _quotes(self, names: list[str]) -> Reply:
        rows = {name: self._quote(name, self._market.today) for name in names}
        return as_json(rows[names[0]] if len(names) == 1 else rows)

    def _quote(self, name: str, today: dt.date) -> dict[str, Any]:
        if not self._market.knows(name):
            return {"code": 404, "message": f"**symbol** not found: {name}.", "status": "error"}
        bar = {field: str(value) for field, value in self._market.bar(name, today)._asdict().items()}
        at = int(self._market.calendar.close_at(today).timestamp())
        return {"symbol": name, "currency": "USD", **bar, "previous_close": bar["close"], "timestamp": at}


def _window(asked: Asked) -> tuple[dt.date, dt.date]:
    # The end is exclusive.
    first, end = (dt.date.fromisoformat(asked.parameters[name]) for name in ("start_date", "end_date"))
    return first, end - dt.timedelta(days=1)


def _error(code: int, message: str) -> Reply:
    return as_json({"code": code, "message": message, "status": "error"})
