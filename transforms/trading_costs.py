"""What a trade costs beside fees: half the spread, and the price that moves away."""

from dataclasses import dataclass
from typing import NamedTuple

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


class Costs(NamedTuple):
    """Costs of a session's trades; arrays of shape (n_active,).

    Attributes
    ----------
    rate : fraction of the traded value
    impact : fraction of the traded value, per root of the traded value in multiples of the starting capital
    """

    rate: Array
    impact: Array

    def of(self, traded: Array) -> Array:
        """Costs of traded values, both in multiples of the starting capital."""
        value = np.abs(traded)
        return np.asarray(value * (self.rate + self.impact * np.sqrt(value)))


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
