"""What a condition of an alert rule looks at, as one number for each instrument and session: a series.

However a condition is put, it comes to a series that is at or beyond a level, crosses it, or is beyond what was before.
"""

from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from warehouse.records.alerts import (
    AtOrAbove,
    AtOrBelow,
    ChangesBy,
    CrossesAbove,
    CrossesBelow,
    Enters,
    Leaves,
    MovingLevel,
    NewHigh,
    NewLow,
    Rule,
    Test,
    tests_of,
)

# value: as it is; member: 1 in a set, else 0; change, change_size: since so many sessions; high, low: of those before.
Derivation = Literal["value", "member", "change", "change_size", "high", "low"]
OPERATORS = {
    AtOrAbove: "at_or_above",
    AtOrBelow: "at_or_below",
    CrossesAbove: "crosses_above",
    CrossesBelow: "crosses_below",
}


class Series(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A metric, which of its series, and what is made of it; its JSON text, `key`, is its name in the tables."""

    metric: str
    of: tuple[tuple[str, str], ...] = ()
    derivation: Derivation = "value"
    bars: int = 1
    is_relative: bool = True
    values: tuple[str, ...] = ()
    # Quotes during the session do not count.
    is_daily: bool = False

    @property
    def key(self) -> str:
        """The series as text."""
        return msgspec.json.encode(self).decode()


class Criterion(NamedTuple):
    """A condition in terms of its series; levels are None where the operator knows none, or where the level moves.

    Then it is `level_times` what `level_series` is, and the recovery level 1 % inside of that.
    """

    series: Series
    operator: str
    level: float | None
    recover_level: float | None
    level_series: Series | None = None
    level_times: float | None = None


def series_of(key: str) -> Series:
    """Return the series that a key names."""
    return msgspec.json.decode(key, type=Series)


def criteria_of(rule: Rule) -> list[Criterion]:
    """Return the conditions of a rule, in the order of `tests_of`."""
    return [_criterion(test, is_daily=rule.for_bars > 1) for test in tests_of(rule.when)]


def _criterion(test: Test, *, is_daily: bool) -> Criterion:
    plain = Series(metric=test.metric, of=tuple(sorted(test.of.items())), is_daily=is_daily)
    match test:
        case Enters() | Leaves():
            series = replace(plain, derivation="member", values=tuple(sorted(test.values)))
            return Criterion(series, "crosses_above" if isinstance(test, Enters) else "crosses_below", 0.5, 0.5)
        case ChangesBy():
            size: Derivation = "change_size" if test.direction == "either" else "change"
            series = replace(plain, derivation=size, bars=test.bars, is_relative=test.is_relative)
            by = -test.by if test.direction == "down" else test.by
            return Criterion(series, "at_or_below" if test.direction == "down" else "at_or_above", by, by)
        case NewHigh() | NewLow():
            end: Derivation = "high" if isinstance(test, NewHigh) else "low"
            return Criterion(replace(plain, derivation=end, bars=test.bars), f"new_{end}", None, None)
        case _ if isinstance(test.level, MovingLevel):
            level = Series(metric=test.level.metric, of=tuple(sorted(test.level.of.items())), is_daily=is_daily)
            return Criterion(plain, OPERATORS[type(test)], None, None, level, test.level.times)
        case _:
            return Criterion(plain, OPERATORS[type(test)], test.level, test.recovery)
