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


class RebalanceParameters(Parameters, frozen=True, kw_only=True):
    """Compute an index again for its newest session; POST /v1/strategy/rebalance lets it decide there too."""

    index: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,62}$", description="Name of the index.")] = "main"


class UploadParameters(Parameters, frozen=True, kw_only=True):
    """Take over daily bars that were sent to POST /v1/import/bars, by the rules of all prices."""

    upload_id: Annotated[UUID, Meta(description="The upload; it must be the caller's, and is kept for a week.")]


class Holdings(Period, frozen=True, kw_only=True):
    """Some instruments, and the sessions from which their returns are learnt."""

    tickers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,15}$")], ...],
        Meta(min_length=1, max_length=200, description="Canonical tickers."),
    ]

    def problem(self) -> str | None:
        """Refuse an instrument that comes twice."""
        if len({ticker.upper() for ticker in self.tickers}) != len(self.tickers):
            return f"`tickers` must name each instrument once; got {', '.join(self.tickers[:10])}"
        return super().problem()


class MonteCarloParameters(Holdings, frozen=True, kw_only=True):
    """Paths of a portfolio: percentiles, value at risk, expected shortfall, probability of a loss."""

    weights: Annotated[
        tuple[float, ...] | None,
        Meta(
            description="Shares of the portfolio in the order of the tickers, sum 1; equal by default. Unit fraction."
        ),
    ] = None
    method: Annotated[
        Literal["gbm", "bootstrap"],
        Meta(
            description="gbm: geometric Brownian motion with mirrored paths; bootstrap: days of the past, drawn again."
        ),
    ] = "gbm"
    n_paths: Annotated[int, Meta(ge=1_000, le=2_000_000, multiple_of=2, description="Paths. Unit paths.")] = 100_000
    n_sessions: Annotated[int, Meta(ge=1, le=2_520, description="How far they go. Unit sessions.")] = 252
    block_sessions: Annotated[
        int, Meta(ge=1, le=63, description="Days in a row that the bootstrap draws together. Unit sessions.")
    ] = 1
    confidence: Annotated[
        float, Meta(gt=0.5, lt=1, description="Of value at risk and expected shortfall. Unit fraction.")
    ] = 0.95
    seed: Annotated[int, Meta(ge=0, le=2**31, description="The same seed gives the same paths. Unit none.")] = 0

    def problem(self) -> str | None:
        """Refuse weights that do not go with the tickers."""
        if self.weights is not None and (
            len(self.weights) != len(self.tickers) or abs(sum(self.weights) - 1) > 1e-6 or min(self.weights) < 0
        ):
            return f"`weights` must be one share of 0 or more for each ticker, sum 1; got {self.weights[:10]}"
        return super().problem()


class MarkowitzParameters(Holdings, frozen=True, kw_only=True):
    """Efficient frontier, lowest variance and highest Sharpe ratio of some instruments, within limits."""

    max_weight: Annotated[float, Meta(gt=0, le=1, description="Highest weight of each. Unit fraction.")] = 1.0
    min_weight: Annotated[float, Meta(ge=-1, le=1, description="Lowest weight; below 0 is short. Unit fraction.")] = 0.0
    max_sector_weight: Annotated[
        float | None, Meta(description="Highest weight of a sector, null for none. Unit fraction.")
    ] = None
    shrink: Annotated[bool, Meta(description="Shrink the covariance by Ledoit and Wolf.")] = True
    risk_free_rate: Annotated[float, Meta(ge=-0.1, le=0.5, description="Unit fraction per year.")] = 0.0
    n_points: Annotated[int, Meta(ge=2, le=100, description="Points of the frontier. Unit points.")] = 20

    def problem(self) -> str | None:
        """Refuse limits that no portfolio keeps."""
        n = len(self.tickers)
        if n < 2:
            return f"`tickers` must name two instruments or more; got {n}"
        if self.max_weight * n < 1 or self.min_weight * n > 1 or self.min_weight > self.max_weight:
            return (
                f"`min_weight` and `max_weight` must allow {n} weights that sum to 1; "
                f"got {self.min_weight} and {self.max_weight}"
            )
        return super().problem()


class OptionTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A European option, with its volatility or with its price."""

    type: Annotated[Literal["call", "put"], Meta(description="Right to buy (call) or to sell (put).")]
    spot: Annotated[float, Meta(ge=1e-9, le=1e12, description="Price of the stock now. Unit currency per share.")]
    strike: Annotated[float, Meta(ge=1e-9, le=1e12, description="Unit currency per share.")]
    years: Annotated[float, Meta(gt=0, le=100, description="Time to expiry. Unit years.")]
    rate: Annotated[float, Meta(ge=-1, le=1, description="Continuously compounded. Unit fraction per year.")] = 0.0
    dividend_yield: Annotated[float, Meta(ge=-1, le=1, description="As `rate`. Unit fraction per year.")] = 0.0
    volatility: Annotated[
        float | None, Meta(description="Gives the price. Unit fraction per square root of a year.")
    ] = None
    price: Annotated[float | None, Meta(description="Gives the volatility. Unit currency per share.")] = None

    def __post_init__(self) -> None:
        given = self.volatility if self.volatility is not None else self.price
        if (self.volatility is None) == (self.price is None) or given is None or not 0 < given <= 1e12:
            raise ValueError(
                f"`volatility` or `price` must be given, above 0, and not both; got {self.volatility} and {self.price}"
            )


class BlackScholesParameters(Parameters, frozen=True, kw_only=True):
    """Prices, sensitivities and implied volatilities of many European options."""

    options: Annotated[
        tuple[OptionTerms, ...], Meta(min_length=1, max_length=10_000, description="The options, in your order.")
    ]


EXAMPLE_OPTION = OptionTerms(type="call", spot=100.0, strike=105.0, years=0.5, rate=0.03, volatility=0.2)


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
    "rebalance": Kind(
        RebalanceParameters,
        "Compute an index again for its newest session.",
        lambda asked: 20.0,
        is_shared=True,
        example=RebalanceParameters(),
    ),
    "upload": Kind(
        UploadParameters,
        "Take over daily bars that were sent in.",
        lambda asked: 60.0,
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
        lambda asked: 5.0 + 1e-6 * asked.n_points * len(asked.tickers) ** 3,
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
