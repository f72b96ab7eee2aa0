"""Orders that a list may be asked for: constant SQL by name, each with the place where the next page goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

# What stands for a missing value beside the flag that it is missing; by type.
_ZEROS = {"double precision": "0", "integer": "0", "text": "''", "date": "'0001-01-01'", "timestamptz": "'0001-01-01'"}


class Place(NamedTuple):
    """Where a page ends: in the column that orders, and in the one that makes the order unique."""

    is_missing: bool
    value: str | int | float | None
    unique: str


class Key(NamedTuple):
    """A column that a list may be ordered by."""

    field: str
    expression: str
    type: str
    is_nullable: bool = False


@dataclass(frozen=True)
class Order:
    """One order: missing values come last in either direction."""

    field: str
    unique: str
    first: str
    following: str

    def query(self, after: Place | None) -> str:
        """Return the query of the first page, or of one behind a place."""
        return self.first if after is None else self.following

    def parameters(self, after: Place | None) -> dict[str, object]:
        """Return the parameters of that query which tell the place."""
        if after is None:
            return {}
        return {"after_missing": after.is_missing, "after_value": after.value, "after_id": after.unique}

    def place(self, row: msgspec.Struct) -> tuple[bool, Any, str]:
        """Return the place of a row."""
        value = getattr(row, self.field)
        return value is None, value, getattr(row, self.unique)


def orders(select: str, keys: Sequence[Key], *, unique: Key) -> Mapping[str, Order]:
    """Return the orders of a list by name: a field for ascending, `-` before it for descending.

    Parameters
    ----------
    select
        Query with `{following}` among its conditions, and `{order}` behind `order by`.
    keys
        What it may be ordered by.
    unique
        Text that no two rows share; it makes every order one.
    """
    return {
        sign + key.field: Order(
            key.field,
            unique.field,
            select.replace("{following}", "").replace("{order}", _by(key, unique, sign)),
            select.replace("{following}", _behind(key, unique, sign)).replace("{order}", _by(key, unique, sign)),
        )
        for key in keys
        for sign in ("", "-")
    }


def _by(key: Key, unique: Key, sign: str) -> str:
    # As PostgreSQL says it: the same order as that of `_behind`, which compares whole places, and cheaper to sort by.
    direction = " desc" if sign else ""
    missing = " nulls last" if key.is_nullable else ""
    return f"{key.expression}{direction}{missing}, {unique.expression}{direction}"


def _behind(key: Key, unique: Key, sign: str) -> str:
    values = [f"coalesce(%(after_value)s::{key.type}, {_zero(key)})", "%(after_id)s"]
    if key.is_nullable:
        values.insert(0, "not %(after_missing)s" if sign else "%(after_missing)s")
    comparison = "<" if sign else ">"
    return f"and ({', '.join(_expressions(key, unique, sign))}) {comparison} ({', '.join(values)})"


def _expressions(key: Key, unique: Key, sign: str) -> list[str]:
    if not key.is_nullable:
        return [key.expression, unique.expression]
    missing = f"{key.expression} is {'not ' if sign else ''}null"
    return [f"({missing})", f"coalesce({key.expression}, {_zero(key)})", unique.expression]


def _zero(key: Key) -> str:
    return f"{_ZEROS[key.type]}::{key.type}"
