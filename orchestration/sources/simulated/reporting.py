"""When companies report, and the draws behind what they report. Nothing here depends on prices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestration.sources.simulated.draws import (
    FloatArray,
    IntArray,
    Stream,
    normal,
    uniforms,
)
from orchestration.sources.simulated.grid import DateArray, Grid
from orchestration.sources.simulated.universe import Companies

EQUITY_DRIFT = 0.02
_EQUITY_SIGMA = 0.02
# Quality moves slowly: a quarter keeps 95 per cent of it.
_QUALITY_MEMORY = 0.95
RESTATED_SHARE = 0.04
# At most 100 minutes after the close, so that a day's partition (18:00 local) finds all of it.
_MINUTES_AFTER_CLOSE = (5, 100)
NEVER = 2**31


@dataclass(frozen=True)
class Reporting:
    """Reports of n companies for k quarters; every array has shape (k, n).

    `equity_noise` is the log change of equity that has nothing to do with prices, `quality` a standard normal
    state, `published` the session number after whose close the report appears (-1 before the market), the same
    for `restated` (NEVER for most), `restated_by` the fraction by which profit and equity change then.
    """

    equity_noise: FloatArray
    quality: FloatArray
    annual_quality: FloatArray
    return_noise: FloatArray
    margin_noise: FloatArray
    is_annual: NDArray[np.bool_]
    published: IntArray
    published_at: IntArray
    restated: IntArray
    restated_at: IntArray
    restated_by: FloatArray

    def of(self, columns: slice) -> "Reporting":
        """Reports of adjacent companies."""
        return Reporting(**{name: values[:, columns].copy() for name, values in vars(self).items()})


def reporting(seed: int, companies: Companies, grid: Grid) -> Reporting:
    """Draw what companies report and when, for every quarter of the grid."""
    first, n_quarters = int(grid.quarter_numbers[0]), len(grid.quarter_numbers)
    u = uniforms(seed, Stream.QUARTER, companies.ids, first=first, n_steps=n_quarters)
    v = uniforms(seed, Stream.STATEMENT, companies.ids, first=first, n_steps=n_quarters)
    is_annual = _is_annual(companies, grid)
    lag_days = np.where(is_annual, 45 + 40 * u[..., 2], 25 + 20 * u[..., 2])
    low, high = _MINUTES_AFTER_CLOSE
    minutes = (low + (high - low) * v[..., 2]).astype(np.int64)
    published, published_at = _appears(companies, grid, lag_days, minutes)
    is_restated = is_annual & (v[..., 0] < RESTATED_SHARE)
    restated, restated_at = _appears(companies, grid, lag_days + 60 + 140 * v[..., 3], minutes)
    quality = _slow(normal(u[..., 1]))
    return Reporting(
        equity_noise=_EQUITY_SIGMA * normal(u[..., 0]),
        quality=quality,
        annual_quality=last_four(quality) / 4.0,
        return_noise=normal(u[..., 3]),
        margin_noise=normal(v[..., 1]),
        is_annual=is_annual,
        published=published,
        published_at=published_at,
        restated=np.where(is_restated & (restated > published), restated, NEVER),
        restated_at=restated_at,
        restated_by=np.where(v[..., 0] < RESTATED_SHARE / 2, -1.0, 1.0) * (0.02 + 0.1 * v[..., 3]),
    )


def last_four(quarterly: FloatArray) -> FloatArray:
    """Sum of each quarter and the three before it; NaN where they are not all there."""
    total = np.full_like(quarterly, np.nan)
    total[3:] = quarterly[3:] + quarterly[2:-1] + quarterly[1:-2] + quarterly[:-3]
    return total


def _is_annual(companies: Companies, grid: Grid) -> NDArray[np.bool_]:
    month = 3 * (grid.quarter_numbers % 4 + 1)
    return np.asarray(month[:, None] == companies.fiscal_month)


def _appears(companies: Companies, grid: Grid, lag_days: FloatArray, minutes: IntArray) -> tuple[IntArray, IntArray]:
    days: DateArray = grid.quarter_ends[:, None] + lag_days.astype("timedelta64[D]")
    sessions = grid.session_numbers(days.ravel()).reshape(days.shape)
    # The reports of a company that is listed later appear together, once it is listed.
    sessions = np.where(companies.listed > 0, np.maximum(sessions, companies.listed), sessions)
    return sessions, grid.after_close(days, sessions, minutes)


def _slow(shocks: FloatArray) -> FloatArray:
    state = np.empty_like(shocks)
    state[0] = shocks[0]
    for k in range(1, len(shocks)):
        state[k] = _QUALITY_MEMORY * state[k - 1] + np.sqrt(1 - _QUALITY_MEMORY**2) * shocks[k]
    return state
