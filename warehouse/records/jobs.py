"""Kinds of jobs: what each may be asked, what it is estimated to cost, and when two ask for the same.

Another kind joins by one entry of `KINDS`, and one of `orchestration.job_kinds.KINDS` that says how it runs.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias, Union
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.records.errors import JobRefused

State = Literal["requested", "queued", "running", "succeeded", "failed", "cancelled", "expired"]
UNFINISHED: tuple[State, ...] = ("requested", "queued", "running")
Profile = Literal["conservative", "balanced", "aggressive"]
Rebalance = Literal["weekly", "monthly", "quarterly"]
Day = dt.date

# A job that no run has taken up by then is of no use to whoever asked.
LIFE = dt.timedelta(hours=24)
# A run that was lost, not one that failed, is tried again.
MAX_ATTEMPTS = 3
# What one job may be estimated to cost. Unit seconds of one core.
MAX_COST_SECONDS = 4 * 3600.0
# What the jobs of one user within 24 hours may be estimated to cost together. Unit seconds of one core.
BUDGET_SECONDS = 6 * 3600.0
# Of one user at once; more wait.
RUNNING_PER_USER = 2
WAITING_PER_USER = 20
EARLIEST = dt.date(1970, 1, 1)
SESSIONS_PER_YEAR = 252


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job of some kind is asked; every kind has its own."""

    def problem(self) -> str | None:
        """Say what does not hold between the fields, None when all is well."""
        return None

    def __post_init__(self) -> None:
        problem = self.problem()
        if problem is not None:
            raise ValueError(problem)


class Period(Parameters, frozen=True, kw_only=True):
    """A period of sessions, both ends included."""

    start: Annotated[Day | None, Meta(description="First day; where it is left out the kind says which.")] = None
    end: Annotated[Day | None, Meta(description="Last day; the newest session where it is left out.")] = None

    def problem(self) -> str | None:
        """Refuse days out of order or of another age."""
        if any(day is not None and not EARLIEST <= day <= dt.date(2200, 1, 1) for day in (self.start, self.end)):
            return f"`start` and `end` must lie between {EARLIEST} and 2200-01-01; got {self.start} and {self.end}"
        if self.start is not None and self.end is not None and self.start > self.end:
            return f"`start` must not be after `end`; got {self.start} and {self.end}"
        return None

    def years(self, *, default: float) -> float:
        """Length, or `default` where an end is open. Unit years."""
        if self.start is None:
            return default
        return max(((self.end or dt.date(self.start.year + 10, 1, 1)) - self.start).days / 365.25, 0.01)


class BacktestParameters(Period, frozen=True, kw_only=True):
    """A backtest of the rankings, out of sample and after costs; one for each profile."""

    profiles: Annotated[
        tuple[Profile, ...], Meta(min_length=1, max_length=3, description="Risk profiles whose rankings are traded.")
    ] = ("balanced",)
    quantile: Annotated[
        float, Meta(ge=0.001, le=0.5, description="Share of the ranked instruments that is held. Unit fraction.")
    ] = 0.1
    rebalance: Annotated[Rebalance, Meta(description="How often the book is brought back to its targets.")] = "monthly"
    cost_bps: Annotated[float, Meta(ge=0, le=500, description="Fees. Unit basis points of the traded value.")] = 5.0
    slippage_bps: Annotated[
        float, Meta(ge=0, le=500, description="Half spread and impact. Unit basis points of the traded value.")
    ] = 5.0
    long_only: Annotated[bool, Meta(description="False also shorts the worst quantile with the same weight.")] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        # The same backtests in another order are the same job.
        msgspec.structs.force_setattr(self, "profiles", tuple(sorted(set(self.profiles))))


class TrainParameters(Period, frozen=True, kw_only=True):
    """Walk-forward training of every forecaster for the quarters that begin in a period; the newest by default."""


class RecomputeParameters(Period, frozen=True, kw_only=True):
    """Compute what is derived from raw data again, for a period of sessions; the newest session by default."""

    scope: Annotated[
        Literal["rankings", "everything"],
        Meta(description="rankings: forecasts, their evaluation, signals and rankings; everything: factors before it."),
    ] = "rankings"


class RefreshParameters(Parameters, frozen=True, kw_only=True):
    """Ask the source for what is missing; what is computed from it follows by itself."""

    part: Annotated[
        Literal["market_data", "fundamentals", "quotes"], Meta(description="What the source is asked for.")
    ] = "market_data"


class Kind(NamedTuple):
    """One kind of job.

    `cost_seconds` estimates what it takes of one core. Of a kind that `is_shared`, one run serves all who wait for the
    same; it concerns everybody, not the user who asks.
    """

    parameters: type[Parameters]
    description: str
    cost_seconds: Callable[[Any], float]
    is_shared: bool = False
    example: Parameters = Parameters()


def _backtest_cost(asked: BacktestParameters) -> float:
    trades = {"weekly": 52, "monthly": 12, "quarterly": 4}[asked.rebalance]
    return len(asked.profiles) * (2.0 + asked.years(default=5.0) * (1.0 + trades / 50))


