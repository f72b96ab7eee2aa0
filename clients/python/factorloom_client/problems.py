"""What the server answers when it does not answer what was asked (RFC 9457)."""

from typing import Any

import msgspec


class Detail(msgspec.Struct, frozen=True):
    """A problem document."""

    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = "unknown"
    instance: str | None = None
    errors: list[dict[str, Any]] = []
    known: list[str] | None = None
    successor: str | None = None
    first_date: str | None = None


class Problem(Exception):
    """An answer other than the one that was asked for.

    Attributes
    ----------
    code, status, detail
        Kind of problem, HTTP status, and what to do, as the server says it.
    document
        Everything that the server says.
    """

    def __init__(self, document: Detail) -> None:
        super().__init__(f"{document.status} {document.code}: {document.detail}")
        self.document = document
        self.code = document.code
        self.status = document.status
        self.detail = document.detail


def problem_of(status: int, body: bytes) -> Problem:
    """Return the problem of an answer; one that is no problem document is told by its status alone."""
    try:
        return Problem(msgspec.json.decode(body, type=Detail))
    except msgspec.DecodeError:
        return Problem(Detail(status=status, detail=body[:200].decode("utf-8", "replace")))
