"""What all vendors' adapters have in common: options, windows, pages, and that one symbol's failure stays its own."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from orchestration.calendars import HomeCalendar
from orchestration.sources.errors import Kind, OptionOutOfRange, VendorError, VendorOverBudget, VendorUnavailable
from orchestration.sources.ledger import Ledger, Plan
from orchestration.sources.records import Batch
from orchestration.sources.transport import Call, Decode, Limits, Time, Transport, Vendor
from orchestration.sources.wire import Gathering, canonical_ticker

T = TypeVar("T")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What concerns one symbol alone; a key that is wrong, or a host that is down, concerns all.
_OF_ONE_SYMBOL = (Kind.NOT_FOUND, Kind.BAD_REQUEST, Kind.ENTITLEMENT)


class VendorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a vendor.

    Parameters
    ----------
    api_key : str, optional
        The key; never shown.
    base_url : str, optional
        In place of the vendor's own: a proxy of your own, or a server for trials.
    plan : str, optional
        Name of the plan that the key has; the smallest by default.
    symbols : tuple of str
        Tickers to ask for, those that matter most first; empty is the whole market, where the vendor answers that.
    first_session : date
        First session to ask for.
    benchmark : str
        Ticker of the fund that stands for the market.
    private_key : str, optional
        Private key of a login by signature, PEM; never shown.
    """

    api_key: str | None = None
    base_url: str | None = None
    plan: str | None = None
    symbols: tuple[str, ...] = ()
    first_session: dt.date = dt.date(2025, 1, 2)
    benchmark: str = "SPY"
    private_key: str | None = None

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if not name.endswith("_key")}
        return f"VendorOptions({shown})"


class Surroundings(NamedTuple):
    """What a source is given by its installation."""

    calendar: HomeCalendar
    now: Callable[[], dt.datetime]
    ledger: Ledger


class VendorSource:
    """A live source at a vendor; subclasses say who that is, and have a method per capability.

    Parameters
    ----------
    options : VendorOptions
    surroundings : Surroundings
    client, limits, time
        As `Transport` takes them; tests bring their own.

    Raises
    ------
    OptionOutOfRange
        If an option does not hold.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    plans: ClassVar[Mapping[str, Plan]]
    # The first plan is the smallest: with an unknown key we stay below every limit.
    needs_key: ClassVar[bool] = True
    is_simulated = False
    last_session: dt.date | None = None

    def __init__(
        self,
        options: VendorOptions,
        surroundings: Surroundings,
        *,
        client: httpx.Client | None = None,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        time: Time = Time(),  # noqa: B008 - immutable
    ) -> None:
        self._options = options
        self._calendar = surroundings.calendar
        self._now = surroundings.now
        self._check(options)
        self.transport = Transport(self.vendor(options), surroundings.ledger, client=client, limits=limits, time=time)

    def vendor(self, options: VendorOptions) -> Vendor:
        """Return who is asked, and how."""
        raise NotImplementedError

    @property
    def first_session(self) -> dt.date:
        """First session that is asked for."""
        first = self._options.first_session
        return first if self._calendar.is_session(first) else self._calendar.next_session(first)

    @property
    def benchmark_symbol(self) -> str | None:
        """Ticker of the fund that stands for the market."""
        return self._options.benchmark

    @property
    def plan(self) -> Plan:
        """Limits of the key."""
        return self.plans[self._options.plan or next(iter(self.plans))]

    def _check(self, options: VendorOptions) -> None:
        prefix = f"FACTORLOOM_{self.name.upper()}"
        if self.needs_key and not options.api_key:
            raise OptionOutOfRange(self.name, f"{prefix}_API_KEY", must="be set", got=None)
        if options.api_key is not None and not _is_sendable(options.api_key):
            must = "be printable ASCII without spaces (the value is not shown)"
            raise OptionOutOfRange(self.name, f"{prefix}_API_KEY", must=must, got="another")
        if options.plan is not None and options.plan not in self.plans:
            must = f"be one of {sorted(self.plans)}"
            raise OptionOutOfRange(self.name, f"{prefix}_PLAN", must=must, got=options.plan)
        parts = urlsplit(options.base_url or "https://unused")
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not is_safe or not parts.hostname or "@" in parts.netloc or parts.query:
            must = "be https://host[/path] (http on this machine alone), without user, password or query"
            raise OptionOutOfRange(self.name, f"{prefix}_BASE_URL", must=must, got=f"{parts.scheme}://{parts.hostname}")

    def _sessions(self, first_date: dt.date, last_date: dt.date) -> list[dt.date]:
        """Return the sessions of a window that are over."""
        last = min(last_date, self._calendar.last_closed_session(self._now()))
        first = max(first_date, self.first_session)
        return self._calendar.sessions(first, last) if first <= last else []

    def _days(self, first_date: dt.date, last_date: dt.date) -> tuple[dt.date, dt.date] | None:
        """Return first and last day of a window: from after the session before it to its last session."""
        sessions = self._sessions(first_date, last_date)
        if not sessions:
            return None
        return self._calendar.previous_session(sessions[0]) + dt.timedelta(days=1), sessions[-1]

    def _pages(self, call: Call[T], next_of: Callable[[T], str | None]) -> Iterator[T]:
        """Follow a list from page to page."""
        first = self.transport.fetch(call)
        return iter(()) if first is None else self._with_rest(first, call.decode, next_of)

    def _with_rest(self, first: T, decode: Decode[T], next_of: Callable[[T], str | None]) -> Iterator[T]:
        """Follow a list from its first page on.

        Raises
        ------
        VendorUnavailable
            If a page leads back to one that was there: half a list must not pass for a whole one.
        """
        seen: set[str] = set()
        page: T | None = first
        while page is not None:
            yield page
            address = next_of(page)
            if not address:
                return
            if address in seen:
                raise VendorUnavailable(self.name, "the next page", got="one that was there before", can_retry=False)
            seen.add(address)
            page = self.transport.fetch(Call(address, decode))

    def _by_symbol(
        self,
        calls: Iterable[tuple[str, Call[T]]],
        gathering: Gathering,
        take: Callable[[str, T], None],
    ) -> Iterator[Batch]:
        """Ask about one symbol after another; a batch for each, with what could not be had among the refused.

        When the day's budget is used up, what is left is named and left out: what was had is kept.
        """
        asked = list(calls)
        symbols = [symbol for symbol, _ in asked]
        for symbol, (_, answer) in zip(symbols, self.transport.each(call for _, call in asked), strict=True):
            if isinstance(answer, VendorError):
                if not _is_of_one_symbol(answer):
                    raise answer
                gathering.leave_out(symbol, answer)
            elif answer is not None:
                take(symbol, answer)
            yield gathering.batch()

    def _wanted(self, ticker: str) -> bool:
        return not self._options.symbols or ticker in self._options.symbols

    def _canonical(self, symbol: str) -> str:
        return canonical_ticker(symbol)


def _is_of_one_symbol(error: VendorError) -> bool:
    if isinstance(error, VendorUnavailable):
        # An answer in another format may be one symbol's; no answer at all is the host's.
        return not error.can_retry and error.retry_at is None
    return error.kind in _OF_ONE_SYMBOL or isinstance(error, VendorOverBudget)


def _is_sendable(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def json_of(wire: type[T]) -> Callable[[bytes], T]:
    """Return a decoder of whole answers, strict about what is documented and blind to what is not."""
    decoder: Any = msgspec.json.Decoder(wire)

    def decode(body: bytes) -> T:
        read: T = decoder.decode(body)
        return read

    return decode
