"""Hold the best of the ranking, and change it as rarely as the ranking allows."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from transforms.strategies.strategy import BUY, SELL, Board, Flags, Signals, Strategy, spoken
from transforms.target_weights import rebalance_rows


class RankingRotation(Strategy, frozen=True, kw_only=True):
    """Buy the first places at the beginning of each month; sell what has left a wider circle."""

    name: ClassVar[str] = "ranking_rotation"
    title: ClassVar[str] = "Rotation along the ranking"
    description: ClassVar[str] = (
        "In the first session of each month (or week) it buys the best places of the balanced ranking that it does not"
        " hold, and sells what has fallen out of a circle somewhat wider; a wide stop loss guards each position."
    )
    inputs: ClassVar[tuple[str, ...]] = ("close_adj", "rank_balanced", "atr_14d")

    n_names: Annotated[int, Meta(ge=1, le=200, description="Best places that are bought. Unit places.")] = 20
    keep_places: Annotated[
        int, Meta(ge=1, le=1000, description="Worst place at which a position is kept. Unit places.")
    ] = 40
    rotate: Annotated[
        Literal["weekly", "monthly", "quarterly"], Meta(description="First session of which period decides.")
    ] = "monthly"
    risk_per_trade: Annotated[
        float, Meta(gt=0, le=0.1, description="Share of the equity that a stop loss may cost. Unit fraction.")
    ] = 0.02
    max_weight: Annotated[
        float, Meta(gt=0, le=1, description="Largest share of the equity in one entry. Unit fraction.")
    ] = 0.05
    stop_loss_atr: Annotated[
        float, Meta(gt=0, le=20, description="Distance of the stop loss in average true ranges. Unit ratio.")
    ] = 6.0

    def signals(self, board: Board) -> Signals:
        """Decide every row of a board."""
        place = board.measures["rank_balanced"]
        decides = self._decides(board)[:, None]
        action, rule, rules = spoken(
            (
                (BUY, decides & (place <= self.n_names), "Place {rank_balanced:.0f} is among the best {n_names}."),
                (SELL, decides & (place > self.keep_places), "Place {rank_balanced:.0f} is beyond {keep_places}."),
                (SELL, decides & np.isnan(place), "It is not ranked any more."),
            ),
            hold="Place {rank_balanced:.0f}; the next rotation decides.",
        )
        return Signals(action, rule, rules, np.nan_to_num(-place, nan=-np.inf))

    def _decides(self, board: Board) -> Flags:
        """Tell which sessions begin a period; of the first row, which has none before it, nobody knows."""
        begins = np.zeros(len(board.days), dtype=bool)
        begins[rebalance_rows(board.days, every=self.rotate)] = True
        begins[:1] = False
        return begins
