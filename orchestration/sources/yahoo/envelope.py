"""Errors, and the crumb: a short text without which quotes and statements are refused.

A wrong cookie is a 401, a page in HTML may come with status 200, and too many requests mean a long pause.
"""

import datetime as dt
import re

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, error_of, verdict
from orchestration.sources.errors import Kind

PAUSE = dt.timedelta(hours=1)
_TOO_MANY = b"Too Many Requests"
_CRUMB = re.compile(r"[\x21-\x7e]{1,40}")
_KINDS = {"Not Found": Kind.NOT_FOUND, "Unauthorized": Kind.AUTH}


class Fault(msgspec.Struct):
    """What went wrong."""

    code: str | None = None
    description: str | None = None


class _Part(msgspec.Struct):
    error: Fault | None = None


class _Error(msgspec.Struct):
    chart: _Part | None = None
    finance: _Part | None = None
    quoteResponse: _Part | None = None
    timeseries: _Part | None = None


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers by the error in the body, then by the status; 429 here means a long pause."""
    if answer.status == 429 or answer.body[:40].strip() == _TOO_MANY:
        return Verdict(Kind.QUOTA_DAY, f"429 {answer.text}", now + PAUSE)
    fault = _fault_of(answer)
    if fault is None:
        return by_status(answer, now)
    return verdict(_KINDS.get(fault.code or "", Kind.BAD_REQUEST), answer, now, fault.description or "")


def crumb(body: bytes) -> str:
    """Read a crumb.

    Raises
    ------
    ValidationError
        If it is a page, an error, or nothing.
    """
    given = body.decode("utf-8", errors="replace").strip()
    if not _CRUMB.fullmatch(given) or any(mark in given for mark in "<{"):
        raise msgspec.ValidationError(f"Expected a crumb, got {given[:40]!r}")
    return given


def _fault_of(answer: Answer) -> Fault | None:
    found = error_of(answer, _Error)
    if found is None:
        return None
    parts = (found.chart, found.finance, found.quoteResponse, found.timeseries)
    return next((part.error for part in parts if part is not None), None)
