"""Prices during a session: a path from the open to the close of that day's bar that never leaves the bar.

A Brownian bridge around the straight line from open to close, as the sum of its first eight sine waves
(Karhunen-Loeve), scaled to the bar and cut at its high and low. The path of a day depends on the seed, the company
and the day alone, so a price once quoted stays what it was.
"""

from dataclasses import dataclass

import numpy as np

from orchestration.sources.simulated.draws import (
    FloatArray,
    IntArray,
    Stream,
    normal,
    uniforms,
)

_N_WAVES = 8
# Two counter steps of draws a day, so days never share them.
_STEPS_PER_DAY = 2


@dataclass(frozen=True)
class SessionSoFar:
    """Prices of n companies at a minute of a session, arrays of shape (n,), as traded."""

    price: FloatArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    volume: IntArray


def session_so_far(
    seed: int,
    companies: IntArray,
    session: int,
    *,
    bar: dict[str, FloatArray],
    minute: int,
    n_minutes: int,
) -> SessionSoFar:
    """Prices after some minutes of a session.

    Parameters
    ----------
    seed, companies, session
        Which paths.
    bar
        open, high, low, close (currency per share) and volume (shares) of the whole day, each of shape (n,).
    minute, n_minutes
        Minutes since the open, and the length of the session; at the end the bar is complete.
    """
    path = _path(seed, companies, session, bar, minute=minute, n_minutes=n_minutes)
    is_over = minute >= n_minutes
    share = min(minute + 1, n_minutes) / n_minutes
    return SessionSoFar(
        price=path[-1],
        open=bar["open"],
        high=bar["high"] if is_over else path.max(axis=0),
        low=bar["low"] if is_over else path.min(axis=0),
        volume=np.floor(bar["volume"] * share).astype(np.int64),
    )


def _path(
    seed: int,
    companies: IntArray,
    session: int,
    bar: dict[str, FloatArray],
    *,
    minute: int,
    n_minutes: int,
) -> FloatArray:
    """Prices of minutes 0 to `minute`; shape (minute + 1, n)."""
    u = uniforms(seed, Stream.QUOTE, companies, first=session * _STEPS_PER_DAY, n_steps=_STEPS_PER_DAY)
    weights = normal(u.transpose(1, 0, 2).reshape(len(companies), _N_WAVES))
    elapsed = np.arange(min(minute, n_minutes) + 1) / n_minutes
    straight = bar["open"] + (bar["close"] - bar["open"]) * elapsed[:, None]
    bridge = np.zeros_like(straight)
    # Wave by wave: a matrix product may round differently for another number of companies.
    for wave in range(1, _N_WAVES + 1):
        swing = np.sqrt(2.0) * np.sin(wave * np.pi * elapsed) / (wave * np.pi)
        bridge += swing[:, None] * weights[:, wave - 1]
    moved = straight + bridge * (bar["high"] - bar["low"])
    return np.clip(np.round(moved, 2), bar["low"], bar["high"])
