"""Which instruments an index holds, and with which weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from transforms.constrained_weights import Limits, LimitsInfeasible, constrained_minimum_variance, nearest_weights
from transforms.covariances import shrunk_covariance
from transforms.portfolio_weights import (
    Array,
    equal_risk_contribution,
    equal_weights,
    inverse_volatility,
    proportional_weights,
)
from transforms.target_weights import FREQUENCIES, Frequency

Scheme = Literal["equal", "market_cap", "momentum", "ranking", "inverse_volatility", "risk_parity", "minimum_variance"]
Order = Literal["market_cap", "momentum", "ranking"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
ORDERS: tuple[Order, ...] = get_args(Order)
# Sessions of returns that covariances are estimated from, and the fewest of them that an instrument must have.
COVARIANCE_SESSIONS, MIN_RETURNS = 252, 126
OF_COVARIANCE: frozenset[Scheme] = frozenset({"inverse_volatility", "risk_parity", "minimum_variance"})
# Limits that are given up where they cannot be kept, in this order.
GIVEN_UP = ("max_turnover", "max_sector_weight")
# Column of the candidates that an order or a scheme looks at.
COLUMNS: dict[str, str] = {"market_cap": "market_cap", "momentum": "momentum", "ranking": "score"}


@dataclass(frozen=True)
class IndexRules:
    """How an index is put together.

    Attributes
    ----------
    weighting : mapping of scheme to float, fraction
        Shares of the schemes in the weights; sum 1.
    select_by : str
        What the instruments are ordered by, the highest first.
    n_names : int
        How many are held; fewer where there are not so many.
    sectors : sequence of str, optional
        Sectors that are held; all of the universe else.
    profile : str
        Risk profile whose ranking is meant.
    rebalance : str
        The first session of each day, week, month or quarter decides; the next session's close trades.
    max_weight, max_sector_weight : float, fraction
        Highest weight of an instrument, and of all of a sector.
    max_turnover : float, fraction, optional
        Highest sum of bought and sold at a rebalancing.
    drift_threshold : float, fraction, optional
        Half the sum of the distances from the target weights beyond which the index goes back to them.
    cost_bps : float, basis points of the traded value
        What trading costs, in the level after costs.
    currency : str, optional
        ISO 4217 code of the currency that the level is in; the reporting currency else. All versions share it.
    """

    weighting: Mapping[Scheme, float]
    select_by: Order = "ranking"
    n_names: int = 50
    sectors: Sequence[str] | None = None
    profile: str = "balanced"
    rebalance: Frequency = "monthly"
    max_weight: float = 1.0
    max_sector_weight: float = 1.0
    max_turnover: float | None = None
    drift_threshold: float | None = None
    cost_bps: float = 10.0
    currency: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weighting) - set(SCHEMES))
        if unknown or not np.isclose(sum(self.weighting.values()), 1) or min(self.weighting.values()) < 0:
            raise ValueError(
                f"IndexRules: weighting must give shares of {SCHEMES} that sum to 1; got {dict(self.weighting)}. "
                "Name one scheme with 1.0 or several."
            )
        if self.select_by not in ORDERS or self.rebalance not in FREQUENCIES or self.n_names < 1:
            raise ValueError(
                f"IndexRules: select_by must be one of {ORDERS}, rebalance one of {FREQUENCIES}, n_names 1 or more; "
                f"got {self.select_by!r}, {self.rebalance!r}, {self.n_names}. Choose from these."
            )
        if not 0 <= self.cost_bps <= 1000:
            raise ValueError(f"IndexRules: cost_bps must be 0 to 1000; got {self.cost_bps}. 10 is 0.1 per cent.")
        if self.sectors is not None and not self.sectors:
            raise ValueError("IndexRules: sectors must name one or more; got none. Leave them out to hold all.")
        limits = (self.max_weight, self.max_sector_weight, self.max_turnover, self.drift_threshold)
        if any(limit is not None and not limit > 0 for limit in limits):
            raise ValueError(f"IndexRules: limits must be above 0; got {limits}. Leave a limit out to have none.")

    @property
    def columns(self) -> list[str]:
        """Columns that a candidate must have a value in."""
        used = [self.select_by, *(scheme for scheme, share in self.weighting.items() if share > 0)]
        return sorted({COLUMNS[name] for name in used if name in COLUMNS})

    @property
    def needs_covariance(self) -> bool:
        """True if a scheme looks at returns."""
        return any(share > 0 and scheme in OF_COVARIANCE for scheme, share in self.weighting.items())


class Targets(NamedTuple):
    """Weights that an index aims at.

    Attributes
    ----------
    weights : Series of shape (n_held,), fraction
        Index instrument_id, sum 1; empty where nothing may be held.
    dropped_limits : tuple of str
        Limits that could not be kept together with the others, in the order in which they were given up.
    """

    weights: pd.Series
    dropped_limits: tuple[str, ...] = ()


NOTHING = Targets(pd.Series(dtype=np.float64))


def index_targets(
    candidates: pd.DataFrame, rules: IndexRules, *, previous: pd.Series, return_1d: "pd.DataFrame | None" = None
) -> Targets:
    """Choose the instruments of an index and weigh them.

    Parameters
    ----------
    candidates : DataFrame of shape (n, 4), index instrument_id
        market_cap (currency), momentum (fraction), score (points 0 to 100), sector; those that may be held.
    rules : IndexRules
    previous : Series of shape (n_before,), fraction, index instrument_id
        Weights that are held; empty at the start.
    return_1d : DataFrame of shape (n_dates, n_instruments), fraction, optional
        Daily returns up to the day, columns instrument_id; needed by the schemes that look at covariances.

    Returns
    -------
    Targets

    Notes
    -----
    Selection: the highest `n_names` by `select_by`, ties by instrument_id, of those that have all values that the rules
    look at, a size above 0, and, for schemes that look at covariances, 126 returns that are not all the same.

    Schemes: `momentum` weighs by place (the lowest of n has 1, the highest n), `ranking` by score, `market_cap` by
    size; the others are functions of the covariance of the last 252 returns.

    Limits: weights above a limit are cut and the rest is scaled up in proportion, which is the nearest within the
    limits by ``sum((weight - wanted) ** 2 / wanted)``. A limit per instrument below 1 / n_held means equal weights.
    What has to be sold because it is no longer among the chosen is sold whatever the limit on turnover; first that
    limit, then that of sectors is given up where they cannot be kept, and named in `dropped_limits`.
    """
    chosen = _chosen(candidates, rules, return_1d)
    if chosen.empty:
        return NOTHING
    wanted = _wanted(chosen, rules, return_1d)
    return _limited(chosen, wanted, rules, previous)


def _chosen(candidates: pd.DataFrame, rules: IndexRules, return_1d: "pd.DataFrame | None") -> pd.DataFrame:
    eligible = candidates.dropna(subset=rules.columns)
    if rules.sectors is not None:
        eligible = eligible[eligible["sector"].isin(list(rules.sectors))]
    if "market_cap" in rules.columns:
        eligible = eligible[eligible["market_cap"] > 0]
    if rules.needs_covariance and return_1d is not None:
        past = return_1d.iloc[-COVARIANCE_SESSIONS:].reindex(columns=eligible.index)
        moves = (past.max() > past.min()) & (past.notna().sum() >= MIN_RETURNS)
        eligible = eligible[moves.to_numpy()]
    order = eligible.sort_index().sort_values(COLUMNS[rules.select_by], ascending=False, kind="stable")
    return order.iloc[: rules.n_names]


def _wanted(chosen: pd.DataFrame, rules: IndexRules, return_1d: "pd.DataFrame | None") -> Array:
    """Blend the schemes."""
    covariance = np.empty((0, 0))
    if rules.needs_covariance:
        if return_1d is None:
            raise ValueError("index_targets: the weighting needs returns; got none. Give them as `return_1d`.")
        covariance = shrunk_covariance(return_1d[chosen.index].iloc[-COVARIANCE_SESSIONS:].to_numpy())
    schemes: dict[Scheme, Callable[[], Array]] = {
        "equal": lambda: equal_weights(len(chosen)),
        "market_cap": lambda: proportional_weights(chosen["market_cap"].to_numpy(dtype=np.float64)),
        "momentum": lambda: proportional_weights(_places(chosen["momentum"])),
        "ranking": lambda: proportional_weights(np.maximum(chosen["score"].to_numpy(dtype=np.float64), 1e-6)),
        "inverse_volatility": lambda: inverse_volatility(covariance),
        "risk_parity": lambda: equal_risk_contribution(covariance),
        "minimum_variance": lambda: constrained_minimum_variance(
            covariance, limits=_limits(chosen, rules, without=GIVEN_UP)
        ),
    }
    parts = [share * schemes[scheme]() for scheme, share in rules.weighting.items() if share > 0]
    blended: Array = np.sum(parts, axis=0)
    return blended


def _places(values: pd.Series) -> Array:
    """Give 1 to the lowest, n to the highest, ties in their order."""
    return np.asarray(values.rank(method="first"), dtype=np.float64)


def _limited(chosen: pd.DataFrame, wanted: Array, rules: IndexRules, previous: pd.Series) -> Targets:
    """Bring weights within the limits, of which those that cannot be kept are given up one by one."""
    held = previous.reindex(chosen.index).fillna(0.0).to_numpy(dtype=np.float64) if len(previous) else None
    dropped: list[str] = []
    while True:
        try:
            weights = nearest_weights(wanted, limits=_limits(chosen, rules, held, without=dropped))
        except LimitsInfeasible:
            # What is left without them is a limit per instrument, which can always be kept.
            if not (left := [name for name in GIVEN_UP if name not in dropped]):
                raise
            dropped.append(left[0])
        else:
            return Targets(pd.Series(weights, index=chosen.index), tuple(dropped))


def _limits(
    chosen: pd.DataFrame, rules: IndexRules, held: "Array | None" = None, *, without: Sequence[str] = ()
) -> Limits:
    """Write the rules as limits on the chosen; `held` are their weights before."""
    sectors = chosen["sector"].fillna("unknown").astype(str).tolist()
    is_by_sector = rules.max_sector_weight < 1 and "max_sector_weight" not in without
    max_turnover = None
    if held is not None and rules.max_turnover is not None and "max_turnover" not in without:
        forced = 1.0 - float(held.sum())
        max_turnover = max(rules.max_turnover - forced, forced) + 1e-9
    return Limits(
        # A hair more, so that equal weights of n keep a limit of 1 / n.
        max_weight=max(rules.max_weight, 1.0 / len(chosen) + 1e-12),
        groups=sectors,
        max_group_weight=dict.fromkeys(sorted(set(sectors)), rules.max_sector_weight) if is_by_sector else {},
        previous=held,
        max_turnover=max_turnover,
    )
