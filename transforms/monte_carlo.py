"""What a holding may be worth: paths drawn from a model or from its own history, and what they say of losses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.metrics import Metric

Array = npt.NDArray[np.float64]
# Log returns of one session after the other, each of shape (n_sides, n): side 1 mirrors side 0.
Draw = Callable[[np.random.Generator, tuple[int, int]], Iterator[Array]]

SESSIONS_PER_YEAR = 252
# Paths at a time: their state stays in the processor's cache. Each block draws from a generator of its own, so that
# more paths leave those before them as they are.
BLOCK = 16_384
# Standard errors come from the spread between batches; a path and its mirror lie in the same one.
N_BATCHES = 25
MIN_PATHS = 1_000

DEFINITIONS: dict[str, tuple[str, str]] = {
    "mean_return": ("fraction", "Mean over paths of the value at the end, less 1."),
    "volatility": ("fraction", "Sample standard deviation over paths of the value at the end (ddof 1)."),
    "loss_probability": ("fraction", "Share of paths that end below the start."),
    "value_at_risk": (
        "fraction",
        "Loss at the end, of the start, that all but the worst 1 - confidence of paths keep.",
    ),
    "expected_shortfall": ("fraction", "Mean loss at the end of the worst 1 - confidence of paths (CVaR)."),
    "max_drawdown_median": ("fraction", "Median over paths of the deepest fall from the highest value so far."),
    "max_drawdown_tail": ("fraction", "Deepest fall that all but the worst 1 - confidence of paths stay above."),
}


@dataclass(frozen=True)
class Plan:
    """How much is drawn and what is kept of it.

    Attributes
    ----------
    n_paths : int, even and 1000 or more
    n_sessions : int, sessions
    seed : int
    confidence : float, fraction
        Of value at risk, expected shortfall and the drawdown's tail, between 0.5 and 1.
    percentiles : tuple of float, points 0 to 100, ascending
    n_points : int
        Sessions at which percentiles are taken, the start and the end among them, evenly spread.
    """

    n_paths: int = 10_000
    n_sessions: int = SESSIONS_PER_YEAR
    seed: int = 0
    confidence: float = 0.95
    percentiles: tuple[float, ...] = (5.0, 25.0, 50.0, 75.0, 95.0)
    n_points: int = 13

    def __post_init__(self) -> None:
        if self.n_paths < MIN_PATHS or self.n_paths % 2:
            raise ValueError(
                f"Plan: n_paths must be even and {MIN_PATHS} or more; got {self.n_paths}. Every path has a mirror."
            )
        if self.n_sessions < 1 or self.n_points < 2:
            raise ValueError(
                "Plan: n_sessions must be 1 or more and n_points 2 or more; got "
                f"{self.n_sessions} and {self.n_points}. A year is {SESSIONS_PER_YEAR} sessions."
            )
        if not 0.5 < self.confidence < 1:
            raise ValueError(
                f"Plan: confidence must be between 0.5 and 1; got {self.confidence}. 0.95 leaves the worst twentieth."
            )
        if not all(0 <= percentile <= 100 for percentile in self.percentiles):
            raise ValueError(f"Plan: percentiles must be from 0 to 100; got {self.percentiles}. 50 is the median.")

    @property
    def sessions(self) -> npt.NDArray[np.int64]:
        """Sessions at which percentiles are taken, ascending from 0."""
        return np.unique(np.linspace(0, self.n_sessions, self.n_points).round().astype(np.int64))


class Growth(NamedTuple):
    """Parameters of a geometric Brownian motion.

    Attributes
    ----------
    drift : float, fraction per year
        Continuously compounded growth of the mean: the mean value after t years is ``exp(drift * t)``.
    volatility : float, fraction per square root of a year
    """

    drift: float
    volatility: float


class Outlook(NamedTuple):
    """What the paths say; values are multiples of the start.

    Attributes
    ----------
    percentile_paths : DataFrame of shape (n_points, n_percentiles)
        Index session (sessions from the start), columns the percentiles.
    figures : DataFrame of shape (n_figures, 5)
        metric, value, standard_error, unit, definition.
    """

    percentile_paths: pd.DataFrame
    figures: pd.DataFrame


def brownian_outlook(growth: Growth, *, plan: Plan | None = None, antithetic: bool = True) -> Outlook:
    """Simulate a geometric Brownian motion.

    Parameters
    ----------
    growth : Growth
    plan : Plan, optional
    antithetic : bool
        Draw half of the paths and mirror each: the mean is far more accurate, and half as much is drawn.

    Returns
    -------
    Outlook

    Raises
    ------
    ValueError
        If volatility is negative, or a parameter is not finite.

    Notes
    -----
    Steps of one session are exact: the logarithm grows by a normal number of mean
    ``(drift - volatility ** 2 / 2) / 252`` and deviation ``volatility / sqrt(252)``.
    Source: Glasserman (2004), Monte Carlo Methods in Financial Engineering, 3.2 and 4.2.
    """
    if not np.isfinite(growth).all() or growth.volatility < 0:
        raise ValueError(
            f"brownian_outlook: drift must be finite and volatility finite and 0 or more; got {growth}. "
            "Both are fractions per year."
        )
    mean = (growth.drift - 0.5 * growth.volatility**2) / SESSIONS_PER_YEAR
    deviation = growth.volatility / np.sqrt(SESSIONS_PER_YEAR)

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Iterator[Array]:
        normal, steps = np.empty(shape[1]), np.empty(shape)
        while True:
            rng.standard_normal(out=normal)
            np.multiply(normal, deviation, out=steps[0])
            if antithetic:
                np.negative(steps[0], out=steps[1])
            steps += mean
            yield steps

    return _outlook(draw, plan or Plan(), n_sides=2 if antithetic else 1)


def bootstrap_outlook(return_1d: npt.ArrayLike, *, plan: Plan | None = None, block_sessions: int = 1) -> Outlook:
    """Put paths together from the returns of the past.

    Parameters
    ----------
    return_1d : array_like of shape (n,), fraction
        Daily returns, oldest first; those that are not finite are left out.
    plan : Plan, optional
    block_sessions : int, sessions
        Length of what is drawn at a time: 1 draws days independently, more keeps calm and stormy times together. The
        past is taken as a circle, so that every day is drawn as often as any other.

    Returns
    -------
    Outlook

    Raises
    ------
    ValueError
        If there are fewer than 2 returns or than a block, or one loses everything.

    Notes
    -----
    Source: Politis and Romano (1992), circular block bootstrap, in Exploring the Limits of Bootstrap.
    """
    log_returns = _log_returns(return_1d, where="bootstrap_outlook")
    n = len(log_returns)
    if not 1 <= block_sessions <= n:
        raise ValueError(
            f"bootstrap_outlook: block_sessions must be from 1 to the {n} returns; got {block_sessions}. Shorten it."
        )

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Iterator[Array]:
        while True:
            first = rng.integers(n, size=shape, dtype=np.int32)
            for later in range(block_sessions):
                yield log_returns.take(first + later, mode="wrap")

    return _outlook(draw, plan or Plan(), n_sides=1)


def estimated_growth(return_1d: npt.ArrayLike) -> Growth:
    """Estimate a geometric Brownian motion from daily returns.

    Parameters
    ----------
    return_1d : array_like of shape (n,), fraction
        Those that are not finite are left out.

    Returns
    -------
    Growth
        Sample deviation (ddof 1) of log returns times sqrt(252), and their mean times 252 plus half the variance.

    Raises
    ------
    ValueError
        If there are fewer than 2 returns, or one loses everything.
    """
    log_returns = _log_returns(return_1d, where="estimated_growth")
    volatility = float(np.std(log_returns, ddof=1) * np.sqrt(SESSIONS_PER_YEAR))
    return Growth(float(log_returns.mean() * SESSIONS_PER_YEAR + 0.5 * volatility**2), volatility)


def portfolio_returns(return_1d: npt.ArrayLike, weights: npt.ArrayLike) -> Array:
    """Give the daily returns of a portfolio that goes back to its weights each day.

    Parameters
    ----------
    return_1d : array_like of shape (n_dates, n_instruments), fraction
    weights : array_like of shape (n_instruments,), fraction
        What they lack of 1 is cash that earns nothing.

    Returns
    -------
    ndarray of shape (n_dates,), fraction
        NaN on days on which an instrument with a weight has no return.
    """
    returns, held = np.asarray(return_1d, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if returns.ndim != 2 or held.shape != returns.shape[1:]:
        raise ValueError(
            f"portfolio_returns: there must be a weight for each column; got {held.shape} for {returns.shape}. "
            "Give returns as days by instruments."
        )
    is_held = held != 0
    portfolio: Array = returns[:, is_held] @ held[is_held]
    return portfolio


def _log_returns(return_1d: npt.ArrayLike, *, where: str) -> Array:
    returns = np.asarray(return_1d, dtype=np.float64).ravel()
    returns = returns[np.isfinite(returns)]
    if len(returns) < 2 or returns.min() <= -1:
        lowest = returns.min() if len(returns) else None
        raise ValueError(
            f"{where}: there must be 2 daily returns or more, each above -1; got {len(returns)}, the lowest {lowest}. "
            "Give a longer history, as fractions."
        )
    logs: Array = np.log1p(returns)
    return logs


def _outlook(draw: Draw, plan: Plan, *, n_sides: int) -> Outlook:
    values, fall = _simulated(draw, plan, n_sides)
    sessions = plan.sessions
    percentiles = np.percentile(values, plan.percentiles, axis=1).T
    paths = pd.DataFrame(percentiles, index=pd.Index(sessions, name="session"), columns=list(plan.percentiles))
    return Outlook(paths, _figures(values[-1], fall, plan.confidence))


def _simulated(draw: Draw, plan: Plan, n_sides: int) -> tuple[Array, Array]:
    """Give the values at the plan's sessions, (n_points, n_paths), and each path's deepest fall, (n_paths,)."""
    sessions = plan.sessions
    values, fall = np.empty((len(sessions), plan.n_paths)), np.empty(plan.n_paths)
    starts = range(0, plan.n_paths, BLOCK)
    for start, seed in zip(starts, np.random.SeedSequence(plan.seed).spawn(len(starts)), strict=True):
        block = slice(start, min(start + BLOCK, plan.n_paths))
        _simulate_block(draw, np.random.default_rng(seed), sessions, values[:, block], fall[block], n_sides)
    return np.exp(values, out=values), -np.expm1(-fall, out=fall)


def _simulate_block(
    draw: Draw,
    rng: np.random.Generator,
    sessions: npt.NDArray[np.int64],
    values: Array,
    fall: Array,
    n_sides: int,
) -> None:
    """Fill log values and log falls of one block; a path and its mirror come to lie side by side."""
    shape = (n_sides, values.shape[1] // n_sides)
    log_value, highest, deepest, below = (np.zeros(shape) for _ in range(4))
    row_of = {int(session): row for row, session in enumerate(sessions)}
    values[0] = 0.0
    for session, steps in zip(range(1, int(sessions[-1]) + 1), draw(rng, shape), strict=False):
        log_value += steps
        np.maximum(highest, log_value, out=highest)
        np.subtract(highest, log_value, out=below)
        np.maximum(deepest, below, out=deepest)
        if session in row_of:
            values[row_of[session]] = log_value.T.ravel()
    fall[:] = deepest.T.ravel()


def _figures(final: Array, fall: Array, confidence: float) -> pd.DataFrame:
    values = _figures_of(final, fall, confidence)
    whole = len(final) - len(final) % (2 * N_BATCHES)
    batches = zip(final[:whole].reshape(N_BATCHES, -1), fall[:whole].reshape(N_BATCHES, -1), strict=True)
    spread = pd.DataFrame([_figures_of(*batch, confidence) for batch in batches]).std(ddof=1)
    metrics = [Metric(name, values[name], *DEFINITIONS[name]) for name in DEFINITIONS]
    frame = pd.DataFrame(metrics).rename(columns={"name": "metric"})
    frame.insert(2, "standard_error", (spread[list(DEFINITIONS)] / np.sqrt(N_BATCHES)).to_numpy())
    return frame


def _figures_of(final: Array, fall: Array, confidence: float) -> dict[str, float]:
    # A hair less, so that 0.05 of 1000 is 50 and not 51 by rounding; the worst path is one in any case.
    n_worst = max(int(np.ceil(len(final) * (1 - confidence) - 1e-9)), 1)
    worst = np.partition(final, n_worst - 1)[:n_worst]
    return {
        "mean_return": float(final.mean() - 1),
        "volatility": float(final.std(ddof=1)),
        "loss_probability": float((final < 1).mean()),
        "value_at_risk": float(1 - worst.max()),
        "expected_shortfall": float(1 - worst.mean()),
        "max_drawdown_median": float(-np.median(fall)),
        "max_drawdown_tail": float(-np.partition(fall, len(fall) - n_worst)[len(fall) - n_worst]),
    }
