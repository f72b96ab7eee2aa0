"""The body of an alert rule: what is waited for (`Rule`, version 2), of which instruments, and how it is told.

Version 1 (`LevelRule` in alert_rules_1.py) is read as before; `modern` says it in version 2.
Which metrics there are is not fixed here: see `warehouse/queries/alert_metrics.py`.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from warehouse.records.alert_rules_1 import DEFAULT_ROOM, LevelRule, Profile
from warehouse.records.errors import RuleRefused

# What hovers about its level would fire and recover all day without room; after it has fired a day passes.
DEFAULT_COOLDOWN_HOURS = 24.0
MOST_TESTS = 8
MOST_LEVELS = 3
MOST_HOURS = 24 * 366.0

Bars = Annotated[int, Meta(ge=1, le=252)]

InstrumentNames = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
    Meta(min_length=1, max_length=1000, description="Ids or tickers; tickers are resolved when the rule is made."),
]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a rule: unknown fields are refused, defaults are left out."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise ValueError(problem)

    def _problem(self) -> str | None:
        return None


MetricName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$",
        max_length=130,
        description="What is looked at, as GET /v1/alerts/metrics lists it: price, rsi_14d, rankings.rank.",
    ),
]
WhichSeries = Annotated[
    dict[
        Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)],
        Annotated[str, Meta(min_length=1, max_length=100)],
    ],
    Meta(
        max_length=4,
        description="Which of several series, for example the profile of a rank; GET /v1/alerts/metrics says what.",
    ),
]


class MovingLevel(_Part, frozen=True, kw_only=True):
    """A level that is another metric of the same instrument and session, or so many times it."""

    metric: MetricName
    of: WhichSeries = {}
    times: Annotated[float, Meta(gt=0, le=1e6, description="What it is multiplied by. Unit ratio.")] = 1.0


class _Test(_Part, frozen=True, kw_only=True, tag_field="operator"):
    metric: MetricName
    of: WhichSeries = {}


class _Level(_Test, frozen=True, kw_only=True):
    """Holds a number against a level, which itself counts as reached."""

    level: Annotated[float | MovingLevel, Meta(description="The level: a number, or a metric. Unit as the metric.")]
    recover_level: Annotated[
        float | None,
        Meta(
            description="The rule lets go once the metric is past this on the way back; null = 1 % inside the level."
            " Unit as the metric."
        ),
    ] = None

    @property
    def is_upward(self) -> bool:
        """Whether it fires above its level."""
        return isinstance(self, AtOrAbove | CrossesAbove)

    @property
    def recovery(self) -> float | None:
        """The recovery level, given or by default; None while the level moves, 1 % inside of it. Unit as the metric."""
        if self.recover_level is not None or isinstance(self.level, MovingLevel):
            return self.recover_level
        room = DEFAULT_ROOM * abs(self.level)
        return self.level - room if self.is_upward else self.level + room

    def _problem(self) -> str | None:
        recover = self.recover_level
        if isinstance(self.level, MovingLevel):
            if recover is None:
                return None
            return f"`recover_level` must be left out where `level` is a metric: it is 1 % inside of it; got {recover}"
        if not math.isfinite(self.level) or (recover is not None and not math.isfinite(recover)):
            return f"`level` and `recover_level` must be finite numbers; got {self.level} and {recover}"
        if recover is not None and (recover > self.level if self.is_upward else recover < self.level):
            side = "above" if self.is_upward else "below"
            return f"`recover_level` must not lie {side} `level`; got {recover} and {self.level}"
        return None


class AtOrAbove(_Level, frozen=True, kw_only=True, tag="at_or_above"):
    """The metric is at its level or above it, however long already."""


class AtOrBelow(_Level, frozen=True, kw_only=True, tag="at_or_below"):
    """The metric is at its level or below it, however long already."""


class CrossesAbove(_Level, frozen=True, kw_only=True, tag="crosses_above"):
    """The metric was below its level at the bar before, and no longer is."""


class CrossesBelow(_Level, frozen=True, kw_only=True, tag="crosses_below"):
    """The metric was above its level at the bar before, and no longer is."""


class _Membership(_Test, frozen=True, kw_only=True):
    values: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...],
        Meta(min_length=1, max_length=32, description="The set, for example buy and strong_buy of a signal."),
    ]

    def _problem(self) -> str | None:
        if len(set(self.values)) != len(self.values):
            return f"`values` must name each value once; got {list(self.values)}"
        return None


class Enters(_Membership, frozen=True, kw_only=True, tag="enters"):
    """The metric, a word, is in the set and was not at the bar before."""


class Leaves(_Membership, frozen=True, kw_only=True, tag="leaves"):
    """The metric, a word, is out of the set and was in it at the bar before."""


class ChangesBy(_Test, frozen=True, kw_only=True, tag="changes_by"):
    """The metric has changed by so much over so many bars."""

    by: Annotated[float, Meta(gt=0, description="How much. Unit fraction if relative, else as the metric.")]
    bars: Annotated[Bars, Meta(description="Over how many sessions.")] = 1
    direction: Literal["up", "down", "either"] = "either"
    is_relative: Annotated[bool, Meta(description="Whether `by` is a fraction of the value it began at.")] = True

    def _problem(self) -> str | None:
        return None if math.isfinite(self.by) else f"`by` must be a finite number; got {self.by}"


class _Extreme(_Test, frozen=True, kw_only=True):
    bars: Annotated[int, Meta(ge=2, le=252, description="How many sessions before it counts.")]


class NewHigh(_Extreme, frozen=True, kw_only=True, tag="new_high"):
    """The metric is above all of the sessions before."""


class NewLow(_Extreme, frozen=True, kw_only=True, tag="new_low"):
    """The metric is below all of the sessions before."""


class _Group(_Part, frozen=True, kw_only=True, tag_field="operator"):
    conditions: Annotated[tuple["Condition", ...], Meta(min_length=2, max_length=MOST_TESTS)]


class And(_Group, frozen=True, kw_only=True, tag="and"):
    """All of them hold; it lets go when one does."""


class Or(_Group, frozen=True, kw_only=True, tag="or"):
    """At least one holds; it lets go when all have."""


Test = AtOrAbove | AtOrBelow | CrossesAbove | CrossesBelow | Enters | Leaves | ChangesBy | NewHigh | NewLow
Condition = Test | And | Or


class _Scope(_Part, frozen=True, kw_only=True, tag_field="kind"):
    pass


class Instruments(_Scope, frozen=True, kw_only=True, tag="instruments"):
    """Instruments named one by one."""

    instruments: InstrumentNames

    def _problem(self) -> str | None:
        return None if len(set(self.instruments)) == len(self.instruments) else "`instruments` must name each once"


class Portfolio(_Scope, frozen=True, kw_only=True, tag="portfolio"):
    """Whatever a portfolio of yours holds."""

    portfolio_id: UUID


class Sector(_Scope, frozen=True, kw_only=True, tag="sector"):
    """All that trade in a sector."""

    sector: Annotated[str, Meta(min_length=1, max_length=100)]


class Universe(_Scope, frozen=True, kw_only=True, tag="universe"):
    """All members of the universe on the newest day."""


class Top(_Scope, frozen=True, kw_only=True, tag="top"):
    """The best of a profile's newest ranking."""

    n: Annotated[int, Meta(ge=1, le=500, description="How many.")]
    profile: Profile


