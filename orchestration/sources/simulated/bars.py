"""Daily bars around the closes of a path, and what a feed with defects makes of them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from orchestration.sources.records import DailyBar, arrow_schema
from orchestration.sources.simulated.chunks import SESSIONS_AHEAD, Chunk, trading
from orchestration.sources.simulated.defects import BarDefect, BarDefects, bar_defects
from orchestration.sources.simulated.draws import FloatArray, IntArray, Stream, normal, uniforms

_SCHEMA = arrow_schema(DailyBar)
_CENT = 0.01


@dataclass(frozen=True)
class Bars:
    """Bars of adjacent sessions: arrays of shape (n_sessions, n_companies), prices as traded in cents."""

    first: int
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: IntArray


def true_bars(chunk: Chunk, seed: int, *, first: int, last: int) -> Bars:
    """Bars of the sessions ``first <= session <= last`` as they were, before any defect."""
    paths, members = chunk.paths, chunk.companies
    n_sessions = last - first + 1
    u = uniforms(seed, Stream.BAR, members.ids, first=first, n_steps=n_sessions)
    window = slice(first, last + 1)
    close, sigma, change = paths.close[window], paths.sigma[window], paths.returns[window]
    # The open lies a good third of the day's way from where the close began, as news comes overnight too.
    begin = close * np.exp(-change)
    opened = _cents(begin * np.exp(0.35 * change + 0.25 * sigma * normal(u[..., 0])))
    above = np.exp(0.5 * sigma * np.abs(normal(u[..., 1])))
    below = np.exp(-0.5 * sigma * np.abs(normal(u[..., 2])))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    shares = np.exp(members.log_shares) * paths.cumulative_split[window]
    busy = np.exp(0.45 * normal(u[..., 3]) + 0.35 * np.abs(change) / sigma - 0.35)
    return Bars(
        first=first,
        open=opened,
        high=np.maximum(_cents(top * above), top),
        low=np.minimum(_cents(bottom * below), bottom),
        close=close,
        volume=np.maximum(members.turnover * shares * busy, 1.0).astype(np.int64),
    )


def bar_batch(
    chunk: Chunk, seed: int, *, first: int, last: int, defect_rate: float, currency_code: str
) -> pa.RecordBatch:
    """Bars of the sessions ``first <= session <= last`` as the feed gives them, by day and company."""
    ahead = SESSIONS_AHEAD if defect_rate > 0 else 0
    start = max(0, first - ahead)
    bars = true_bars(chunk, seed, first=start, last=last + ahead)
    sessions = np.arange(first, last + 1, dtype=np.int64)
    row, column = np.nonzero(trading(chunk, sessions))
    columns = _taken(bars, row + first - start, column)
    columns["session"], columns["column"] = row + first, column
    defects = bar_defects(chunk, seed, defect_rate, first=first, last=last)
    return _as_batch(_spoilt(columns, defects, bars), chunk, currency_code)


def _taken(bars: Bars, row: IntArray, column: IntArray) -> dict[str, np.ndarray]:
    names = ("open", "high", "low", "close", "volume")
    return {name: getattr(bars, name)[row, column] for name in names}


def _spoilt(columns: dict[str, np.ndarray], defects: BarDefects, bars: Bars) -> dict[str, np.ndarray]:
    """Put the defects in; the rest of the columns stay as they are."""
    if len(defects.session) == 0:
        return columns
    width = bars.close.shape[1]
    at = columns["session"] * width + columns["column"]
    hit = np.searchsorted(at, defects.session * width + defects.column)

    def rows_of(*kinds: BarDefect) -> IntArray:
        return np.asarray(hit[np.isin(defects.kind, kinds)])

    repeated = (BarDefect.REPEATED_FROM_EARLIER, BarDefect.REPEATED_FROM_LATER)
    is_repeated = np.isin(defects.kind, repeated)
    others = _taken(bars, defects.other_session[is_repeated] - bars.first, defects.column[is_repeated])
    for name, values in others.items():
        columns[name][hit[is_repeated]] = values
    for name in ("open", "high", "low", "close"):
        columns[name][rows_of(BarDefect.NULL_PRICE)] = np.nan
    wrong = rows_of(BarDefect.HIGH_BELOW_LOW)
    columns["high"][wrong] = np.maximum(columns["low"][wrong] - 0.05, 0.0)
    columns["low"][rows_of(BarDefect.NEGATIVE_PRICE)] *= -1.0
    columns["close"][rows_of(BarDefect.ZERO_PRICE)] = 0.0
    again = rows_of(BarDefect.EXACT_DUPLICATE, BarDefect.CONFLICTING_DUPLICATE)
    is_kept = np.ones(len(at), dtype=np.bool_)
    is_kept[rows_of(BarDefect.MISSING_SESSION)] = False
    doubled = {name: np.concatenate([v[is_kept], v[again]]) for name, v in columns.items()}
    conflicting = np.isin(again, rows_of(BarDefect.CONFLICTING_DUPLICATE))
    n_kept = int(is_kept.sum())
    doubled["volume"][n_kept:][conflicting] += 100
    return doubled


def _as_batch(columns: dict[str, np.ndarray], chunk: Chunk, currency_code: str) -> pa.RecordBatch:
    n_rows = len(columns["close"])
    symbols = pa.DictionaryArray.from_arrays(pa.array(columns["column"].astype(np.int32)), pa.array(chunk.symbols))
    arrays = [symbols.cast(pa.string()), pa.array(chunk.grid.sessions[columns["session"]])]
    for name in ("open", "high", "low", "close"):
        arrays.append(pa.array(columns[name], from_pandas=True))
    arrays.append(pa.array(columns["volume"]))
    arrays += [pa.repeat(pa.scalar(text), n_rows) for text in (currency_code, "none")]
    arrays.append(pa.nulls(n_rows, pa.float64()))
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def _cents(prices: FloatArray) -> FloatArray:
    return np.maximum(np.round(prices, 2), _CENT)
