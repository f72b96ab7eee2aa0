"""What research is asked as a job: backtests, sweeps of them, training and tuning; and what it is estimated to cost."""

import datetime as dt
from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.records.job_parameters import Day, Parameters, Period

Profile = Literal["conservative", "balanced", "aggressive"]
Rebalance = Literal["weekly", "monthly", "quarterly"]
Share = Annotated[float, Meta(ge=0.001, le=0.5, description="Share of the ranked instruments. Unit fraction.")]
CostBps = Annotated[float, Meta(ge=0, le=500, description="Unit basis points of the traded value.")]
Name = Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_]{0,62}$")]

# Of one sweep: each is a book of some thousand sessions in memory.
MOST_CONFIGURATIONS = 10_000
# Of one choice of parameters.
MOST_CANDIDATES = 64
REBALANCES_PER_YEAR: Mapping[Rebalance, int] = {"weekly": 52, "monthly": 12, "quarterly": 4}


class Trading(Period, frozen=True, kw_only=True):
    """How orders are filled, and what bounds a book."""

    fill: Annotated[
        Literal["close", "open"], Meta(description="Where in the session after the signal orders are filled.")
    ] = "close"
    max_weight: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="Most of a book in one instrument, null for no limit. Unit fraction."),
    ] = None
    max_turnover: Annotated[
        Annotated[float, Meta(gt=0, le=10)] | None,
        Meta(description="Most that a rebalance may buy plus sell, null for no limit. Unit fraction."),
    ] = None
    cash_rate: Annotated[
        float, Meta(ge=-0.1, le=1, description="Interest on cash, compounded. Unit fraction per year.")
    ] = 0.0
    delisting_return: Annotated[
        float, Meta(ge=-1, le=1, description="Return after the last price of a delisted instrument. Unit fraction.")
    ] = 0.0

    def problem(self) -> str | None:
        """Refuse a period of one day: a signal is traded on a later one."""
        if self.start is not None and self.start == self.end:
            return f"`start` must be before `end`; got {self.start} and {self.end}"
        return super().problem()


class BacktestParameters(Trading, frozen=True, kw_only=True):
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
        Annotated[float, Meta(ge=0, le=500)] | None,
        Meta(
            description="Half spread and impact; null charges 5, or 0 with `spread_by_liquidity`, which charges the"
            " half spread itself. Unit basis points of the traded value."
        ),
    ] = None
    long_only: Annotated[bool, Meta(description="False also shorts the worst quantile with the same weight.")] = True
    sector_neutral: Annotated[
        bool, Meta(description="Take the quantile within each sector, weighted as the universe's sectors are.")
    ] = False
    target_volatility: Annotated[
        Annotated[float, Meta(gt=0, le=2)] | None,
        Meta(description="Volatility that weights are scaled to, null for none. Unit fraction per year."),
    ] = None
    spread_by_liquidity: Annotated[
        bool, Meta(description="Charge half a spread by what an instrument trades; 0.5 to 100 basis points.")
    ] = False
    impact_coefficient: Annotated[
        float,
        Meta(
            ge=0,
            le=10,
            description="Also charge this x daily volatility x root of an order's share of a session's traded value."
            " Unit: a factor.",
        ),
    ] = 0.0
    capital: Annotated[
        float, Meta(gt=0, le=1e12, description="Starting capital, what impact depends on. Unit currency.")
    ] = 1e6

    def __post_init__(self) -> None:
        super().__post_init__()
        # The same backtests in another order are the same job.
        msgspec.structs.force_setattr(self, "profiles", tuple(sorted(set(self.profiles))))


