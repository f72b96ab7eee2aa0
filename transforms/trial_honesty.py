"""What is left of a book's Sharpe ratio beside all the others that were tried."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.metrics import Metric
from transforms.performance import SESSIONS_PER_YEAR
from transforms.selection_bias import deflated_sharpe, overfitting_probability, probabilistic_sharpe

Array = npt.NDArray[np.float64]

N_BLOCKS = 16


def spread_of_trials(sharpes: Array) -> tuple[int, float]:
    """Count trials, and give the sample deviation (ddof 1) of their Sharpe ratios.

    Parameters
    ----------
    sharpes : ndarray of shape (n_trials,), ratio per year
        NaN where a trial has none; it counts all the same.

    Returns
    -------
    int, float per day
        1 at least; 0 for fewer than two known ones.
    """
    # Sorted, so that the order of the record does not show in the last bit.
    known = np.sort(sharpes[np.isfinite(sharpes)]) / np.sqrt(SESSIONS_PER_YEAR)
    return max(len(sharpes), 1), float(known.std(ddof=1)) if len(known) > 1 else 0.0


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
