"""What is left of a book's Sharpe ratio beside all the others that were tried."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.metrics import Metric
from transforms.performance import SESSIONS_PER_YEAR
from transforms.selection_bias import (
    deflated_sharpe,
    overfitting_probability,
    probabilistic_sharpe,
    sharpe_ratio,
    spread_of_sharpes,
)

Array = npt.NDArray[np.float64]

N_BLOCKS = 16


def spread_of_trials(sharpes: Array) -> tuple[int, float]:
    """Give `spread_of_sharpes`, float per day, from ratios per year."""
    return spread_of_sharpes(sharpes / np.sqrt(SESSIONS_PER_YEAR))


def honesty_figures(return_1d: Array, trial_sharpes: Array, peers: pd.DataFrame) -> list[Metric]:
    """Set a book beside every trial on record.

    Parameters
    ----------
    return_1d : ndarray of shape (n_dates,), fraction
        Daily returns after costs; NaN are left out.
    trial_sharpes : ndarray of shape (n_trials,), ratio per year
        Of every trial on record, one of each configuration, this one among them; NaN where one has none.
    peers : DataFrame of shape (n_dates, n_peers), fraction
        Daily returns of the trials of the same period, this one among them.

    Returns
    -------
    list of Metric
        sharpe_probability, deflated_sharpe, overfitting_probability and n_trials.
    """
    n_trials, deviation = spread_of_trials(trial_sharpes)
    matrix = peers.dropna().to_numpy(dtype=np.float64)
    return [
        Metric(
            "sharpe_probability", probabilistic_sharpe(return_1d), "fraction",
            "Probabilistic Sharpe ratio: probability that the true Sharpe ratio is above 0, from skew and kurtosis "
            "(ddof 0) of the daily returns.",
        ),
        Metric(
            "deflated_sharpe", deflated_sharpe(return_1d, n_trials=n_trials, sharpe_sd=deviation), "fraction",
            "Deflated Sharpe ratio: probability that the true Sharpe ratio is above what the best of as many trials "
            f"without skill would show: {n_trials} on record, whose daily Sharpe ratios deviate by {deviation:.4f}.",
        ),
        Metric(
            "overfitting_probability", overfitting_probability(matrix, n_blocks=N_BLOCKS), "fraction",
            f"Probability of backtest overfitting (CSCV): share of the ways to halve {N_BLOCKS} blocks of daily "
            f"returns in which the best of the {matrix.shape[1]} backtests of this period on one half is below the "
            "middle on the other.",
        ),
        Metric(
            "n_trials", float(n_trials), "count",
            "Configurations of backtests and sweeps on record, each once, this one among them.",
        ),
    ]  # fmt: skip


def sibling_figures(returns: pd.DataFrame, *, n_trials: int, siblings: str) -> dict[Hashable, list[Metric]]:
    """Set each of some siblings beside all of them: what was tried beside one is the others.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_siblings), fraction
        Daily returns, one column each; NaN where one has none.
    n_trials : int
        Versions on record, those of the siblings among them. Beyond the siblings, one counts without a Sharpe ratio of
        its own: an earlier version is a part of what its sibling has come to.
    siblings : str
        What they are, in the plural, for the definitions.

    Returns
    -------
    dict of lists of Metric
        Of each sibling deflated_sharpe, overfitting_probability (the same for all) and n_trials.
    """
    columns = {name: returns[name].to_numpy(dtype=np.float64) for name in returns}
    known = [sharpe_ratio(column[np.isfinite(column)]) for column in columns.values()]
    n_trials, deviation = spread_of_sharpes(np.array(known + [np.nan] * (n_trials - len(known)), dtype=np.float64))
    shared = [
        Metric(
            "overfitting_probability", siblings_overfitting(returns), "fraction",
            f"Probability of overfitting (CSCV): share of the ways to halve {N_BLOCKS} blocks of daily returns in "
            f"which the best of all {siblings} on one half is below the middle on the other. Of those that have the "
            f"last day and {2 * N_BLOCKS} days at least, on the days that all of them have; none for fewer than two.",
        ),
        Metric("n_trials", float(n_trials), "count", f"Versions of {siblings} on record, this one among them."),
    ]  # fmt: skip
    return {
        name: [
            Metric(
                "deflated_sharpe", deflated_sharpe(column, n_trials=n_trials, sharpe_sd=deviation), "fraction",
                "Deflated Sharpe ratio: probability that the true Sharpe ratio is above what the best of as many "
                f"trials without skill would show: {n_trials} versions of {siblings} on record; by how much the Sharpe "
                f"ratios of all {siblings} on these days deviate; none where fewer than two of several have one.",
            ),
            *shared,
        ]
        for name, column in columns.items()
    }  # fmt: skip


def siblings_overfitting(returns: pd.DataFrame) -> float:
    """Give the probability of overfitting among siblings that have the last day, on the days that all of them have.

    `returns` has shape (n_dates, n_siblings), fraction. A sibling with fewer than two days in a block is left out; NaN
    for fewer than two siblings or two days in a block.
    """
    if returns.empty:
        return float("nan")
    is_long = returns.iloc[-1].notna() & (returns.notna().sum() >= 2 * N_BLOCKS)
    matrix = returns.loc[:, is_long].dropna().to_numpy(dtype=np.float64)
    return overfitting_probability(matrix, n_blocks=N_BLOCKS)
