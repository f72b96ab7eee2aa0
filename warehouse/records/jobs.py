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
from warehouse.records.job_parameters import (
    BlackScholesParameters,
    MarkowitzParameters,
    MonteCarloParameters,
    OptionTerms,
    Parameters,
    RebalanceParameters,
    RecomputeParameters,
    RefreshParameters,
    UploadParameters,
)
from warehouse.records.research_jobs import (
    EXAMPLE_BACKTEST,
    EXAMPLE_SWEEP,
    EXAMPLE_TRAIN,
    EXAMPLE_TUNE,
    BacktestParameters,
    SweepParameters,
    TrainParameters,
    TuneParameters,
    backtest_cost,
    sweep_cost,
    train_cost,
    tune_cost,
)

State = Literal["requested", "queued", "running", "succeeded", "failed", "cancelled", "expired"]
UNFINISHED: tuple[State, ...] = ("requested", "queued", "running")

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
SESSIONS_PER_YEAR = 252


EXAMPLE_OPTION = OptionTerms(type="call", spot=100.0, strike=105.0, years=0.5, rate=0.03, volatility=0.2)


class Kind(NamedTuple):
    """One kind of job.

    `cost_seconds` estimates what it takes of one core. Of a kind that `is_shared`, one run serves all who wait for the
    same; it concerns everybody, not the user who asks. One that `needs_administrator` changes what everybody will see.
    """

    parameters: type[Parameters]
    description: str
    cost_seconds: Callable[[Any], float]
    is_shared: bool = False
    needs_administrator: bool = False
    example: Parameters = Parameters()


KINDS: Mapping[str, Kind] = {
    "backtest": Kind(
        BacktestParameters, "Backtest the rankings of risk profiles.", backtest_cost, example=EXAMPLE_BACKTEST
    ),
    "sweep": Kind(
        SweepParameters, "Backtest every combination of some options at once.", sweep_cost, example=EXAMPLE_SWEEP
    ),
    "train": Kind(TrainParameters, "Train the forecasters anew for some quarters.", train_cost, example=EXAMPLE_TRAIN),
    "tune": Kind(
        TuneParameters,
        "Choose the parameters of a forecaster for quarters to come.",
        tune_cost,
        needs_administrator=True,
        example=EXAMPLE_TUNE,
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
    "rebalance": Kind(
        RebalanceParameters,
        "Compute an index again for its newest session.",
        lambda asked: 20.0,
        is_shared=True,
        needs_administrator=True,
        example=RebalanceParameters(),
    ),
    "upload": Kind(
        UploadParameters,
        "Take over daily bars that were sent in.",
        lambda asked: 60.0,
        needs_administrator=True,
        example=UploadParameters(upload_id=UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c53")),
    ),
    "monte_carlo": Kind(
        MonteCarloParameters,
        "Simulate paths of a portfolio.",
        lambda asked: 5.0 + asked.n_paths * asked.n_sessions * 4e-8,
        example=MonteCarloParameters(tickers=("ACME", "ZETA"), weights=(0.5, 0.5)),
    ),
    "markowitz": Kind(
        MarkowitzParameters,
        "Find the efficient frontier of some instruments.",
        lambda asked: 5.0 + 5e-9 * asked.n_points * len(asked.tickers) ** 3,
        example=MarkowitzParameters(tickers=("ACME", "ZETA", "META"), max_weight=0.6),
    ),
    "black_scholes": Kind(
        BlackScholesParameters,
        "Value many European options.",
        lambda asked: 5.0,
        example=BlackScholesParameters(options=(EXAMPLE_OPTION,)),
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
