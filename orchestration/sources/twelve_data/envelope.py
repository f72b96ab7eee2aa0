"""What stands around the answers: what they are about, what they cost, and errors, which may come with status 200."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from orchestration.sources.answers import (
    Answer,
    Verdict,
    by_status,
    error_of,
    left_in,
    next_day,
    next_minute,
    verdict,
)
from orchestration.sources.errors import Kind
from orchestration.sources.wire import json_of, rows_of

E = TypeVar("E", bound=msgspec.Struct)
W = TypeVar("W")
# Credits of a request, for each symbol of it.
CREDITS: Mapping[str, int] = {
    "/time_series": 1,
    "/quote": 1,
    "/stocks": 1,
    "/dividends": 20,
    "/splits": 20,
    "/income_statement": 100,
    "/balance_sheet": 100,
    "/cash_flow": 100,
    "/press_releases": 50,
    "/statistics": 50,
    "/market_state": 1,
}
_NO_DATA = re.compile(r"no data is available", re.IGNORECASE)
_TODAY = re.compile(r"for the day|daily", re.IGNORECASE)
_PLAN = re.compile(r"available exclusively|not available with your|upgrad|request_access", re.IGNORECASE)
_UNKNOWN = re.compile(r"not found|is missing or invalid", re.IGNORECASE)


class _Error(msgspec.Struct):
    code: int | str | None = None
    message: str | None = None
    status: str | None = None


class Meta(msgspec.Struct):
    """What an answer is about."""

    symbol: str | None = None
    interval: str | None = None
    currency: str | None = None
    mic_code: str | None = None
    currency_base: str | None = None
    currency_quote: str | None = None


class About(Protocol):
    """An answer that says what it is about."""

    @property
    def meta(self) -> Meta:
        """What that is."""
        ...


def enveloped(envelope: type[E], field: str, wire: type[W]) -> Callable[[bytes], tuple[E, list[W | bytes]]]:
    """Return a decoder of an envelope and the rows in one of its fields."""
    read = json_of(envelope)

    def decode(body: bytes) -> tuple[E, list[W | bytes]]:
        found = read(body)
        return found, rows_of(getattr(found, field), wire)

    return decode


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers by the body alone where it has one: status 200 says nothing, and neither does 400."""
    error = error_of(answer, _Error)
    if error is None or error.status != "error":
        return by_status(answer, now)
    message = error.message or ""
    told = str(error.code)
    code = int(told) if told.isdecimal() and len(told) == 3 else answer.status
    if _NO_DATA.search(message):
        return Verdict(Kind.EMPTY, message)
    if code == 429:
        is_day = bool(_TODAY.search(message))
        retry_at = next_day(now) if is_day else next_minute(now)
        return Verdict(Kind.QUOTA_DAY if is_day else Kind.QUOTA_MINUTE, f"429 {message}", retry_at)
    if _PLAN.search(message):
        return Verdict(Kind.ENTITLEMENT, message)
    if code in (400, 404) and _UNKNOWN.search(message):
        return Verdict(Kind.NOT_FOUND, message)
    coded = by_status(answer._replace(status=code), now)
    return verdict(coded.kind if coded else Kind.BAD_REQUEST, answer._replace(status=code), now, message)


def remaining(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read what is left of the minute."""
    return left_in(headers, "api-credits-left"), None