class SweepParameters(Trading, frozen=True, kw_only=True):
    """Every combination of the lists as a backtest of one profile, at once; each is a trial."""

    profile: Annotated[Profile, Meta(description="Risk profile whose rankings are traded.")] = "balanced"
    quantiles: Annotated[
        tuple[Share, ...], Meta(min_length=1, max_length=500, description="Shares that are held. Unit fraction.")
    ] = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    rebalances: Annotated[
        tuple[Rebalance, ...], Meta(min_length=1, max_length=3, description="How often books go back to their targets.")
    ] = ("weekly", "monthly", "quarterly")
    costs_bps: Annotated[
        tuple[CostBps, ...],
        Meta(min_length=1, max_length=500, description="Costs, all together. Unit basis points of the traded value."),
    ] = (0.0, 5.0, 10.0, 20.0)
    long_only: Annotated[
        tuple[bool, ...], Meta(min_length=1, max_length=2, description="Long only, long-short, or both.")
    ] = (True, False)
    sector_neutral: Annotated[
        tuple[bool, ...], Meta(min_length=1, max_length=2, description="Within the universe, within sectors, or both.")
    ] = (False,)

    def problem(self) -> str | None:
        """Refuse a list that names something twice, one combination, or too many."""
        lists = (self.quantiles, self.rebalances, self.costs_bps, self.long_only, self.sector_neutral)
        if any(len(set(values)) < len(values) for values in lists):
            return "each list must name a value once; got one twice"
        if not 2 <= self.n_configurations <= MOST_CONFIGURATIONS:
            return f"the lists must have 2 to {MOST_CONFIGURATIONS} combinations; got {self.n_configurations}"
        return super().problem()

    @property
    def n_configurations(self) -> int:
        """Backtests in all."""
        return self.n_targets * len(self.costs_bps)

    @property
    def n_targets(self) -> int:
        """Those of them that differ in more than costs."""
        return len(self.quantiles) * len(self.rebalances) * len(self.long_only) * len(self.sector_neutral)


class TrainParameters(Period, frozen=True, kw_only=True):
    """Walk-forward training of every forecaster for the quarters that begin in a period; the newest by default."""


class TuneParameters(Parameters, frozen=True, kw_only=True):
    """Choose parameters of a forecaster by what they showed on earlier quarters; later ones are trained with them."""

    model_id: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,62}$", description="Forecaster, as in GET /v1/models.")
    ] = "technical"
    quarter: Annotated[
        Day | None,
        Meta(
            description="First day of the first quarter that may use the choice, null for the one after the newest "
            "session; earlier quarters stay as they are."
        ),
    ] = None
    n_folds: Annotated[
        int, Meta(ge=1, le=40, description="Quarters before it on which candidates are judged. Unit quarters.")
    ] = 4
    grid: Annotated[
        dict[Name, Annotated[tuple[bool | int | float | str, ...], Meta(min_length=1, max_length=MOST_CANDIDATES)]],
        Meta(
            max_length=10,
            description="Values to try by parameter; every combination is a candidate, 64 at most. Empty: a small grid "
            "of the forecaster's type.",
        ),
    ] = msgspec.field(default_factory=dict)

    def problem(self) -> str | None:
        """Refuse a day that begins no quarter, and too many candidates."""
        if self.quarter is not None and (self.quarter.day != 1 or self.quarter.month % 3 != 1):
            return f"`quarter` must be the first day of one, as 2024-07-01; got {self.quarter}"
        if self.n_candidates > MOST_CANDIDATES:
            return f"`grid` must have {MOST_CANDIDATES} combinations at most; got {self.n_candidates}"
        return None

    @property
    def n_candidates(self) -> int:
        """Candidates; those of a default grid where none is given."""
        return prod(map(len, self.grid.values())) if self.grid else 9


EXAMPLE_BACKTEST = BacktestParameters(start=dt.date(2023, 1, 3), end=dt.date(2024, 6, 28))
EXAMPLE_SWEEP = SweepParameters(start=dt.date(2023, 1, 3), end=dt.date(2024, 6, 28))
EXAMPLE_TRAIN = TrainParameters(start=dt.date(2024, 4, 1), end=dt.date(2024, 4, 1))
EXAMPLE_TUNE = TuneParameters(quarter=dt.date(2024, 7, 1), grid={"n_leaves": (4, 8), "n_trees": (60, 120)})


def backtest_cost(asked: BacktestParameters) -> float:
    """Estimate a backtest per profile. Unit seconds of one core."""
    trades = REBALANCES_PER_YEAR[asked.rebalance]
    return len(asked.profiles) * (2.0 + asked.years(default=5.0) * (1.0 + trades / 50))


def sweep_cost(asked: SweepParameters) -> float:
    """Estimate a sweep: prices once, targets by what differs in more than costs, books for all. Unit as above."""
    return 10.0 + asked.years(default=5.0) * (1.0 + 0.1 * asked.n_targets + 0.01 * asked.n_configurations)


def train_cost(asked: TrainParameters) -> float:
    """Estimate the training of all forecasters, four quarters a year. Unit as above."""
    return 30.0 + 60.0 * 4 * asked.years(default=0.25)


def tune_cost(asked: TuneParameters) -> float:
    """Estimate a training for each candidate and quarter. Unit as above."""
    return 60.0 + 20.0 * asked.n_candidates * asked.n_folds
