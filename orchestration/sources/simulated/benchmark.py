"""The market index: a price index weighted by market value, chained from day to day."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from orchestration.sources.records import BenchmarkBar, arrow_schema
from orchestration.sources.simulated.chunks import Chunk, trading
from orchestration.sources.simulated.draws import FloatArray, Stream, normal, uniforms
from orchestration.sources.simulated.grid import DateArray

BENCHMARK_SYMBOL = "SIMX"
BASE_LEVEL = 1000.0
_SCHEMA = arrow_schema(BenchmarkBar)


def index_levels(chunks: Iterable[Chunk], *, n_sessions: int) -> FloatArray:
    """Level on each session, 1000 on the first one; shape (n_sessions,), index points.

    A day's change is that of the market value of the companies that trade on it and on the session before; as in
    a price index, dividends are not reinvested and splits change nothing.
    """
    now, before = np.zeros(n_sessions - 1), np.zeros(n_sessions - 1)
    for chunk in chunks:
        members = chunk.companies
        is_member = trading(chunk, np.arange(n_sessions, dtype=np.int64))
        stays = is_member[1:] & is_member[:-1]
        paths = chunk.paths
        shares = np.exp(members.log_shares) * paths.cumulative_split[:n_sessions]
        value = paths.close[:n_sessions] * shares
        # Summed company by company (the outer axis), so that a company more at the end changes no other day.
        now += np.add.reduce(np.where(stays, value[1:], 0.0).T.copy(), axis=0)
        before += np.add.reduce(np.where(stays, value[:-1], 0.0).T.copy(), axis=0)
    change = np.divide(now, before, out=np.ones_like(now), where=before > 0)
    return BASE_LEVEL * np.concatenate([[1.0], np.cumprod(change)])


def benchmark_batch(
    levels: FloatArray, sessions: DateArray, seed: int, *, first: int, last: int, currency_code: str
) -> pa.RecordBatch:
    """Bars of the index for the sessions ``first <= session <= last``."""
    n_rows = last - first + 1
    u = uniforms(seed, Stream.BENCHMARK, np.zeros(1, dtype=np.int64), first=first, n_steps=n_rows)
    noise = normal(u[:, 0, :3])
    close = np.round(levels[first : last + 1], 2)
    before = np.round(np.concatenate([[levels[0]], levels])[first : last + 1], 2)
    opened = np.round(before * (close / before) ** 0.3 * np.exp(0.002 * noise[:, 0]), 2)
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    columns = {
        "source_symbol": pa.repeat(pa.scalar(BENCHMARK_SYMBOL), n_rows),
        "trade_date": pa.array(sessions[first : last + 1]),
        "open": pa.array(opened),
        "high": pa.array(np.round(top * np.exp(0.003 * np.abs(noise[:, 1])), 2)),
        "low": pa.array(np.round(bottom * np.exp(-0.003 * np.abs(noise[:, 2])), 2)),
        "close": pa.array(close),
        "volume": pa.nulls(n_rows, pa.int64()),
        "currency_code": pa.repeat(pa.scalar(currency_code), n_rows),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)
