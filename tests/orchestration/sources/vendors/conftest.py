"""A vendor that answers what a test writes down, and a time that passes when somebody sleeps."""

import datetime as dt
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import httpx
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.ledger import MemoryLedger
from orchestration.sources.records import Batch, Refused
from orchestration.sources.transport import Limits, Time
from orchestration.sources.vendor import Surroundings, VendorOptions, VendorSource

KEY = "marker-key-5f1e"


calendar_of = lru_cache(HomeCalendar)


class SlowTime:
    """Machine time of a test: it passes by sleeping alone."""

    def __init__(self, now: dt.datetime) -> None:
        self.moment = now
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += dt.timedelta(seconds=seconds)

    def as_time(self) -> Time:
        return Time(self.now, self.sleep, lambda: 0.0)


class Script:
    """Answers by path: each request gets the next of its answers, the last of them again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.requests: list[httpx.Request] = []

    def on(self, path: str, *answers: Any) -> None:
        """Answer a path; an answer is a body (JSON-able, text or bytes), a pair of status and body, or a Response."""
        self.answers[path] = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self.answers.get(request.url.path)
        if answers is None:
            raise AssertionError(f"nobody expected {request.url}")
        return response_of(answers.pop(0) if len(answers) > 1 else answers[0])

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]


def response_of(answer: Any) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, httpx.Response):
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
    status, body = answer if isinstance(answer, tuple) else (200, answer)
    if isinstance(body, str):
        body = body.encode()
    return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())


class Asked:
    """A source under test, its script and its time."""

    def __init__(self, kind: type[VendorSource], now: dt.datetime, calendar: str = "XNYS", **options: Any) -> None:
        self.script = Script()
        self.time = SlowTime(now)
        self.ledger = MemoryLedger()
        self.source: Any = kind(
            VendorOptions(**{"api_key": KEY, "first_session": dt.date(2005, 1, 3), **options}),
            Surroundings(calendar_of(calendar), lambda: self.time.moment, self.ledger),
            client=httpx.Client(transport=httpx.MockTransport(self.script)),
            limits=Limits(n_workers=1, max_attempts=6),
            time=self.time.as_time(),
        )

    def on(self, path: str, *answers: Any) -> None:
        self.script.on(path, *answers)


def rows(batches: Iterable[Batch]) -> list[dict[str, Any]]:
    """Return the accepted rows of batches."""
    return [row for batch in batches for row in batch.rows.to_pylist()]


def refused(batches: Iterable[Batch]) -> list[Refused]:
    """Return the refused records of batches."""
    return [record for batch in batches for record in batch.refused]


@pytest.fixture
def ask() -> Callable[..., Asked]:
    """Make a source of a class, with options, at an instant."""

    def ask(kind: type[VendorSource], now: str = "2024-06-05T22:00:00+00:00", **options: Any) -> Asked:
        return Asked(kind, dt.datetime.fromisoformat(now), **options)

    return ask


@pytest.fixture
def rows_of() -> Callable[[Iterable[Batch]], list[dict[str, Any]]]:
    return rows


@pytest.fixture
def refused_of() -> Callable[[Iterable[Batch]], list[Refused]]:
    return refused
