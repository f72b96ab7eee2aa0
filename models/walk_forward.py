"""When forecasters are retrained, and on which days: walk-forward splits with a purge.

Labels look 22 sessions ahead. A training row counts only when the whole of its label was known
before the first day that the version forecasts; otherwise training sees returns that the forecast
is then judged by, which on pure noise looks like a rank IC of 0.16.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.labels import LABEL_SESSIONS, ascending_sessions
from models.panels import Days

# A Monday, so that with a step of 5 each block of weekdays is a calendar week.
_FIRST_MONDAY = np.datetime64("1970-01-05", "D")


class Fold(msgspec.Struct, frozen=True):
    """One retraining: the days learnt from and the days forecast.

    `valid_from_date` is the key, and `valid_to_date` the last calendar day before the next key, so
    that both stay the same when later sessions become known. `train_dates` are the days whose rows
    are learnt from; the labels of all of them are known by `last_label_date`.
    """

    valid_from_date: date
    valid_to_date: date
    train_dates: tuple[date, ...]
    last_label_date: date

    def __post_init__(self) -> None:
        if not self.train_dates or self.last_label_date >= self.valid_from_date:
            raise ValueError(
                f"Fold {self.valid_from_date}: every training label must be known before the first "
                f"day forecast; got {len(self.train_dates)} training days with labels up to "
                f"{self.last_label_date}. Make folds with quarterly_folds."
            )

    @property
    def train_first_date(self) -> date:
        """First day learnt from."""
        return self.train_dates[0]

    @property
    def train_last_date(self) -> date:
        """Last day learnt from."""
        return self.train_dates[-1]


def quarter_start(day: date) -> date:
    """First day of the quarter of `day`."""
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def next_quarter_start(day: date) -> date:
    """First day of the quarter after that of `day`."""
    return quarter_start(quarter_start(day) + timedelta(days=93))


def quarterly_folds(
    sessions: Sequence[date] | Days,
    *,
    min_train_sessions: int = 504,
    warm_up_sessions: int = 0,
    label_sessions: int = LABEL_SESSIONS,
    purge_sessions: int = LABEL_SESSIONS,
    embargo_sessions: int = 0,
    window_sessions: int | None = None,
    step_sessions: int = 5,
) -> list[Fold]:
    """List the retrainings: one per quarter that has a session and enough history before it.

    Parameters
    ----------
    sessions : array of shape (n_sessions,), days
        Sessions of the home calendar from the source's first to the last one that has closed.
    min_train_sessions : int, sessions
        Sessions with known labels that the first fold must have.
    warm_up_sessions, label_sessions, purge_sessions, embargo_sessions, window_sessions,
    step_sessions
        As in `walk_forward_folds`.

    Returns
    -------
    list of Fold, by quarter
        Keys are first days of quarters. A fold is the same whatever comes after its first session.

    Raises
    ------
    ValueError
        As `walk_forward_folds`.
    """
    days = ascending_sessions(sessions, where="quarterly_folds")
    starts = sorted({quarter_start(day) for day in days.tolist()})
    return walk_forward_folds(
        days,
        starts,
        min_train_sessions=min_train_sessions,
        warm_up_sessions=warm_up_sessions,
        label_sessions=label_sessions,
        purge_sessions=purge_sessions,
        embargo_sessions=embargo_sessions,
        window_sessions=window_sessions,
        step_sessions=step_sessions,
        end=next_quarter_start(starts[-1]) if starts else None,
    )


def walk_forward_folds(
    sessions: Sequence[date] | Days,
    starts: Sequence[date],
    *,
    end: date | None = None,
    min_train_sessions: int = 504,
    warm_up_sessions: int = 0,
    label_sessions: int = LABEL_SESSIONS,
    purge_sessions: int = LABEL_SESSIONS,
    embargo_sessions: int = 0,
    window_sessions: int | None = None,
    step_sessions: int = 5,
) -> list[Fold]:
    """List the retrainings that begin on the given days, where there is enough history.

    Parameters
    ----------
    sessions : array of shape (n_sessions,), days
        Sessions of the home calendar, ascending.
    starts : sequence of days, ascending
        Keys. A fold forecasts from its key to the day before the next one.
    end : day or None
        Day after the last fold; `None` is the day after the last session.
    min_train_sessions : int, sessions
        A fold with fewer sessions to learn from, before thinning, is left out.
    warm_up_sessions : int, sessions
        Sessions at the start of history that have no rows yet, neither used nor counted.
    label_sessions : int, sessions
        From a day to the close at which its label is known.
    purge_sessions : int, sessions
        Training day i and first session forecast f keep ``i + purge + embargo < f``; at least
        `label_sessions`.
    embargo_sessions : int, sessions
        Further distance, for data whose effect outlasts the label.
    window_sessions : int or None, sessions
        Rolling window: only so many of the newest sessions are learnt from. `None` expands.
    step_sessions : int, weekdays
        Learn from the first session of each block of so many weekdays. Labels of neighbouring days
        share all but one of their returns, so the days between add time and hardly knowledge.

    Returns
    -------
    list of Fold, by key

    Raises
    ------
    ValueError
        If the purge is shorter than the label, or a number is out of range.

    Notes
    -----
    Blocks are counted in weekdays from a fixed Monday and not in sessions from the first one, so
    that neither more history nor more future moves the choice of days (only the block in which
    history begins may choose another day when history begins earlier).
    """
    if purge_sessions < label_sessions:
        raise ValueError(
            f"walk_forward_folds: purge_sessions must be at least label_sessions; "
            f"got {purge_sessions=}, {label_sessions=}. A shorter purge learns from the test."
        )
    if step_sessions < 1 or embargo_sessions < 0 or warm_up_sessions < 0 or min_train_sessions < 1:
        raise ValueError(
            f"walk_forward_folds: step and minimum must be at least 1, the rest at least 0; "
            f"got {step_sessions=}, {min_train_sessions=}, {embargo_sessions=}, {warm_up_sessions=}"
        )
    days = ascending_sessions(sessions, where="walk_forward_folds")
    if not len(days):
        return []
    chosen = _first_of_blocks(days, step_sessions)
    after_last = end or days[-1].item() + timedelta(days=1)
    folds = []
    for start, following in zip(starts, [*starts[1:], after_last], strict=True):
        first_forecast = int(np.searchsorted(days, np.datetime64(start, "D")))
        if first_forecast >= len(days) or days[first_forecast] >= np.datetime64(following, "D"):
            continue
        train_end = first_forecast - purge_sessions - embargo_sessions
        train_begin = warm_up_sessions
        if window_sessions is not None:
            train_begin = max(train_begin, train_end - window_sessions)
        if train_end - train_begin < min_train_sessions:
            continue
        places = np.flatnonzero(chosen[train_begin:train_end]) + train_begin
        if not places.size:
            continue
        folds.append(
            Fold(
                valid_from_date=start,
                valid_to_date=following - timedelta(days=1),
                train_dates=tuple(days[places].tolist()),
                last_label_date=days[places[-1] + label_sessions].item(),
            )
        )
    return folds


def _first_of_blocks(days: Days, step_sessions: int) -> NDArray[np.bool_]:
    """Mark the first session of each block of weekdays, blocks counted from a fixed Monday."""
    blocks = np.busday_count(_FIRST_MONDAY, days) // step_sessions
    return np.concatenate([[True], blocks[1:] != blocks[:-1]])
