"""The body of an alert rule, version 1: a level that a price or a rank is held against."""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Metric = Literal["price", "rank"]
Operator = Literal["at_or_above", "at_or_below"]
Profile = Literal["conservative", "balanced", "aggressive"]

# A price that hovers about its level would fire and recover all day without this much room. Unit fraction.
DEFAULT_ROOM = 0.01


class LevelRule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="version",
    tag=1,
):
    """Fires when a metric is at its level or beyond, once; recovers when it has come back past its recovery level."""

    metric: Annotated[
        Metric,
        Meta(
            description="price: last quote or close, currency per share; rank: place in a profile's ranking, 1 is best."
        ),
    ]
    operator: Annotated[Operator, Meta(description="On which side of the level the rule fires.")]
    level: Annotated[float, Meta(gt=0, description="The level, which itself counts as reached. Unit as the metric.")]
    recover_level: Annotated[
        float | None,
        Meta(
            description="The rule recovers once the metric is past this on the way back;"
            " null = 1 % inside the level for a price, the level itself for a rank. Unit as the metric."
        ),
    ] = None
    instruments: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        Meta(min_length=1, max_length=1000, description="Ids of the instruments; tickers are resolved at creation."),
    ]
    profile: Annotated[Profile | None, Meta(description="Whose ranking; given for a rank, and only then.")] = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise ValueError(problem)

    @property
    def is_upward(self) -> bool:
        """Whether the rule fires above its level."""
        return self.operator == "at_or_above"

    @property
    def recovery(self) -> float:
        """The recovery level, given or by default. Unit as the metric."""
        if self.recover_level is not None:
            return self.recover_level
        if self.metric == "rank":
            return self.level
        return self.level * (1 - DEFAULT_ROOM if self.is_upward else 1 + DEFAULT_ROOM)

    def _problem(self) -> str | None:
        recover = self.recover_level
        if not math.isfinite(self.level) or (recover is not None and not (math.isfinite(recover) and recover > 0)):
            return f"`level` and `recover_level` must be positive numbers; got {self.level} and {recover}"
        if (self.metric == "rank") != (self.profile is not None):
            return f"`profile` must be given for metric rank, and only then; got {self.metric=}, {self.profile=}"
        if self.metric == "rank" and not (self.level.is_integer() and (recover is None or recover.is_integer())):
            return f"levels of a rank must be whole places; got {self.level} and {recover}"
        if recover is not None and (recover > self.level if self.is_upward else recover < self.level):
            side = "above" if self.is_upward else "below"
            return f"`recover_level` must not lie {side} the level of {self.operator}; got {recover} and {self.level}"
        if len(set(self.instruments)) != len(self.instruments):
            return "`instruments` must name each instrument once"
        return None
