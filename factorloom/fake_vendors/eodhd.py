"""EODHD's formats over the fake market."""

import datetime as dt
from typing import Any

from factorloom.fake_vendors.market import CURRENCIES, SPLIT_DATE, FakeMarket
from factorloom.fake_vendors.server import Asked, Reply, as_json

_SPLIT = {"split": "4.000000/1.000000"}


class FakeEodhd:
    """Answers what the source asks of EODHD; volumes are in today's shares, as the vendor's."""

    def __init__(self, market: FakeMarket) -> None:
        self._market = market

    def __call__(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if not asked.parameters.get("api_token"):
            return Reply(401, b"Unauthenticated", {"content-type": "text/html"})
        kind, _, name = asked.path.strip("/").removeprefix("api/").partition("/")
        answers = {
            "exchange-symbol-list": self._symbols, "eod-bulk-last-day": self._bulk, "eod": self._series,
            "splits": self._splits, "div": self._dividends, "real-time": self._quotes,
            "fundamentals": self._company, "bulk-fundamentals": self._companies,
        }  # fmt: skip
        if kind in answers:
            return answers[kind](asked, name.removesuffix(".US"))
        if kind == "exchange-details":
            return as_json({"Name": "USA", "isOpen": self._market.is_open, "ExchangeHolidays": {}})
        return (
            as_json([])
            if kind in ("news", "symbol-change-history")
            else Reply(404, b"Not found.", {"content-type": "text/html"})
        )

    def _symbols(self, asked: Asked, _: str) -> Reply:
        listed = [] if asked.parameters.get("delisted") else self._market.symbols
        return as_json([
            {"Code": name, "Name": f"Fake {name}", "Country": "USA", "Exchange": "NYSE", "Currency": "USD",
             "Type": "Common Stock", "Isin": None}
            for name in listed
        ])  # fmt: skip

    def _bulk(self, asked: Asked, _: str) -> Reply:
        day = dt.date.fromisoformat(asked.parameters["date"])
        kind = asked.parameters.get("type")
        if kind == "splits":
            return as_json([_event(name, d, **_SPLIT) for name, d in self._market.splits(day, day)])
        if kind == "dividends":
            return as_json([
                _event(name, d, dividend="0.25000", currency="USD", declarationDate="", paymentDate="")
                for name, d in self._market.dividends(day, day)
            ])  # fmt: skip
        names = self._market.symbols if self._market.sessions(day, day) else []
        return as_json([{"code": name, "exchange_short_name": "US", **self._bar(name, day)} for name in names])

    def _series(self, asked: Asked, name: str) -> Reply:
        first, last = _window(asked)
        if name.endswith(".FOREX"):
            return self._rates(name.removesuffix(".FOREX"), first, last)
        if not self._market.knows(name):
            return Reply(404, b"Ticker Not Found.", {"content-type": "text/html"})
        return as_json([self._bar(name, day) for day in self._market.sessions(first, last)])

    def _rates(self, pair: str, first: dt.date, last: dt.date) -> Reply:
        days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)] if pair in CURRENCIES else []
        return as_json([{"date": str(d), "close": self._market.rate(pair, d)} for d in days if d.weekday() != 5])

    def _splits(self, asked: Asked, name: str) -> Reply:
        found = self._market.splits(*_window(asked))
        return as_json([{"date": str(day), **_SPLIT} for of, day in found if of == name])

    def _dividends(self, asked: Asked, name: str) -> Reply:
        found = [day for of, day in self._market.dividends(*_window(asked)) if of == name]
        divided = {day: 0.25 / (4 if day < SPLIT_DATE else 1) for day in found}
        paid = {"unadjustedValue": 0.25, "currency": "USD"}
        return as_json([{"date": str(day), "value": value, **paid} for day, value in divided.items()])

    def _quotes(self, asked: Asked, first: str) -> Reply:
        names = [first, *(name.removesuffix(".US") for name in asked.parameters.get("s", "").split(",") if name)]
        rows = [self._quote(name) for name in names]
        return as_json(rows[0] if len(rows) == 1 else rows)

    def _quote(self, name: str) -> dict[str, Any]:
        if not self._market.knows(name):
            return {
                "code": f"{name}.US",
                **dict.fromkeys(("timestamp", "open", "high", "low", "close", "volume"), "NA"),
            }
        today = self._market.today
        bar = self._market.bar(name, today)
        at = int(self._market.calendar.close_at(today).timestamp())
        return {"code": f"{name}.US", "timestamp": at, **bar._asdict(), "previousClose": bar.close}

    def _company(self, asked: Asked, name: str) -> Reply:
        return as_json(self._statements(name)) if self._market.knows(name) else Reply(404, b"Not found.")

    def _companies(self, asked: Asked, _: str) -> Reply:
        begin, size = (int(asked.parameters[name]) for name in ("offset", "limit"))
        names = self._market.symbols[begin : begin + size]
        return as_json({str(i): self._statements(name) for i, name in enumerate(names)})

    def _statements(self, name: str) -> dict[str, Any]:
        quarters = {}
        for s in self._market.statements(name, dt.date(2000, 1, 1), dt.date(2030, 12, 31)):
            filed = {"date": str(s.period_end), "filing_date": str(s.filed), "currency_symbol": "USD"}
            figures = {"totalAssets": f"{s.total_assets}.00", "totalStockholderEquity": f"{s.total_equity}.00"}
            quarters[str(s.period_end)] = filed | figures
        sheet = {"currency_symbol": "USD", "quarterly": quarters, "yearly": []}
        return {
            "General": {"Code": name, "CurrencyCode": "USD"}, **self._ratios(name),
            "Financials": {"Balance_Sheet": sheet},
        }  # fmt: skip

    def _ratios(self, name: str) -> dict[str, Any]:
        ratios = self._market.ratios(name)
        return {
            "Highlights": {
                "MarketCapitalization": ratios.market_cap,
                "PERatio": ratios.price_to_earnings,
                "EBITDA": None,
            },
            "Valuation": {"PriceBookMRQ": ratios.price_to_book, "EnterpriseValueEbitda": 0},
        }

    def _bar(self, name: str, day: dt.date) -> dict[str, Any]:
        bar = self._market.bar(name, day)
        is_before = name == self._market.symbols[1] and day < SPLIT_DATE
        return {"date": str(day), **bar._asdict(), "volume": bar.volume * (4 if is_before else 1), "adjusted_close": 1}


def _event(name: str, day: dt.date, **content: Any) -> dict[str, Any]:
    return {"code": name, "exchange": "US", "date": str(day), **content}


def _window(asked: Asked) -> tuple[dt.date, dt.date]:
    first, last = (dt.date.fromisoformat(asked.parameters[name]) for name in ("from", "to"))
    return first, last
