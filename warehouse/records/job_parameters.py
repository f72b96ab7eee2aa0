"""What jobs are asked: the shape that all kinds share, and the parameters of refreshing, recomputing and quant jobs."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

Day = dt.date

EARLIEST = dt.date(1970, 1, 1)


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
        Meta(min_length=1, max_length=500, description="Canonical tickers."),
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


Volatility = Annotated[float, Meta(ge=1e-6, le=100)]


class OptionTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A European option, with its volatility or with its price."""

    type: Annotated[Literal["call", "put"], Meta(description="Right to buy (call) or to sell (put).")]
    spot: Annotated[float, Meta(ge=1e-9, le=1e12, description="Price of the stock now. Unit currency per share.")]
    strike: Annotated[float, Meta(ge=1e-9, le=1e12, description="Unit currency per share.")]
    years: Annotated[float, Meta(ge=1e-6, le=100, description="Time to expiry. Unit years.")]
    rate: Annotated[float, Meta(ge=-1, le=1, description="Continuously compounded. Unit fraction per year.")] = 0.0
    dividend_yield: Annotated[float, Meta(ge=-1, le=1, description="As `rate`. Unit fraction per year.")] = 0.0
    volatility: Annotated[
        Volatility | None, Meta(description="Gives the price. Unit fraction per square root of a year.")
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
