"""How every vendor is asked: within its budget, with its key to its own hosts alone, again where that can help.

One attempt passes five gates: the host's breaker, the budget, the connection, the vendor's own judgement of the answer,
and the decoder. What fails on the way becomes one of the errors in `errors`, without a secret in it.
"""

import datetime as dt
import importlib.util
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
import tenacity
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from orchestration.sources.answers import Answer, Verdict, by_status, next_minute
from orchestration.sources.credentials import (
    SECRET_PARAMETERS,
    Credential,
    keep_wire_logs_quiet,
    strip_secrets,
    without,
    without_secrets,
)
from orchestration.sources.errors import (
    HostRefused,
    Kind,
    VendorError,
    VendorOverBudget,
    VendorRefused,
    VendorUnavailable,
)
from orchestration.sources.ledger import MINUTE, Account, Ledger, Plan
from orchestration.sources.wire import readable

T = TypeVar("T")
Decode = Callable[[bytes], T]
Judge = Callable[[Answer, dt.datetime], Verdict | None]
# Reads what is left of the minute and of the day from an answer's headers.
Remaining = Callable[[Mapping[str, str]], tuple[int | None, int | None]]
USER_AGENT = "Factorloom/0.1"
# So many answers of each worker wait for whoever takes them: while rows are judged the vendor is not idle.
ANSWERS_AHEAD = 4
_PORTS = {"https": 443, "http": 80}
_CODINGS = frozenset({"identity", "", "gzip", "x-gzip", "deflate"})


_tracer = trace.get_tracer("factorloom.vendors")


class Vendor(NamedTuple):
    """What the transport knows about a vendor; `hosts` are those, besides that of `base_url`, that may get the key."""

    name: str
    base_url: str
    credential: Credential
    plan: Plan
    hosts: frozenset[str] = frozenset()
    judge: Judge = by_status
    remaining: Remaining = lambda headers: (None, None)
    headers: Mapping[str, str] = {}


class Limits(NamedTuple):
    """Bounds of a request: time, size, tries, and how long we wait for leave and between tries."""

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    deadline_seconds: float = 120.0
    max_body_bytes: int = 128 * 1024 * 1024
    # With four in ten attempts failing, one request in 60,000 is given up; the pauses stay below our patience.
    max_attempts: int = 12
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 15.0
    patience_seconds: float = 150.0
    n_workers: int = 4


class Time(NamedTuple):
    """Machine time, and ways to let it pass; tests bring their own. Never the clock of the data."""

    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    sleep: Callable[[float], None] = time.sleep
    stopwatch: Callable[[], float] = time.monotonic


class Call(NamedTuple, Generic[T]):
    """One question: a path below the vendor's base URL or a whole address, and how its answer is read."""

    path: str
    decode: Decode[T]
    parameters: Mapping[str, str] = {}
    cost: int = 1
    method: str = "GET"
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = {}

    @property
    def secrets(self) -> list[str]:
        """What this request alone carries and nobody is to read: a crumb, a session."""
        carried = (*self.parameters.items(), *(self.form or {}).items(), *self.headers.items())
        return [value for name, value in carried if name.lower() in SECRET_PARAMETERS | {"authorization"}]


