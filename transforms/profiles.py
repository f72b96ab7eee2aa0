"""What the risk profiles want: weights of the factor groups and limits of risk."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

# Sign +1: more is better. reversal_21d and log_market_cap are in no group: the forecast uses them, but
# neither has a sign that all three profiles would agree on.
GROUPS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "forecast": {},
        "momentum": {"momentum_252d_21d": 1, "momentum_126d_21d": 1, "distance_to_high_252d": 1},
        "value": {
            "earnings_to_price": 1,
            "book_to_price": 1,
            "sales_to_price": 1,
            "free_cash_flow_to_price": 1,
            "dividend_yield": 1,
        },
        "quality": {
            "return_on_equity": 1,
            "gross_profitability": 1,
            "profit_margin": 1,
            "accruals": -1,
            "debt_to_equity": -1,
        },
        "growth": {"revenue_growth_1y": 1, "earnings_growth_1y": 1, "revenue_growth_5y": 1},
        "low_risk": {
            "volatility_63d": -1,
            "volatility_252d": -1,
            "beta_252d": -1,
            "idiosyncratic_volatility_252d": -1,
        },
        "liquidity": {"amihud_21d": -1, "turnover_21d": 1, "dollar_volume_21d": 1},
    }
)


@dataclass(frozen=True)
class Limit:
    """A risk limit that keeps an instrument out of a profile's ranking.

    Attributes
    ----------
    name : str
        As stored in `research.rankings.breached_limit`.
    column : str
        Measure, a column of the exposures: `<factor>_rank` (fraction, 0 to 1 within the day) or a
        plain factor.
    kind : str
        max: higher values breach it; min: lower ones do.
    value : float
        In the unit of the column.
    """

    name: str
    column: str
    kind: Literal["max", "min"]
    value: float

    def is_breached(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Flag the values beyond the limit; a missing value is not beyond it."""
        return np.greater(values, self.value) if self.kind == "max" else np.less(values, self.value)


@dataclass(frozen=True)
class Profile:
    """A risk profile.

    Attributes
    ----------
    name : str
    weights : mapping of group to float, fraction
        One weight, 0 or more, for every group of `GROUPS`; they sum to 1.
    limits : tuple of Limit
        In order of precedence: the first one breached is reported.
    description : str
        What the profile is for, in a sentence.
    """

    name: str
    weights: Mapping[str, float]
    limits: tuple[Limit, ...]
    description: str

    def __post_init__(self) -> None:
        if set(self.weights) != set(GROUPS) or min(self.weights.values()) < 0:
            raise ValueError(
                f"Profile {self.name}: every group needs a weight of 0 or more; got {dict(self.weights)}. "
                f"The groups are {', '.join(GROUPS)}."
            )
        if abs(sum(self.weights.values()) - 1) > 1e-9:
            raise ValueError(
                f"Profile {self.name}: weights must sum to 1; got {sum(self.weights.values())}. Scale them."
            )


CONSERVATIVE = Profile(
    name="conservative",
    description="Steady companies first: quality and low risk outweigh the forecast; the riskiest 40 % and the "
    "least liquid fifth stay out.",
    weights=MappingProxyType(
        {
            "forecast": 0.20,
            "momentum": 0.10,
            "value": 0.15,
            "quality": 0.20,
            "growth": 0.05,
            "low_risk": 0.25,
            "liquidity": 0.05,
        }
    ),
    limits=(
        Limit("max_volatility_rank", "volatility_252d_rank", "max", 0.60),
        Limit("max_beta_rank", "beta_252d_rank", "max", 0.80),
        Limit("min_liquidity_rank", "dollar_volume_21d_rank", "min", 0.20),
    ),
)
BALANCED = Profile(
    name="balanced",
    description="The forecast leads, every style has a say; the riskiest and the least liquid tenth stay out.",
    weights=MappingProxyType(
        {
            "forecast": 0.40,
            "momentum": 0.15,
            "value": 0.15,
            "quality": 0.10,
            "growth": 0.10,
            "low_risk": 0.05,
            "liquidity": 0.05,
        }
    ),
    limits=(
        Limit("max_volatility_rank", "volatility_252d_rank", "max", 0.90),
        Limit("min_liquidity_rank", "dollar_volume_21d_rank", "min", 0.10),
    ),
)
AGGRESSIVE = Profile(
    name="aggressive",
    description="Forecast, momentum and growth; risk is no argument, only the least liquid twentieth stays out.",
    weights=MappingProxyType(
        {
            "forecast": 0.50,
            "momentum": 0.25,
            "value": 0.05,
            "quality": 0.05,
            "growth": 0.15,
            "low_risk": 0.0,
            "liquidity": 0.0,
        }
    ),
    limits=(Limit("min_liquidity_rank", "dollar_volume_21d_rank", "min", 0.05),),
)
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (CONSERVATIVE, BALANCED, AGGRESSIVE)}
)
