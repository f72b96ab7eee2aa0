"""What stands around the answers: pages of a list, and errors.

An empty answer has no `results` at all; `count` is no count of rows; the next page's address comes without the key and
maybe with the vendor's old host; `DELAYED` is a success.
"""

import datetime as dt
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, error_of, retry_after, verdict
from orchestration.sources.errors import Kind
from orchestration.sources.ledger import MINUTE
from orchestration.sources.transport import Decode
from orchestration.sources.wire import NOTHING, json_of, rows_of

W = TypeVar("W")
NEW_YORK = ZoneInfo("America/New_York")
CURRENCY = "USD"
_SUCCESSES = frozenset({None, "OK", "DELAYED", "success"})
_KINDS = {"NOT_AUTHORIZED": Kind.ENTITLEMENT, "NOT_FOUND": Kind.NOT_FOUND, "AUTH_FAILED": Kind.AUTH}


class _Error(msgspec.Struct):
    status: str | None = None
    error: str | None = None
    message: str | None = None


class Page(msgspec.Struct):
    """A list, a page of it at a time; `results` is missing where there is nothing."""

    status: str | None = None
    ticker: str | None = None
    adjusted: bool | None = None
    results: msgspec.Raw = NOTHING
    next_url: str | None = None


def paged(wire: type[W]) -> "Decode[tuple[Page, list[W | bytes]]]":
    """Return a decoder of a page and its rows."""
    page_of = json_of(Page)

    def decode(body: bytes) -> tuple[Page, list[W | bytes]]:
        page = page_of(body)
        return page, rows_of(page.results, wire)

    return decode


def next_of(answer: tuple[Page, object]) -> str | None:
    """Return the address of the next page."""
    return answer[0].next_url


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers: by the `status` in the body, then by that of HTTP."""
    error = error_of(answer, _Error)
    if answer.status == 429:
        # The limit slides: nothing says when it lets go, so a whole minute passes.
        return Verdict(Kind.QUOTA_MINUTE, f"429 {answer.text}", retry_after(answer.headers, now) or now + MINUTE)
    if error is not None and error.status in _KINDS:
        return verdict(_KINDS[error.status], answer, now, error.message or error.error or "")
    if error is not None and error.status not in _SUCCESSES and answer.status < 400:
        return verdict(Kind.BAD_REQUEST, answer, now, error.error or error.message or "")
    return by_status(answer, now)
