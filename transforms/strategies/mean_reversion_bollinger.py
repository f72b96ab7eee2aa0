"""Buy what has fallen out of its Bollinger band, and sell it when it is back in the middle."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from transforms.strategies.strategy import BUY, SELL, Board, Signals, Strategy, spoken


class MeanReversionBollinger(Strategy, frozen=True, kw_only=True):
    """Buy below the lower band by a limit at the close, take profit in the middle.

    Source: Bollinger (2001), Bollinger on Bollinger Bands; Wilder (1978) for RSI and ADX.
    """

    name: ClassVar[str] = "mean_reversion_bollinger"
    title: ClassVar[str] = "Back into the Bollinger band"
    description: ClassVar[str] = (
        "Where a close lies below the lower Bollinger band, the RSI is low and there is no strong trend, an entry waits"
        " at that close; the middle band is the target, and a close above it sells too."
    )
    inputs: ClassVar[tuple[str, ...]] = (
        "close_adj", "bollinger_lower_20d", "bollinger_middle_20d", "bollinger_upper_20d", "rsi_14d", "adx_14d",
        "atr_14d",
    )  # fmt: skip

    max_rsi: Annotated[float, Meta(ge=0, le=100, description="Highest RSI of an entry. Unit points 0 to 100.")] = 35.0
    max_adx: Annotated[
        float, Meta(ge=0, le=100, description="Strongest trend (ADX) of an entry. Unit points 0 to 100.")
    ] = 30.0
    stop_loss_atr: Annotated[
        float, Meta(gt=0, le=20, description="Distance of the stop loss in average true ranges. Unit ratio.")
    ] = 2.5

    def signals(self, board: Board) -> Signals:
        """Decide every row of a board."""
        values = board.measures
        close, lower, middle = values["close_adj"], values["bollinger_lower_20d"], values["bollinger_middle_20d"]
        is_low = (close < lower) & (values["rsi_14d"] <= self.max_rsi) & (values["adx_14d"] <= self.max_adx)
        action, rule, rules = spoken(
            (
                (SELL, close >= middle, "Close is back at the middle band."),
                (
                    BUY, is_low,
                    "The lower band is {bollinger_lower_20d_gap:.1%} from the close, RSI {rsi_14d:.1f}, "
                    "ADX {adx_14d:.1f}.",
                ),
            ),
            hold="The middle band is still {bollinger_middle_20d_gap:.1%} from the close.",
        )  # fmt: skip
        # The deeper below the band, in units of the price, the sooner.
        return Signals(action, rule, rules, np.nan_to_num((lower - close) / close), limit=close, target=middle)
