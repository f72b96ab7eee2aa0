"""Yahoo's formats over the fake market."""

import datetime as dt
from typing import Any

from factorloom.fake_vendors.market import CURRENCIES, SPLIT_DATE, FakeMarket
from factorloom.fake_vendors.server import Asked, Reply, as_json

_CRUMB = "fake.crumb"
_COOKIE = "A3=fake"
_CHART, _SERIES = "/v8/finance/chart/", "/ws/fundamentals-timeseries/v1/finance/timeseries/"


class FakeYahoo:
    """Answers what the source asks of Yahoo: columns, split-adjusted, stamped with the opening of the session."""

    def __init__(self, market: FakeMarket) -> None:
        self._market = market

    def __call__(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if asked.path == "/cookie":
            return Reply(404, b"not here", {"set-cookie": f"{_COOKIE}; Path=/"})
        if asked.path.startswith(_CHART):
            return self._chart(asked, asked.path.removeprefix(_CHART))
        has_cookie = _COOKIE in asked.headers.get("cookie", "")
        if asked.path == "/v1/test/getcrumb":
            return Reply(200, _CRUMB.encode() if has_cookie else b"", {"content-type": "text/plain"})
        if not has_cookie or asked.parameters.get("crumb") != _CRUMB:
            return _error("finance", "Unauthorized", "Invalid Crumb", 401)
        if asked.path == "/v7/finance/quote":
            names = [name for name in asked.parameters["symbols"].split(",") if self._market.knows(name)]
            return as_json({"quoteResponse": {"result": [self._quote(name) for name in names], "error": None}})
        if asked.path == "/v1/finance/search":
            return as_json({"quotes": [], "news": []})
        if asked.path.startswith(_SERIES):
            return self._statements(asked, asked.path.removeprefix(_SERIES))
        return _error("finance", "Not Found", "page not found", 404)

    def _chart(self, asked: Asked, name: str) -> Reply:
        first, last = _window(asked)
        pair = name.removesuffix("=X")
        if pair in CURRENCIES:
            return self._rates(name, pair, first, last)
        if not self._market.knows(name):
            return _error("chart", "Not Found", "No data found, symbol may be delisted", 404)
        days = self._market.sessions(first, last)
        stamps = [int(self._market.calendar.open_at(day).timestamp()) for day in days]
        bars = [self._adjusted(name, day) for day in days]
        columns = {field: [bar[field] for bar in bars] for field in ("open", "high", "low", "close", "volume")}
        meta = {"symbol": name, "currency": "USD", "exchangeTimezoneName": "America/New_York", "dataGranularity": "1d",
                "priceHint": 4}  # fmt: skip
        return _result({"meta": meta, "timestamp": stamps, "indicators": {"quote": [columns]},
                        "events": self._events(name, first, last)})  # fmt: skip

    def _rates(self, name: str, pair: str, first: dt.date, last: dt.date) -> Reply:
        days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
        stamps = [int(dt.datetime.combine(day, dt.time(1), dt.UTC).timestamp()) for day in days]
        meta = {"symbol": name, "currency": "USD", "exchangeTimezoneName": "Europe/London", "dataGranularity": "1d"}
        closes = {"close": [self._market.rate(pair, day) for day in days]}
        return _result({"meta": meta, "timestamp": stamps, "indicators": {"quote": [closes]}})

    def _events(self, name: str, first: dt.date, last: dt.date) -> dict[str, Any]:
        dividends = [day for of, day in self._market.dividends(first, last) if of == name]
        splits = [day for of, day in self._market.splits(first, last) if of == name]
        at = {day: int(self._market.calendar.open_at(day).timestamp()) for day in [*dividends, *splits]}
        return {
            "dividends": {str(at[d]): {"date": at[d], "amount": 0.25 / _later_shares(name, d)} for d in dividends},
            "splits": {str(at[d]): {"date": at[d], "numerator": 4, "denominator": 1} for d in splits},
        }

    def _quote(self, name: str) -> dict[str, Any]:
        today, ratios = self._market.today, self._market.ratios(name)
        bar = self._market.bar(name, today)
        return {
            "symbol": name, "currency": "USD", "regularMarketPrice": bar.close, "regularMarketVolume": bar.volume,
            "regularMarketPreviousClose": bar.open,
            "regularMarketTime": int(self._market.calendar.close_at(today).timestamp()),
            "marketCap": ratios.market_cap, "trailingPE": ratios.price_to_earnings, "priceToBook": ratios.price_to_book,
        }  # fmt: skip

    def _statements(self, asked: Asked, name: str) -> Reply:
        if not self._market.knows(name):
            return as_json({"timeseries": {"result": [], "error": None}})
        found = self._market.statements(name, *_window(asked))
        figures = {"quarterlyTotalRevenue": "revenue", "quarterlyNetIncome": "net_income",
                   "quarterlyTotalAssets": "total_assets"}  # fmt: skip
        result = [
            {"meta": {"type": [kind]}, kind: [None, *(_figure(s.period_end, getattr(s, field)) for s in found)]}
            for kind, field in figures.items()
        ]
        return as_json({"timeseries": {"result": [*result, {"meta": {"type": ["annualEBITDA"]}}], "error": None}})

    def _adjusted(self, name: str, day: dt.date) -> dict[str, float]:
        shares = _later_shares(name, day)
        bar = self._market.bar(name, day)
        prices = {field: getattr(bar, field) / shares for field in ("open", "high", "low", "close")}
        return {**prices, "volume": bar.volume * shares}


def _later_shares(name: str, day: dt.date) -> int:
    return 4 if name == "F001" and day < SPLIT_DATE else 1


def _figure(period_end: dt.date, value: int) -> dict[str, Any]:
    reported = {"raw": value, "fmt": f"{value:,}"}
    return {"asOfDate": str(period_end), "periodType": "3M", "currencyCode": "USD", "reportedValue": reported}


def _result(result: dict[str, Any]) -> Reply:
    return as_json({"chart": {"result": [result], "error": None}})


def _error(part: str, code: str, description: str, status: int) -> Reply:
    return as_json({part: {"result": None, "error": {"code": code, "description": description}}}, status)


def _window(asked: Asked) -> tuple[dt.date, dt.date]:
    # The end is exclusive.
    first, end = (dt.datetime.fromtimestamp(int(asked.parameters[name]), dt.UTC) for name in ("period1", "period2"))
    return first.date(), (end - dt.timedelta(seconds=1)).date()
