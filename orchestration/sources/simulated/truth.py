"""What the simulated market really is: for tests, and for nobody else.

No source hands any of this out, and no module of the platform imports this one.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.chunks import Chunk, Market, trading
from orchestration.sources.simulated.defects import (
    BarDefect,
    bar_defects,
    has_lost_split,
    statement_owner,
)
from orchestration.sources.simulated.draws import FloatArray
from orchestration.sources.simulated.grid import DateArray
from orchestration.sources.simulated.options import ALPHA_UNIT, SimulatedOptions
from orchestration.sources.simulated.paths import SIGNAL_WEIGHTS

LABEL_SESSIONS = 22
# How much of a characteristic is still there, on average over the label's 21 returns: reversal looks back 21 sessions
# and is replaced day by day, mean of (21 - j) / 21 for j = 1..21; the others hardly move in a month.
_PERSISTENCE = {
    "momentum": 0.95,
    "reversal": 10.0 / 21.0,
    "low_volatility": 0.95,
    "value": 1.0,
    "quality": 1.0,
}


@dataclass(frozen=True)
class Defect:
    """A record that the feed spoilt. `kind` is the name of a BarDefect, lost_split or another_company."""

    entity: str
    kind: str
    source_symbol: str
    day: dt.date
    other: str | None = None


@dataclass(frozen=True)
class Truth:
    """Expected and realised returns; arrays of shape (n_sessions, n_companies), NaN where none.

    `expected` is the planted expected log return over the label's 21 sessions (fraction; common drift and shared
    returns are left out), `label` is close_adj[D+22] / close_adj[D+1] - 1 from the true path (fraction), NaN where
    the company does not trade on both days.
    """

    sessions: DateArray
    symbols: list[str]
    expected: FloatArray
    score: FloatArray
    label: FloatArray

    def daily_rank_ic(self, signal: FloatArray | None = None, *, first: int = 252) -> FloatArray:
        """Spearman correlation with the label on each session from number `first` on, NaN where undefined.

        Of the expected return (by default), which no forecast can beat but by luck, or of another signal of the
        same shape.
        """
        chosen = self.score if signal is None else signal
        pairs = zip(chosen[first:], self.label[first:], strict=True)
        return np.array([_rank_correlation(x, y) for x, y in pairs])

    def achievable_ic(self, *, first: int = 252) -> float:
        """Mean daily rank IC of the expected return."""
        return float(np.nanmean(self.daily_rank_ic(first=first)))


def read_truth(options: SimulatedOptions, calendar: HomeCalendar, last_session: dt.date) -> Truth:
    """Simulate the market up to a session and tell what was planted.

    With planted_alpha 0 `expected` is 0 everywhere, while `score` keeps the combination of characteristics that
    would have counted.
    """
    market = Market(options, calendar, keep_characteristics=True)
    n_sessions = market.number(last_session) + 1
    chunks = list(market.chunks(n_sessions - 1))
    score = np.concatenate([_score(chunk, n_sessions) for chunk in chunks], axis=1)
    return Truth(
        sessions=chunks[0].grid.sessions[:n_sessions],
        symbols=[symbol for chunk in chunks for symbol in chunk.symbols],
        expected=options.planted_alpha * ALPHA_UNIT * score,
        score=score,
        label=np.concatenate([_label(chunk, n_sessions) for chunk in chunks], axis=1),
    )


def read_defects(options: SimulatedOptions, calendar: HomeCalendar, last_session: dt.date) -> list[Defect]:
    """Every defect of the feed up to a session."""
    market = Market(options, calendar)
    last = market.number(last_session)
    found: list[Defect] = []
    for chunk in market.chunks(last):
        found += _bar_defects(chunk, options, last)
        found += _split_defects(chunk, options, last)
        found += _statement_defects(chunk, options, last)
    return found


def _score(chunk: Chunk, n_sessions: int) -> FloatArray:
    total = np.zeros((n_sessions, len(chunk.companies)))
    for position, (name, weight) in enumerate(SIGNAL_WEIGHTS.items()):
        total += weight * _PERSISTENCE[name] * chunk.paths.characteristics[:n_sessions, position]
    is_trading = trading(chunk, np.arange(n_sessions, dtype=np.int64))
    return np.where(is_trading, total, np.nan)


def _label(chunk: Chunk, n_sessions: int) -> FloatArray:
    """Labels of all sessions that end within n_sessions."""
    path = np.exp(np.cumsum(chunk.paths.returns[:n_sessions], axis=0))
    is_trading = trading(chunk, np.arange(n_sessions, dtype=np.int64))
    path[~is_trading] = np.nan
    label = np.full_like(path, np.nan)
    label[:-LABEL_SESSIONS] = path[LABEL_SESSIONS:] / path[1 : 1 - LABEL_SESSIONS] - 1.0
    return label


def _rank_correlation(signal: FloatArray, label: FloatArray) -> float:
    both = ~(np.isnan(signal) | np.isnan(label))
    if both.sum() < 3 or np.ptp(signal[both]) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(signal[both]), rankdata(label[both]))[0, 1])


def _bar_defects(chunk: Chunk, options: SimulatedOptions, last: int) -> list[Defect]:
    hit = bar_defects(chunk, options.seed, options.defect_rate, first=0, last=last)
    days = chunk.grid.sessions
    return [
        Defect(
            "daily_bars",
            BarDefect(kind).name.lower(),
            chunk.symbols[column],
            days[session].item(),
            str(days[other]) if other != session else None,
        )
        for session, column, kind, other in zip(hit.session, hit.column, hit.kind, hit.other_session, strict=True)
    ]


def _split_defects(chunk: Chunk, options: SimulatedOptions, last: int) -> list[Defect]:
    lost = chunk.paths.splits[has_lost_split(chunk, options.seed, options.defect_rate)]
    members = chunk.companies
    found = []
    for session, column, new, old in lost:
        t, i = int(session), int(column)
        if t <= min(last, members.last[i]) and chunk.is_emitted[i]:
            day = chunk.grid.sessions[t].item()
            found.append(Defect("splits", "lost_split", chunk.symbols[i], day, f"{new:g}:{old:g}"))
    return found


def _statement_defects(chunk: Chunk, options: SimulatedOptions, last: int) -> list[Defect]:
    owner = statement_owner(chunk, options.seed, options.defect_rate)
    published, members = chunk.reports.published, chunk.companies
    is_wrong = (owner != np.arange(len(members))) & chunk.is_emitted
    is_wrong &= published <= np.minimum(members.last, last)
    ends = chunk.grid.quarter_ends
    return [
        Defect(
            "fundamentals",
            "another_company",
            chunk.symbols[i],
            ends[k].item(),
            chunk.symbols[owner[k, i]],
        )
        for k, i in np.argwhere(is_wrong).tolist()
    ]
