"""Random numbers that depend on (seed, stream, entity, day) and on nothing else.

Philox is counter-based: the key holds the seed, the stream and the entity, the counter the day (or quarter). One
counter step gives four numbers. So a day's draws are the same however many days or entities are asked for.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Stream(IntEnum):
    """What a draw is for; the numbers are part of the market and never change."""

    COMPANY = 1
    MARKET = 2
    PATH = 3
    BAR = 4
    QUARTER = 5
    STATEMENT = 6
    QUOTE = 7
    DEFECT = 8
    STATEMENT_DEFECT = 9
    BENCHMARK = 10
    NEWS = 11
    FX = 12


def uniforms(seed: int, stream: Stream, entities: IntArray, *, first: int, n_steps: int) -> FloatArray:
    """Draw uniform numbers in the open interval (0, 1).

    Parameters
    ----------
    seed : int
    stream : Stream
    entities : int array of shape (n_entities,)
    first, n_steps : int
        Counter of the first step, and how many steps.

    Returns
    -------
    float array of shape (n_steps, n_entities, 4)
    """
    numbers = np.empty((n_steps, len(entities), 4))
    for column, entity in enumerate(entities.tolist()):
        bits = np.random.Philox(key=[seed, (int(stream) << 40) | entity], counter=[first, 0, 0, 0])
        # 53 random bits, moved by half a step so that neither 0 nor 1 can come out.
        drawn = ((bits.random_raw(n_steps * 4) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        numbers[:, column] = drawn.reshape(n_steps, 4)
    return numbers


def normal(uniform: FloatArray) -> FloatArray:
    """Standard normal quantile, element by element."""
    return np.asarray(ndtri(uniform), dtype=np.float64)


def fat_tailed(first: FloatArray, second: FloatArray) -> FloatArray:
    """Symmetric numbers with mean 0, variance 1 and kurtosis 4.7, from two uniform ones.

    A normal variate whose variance is itself random: a quarter fixed, three quarters exponential. Daily
    stock returns have a kurtosis of about 5 and more once volatility is taken out (Cont 2001, Quant. Finance 1).
    """
    variance = np.log(second)
    variance *= -0.75
    variance += 0.25
    return normal(first) * np.sqrt(variance, out=variance)
