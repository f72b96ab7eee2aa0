"""Covariances of daily returns that an optimiser can bear."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SESSIONS_PER_YEAR = 252


def shrunk_covariance(return_1d: Array) -> Array:
    """Estimate a covariance by Ledoit and Wolf: the sample's, drawn towards equal variances without correlation.

    Parameters
    ----------
    return_1d : ndarray of shape (n_dates, n_instruments), fraction
        A return that is not finite counts as its instrument's mean, which moves no covariance.

    Returns
    -------
    ndarray of shape (n_instruments, n_instruments), fraction squared per year
        Symmetric, and positive definite unless no instrument moves at all.

    Raises
    ------
    ValueError
        If there are fewer than 2 dates, or an instrument has no return.

    Notes
    -----
    Source: Ledoit and Wolf (2004), J. Multivariate Analysis 88(2), by scikit-learn.
    """
    from sklearn.covariance import ledoit_wolf

    is_known = np.isfinite(return_1d)
    n_known = is_known.sum(axis=0)
    if return_1d.ndim != 2 or len(return_1d) < 2 or n_known.size == 0 or n_known.min() == 0:
        raise ValueError(
            "shrunk_covariance: there must be 2 dates or more, and a return of each instrument; got shape "
            f"{return_1d.shape} and {int((n_known == 0).sum())} instruments without. Leave them out."
        )
    centred = np.where(is_known, return_1d - np.where(is_known, return_1d, 0.0).sum(axis=0) / n_known, 0.0)
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    annual: Array = covariance * SESSIONS_PER_YEAR
    return annual