class Transport:
    """Asks one vendor; safe to share between threads.

    Parameters
    ----------
    vendor
        Whom to ask, and as whom.
    ledger
        Budget and breaker, shared by all processes.
    limits
        Bounds of each request.
    time
        Clock, sleep and stopwatch.
    client
        In place of our own; it must not follow redirects.
    seed
        Of the jitter between tries.
    """

    def __init__(
        self,
        vendor: Vendor,
        ledger: Ledger,
        *,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        time: Time = Time(),  # noqa: B008 - immutable
        client: httpx.Client | None = None,
        seed: int | None = None,
    ) -> None:
        keep_wire_logs_quiet()
        self.vendor = vendor
        self.account = Account(vendor.name, vendor.credential.key_hash, vendor.plan)
        self._ledger = ledger
        self._limits = limits
        self._time = time
        self._new_client = _clients(limits) if client is None else lambda: client
        self._idle_clients = deque([] if client is None else [client])
        self._is_closed = False
        self._lendable = threading.BoundedSemaphore(limits.n_workers)
        self._random = random.Random(seed)  # noqa: S311 - spreads retries, keeps no secret
        self._base = vendor.base_url.rstrip("/") + "/"
        self._own = _origin(self._base)
        self._hosts = {("https", host, 443) for host in vendor.hosts} | {self._own}

    @property
    def host(self) -> str:
        """Name of the vendor's host in the ledger."""
        return urlsplit(self._base).netloc

    def fetch(self, call: Call[T]) -> T | None:
        """Ask until there is an answer or no hope; None where the vendor has nothing.

        Raises
        ------
        VendorError
            `VendorRefused`, `VendorOverBudget`, `VendorUnavailable` or `HostRefused`, see `errors`.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_can_help),
            wait=self._pause,
            stop=self._is_enough,
            sleep=self._time.sleep,
            reraise=True,
        )
        answered: T | None = retrying(self._attempt, call)
        return answered

    def each(self, calls: Iterable[Call[T]]) -> Generator[tuple[Call[T], T | VendorError | None], None, None]:
        """Ask several at once, at most `n_workers`; answers, or what went wrong, come in the order of the calls.

        Who stops in the middle closes it: what is under way is waited for, and the rest is not asked.
        """
        waiting: deque[tuple[Call[T], Future[T | None]]] = deque()
        pool = ThreadPoolExecutor(self._limits.n_workers, thread_name_prefix=self.vendor.name)
        try:
            for call in calls:
                # Each worker asks on behalf of whoever iterates, also in its traces.
                waiting.append((call, pool.submit(copy_context().run, self.fetch, call)))
                if len(waiting) > ANSWERS_AHEAD * self._limits.n_workers:
                    yield _outcome(*waiting.popleft())
            while waiting:
                yield _outcome(*waiting.popleft())
        finally:
            # Somebody who forgot to close it may be collected by one of our own threads, which cannot wait for itself.
            is_ours = threading.current_thread().name.startswith(f"{self.vendor.name}_")
            pool.shutdown(wait=not is_ours, cancel_futures=True)

    def knock(self) -> str | None:
        """Say why nobody answers at the vendor's address, None where somebody does; without the key, and not counted.

        Any answer will do: that of a proxy, or a refusal.
        """
        with self._client() as client:
            try:
                client.head(self._base, follow_redirects=False)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return type(error).__name__
        return None

    def close(self) -> None:
        """Close the connections; those that are lent out as soon as they come back."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle_clients.pop().close()

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        """Lend a client, and so a connection, to one thread at a time; at most `n_workers` are out.

        Threads that share one may close each other's connection: httpcore asks whether it is idle, then whether it is
        readable, and between the two another thread may have sent a request by it and be waiting for the answer.
        """
        with self._lendable:
            try:
                client = self._idle_clients.pop()
            except IndexError:
                client = self._new_client()
            try:
                yield client
            finally:
                self._idle_clients.append(client)
                if self._is_closed:
                    self.close()

    def _attempt(self, call: Call[T]) -> T | None:
        url, shown = self._where(call)
        host = urlsplit(url).netloc
        self._await_leave(host, shown, call.cost)
        try:
            answer = self._traced(host, url, shown, call)
            decoded = self._read(answer, shown, call)
        except VendorError as error:
            self._record(host, error)
            raise
        self._ledger.record(host, self._time.now(), status=str(answer.status), is_failure=False)
        return decoded

    def _where(self, call: Call[T]) -> tuple[str, str]:
        """Return the address, and as it may be shown."""
        try:
            url = self._address(call)
            return url, self._shown(url, call)
        except (ValueError, httpx.InvalidURL):
            # Its text could carry a key: the address of a next page is the vendor's.
            got = "an address that is none"
            raise VendorUnavailable(self.vendor.name, "the next page", got=got, can_retry=False) from None

    def _address(self, call: Call[T]) -> str:
        """Return the absolute address, if it is one that the key may be sent to."""
        is_address = "://" in call.path or call.path.startswith("//")
        url = strip_secrets(urljoin(self._base, call.path if is_address else call.path.lstrip("/")))
        if "@" in urlsplit(url).netloc or _origin(url) not in self._hosts:
            allowed = sorted(f"{host}:{port}" for _, host, port in self._hosts)
            raise HostRefused(self.vendor.name, urlsplit(url).netloc.rpartition("@")[2], allowed)
        return url

    def _shown(self, url: str, call: Call[T]) -> str:
        address = without_secrets(str(httpx.URL(url).copy_merge_params(dict(call.parameters))))
        return self.vendor.credential.redact(f"{call.method} {address}")

    def _await_leave(self, host: str, shown: str, cost: int) -> None:
        """Wait for the breaker and the budget, as long as our patience lasts."""
        plan, name = self.vendor.plan, self.vendor.name
        if any(limit is not None and cost > limit for limit in (plan.per_minute, plan.per_day)):
            got = f"it costs {cost}, the plan {plan.name!r} has {plan.per_minute} a minute and {plan.per_day} a day"
            raise VendorOverBudget(name, shown, kind=Kind.QUOTA_DAY, retry_at=None, got=got)
        waited = 0.0
        while True:
            now = self._time.now()
            opened_until = self._ledger.admit(host, now)
            retry_at = opened_until or self._ledger.take(self.account, cost, now)
            if retry_at is None:
                return
            pause = max((retry_at - now).total_seconds(), 0.001)
            if waited + pause > self._limits.patience_seconds:
                if opened_until is not None:
                    raise VendorUnavailable(name, shown, got="its breaker is open", retry_at=retry_at, can_retry=False)
                kind = Kind.QUOTA_DAY if retry_at - now > 2 * MINUTE else Kind.QUOTA_MINUTE
                raise VendorOverBudget(name, shown, kind=kind, retry_at=retry_at, got="the budget is used up")
            self._time.sleep(pause)
            waited += pause

    def _traced(self, host: str, url: str, shown: str, call: Call[T]) -> Answer:
        """Send, as a span of the run that asks; what is told of the address carries no secret."""
        attributes = {"http.request.method": call.method, "server.address": host, "url.full": shown.split(" ", 1)[-1]}
        # Errors are told by class alone, as everywhere here.
        with _tracer.start_as_current_span(
            self.vendor.name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                answer = self._send(url, shown, call)
            except VendorError as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    def _send(self, url: str, shown: str, call: Call[T]) -> Answer:
        credential = self.vendor.credential
        with self._client() as client:
            request = client.build_request(
                call.method,
                httpx.URL(url).copy_merge_params({**call.parameters, **credential.parameters()}),
                headers={**self.vendor.headers, **call.headers, **credential.headers()},
                data=call.form,
            )
            try:
                response = client.send(request, stream=True, follow_redirects=False)
                try:
                    body = self._body(response, shown)
                finally:
                    response.close()
            except (httpx.HTTPError, httpx.StreamError) as error:
                # The class alone: its text and its request could carry the address with the key.
                raise VendorUnavailable(self.vendor.name, shown, got=type(error).__name__) from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, credential.redact_bytes(without(body, call.secrets)))

    def _body(self, response: httpx.Response, shown: str) -> bytes:
        """Read a body of bounded size in bounded time: a server may drip one byte before each time-out."""
        coding = response.headers.get("content-encoding", "identity").lower()
        if coding not in _CODINGS:
            # Packed twice, a small body can become one beyond all bounds in a single step.
            got = f"a body that is packed as {coding[:40]!r}"
            raise VendorUnavailable(self.vendor.name, shown, got=got, can_retry=False)
        deadline = self._time.stopwatch() + self._limits.deadline_seconds
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > self._limits.max_body_bytes:
                got = f"more than {self._limits.max_body_bytes} bytes"
                raise VendorUnavailable(self.vendor.name, shown, got=got, can_retry=False)
            if self._time.stopwatch() > deadline:
                raise VendorUnavailable(self.vendor.name, shown, got=f"no end in {self._limits.deadline_seconds} s")
            pieces.append(piece)
        return b"".join(pieces)

    def _read(self, answer: Answer, shown: str, call: Call[T]) -> T | None:
        now = self._time.now()
        minute, day = self.vendor.remaining(answer.headers)
        if minute is not None or day is not None:
            self._ledger.observe(self.account, now, left_this_minute=minute, left_today=day)
        verdict = self.vendor.judge(answer, now)
        if verdict is not None and verdict.kind is Kind.EMPTY:
            return None
        if verdict is not None:
            self._raise(verdict, shown)
        try:
            return _decoded(call.decode, answer.body)
        except msgspec.ValidationError as error:
            # Well-formed and not as documented: it will be the same the next time.
            raise VendorUnavailable(self.vendor.name, shown, got=f"another format: {error}", can_retry=False) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            got = f"no JSON: {answer.text[:80]!r}" if answer.body else "an empty body"
            raise VendorUnavailable(self.vendor.name, shown, got=got) from None

    def _raise(self, verdict: Verdict, shown: str) -> NoReturn:
        name, text = self.vendor.name, self.vendor.credential.redact(verdict.text)[:300]
        if verdict.kind in (Kind.QUOTA_MINUTE, Kind.QUOTA_DAY):
            retry_at = verdict.retry_at or next_minute(self._time.now())
            self._ledger.block(self.account, retry_at)
            raise VendorOverBudget(name, shown, kind=verdict.kind, retry_at=retry_at, got=text)
        if verdict.kind is Kind.TRANSIENT:
            raise VendorUnavailable(name, shown, got=text, retry_at=verdict.retry_at)
        raise VendorRefused(name, shown, kind=verdict.kind, got=text)

    def _record(self, host: str, error: VendorError) -> None:
        is_failure = isinstance(error, VendorUnavailable)
        self._ledger.record(host, self._time.now(), status=f"{error.kind}: {error.got}"[:200], is_failure=is_failure)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next try: the vendor's own, else exponential with jitter."""
        error = _error_of(state)
        if isinstance(error, VendorOverBudget):
            return 0.0  # waiting for leave does that
        if isinstance(error, VendorUnavailable) and error.retry_at is not None:
            return max((error.retry_at - self._time.now()).total_seconds(), 0.0)
        full = min(
            self._limits.first_pause_seconds * 2.0 ** (state.attempt_number - 1), self._limits.longest_pause_seconds
        )
        return full * self._random.uniform(0.5, 1.0)

    def _is_enough(self, state: tenacity.RetryCallState) -> bool:
        is_long = state.idle_for + state.upcoming_sleep > self._limits.patience_seconds
        return is_long or state.attempt_number >= self._limits.max_attempts


