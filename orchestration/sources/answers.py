"""What came back from a vendor, and what it means by its status alone; each vendor judges the body first."""

import datetime as dt
import email.utils
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec

from orchestration.sources.errors import Kind

E = TypeVar("E")
# No vendor's limit lasts longer than a day: whatever one says, somebody looks again tomorrow.
LONGEST_WAIT = dt.timedelta(days=1)
# An error is a short body: longer ones are not looked through for one.
LONGEST_ERROR_BYTES = 20_000


_LONGEST_COUNT = 9


class Answer(NamedTuple):
    """A whole answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The beginning of the body, on one line, for messages."""
        return " ".join(self.body[:300].decode("utf-8", errors="replace").replace("\x00", "").split())

    @property
    def may_be_error(self) -> bool:
        """Whether the body is short enough to be an error."""
        return len(self.body) <= LONGEST_ERROR_BYTES


class Verdict(NamedTuple):
    """What is wrong with an answer, and when to ask again where that is known."""

    kind: Kind
    text: str
    retry_at: dt.datetime | None = None


_KINDS = {
    204: Kind.EMPTY,
    401: Kind.AUTH,
    402: Kind.QUOTA_DAY,
    403: Kind.ENTITLEMENT,
    404: Kind.NOT_FOUND,
    408: Kind.TRANSIENT,
    425: Kind.TRANSIENT,
    429: Kind.QUOTA_MINUTE,
    499: Kind.TRANSIENT,
}


def by_status(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Judge an answer by its status; None is a success."""
    if answer.status in _KINDS or answer.status >= 500:
        return verdict(_KINDS.get(answer.status, Kind.TRANSIENT), answer, now)
    if answer.status >= 300:
        return verdict(Kind.BAD_REQUEST, answer, now)
    return None


def verdict(kind: Kind, answer: Answer, now: dt.datetime, text: str | None = None) -> Verdict:
    """Say what is wrong, with the instant to ask again: the vendor's own, else the end of the minute or day of UTC."""
    described = f"{answer.status} {text if text is not None else answer.text}".strip()
    waits = {Kind.QUOTA_MINUTE: next_minute(now), Kind.QUOTA_DAY: next_day(now)}
    return Verdict(kind, described, retry_after(answer.headers, now) or waits.get(kind))


def error_of(answer: Answer, wire: type[E]) -> E | None:
    """Read a body as an error; None where it is too long for one, or none in that form."""
    if not answer.may_be_error:
        return None
    try:
        return msgspec.json.decode(answer.body, type=wire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def left_in(headers: Mapping[str, str], name: str) -> int | None:
    """Read how much a header says is left; None if it is missing or no number."""
    given = headers.get(name, "")
    return int(given) if given.isdecimal() and given.isascii() and len(given) <= _LONGEST_COUNT else None


def retry_after(headers: Mapping[str, str], now: dt.datetime) -> dt.datetime | None:
    """Read Retry-After, in seconds or as a date; None if it is missing, or lies in the past.

    A wait of more than a day is one of a day.
    """
    given = headers.get("retry-after", "").strip()
    if given.isdecimal() and given.isascii() and len(given) <= _LONGEST_COUNT:
        moment = now + min(dt.timedelta(seconds=int(given)), LONGEST_WAIT)
    else:
        try:
            told = email.utils.parsedate_to_datetime(given)
        except (ValueError, TypeError, OverflowError):
            return None
        moment = min(told if told.tzinfo is not None else told.replace(tzinfo=dt.UTC), now + LONGEST_WAIT)
    return moment if moment >= now else None


def next_minute(now: dt.datetime) -> dt.datetime:
    """Begin of the next minute."""
    return now.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)


def next_day(now: dt.datetime) -> dt.datetime:
    """Begin of the next day of UTC."""
    return now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=1)
