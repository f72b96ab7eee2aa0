"""European options by Black, Scholes and Merton: price, sensitivities, implied volatility."""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.ArrayLike

ROOT_2 = np.sqrt(2.0)
ROOT_2_PI = np.sqrt(2.0 * np.pi)
POSITIVE = frozenset({"spot", "strike", "years", "volatility"})
# Options at a time: what is computed on the way stays in the processor's cache.
BLOCK = 8192
READ: Final[list[Literal["readonly"]]] = ["readonly"]
WRITE: Final[list[Literal["writeonly"]]] = ["writeonly"]
# Standard deviations.
FARTHEST = 100.0
MAX_STEPS = 64
# A step of this share of the volatility changes nothing but rounding.
SETTLED = 1e-15
# Below this share of forward and strike a time value is the remainder of a rounding.
SMALLEST_TIME_VALUE = 1e-300


class Terms(NamedTuple):
    """What the worth of an option depends on besides volatility; numbers or arrays that broadcast.

    Attributes
    ----------
    spot, strike : currency per share, above 0
    years : years to expiry, above 0
    rate : fraction per year, continuously compounded
    dividend_yield : fraction per year, continuously compounded
    is_call : true for a call, false for a put
    """

    spot: Numbers
    strike: Numbers
    years: Numbers
    rate: Numbers
    dividend_yield: Numbers
    is_call: npt.ArrayLike


class Valuation(NamedTuple):
    """Price and sensitivities, arrays of the broadcast shape.

    Attributes
    ----------
    price : currency per share
    delta : price per unit of spot
    vega : price per unit of volatility (1.0 is 100 points)
    theta : price per year that passes
    rho : price per unit of rate
    epsilon : price per unit of dividend yield
    gamma : delta per unit of spot
    vanna : delta per unit of volatility
    charm : delta per year that passes
    vomma : vega per unit of volatility
    veta : vega per year that passes
    """

    price: Array
    delta: Array
    vega: Array
    theta: Array
    rho: Array
    epsilon: Array
    gamma: Array
    vanna: Array
    charm: Array
    vomma: Array
    veta: Array


def black_scholes(terms: Terms, volatility: Numbers) -> Valuation:
    """Value European options.

    Parameters
    ----------
    terms : Terms
    volatility : array_like, fraction per square root of a year, above 0

    Returns
    -------
    Valuation

    Raises
    ------
    ValueError
        If spot, strike, years or volatility is not above 0, or anything is not finite.

    Notes
    -----
    Source: Merton (1973), Bell Journal of Economics 4(1); sensitivities by differentiation, theta, charm and veta
    with respect to the passing of time.
    """
    return Valuation(*_by_blocks(_valuation, _checked(terms, volatility=volatility), n_results=len(Valuation._fields)))


def implied_volatility(terms: Terms, price: Numbers) -> Array:
    """Find the volatility at which an option is worth a price.

    Parameters
    ----------
    terms : Terms
    price : array_like, currency per share

    Returns
    -------
    ndarray of the broadcast shape, fraction per square root of a year
        NaN where no volatility gives the price: at or below what the option is worth without volatility, or at or
        above what it is worth with endless volatility.

    Raises
    ------
    ValueError
        If spot, strike or years is not above 0, or anything is not finite.

    Notes
    -----
    Exact to rounding, and no more: deep in the money the time value is the small difference of two large numbers, and
    a price that has lost it to rounding cannot tell its volatility. Ask there by the price of the option out of the
    money at the same strike (put-call parity).

    The time value, which is that of the option out of the money, is solved for the volatility over the whole time by
    Newton's method, on a scale on which it is nearly straight and within a bracket that shrinks.
    Source: the scales are those of Jäckel (2015), Let's be rational, Wilmott 2015(75).
    """
    (volatility,) = _by_blocks(_implied, _checked(terms, price=price), n_results=1)
    return volatility


def _valuation(
    spot: Array, strike: Array, years: Array, rate: Array, dividend_yield: Array, is_call: Flags, sigma: Array
) -> Valuation:
    carry, spread = rate - dividend_yield, sigma * np.sqrt(years)
    d1 = (np.log(spot / strike) + carry * years) / spread + 0.5 * spread
    # Beyond the farthest a density is 0 and a probability 0 or 1 exactly; squares of more would overflow.
    d1, d2 = np.clip(d1, -FARTHEST, FARTHEST), np.clip(d1 - spread, -FARTHEST, FARTHEST)
    sign = np.where(is_call, 1.0, -1.0)
    kept = np.exp(-dividend_yield * years)
    delta = sign * kept * ndtr(sign * d1)
    # Stock less cash is the price: what is held of each to copy the option.
    stock, cash = spot * delta, sign * strike * np.exp(-rate * years) * ndtr(sign * d2)
    density = kept * np.exp(-0.5 * d1 * d1) / ROOT_2_PI
    vega = spot * density * np.sqrt(years)
    # What one unit of d1 moves vega by, over vega and volatility.
    bend = d1 * d2
    return Valuation(
        price=stock - cash,
        delta=delta,
        vega=vega,
        theta=dividend_yield * stock - rate * cash - 0.5 * vega * sigma / years,
        rho=years * cash,
        epsilon=-years * stock,
        gamma=density / (spot * spread),
        vanna=-density * d2 / sigma,
        charm=dividend_yield * delta - density * (carry / spread - 0.5 * d2 / years),
        vomma=vega * bend / sigma,
        veta=vega * (dividend_yield + carry * d1 / spread - 0.5 * (1.0 + bend) / years),
    )


