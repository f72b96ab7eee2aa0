"""Rules of an index as the API takes them; `transforms.index_rules` gives them their meaning."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Scheme = Literal["equal", "market_cap", "momentum", "ranking", "inverse_volatility", "risk_parity", "minimum_variance"]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Limit = Annotated[float, Meta(gt=0, le=1)]


class IndexRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an index is put together."""

    weighting: Annotated[
        dict[Scheme, _Share],
        Meta(min_length=1, description="Shares of the schemes in the weights; their sum is 1. Unit fraction."),
    ]
    select_by: Annotated[
        Literal["market_cap", "momentum", "ranking"],
        Meta(description="What instruments are ordered by, highest first."),
    ] = "ranking"
    n_names: Annotated[int, Meta(ge=1, le=1000, description="How many are held. Unit instruments.")] = 50
    sectors: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=80)], ...] | None,
        Meta(description="Sectors that are held, null for all."),
    ] = None
    profile: Annotated[
        Literal["conservative", "balanced", "aggressive"], Meta(description="Risk profile whose ranking is meant.")
    ] = "balanced"
    rebalance: Annotated[
        Literal["daily", "weekly", "monthly", "quarterly"], Meta(description="First session of which period decides.")
    ] = "monthly"
    max_weight: Annotated[_Limit, Meta(description="Highest weight of an instrument. Unit fraction.")] = 1.0
    max_sector_weight: Annotated[_Limit, Meta(description="Highest weight of a sector. Unit fraction.")] = 1.0
    max_turnover: Annotated[
        float | None, Meta(description="Highest sum of bought and sold at a rebalancing, null for none. Unit fraction.")
    ] = None
    drift_threshold: Annotated[
        float | None,
        Meta(description="Half the sum of distances from the targets that leads back to them. Unit fraction."),
    ] = None
    cost_bps: Annotated[
        float, Meta(ge=0, le=1000, description="Costs in the level after costs. Unit basis points of the traded value.")
    ] = 10.0
    currency: Annotated[
        Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None,
        Meta(description="Currency of the level, ISO 4217, null for the reporting currency; all versions share it."),
    ] = None

    def __post_init__(self) -> None:
        total = sum(self.weighting.values())
        if abs(total - 1) > 1e-8:
            raise ValueError(f"`weighting` must sum to 1; got {total}")
        if self.sectors is not None and not self.sectors:
            raise ValueError("`sectors` must name one or more, or be null; got none")
        if any(limit is not None and not 0 < limit <= 2 for limit in (self.max_turnover, self.drift_threshold)):
            raise ValueError(
                "`max_turnover` and `drift_threshold` must be above 0 and 2 at most, or null; "
                f"got {self.max_turnover} and {self.drift_threshold}"
            )
        # A hair less, so that 1 / 49 as somebody writes it is enough for 49.
        if self.max_weight * self.n_names < 1 - 1e-9:
            raise ValueError(
                f"`max_weight` times `n_names` must be 1 or more; got {self.max_weight} times {self.n_names}"
            )
