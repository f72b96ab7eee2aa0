"""What stands around the answers: lists that may be objects, warnings among rows, and errors.

An error may be a line of text, and a warning a row among rows; lists may be objects keyed "0", "1"; an empty one {}.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, left_in, verdict
from orchestration.sources.errors import Kind
from orchestration.sources.wire import rows_of

W = TypeVar("W")


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers; a text in place of JSON, and a bad key under 403, are this vendor's habits."""
    if answer.status in (401, 403) and b"unauthenticated" in answer.body[:200].lower():
        return Verdict(Kind.AUTH, f"{answer.status} {answer.text}")
    if answer.status == 422:
        return verdict(Kind.BAD_REQUEST, answer, now)
    return by_status(answer, now)


def remaining(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read what is left of the minute."""
    return left_in(headers, "x-ratelimit-remaining"), None


def list_of(wire: type[W]) -> Callable[[bytes], list[W | bytes]]:
    """Return a decoder of a list."""
    return lambda body: rows_of(as_list(body), wire)


def as_list(body: bytes | msgspec.Raw) -> bytes:
    """Return a list as such: this vendor also writes it as an object keyed "0", "1", ..., and an empty one as {}."""
    if bytes(body).lstrip()[:1] != b"{":
        return bytes(body)
    keyed = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if not all(key.isdecimal() for key in keyed):
        raise msgspec.ValidationError("Expected `array`, got `object`")
    return b"[" + b",".join(bytes(raw) for raw in keyed.values()) + b"]"