KINDS: Mapping[str, Kind] = {
    "backtest": Kind(
        BacktestParameters,
        "Backtest the rankings of risk profiles.",
        _backtest_cost,
        example=BacktestParameters(start=dt.date(2023, 1, 3), end=dt.date(2024, 6, 28)),
    ),
    "train": Kind(
        TrainParameters,
        "Train the forecasters anew for some quarters.",
        lambda asked: 30.0 + 60.0 * 4 * asked.years(default=0.25),
        example=TrainParameters(start=dt.date(2024, 4, 1), end=dt.date(2024, 4, 1)),
    ),
    "refresh": Kind(
        RefreshParameters,
        "Ask the source for what is missing.",
        lambda asked: 10.0 if asked.part == "quotes" else 60.0,
        is_shared=True,
        example=RefreshParameters(),
    ),
    "recompute": Kind(
        RecomputeParameters,
        "Compute rankings, or everything that is derived, again.",
        lambda asked: (
            20.0 + (0.2 if asked.scope == "rankings" else 0.5) * SESSIONS_PER_YEAR * asked.years(default=0.01)
        ),
        is_shared=True,
        example=RecomputeParameters(),
    ),
}


class AnyAsked(msgspec.Struct, frozen=True):
    """A request for a job of some kind, as its sender writes it."""

    parameters: Parameters


if TYPE_CHECKING:
    Asked: TypeAlias = AnyAsked
else:
    # One shape per kind, told apart by `kind`: what is documented and what is taken follow from KINDS alone.
    Asked = Union[  # noqa: UP007 # made of a list that grows
        tuple(
            msgspec.defstruct(
                f"{name.title().replace('_', '')}Asked",
                [("parameters", Annotated[kind.parameters, Meta(description=f"What is asked. {kind.description}")])],
                namespace={"__doc__": kind.description},
                tag_field="kind",
                tag=name,
                frozen=True,
                forbid_unknown_fields=True,
            )
            for name, kind in KINDS.items()
        )
    ]


class Job(msgspec.Struct, frozen=True):
    """One requested piece of work."""

    job_id: Annotated[UUID, Meta(description="Id of the job.")]
    kind: Annotated[str, Meta(description="Kind of work.")]
    state: Annotated[State, Meta(description="requested, queued, running; then succeeded, failed, cancelled, expired.")]
    parameters: Annotated[dict[str, Any], Meta(description="What was asked, defaults filled in.")]
    parameters_hash: Annotated[str, Meta(description="Content hash of kind and parameters.")]
    cost_seconds: Annotated[float, Meta(description="Estimated cost. Unit seconds of one core.")]
    attempt: Annotated[int, Meta(description="Which try this is. Unit count.")]
    progress: Annotated[float | None, Meta(description="How far it is, null while nobody knows. Unit fraction.")]
    run_id: Annotated[str | None, Meta(description="Run that does the work, null before there is one.")]
    correlation_id: Annotated[str | None, Meta(description="Request that asked for it.")]
    requested_at: Annotated[dt.datetime, Meta(description="When it was asked for, UTC.")]
    started_at: Annotated[dt.datetime | None, Meta(description="When the run began, UTC.")]
    heartbeat_at: Annotated[dt.datetime | None, Meta(description="When the run last showed that it lives, UTC.")]
    finished_at: Annotated[dt.datetime | None, Meta(description="When it ended, UTC.")]
    cancel_requested_at: Annotated[dt.datetime | None, Meta(description="When somebody asked to end it, UTC.")]
    error: Annotated[str | None, Meta(description="Why it failed, in a sentence.")]
    result: Annotated[dict[str, Any] | None, Meta(description="What came of it; null unless it succeeded.")]


class Artifact(msgspec.Struct, frozen=True):
    """Something that a job has made, and where it lies."""

    name: Annotated[str, Meta(description="What it is, for example backtest/balanced.")]
    uri: Annotated[str, Meta(description="Where it lies: an address of this API, a table, or a place in the store.")]
    media_type: Annotated[str, Meta(description="Media type of what lies there.")] = "application/json"


def kind_of(asked: AnyAsked) -> str:
    """Return the kind that a request is for."""
    return str(asked.__struct_config__.tag)


def decode_parameters(kind: str, body: bytes | Mapping[str, Any]) -> Parameters:
    """Read the parameters of a job, as JSON text or as what JSON was read into.

    Raises
    ------
    JobRefused
        Naming the kind or field and what must hold.
    """
    if kind not in KINDS:
        raise JobRefused(f"`kind` must be one of {', '.join(KINDS)}; got {kind[:40]!r}")
    shape = KINDS[kind].parameters
    try:
        asked = msgspec.json.decode(body, type=shape) if isinstance(body, bytes) else msgspec.convert(body, shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise JobRefused(str(exc).rstrip(".")) from exc
    require_affordable(kind, asked)
    return asked


def require_affordable(kind: str, asked: Parameters) -> float:
    """Return the estimated cost of a job. Unit seconds of one core.

    Raises
    ------
    JobRefused
        If one job alone would cost more than any may.
    """
    cost = KINDS[kind].cost_seconds(asked)
    if not 0 <= cost <= MAX_COST_SECONDS:
        raise JobRefused(
            f"a job may be estimated to cost at most {MAX_COST_SECONDS:.0f} seconds of one core; got {cost:.0f}. "
            "Ask for less at once"
        )
    return cost


def canonical(asked: Parameters) -> dict[str, Any]:
    """Return parameters as JSON knows them, every default filled in."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(asked))
    return plain


def parameters_hash(kind: str, asked: Parameters) -> str:
    """Return the hash under which two jobs ask for the same: hexadecimal, independent of order and defaults."""
    text = msgspec.json.encode([kind, canonical(asked)], order="sorted")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def schemas(kinds: Sequence[str] = tuple(KINDS)) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each kind's parameters."""
    return {kind: msgspec.json.schema(KINDS[kind].parameters) for kind in kinds}
