"""What a trade costs beside fees: half the spread, and the price that moves away."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Half spread of an instrument that trades a million a day, and the least and the most that is assumed of any.
HALF_SPREAD_AT_A_MILLION = 25e-4
LEAST_HALF_SPREAD, MOST_HALF_SPREAD = 0.5e-4, 100e-4


@dataclass(frozen=True)
class Liquidity:
    """How easily each instrument trades, on the grid of the prices; arrays of shape (n_dates, n_instruments).

    Attributes
    ----------
    dollar_volume : currency per session
        Usual traded value, known at the row's close; NaN where it is not known.
    volatility : fraction per session
        Standard deviation of daily returns, known at the row's close; NaN where it is not known.
    """

    dollar_volume: Array
    volatility: Array

    def of(self, columns: "npt.NDArray[np.intp] | slice") -> Self:
        """Give that of some instruments."""
        return type(self)(self.dollar_volume[:, columns], self.volatility[:, columns])


class Costs(NamedTuple):
    """Costs of trades; arrays of shape (n_sessions, n_instruments).

    Attributes
    ----------
    rate : fraction of the traded value, one for all or an array
    impact : fraction of the traded value, per root of the traded value in multiples of the starting capital
        None where there is none.
    """

    rate: float | Array
    impact: Array | None = None

    def of_session(self, number: int, n_instruments: int) -> "Costs":
        """Give those of the first instruments in one session."""
        if self.impact is None or isinstance(self.rate, float):
            return self
        return Costs(self.rate[number, :n_instruments], self.impact[number, :n_instruments])

    def of(self, traded: Array) -> Array:
        """Costs of traded values, both in multiples of the starting capital."""
        value = np.abs(traded)
        return np.asarray(value * (self.rate if self.impact is None else self.rate + self.impact * np.sqrt(value)))

    def together(self, traded: Array) -> tuple[float, float]:
        """Sum of traded values, bought plus sold, and that of their costs."""
        amount = float(np.abs(traded).sum())
        return amount, amount * self.rate if isinstance(self.rate, float) else float(self.of(traded).sum())


def half_spreads(dollar_volume: Array) -> Array:
    """Assume half a spread from what an instrument trades.

    Parameters
    ----------
    dollar_volume : ndarray of any shape, currency per session

    Returns
    -------
    ndarray of the same shape, fraction
        25 basis points at a million a session, falling with the root of the traded value, from 0.5 to 100; 100 where
        the volume is not known. A rule, no measurement: use your own where you have quotes.
    """
    known = np.where(dollar_volume > 0.0, dollar_volume, np.nan)
    spread = HALF_SPREAD_AT_A_MILLION / np.sqrt(known / 1e6)
    return np.nan_to_num(np.clip(spread, LEAST_HALF_SPREAD, MOST_HALF_SPREAD), nan=MOST_HALF_SPREAD)


def impact_rates(dollar_volume: Array, volatility: Array, *, coefficient: float, capital: float) -> Array:
    """Give the factor of the square-root rule.

    Parameters
    ----------
    dollar_volume : ndarray of shape (n,), currency per session
    volatility : ndarray of shape (n,), fraction per session
    coefficient : float
        About 1 in the literature.
    capital : float, currency
        What one multiple of the starting capital is.

    Returns
    -------
    ndarray of shape (n,)
        With q the traded value in multiples of the capital, impact is ``coefficient * volatility * sqrt(q * capital /
        dollar_volume)`` of the traded value. An instrument whose volume is not known is taken to trade as much a
        session as the capital, one whose volatility is not known to move by 3 % a session.

    Notes
    -----
    Source: Almgren, Thum, Hauptmann and Li (2005), Risk 18(7); Toth et al. (2011), Physical Review X 1.
    """
    volume = np.where(dollar_volume > 0.0, dollar_volume, capital)
    moves = np.where(np.isfinite(volatility), volatility, 0.03)
    return np.asarray(coefficient * moves * np.sqrt(capital / volume))