def _implied(
    spot: Array, strike: Array, years: Array, rate: Array, dividend_yield: Array, is_call: Flags, price: Array
) -> tuple[Array]:
    forward = spot * np.exp((rate - dividend_yield) * years)
    intrinsic = np.maximum(np.where(is_call, 1.0, -1.0) * (forward - strike), 0.0)
    time_value = (price * np.exp(rate * years) - intrinsic) / (np.sqrt(forward) * np.sqrt(strike))
    moneyness = -np.abs(np.log(forward / strike))
    can_be = np.flatnonzero((time_value > SMALLEST_TIME_VALUE) & (time_value < np.exp(0.5 * moneyness)))
    volatility = np.full(price.shape, np.nan)
    volatility[can_be] = _total_volatility(moneyness[can_be], time_value[can_be]) / np.sqrt(years[can_be])
    return (volatility,)


def _total_volatility(moneyness: Array, wanted: Array) -> Array:
    """Invert `_normalised_price`; below its inflection the price bends one way, above it the other."""
    inflection = np.sqrt(-2.0 * moneyness)
    at_inflection = np.where(inflection > 0, _normalised_price(moneyness, np.maximum(inflection, 1e-300)), 0.0)
    is_low = wanted < at_inflection
    lowest, uppermost = np.where(is_low, 0.0, inflection), np.where(is_low, inflection, np.inf)
    total = np.where(inflection > 0, inflection, wanted * ROOT_2_PI)
    open_ = np.arange(len(wanted))
    for _ in range(MAX_STEPS):
        guess, price = total[open_], _normalised_price(moneyness[open_], total[open_])
        is_above = price > wanted[open_]
        uppermost[open_[is_above]] = guess[is_above]
        lowest[open_[~is_above]] = guess[~is_above]
        following = guess + _step(moneyness[open_], guess, price, wanted[open_], is_low[open_])
        low, high = lowest[open_], uppermost[open_]
        # A step out of the bracket halves it instead; without an upper end the guess doubles.
        middle = np.where(np.isfinite(high), 0.5 * (low + high), 2.0 * guess)
        following = np.where((following >= low) & (following <= high), following, middle)
        total[open_] = following
        open_ = open_[np.abs(following - guess) > SETTLED * guess]
        if len(open_) == 0:
            break
    return total


def _step(moneyness: Array, total: Array, price: Array, wanted: Array, is_low: Flags) -> Array:
    """Give Newton's step on the scale 1 / log(price) below the inflection, log(highest - price) above it."""
    slope = np.exp(-0.5 * ((moneyness / total) ** 2 + 0.25 * total * total)) / ROOT_2_PI
    highest = np.exp(0.5 * moneyness)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_price, log_wanted = np.log(price), np.log(wanted)
        low = price / slope * log_price * (log_wanted - log_price) / log_wanted
        high = (highest - price) / slope * np.log((highest - price) / (highest - wanted))
    step: Array = np.where(is_low, low, high)
    return step


def _normalised_price(moneyness: Array, total: Array) -> Array:
    """Price of the option out of the money over the root of forward times strike, undiscounted.

    Far out by scaled complementary error functions, so that a price of 1e-200 still has all its digits.
    """
    d1, d2 = moneyness / total + 0.5 * total, moneyness / total - 0.5 * total
    scale = 0.5 * np.exp(-0.5 * ((moneyness / total) ** 2 + 0.25 * total * total))
    with np.errstate(over="ignore", invalid="ignore"):
        far = scale * (erfcx(-d1 / ROOT_2) - erfcx(-d2 / ROOT_2))
    near = np.exp(0.5 * moneyness) * ndtr(d1) - np.exp(-0.5 * moneyness) * ndtr(d2)
    price: Array = np.where(d1 < 0, far, near)
    return price


def _checked(terms: Terms, **number: Numbers) -> list[npt.NDArray[Any]]:
    """Give the terms and one number more as arrays, and refuse what they cannot be."""
    arrays: list[npt.NDArray[Any]] = []
    for name, given in {**terms._asdict(), **number}.items():
        if name == "is_call":
            arrays.append(np.asarray(given, dtype=bool))
            continue
        values = np.asarray(given, dtype=np.float64)
        is_wrong = ~np.isfinite(values) | ((name in POSITIVE) & (values <= 0))
        if bool(np.any(is_wrong)):
            wanted = "finite and above 0" if name in POSITIVE else "finite"
            raise ValueError(
                f"options: {name} must be {wanted}; got {values[is_wrong].ravel()[:3].tolist()}. "
                "Give time in years, and rates, yields and volatility as fractions per year."
            )
        arrays.append(values)
    return arrays


def _by_blocks(
    function: Callable[..., tuple[Array, ...]], arrays: list[npt.NDArray[Any]], *, n_results: int
) -> tuple[Array, ...]:
    """Broadcast arrays and hand them to a function block by block; give its results in the broadcast shape."""
    n = len(arrays)
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    results = tuple(np.empty(shape) for _ in range(n_results))
    blocks = np.nditer(
        [*arrays, *results],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[*[READ] * n, *[WRITE] * n_results],
        buffersize=BLOCK,
    )
    with blocks:
        for block in blocks:
            for target, result in zip(block[n:], function(*block[:n]), strict=True):
                target[...] = result
    return results