def _decoded(decode: Decode[T], body: bytes) -> T:
    """Decode a body; one with a text that is none, once more without what spoils it."""
    try:
        return decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        mended = readable(body)
        if mended == body:
            raise
        return decode(mended)


def _can_help(error: BaseException) -> bool:
    """Whether asking again can help."""
    if isinstance(error, VendorOverBudget):
        return error.kind is Kind.QUOTA_MINUTE
    return isinstance(error, VendorUnavailable) and error.can_retry


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _outcome(call: Call[T], future: "Future[T | None]") -> tuple[Call[T], "T | VendorError | None"]:
    try:
        return call, future.result()
    except VendorError as error:
        return call, error


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, (parts.hostname or "").lower(), port or _PORTS.get(parts.scheme, 0)


def _clients(limits: Limits) -> Callable[[], httpx.Client]:
    """Return what makes clients of one connection each, which share their cookies: some vendors' keys hang on them."""
    settings: dict[str, Any] = {
        "timeout": httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds),
        "limits": httpx.Limits(max_connections=1, max_keepalive_connections=1),
        "headers": {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "gzip"},
        "follow_redirects": False,
        "cookies": CookieJar(),
        "http2": importlib.util.find_spec("h2") is not None,
    }
    # Read from disk once: it takes longer than most requests.
    verify = lru_cache(maxsize=1)(httpx.create_ssl_context)
    return lambda: httpx.Client(verify=verify(), **settings)