Scope = Instruments | Portfolio | Sector | Universe | Top

TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="For example 22:30.")]


class QuietHours(_Part, frozen=True, kw_only=True):
    """Times of the day at which nothing is sent: what is announced then goes out when they end."""

    start: TimeOfDay
    end: TimeOfDay
    time_zone: Annotated[str, Meta(max_length=64, description="IANA name, for example Europe/Stockholm.")]

    def _problem(self) -> str | None:
        if self.start == self.end:
            return f"quiet hours must end at another time than they begin; got {self.start} twice"
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"`time_zone` must be an IANA name such as Europe/Stockholm; got {self.time_zone!r}"
        return None

    def end_of(self, now: dt.datetime) -> dt.datetime | None:
        """Return the instant at which the quiet hours around an instant end; None if it lies outside of them.

        Where clocks go back, they end the first time that the clock shows their end.
        """
        local = now.astimezone(ZoneInfo(self.time_zone))
        start, end = dt.time.fromisoformat(self.start), dt.time.fromisoformat(self.end)
        time = local.time()
        is_quiet = start <= time < end if start < end else time >= start or time < end
        if not is_quiet:
            return None
        day = local.date() if time < end else local.date() + dt.timedelta(days=1)
        over = dt.datetime.combine(day, end, ZoneInfo(self.time_zone)).astimezone(dt.UTC)
        return over if over > now else None


