"""What the ticker in an address means: the instrument of today, a successor to go to, or nothing."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from api.errors import ParameterError, ParameterInvalid, TickerRenamed, TickerUnknown, ValueUnknown
from api.parameters import TICKER_PATTERN, Ticker
from api.versions import Versions
from warehouse.queries import instruments
from warehouse.queries.instruments import Instrument
from warehouse.queries.reader import Reader

MAX_TICKERS = 100
MAX_HELD = 10_000
_TABLE = ("marts.dim_instruments",)


class Owners:
    """Who has which ticker today: read once for each ticker, and again when the table has another version.

    As everywhere, what is read may be newer than its version, never older.
    """

    def __init__(self, reader: Reader, versions: Versions) -> None:
        self._reader = reader
        self._versions = versions
        self._version: str | None = None
        self._known: dict[str, Instrument] = {}

    async def of(self, ticker: str) -> Instrument | None:
        """Return the instrument that has a ticker, None where none has it."""
        version = await self._versions.of(_TABLE)
        if version is None:
            return await instruments.by_ticker(self._reader, ticker)
        if version != self._version or len(self._known) >= MAX_HELD:
            self._version, self._known = version, {}
        # What is being read when the version changes goes to where nobody looks any more.
        known = self._known
        found = known.get(ticker)
        if found is None:
            found = await instruments.by_ticker(self._reader, ticker)
            if found is not None:
                known[ticker] = found
        return found


async def provide_instrument(
    request: Request[Any, Any, Any],
    reader: NamedDependency[Reader],
    owners: NamedDependency[Owners],
    ticker: Ticker,
) -> Instrument:
    """Return the instrument that the ticker of this address means today.

    Raises
    ------
    TickerRenamed
        When the ticker was given up: the answer is at its successor's address.
    TickerUnknown
        When no instrument has or had it.
    """
    wanted = ticker.upper()
    found = await owners.of(wanted)
    if found is not None:
        return found
    renamed = await instruments.by_former_ticker(reader, wanted)
    if renamed is None:
        raise TickerUnknown([wanted])
    query = request.scope["query_string"].decode()
    path = path_of_ticker(request, renamed.ticker)
    raise TickerRenamed(wanted, renamed.ticker, f"{path}?{query}" if query else path)


def path_of_ticker(request: Request[Any, Any, Any], ticker: str) -> str:
    """Return the path of the same operation for another ticker."""
    return request.scope["path_template"].rstrip("/").replace("{ticker}", ticker)


def split_tickers(tickers: str) -> list[str]:
    """Return the tickers between commas, in upper case.

    Raises
    ------
    ParameterInvalid
        When one of them is none, or there are too many.
    """
    wanted = [ticker.strip().upper() for ticker in tickers.split(",")]
    odd = [ticker for ticker in wanted if not re.fullmatch(TICKER_PATTERN, ticker)]
    if odd or len(wanted) > MAX_TICKERS:
        message = f"must be at most {MAX_TICKERS} tickers between commas; got {len(wanted)}, {len(odd)} of them none"
        raise ParameterInvalid([ParameterError("tickers", "invalid", message)])
    return wanted


async def require_tickers(reader: Reader, wanted: Sequence[str]) -> None:
    """Refuse to leave out silently what was asked for by name."""
    known = await instruments.known_tickers(reader, wanted)
    if missing := [ticker for ticker in wanted if ticker not in known]:
        raise TickerUnknown(missing)


async def require_known(reader: Reader, *, sector: str | None, market: str | None = None) -> None:
    """Refuse a filter that names a sector or market that does not exist; asked only when nothing was found."""
    await _require("sector", sector, reader, instruments.known_sectors)
    await _require("market", market, reader, instruments.known_markets)


async def _require(
    parameter: str, value: str | None, reader: Reader, read_known: Callable[[Reader], Awaitable[list[str]]]
) -> None:
    if value is None:
        return
    known = await read_known(reader)
    if value not in known:
        raise ValueUnknown(parameter, value, known)
