"""Follow a turn of the MACD that the RSI does not call overdone."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from transforms.strategies.strategy import (
    BUY,
    SELL,
    Board,
    Signals,
    Strategy,
    TakeProfit,
    crossed_above,
    crossed_below,
    spoken,
)

Points = Annotated[float, Meta(ge=0, le=100, description="Relative strength index. Unit points 0 to 100.")]


class MacdRsi(Strategy, frozen=True, kw_only=True):
    """Buy where the MACD crosses above its signal; sell where it crosses below, or the RSI is too high.

    Source: Appel (2005), Technical Analysis, for the crossing; Wilder (1978) for the levels of the RSI.
    """

    name: ClassVar[str] = "macd_rsi"
    title: ClassVar[str] = "MACD crossings, checked by the RSI"
    description: ClassVar[str] = (
        "Buys at the next open where the MACD crosses above its signal line, the RSI is neither weak nor overbought and"
        " the price lies above its long average; sells where the MACD crosses back or the RSI is overbought."
    )
    inputs: ClassVar[tuple[str, ...]] = (
        "close_adj", "macd_12d_26d", "macd_signal_9d", "macd_histogram", "rsi_14d", "sma_200d", "atr_14d",
    )  # fmt: skip

    min_rsi: Points = 45.0
    max_rsi: Points = 65.0
    exit_rsi: Points = 80.0
    above_sma_200d: Annotated[bool, Meta(description="Buy above the average of 200 sessions only.")] = True
    take_profit_atr: Annotated[
        TakeProfit | None,
        Meta(description="Distance of the take profit in average true ranges, null for none. Unit ratio."),
    ] = 5.0

    def signals(self, board: Board) -> Signals:
        """Decide every row of a board."""
        values = board.measures
        histogram, rsi, close = values["macd_histogram"], values["rsi_14d"], values["close_adj"]
        is_trend = (close > values["sma_200d"]) | (not self.above_sma_200d)
        is_calm = (rsi >= self.min_rsi) & (rsi <= self.max_rsi)
        action, rule, rules = spoken(
            (
                (SELL, rsi > self.exit_rsi, "RSI {rsi_14d:.1f} is above {exit_rsi:.0f}."),
                (SELL, crossed_below(histogram, 0), "MACD crossed below its signal."),
                (
                    BUY, crossed_above(histogram, 0) & is_calm & is_trend,
                    "MACD crossed above its signal, RSI {rsi_14d:.1f} is between {min_rsi:.0f} and {max_rsi:.0f}.",
                ),
            ),
            hold="MACD has not crossed back, RSI {rsi_14d:.1f} is not above {exit_rsi:.0f}.",
        )  # fmt: skip
        # The stronger turn first, in units of the price.
        strength = np.nan_to_num(histogram / close)
        return Signals(action, rule, rules, strength)
