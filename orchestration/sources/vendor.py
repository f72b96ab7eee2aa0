"""What all vendors' adapters have in common: options, windows, pages, and that one symbol's failure stays its own."""

import datetime as dt
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import ClassVar, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from orchestration.calendars import HomeCalendar
from orchestration.sources.errors import (
    Kind,
    OptionOutOfRange,
    VendorError,
    VendorOverBudget,
    VendorRefused,
    VendorUnavailable,
)
from orchestration.sources.ledger import Ledger, Plan
from orchestration.sources.quoting import quotes_in
from orchestration.sources.records import Batch, Quote, Turn
from orchestration.sources.transport import Call, Decode, Limits, Time, Transport, Vendor
from orchestration.sources.turns import NoProgress, Progress, turns_of
from orchestration.sources.wire import Gathering, NotBelieved, canonical_ticker

T = TypeVar("T")
W = TypeVar("W")
LOG = logging.getLogger(__name__)
# Stands for all symbols where a whole market comes in one answer.
MARKET = "*"
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
    progress: Progress = NoProgress()


class VendorSource(ABC):
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
    # A list that has more pages than this has no end; the longest, a year's news, has some hundreds.
    most_pages: ClassVar[int] = 5_000
    # Each question costs some of a budget: what was answered whole is not asked again for a while.
    is_metered = True
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
        self._progress = surroundings.progress
        self._check(options)
        self.transport = Transport(self.vendor(options), surroundings.ledger, client=client, limits=limits, time=time)

    @abstractmethod
    def vendor(self, options: VendorOptions) -> Vendor:
        """Return who is asked, and how."""

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

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
            If a page leads back to one that was there, or the list has no end: half of one must not pass for a whole.
        """
        seen: set[str] = set()
        page: T | None = first
        while page is not None:
            yield page
            address = next_of(page)
            if not address:
                return
            if address in seen:
                raise self._endless("one that was there before")
            if len(seen) >= self.most_pages:
                raise self._endless(f"more than {self.most_pages}")
            seen.add(address)
            page = self.transport.fetch(Call(address, decode))

    def _by_offset(
        self, page_at: Callable[[int], tuple[list[W | bytes], int | None]], size: int
    ) -> Iterator[list[W | bytes]]:
        """Follow a list whose pages are asked for by the number of rows before them.

        Parameters
        ----------
        page_at
            Returns the rows behind so many, and how many the vendor says there are in all; where it does not say, a
            page that is not full is the last.
        size
            Rows of a full page.

        Raises
        ------
        VendorUnavailable
            If a page is the one before it again, or the list has no end: see `_with_rest`.
        """
        before: list[W | bytes] | None = None
        offset = 0
        for _ in range(self.most_pages):
            rows, n_all = page_at(offset)
            if rows and rows == before:
                raise self._endless("the one before it again")
            yield rows
            offset, before = offset + len(rows), rows
            is_last = len(rows) < size if n_all is None else offset >= n_all
            if is_last or not rows:
                return
        raise self._endless(f"more than {self.most_pages}")

    def _endless(self, got: str) -> VendorUnavailable:
        return VendorUnavailable(self.name, "the next page", got=got, can_retry=False)

    def _turns(self, entity: str, first_date: dt.date, last_date: dt.date) -> list[Turn]:
        """Return whose turn it is in a window, the most valuable first; see `turns`."""
        standing = self._progress.standing(self.name, entity, self._symbols)
        benchmark_first = sorted(standing, key=lambda row: row[0] != self._options.benchmark)
        return turns_of(benchmark_first, first_date, last_date, beginning=self.first_session)

    def _turns_of_days(self, entity: str, first_date: dt.date, last_date: dt.date) -> list[Turn]:
        """Return whose turn it is where days count that are no sessions as well."""
        days = self._days(first_date, last_date)
        return [] if days is None else self._turns(entity, *days)

    def _turns_of_sessions(self, entity: str, first_date: dt.date, last_date: dt.date) -> list[Turn]:
        """Return whose turn it is where sessions alone count."""
        sessions = self._sessions(first_date, last_date)
        return self._turns(entity, sessions[0], sessions[-1]) if sessions else []

    def _turns_as_given(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> list[Turn]:
        """Return a turn for each symbol, in their order and for the sessions of the window."""
        sessions = self._sessions(first_date, last_date)
        return [Turn(name, sessions[0], sessions[-1]) for name in symbols] if sessions else []

    def _market_sessions(self, entity: str, first_date: dt.date, last_date: dt.date) -> list[dt.date]:
        """Return the sessions of a window of the whole market, from where an earlier run stopped."""
        sessions = self._sessions(first_date, last_date)
        if not sessions:
            return []
        standing = self._progress.standing(self.name, entity, [MARKET])
        (turn,) = turns_of(standing, sessions[0], sessions[-1], beginning=self.first_session)
        return self._sessions(*turn.days)

    @property
    def _symbols(self) -> Sequence[str]:
        """Symbols that are asked for one by one; without a list in the settings, what the adapter makes of that."""
        return self._options.symbols

    def _asked_session(self, date: dt.date, first_date: dt.date, last_date: dt.date) -> dt.date:
        """Return a day that is one of the asked sessions; another one shows that the answer is to another question.

        Raises
        ------
        NotBelieved
            If it is another day.
        """
        if first_date <= date <= last_date and self._calendar.is_session(date):
            return date
        asked = f"be of a session from {first_date} to {last_date}, as asked"
        raise NotBelieved("another_day", f"the bar must {asked}; got {date}.")

    def _by_symbol(
        self,
        gathering: Gathering,
        calls: Iterable[tuple[Turn, Call[T]]],
        take: Callable[[Turn, T], None],
    ) -> Iterator[Batch]:
        """Ask about one symbol after another; a batch for each, with what could not be had among the refused.

        When the day's budget is used up, what is left is named and left out: what was had is kept.
        """
        turns: deque[Turn] = deque()
        left_out: list[str] = []
        with closing(self._each(_remembered(calls, turns))) as answers:
            for _, answer in answers:
                turn = turns.popleft()
                failure = _failure_of(answer, lambda found: take(turn, found))  # noqa: B023 - called at once
                if failure is not None and not _is_of_one_symbol(failure):
                    raise failure
                if failure is not None:
                    gathering.leave_out(turn.symbol, failure)
                    left_out.append(turn.symbol)
                is_over = failure is None or isinstance(failure, VendorRefused)
                # A symbol that was refused has had its turn, and keeps its days for a time when it is not.
                reached = [turn if failure is None else turn.none_of_it] if is_over else []
                yield gathering.batch(*reached, left=() if is_over else (turn,))
        self._tell(gathering.entity, left_out)

    def _by_session(
        self,
        gathering: Gathering,
        sessions: Sequence[dt.date],
        call_of: Callable[[dt.date], Call[T]],
        take: Callable[[dt.date, T | None], None],
    ) -> Iterator[Batch]:
        """Ask about the whole market, one session after another; a batch for each.

        A session that the plan does not cover, or that the vendor does not know, is named and left out. Where the
        budget ends, the rest is left out, and the next run goes on there.
        """
        left_out: list[str] = []
        is_whole = True
        with closing(self._each(map(call_of, sessions))) as answers:
            for session, (_, answer) in zip(sessions, answers, strict=True):
                if isinstance(answer, VendorError):
                    if not _is_of_one_session(answer):
                        raise answer
                    gathering.leave_out(str(session), answer)
                    left_out.append(str(session))
                    is_whole = is_whole and not isinstance(answer, VendorOverBudget)
                else:
                    take(session, answer)
                turn = Turn(MARKET, sessions[0], session)
                yield gathering.batch(turn) if is_whole else gathering.batch(left=(turn,))
        self._tell(gathering.entity, left_out)

    def _each(self, calls: Iterable[Call[T]]) -> Generator[tuple[Call[T], T | VendorError | None], None, None]:
        """Ask several at once; answers, or what went wrong, come in the order of the calls."""
        return self.transport.each(calls)

    def _tell(self, entity: str, left_out: Sequence[str]) -> None:
        if left_out:
            first = ", ".join(left_out[:5])
            LOG.warning("left_out source=%s entity=%s n=%s first=%s", self.name, entity, len(left_out), first)

    def _lists_by_symbol(
        self,
        gathering: Gathering,
        calls: Iterable[tuple[Turn, Call[list[W | bytes]]]],
        make: Callable[[W, Turn], msgspec.Struct | None],
    ) -> Iterator[Batch]:
        """Ask about one symbol after another where an answer is a list of rows; see `_by_symbol`."""

        def take(turn: Turn, rows: list[W | bytes]) -> None:
            for row in rows:
                gathering.add(row, lambda wire: make(wire, turn), about=turn.symbol)

        yield from self._by_symbol(gathering, calls, take)

    def _wanted(self, ticker: str) -> bool:
        return not self._options.symbols or ticker in self._options.symbols

    def _canonical(self, symbol: str) -> str:
        return canonical_ticker(symbol)


class QuotingSource(VendorSource):
    """A vendor that knows prices now."""

    @abstractmethod
    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Batches of `records.Quote`, of some symbols or of all (None), with what could not be believed."""

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices now, of some symbols or of all (None)."""
        return quotes_in(self.quote_batches(symbols, now))


def _remembered(calls: Iterable[tuple[Turn, Call[T]]], turns: deque[Turn]) -> Iterator[Call[T]]:
    """Return calls as they are wanted, and keep whose turn each is."""
    for turn, call in calls:
        turns.append(turn)
        yield call


def _failure_of(answer: "T | VendorError | None", take: Callable[[T], None]) -> VendorError | None:
    """Take an answer, and return what went wrong with it, or with what is asked for beside it."""
    if isinstance(answer, VendorError):
        return answer
    try:
        if answer is not None:
            take(answer)
    except VendorError as error:
        return error
    return None


def _is_of_one_session(error: VendorError) -> bool:
    is_unknown = isinstance(error, VendorRefused) and error.kind in (Kind.ENTITLEMENT, Kind.NOT_FOUND)
    return is_unknown or isinstance(error, VendorOverBudget)


def _is_of_one_symbol(error: VendorError) -> bool:
    if isinstance(error, VendorUnavailable):
        # An answer in another format may be one symbol's; no answer at all is the host's.
        return not error.can_retry and error.retry_at is None
    return error.kind in _OF_ONE_SYMBOL or isinstance(error, VendorOverBudget)


def _is_sendable(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key
