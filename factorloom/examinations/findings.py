"""What an examination says."""

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One line of the doctor's table."""

    subject: str
    state: State
    detail: str
    what_to_do: str = ""


def ok(subject: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, "ok", detail)


def warn(subject: str, detail: str, what_to_do: str) -> Finding:
    """It works, but not for long, or not all of it."""
    return Finding(subject, "warn", detail, what_to_do)


def fail(subject: str, detail: str, what_to_do: str) -> Finding:
    """It does not work."""
    return Finding(subject, "fail", detail, what_to_do)
