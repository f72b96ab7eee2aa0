"""Nordnet's formats over the fake market."""

import base64
import datetime as dt
from typing import Any

from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.server import Asked, Reply, as_json

_SESSION = "fake-session"


class FakeNordnet:
    """Answers what the source asks of Nordnet; any signature will do."""

    def __init__(self, market: FakeMarket) -> None:
        self._market = market

    def __call__(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if asked.path == "/login/start":
            return as_json({"challenge": "sign this"} if asked.form.get("api_key") else {}, 200)
        if asked.path == "/login/verify":
            is_signed = bool(asked.form.get("signature"))
            return as_json({"session_key": _SESSION, "expires_in": 1800}) if is_signed else _refused()
        token = base64.b64encode(f"{_SESSION}:{_SESSION}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {token}":
            return _refused()
        if asked.path == "/instrument_search/query/stocklist":
            return self._list(asked)
        return as_json({"code": "NEXT_NOT_FOUND", "message": "page not found"}, 404)

    def _list(self, asked: Asked) -> Reply:
        begin, size = (int(asked.parameters[name]) for name in ("offset", "limit"))
        names = self._market.symbols[begin : begin + size]
        if not names:
            return Reply(204, b"")
        rows = [self._row(name) for name in names]
        return as_json({"results": rows, "rows": len(rows), "total_hits": len(self._market.symbols)})

    def _row(self, name: str) -> dict[str, Any]:
        today = self._market.calendar.last_closed_session(dt.datetime.now(dt.UTC))
        bar = self._market.bar(name, today)
        at = int(self._market.calendar.close_at(today).timestamp()) * 1000
        prices = {field: {"price": getattr(bar, field), "decimals": 2} for field in ("open", "high", "low")}
        return {
            "instrument_info": {"symbol": name, "name": f"Fake {name}", "currency": "SEK", "isin": f"SE{name}"},
            "price_info": {"last": {"price": bar.close, "decimals": 2}, **prices, "tick_timestamp": at,
                           "turnover_volume": float(bar.volume)},
        }  # fmt: skip


def _refused() -> Reply:
    return as_json({"code": "NEXT_INVALID_SESSION", "message": "Invalid session"}, 401)