class Rule(_Part, frozen=True, kw_only=True, tag_field="version", tag=2):
    """Fires once for each time its condition comes to hold, for each instrument of its scope by itself."""

    when: Condition
    scope: Annotated[
        Scope | None, Meta(description="Which instruments; null if no metric of the rule is one of an instrument.")
    ] = None
    for_bars: Annotated[
        Bars, Meta(description="Sessions in a row that it must hold at their close; 1 = at once, also during the day.")
    ] = 1
    cooldown_hours: Annotated[
        float,
        Meta(ge=0, le=MOST_HOURS, description="After it has fired it does not fire anew for so long. Unit hours."),
    ] = DEFAULT_COOLDOWN_HOURS
    repeat_hours: Annotated[
        Annotated[float, Meta(gt=0, le=MOST_HOURS)] | None,
        Meta(description="While it goes on it is told again after so long; null = never. Unit hours."),
    ] = None
    expires_at: Annotated[
        Annotated[dt.datetime, Meta(tz=True)] | None,
        Meta(description="What happens after this instant no longer counts."),
    ] = None
    one_shot: Annotated[
        bool, Meta(description="Whether it ends for an instrument once it has fired and recovered.")
    ] = False
    quiet_hours: QuietHours | None = None

    def _problem(self) -> str | None:
        n_tests, depth = sum(1 for _ in tests_of(self.when)), _depth(self.when)
        if n_tests > MOST_TESTS:
            return f"`when` must hold at most {MOST_TESTS} conditions; got {n_tests}"
        if depth > MOST_LEVELS:
            return f"`when` must be nested at most {MOST_LEVELS} deep; got {depth}"
        return None


AnyRule = LevelRule | Rule


def tests_of(condition: Condition) -> Iterator[Test]:
    """Go through the conditions that stand for themselves, in the order in which they were written."""
    if isinstance(condition, And | Or):
        for part in condition.conditions:
            yield from tests_of(part)
    else:
        yield condition


def sides_of(test: Test) -> Sequence[Test | MovingLevel]:
    """Return whatever has a metric in a condition: itself, and a level that moves."""
    level = getattr(test, "level", None)
    return [test, level] if isinstance(level, MovingLevel) else [test]


def alternatives(condition: Condition) -> list[list[int]]:
    """Return the places (as in `tests_of`) of conditions such that any one list of them, all together, is enough."""
    places = iter(range(MOST_TESTS))

    def spread(part: Condition) -> list[list[int]]:
        if isinstance(part, Or):
            return [way for one in part.conditions for way in spread(one)]
        if isinstance(part, And):
            ways: list[list[int]] = [[]]
            for one in part.conditions:
                ways = [before + after for after in spread(one) for before in ways]
            return ways
        return [[next(places)]]

    return spread(condition)


def decode_rule(body: bytes | str | Mapping[str, Any]) -> AnyRule:
    """Read the body of a rule of any version, as JSON text or as what JSON was read into.

    Whether its metrics and instruments exist is asked of the tables, when the rule is made.

    Raises
    ------
    RuleRefused
        Naming the field and what must hold.
    """
    try:
        rule: AnyRule = (
            msgspec.json.decode(body, type=AnyRule) if isinstance(body, bytes | str) else msgspec.convert(body, AnyRule)
        )
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise RuleRefused(str(exc).rstrip(".")) from exc
    return rule


def modern(rule: AnyRule) -> Rule:
    """Say a rule of any version in version 2."""
    if isinstance(rule, Rule):
        return rule
    operator = AtOrAbove if rule.is_upward else AtOrBelow
    metric = "price" if rule.profile is None else "rankings.rank"
    return Rule(
        when=operator(
            metric=metric,
            of={} if rule.profile is None else {"profile": rule.profile},
            level=rule.level,
            recover_level=rule.recovery,
        ),
        scope=Instruments(instruments=rule.instruments),
        cooldown_hours=0.0,
    )


def rule_schema() -> dict[str, Any]:
    """Return the JSON schema of a rule's body, of either version."""
    return msgspec.json.schema(AnyRule)


def _depth(condition: Condition) -> int:
    return 1 + max(map(_depth, condition.conditions)) if isinstance(condition, And | Or) else 0
