"""Our kernels beside what one would use instead: ratios of times, and results compared, in the same run."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from sqlalchemy.dialects.postgresql import insert

from transforms.backtest import backtest
from transforms.evaluation import evaluate
from transforms.indicators import indicators
from transforms.ledger import Execution
from transforms.sweep import sweep
from transforms.target_weights import quantile_weights, rebalance_rows
from warehouse.connect import owner_url
from warehouse.embedded import EmbeddedServer
from warehouse.merge import merge
from warehouse.migrate import prepare
from warehouse.settings import Settings

SEED = 7
N_DAYS, N_INSTRUMENTS = 1512, 500
N_MERGED_DAYS = 200
Answer = TypeVar("Answer")


class Comparison(NamedTuple):
    """A kernel of ours beside a peer, on the same data."""

    kernel: str
    peer: str
    size: str
    our_seconds: float
    peer_seconds: float
    largest_difference: float


def main() -> None:
    """Measure and print."""
    console = Console(width=140)
    before = os.getloadavg()[0]
    close = prices()
    found = [
        *merges(), indicators_beside_pandas(close), engine_beside_loop(close), sweep_beside_engine(close),
        skill_beside_pandas(close),
    ]  # fmt: skip
    table = Table("kernel", "beside", "data", "ours, s", "peer, s", "peer / ours", "largest difference")
    for row in found:
        table.add_row(
            row.kernel, row.peer, row.size, f"{row.our_seconds:.3f}", f"{row.peer_seconds:.3f}",
            f"{row.peer_seconds / row.our_seconds:.2f}", f"{row.largest_difference:.1e}",
        )  # fmt: skip
    console.print(table)
    console.print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}; seed {SEED}")


def prices() -> pd.DataFrame:
    """Return random closes, (n_dates, n_instruments)."""
    steps = np.random.default_rng(SEED).normal(0.0003, 0.02, (N_DAYS, N_INSTRUMENTS))
    days = pd.bdate_range("2019-01-01", periods=N_DAYS, name="trade_date").as_unit("s")
    names = pd.Index([f"i{number:016d}" for number in range(N_INSTRUMENTS)], name="instrument_id")
    return pd.DataFrame(50 * np.exp(np.cumsum(steps, axis=0)), index=days, columns=names)


def melted(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return one row per instrument and day, in that order."""
    return frame.reset_index().melt(id_vars="trade_date", var_name="instrument_id", value_name=name)


def timed(act: Callable[[], Answer]) -> tuple[Answer, float]:
    """Return what `act` returns, and the shortest time of three runs of it, seconds."""
    best = np.inf
    for _ in range(3):
        started = time.perf_counter()
        answer = act()
        best = min(best, time.perf_counter() - started)
    return answer, best


# -- merge


def merges() -> list[Comparison]:
    """Merge new rows into an empty table, beside a bare COPY and beside INSERT ... ON CONFLICT, row by row."""
    rows = bars(prices().iloc[:N_MERGED_DAYS])
    size = f"{rows.num_rows:,} rows"
    with warehouse() as url:
        ours, copied, inserted = (seconds(url, rows, way) for way in (merge_rows, copy_rows, insert_rows))
        again, copied_again = seconds(url, rows, merge_rows, keep=True), copied
    return [
        Comparison("merge into an empty table", "bare COPY", size, ours, copied, 0.0),
        Comparison("merge into an empty table", "SQLAlchemy INSERT ON CONFLICT", size, ours, inserted, 0.0),
        Comparison("merge of the same rows again", "bare COPY", size, again, copied_again, 0.0),
    ]


def bars(close: pd.DataFrame) -> pa.Table:
    """Return rows as `raw.daily_bars` has them."""
    long = melted(close, "close").rename(columns={"instrument_id": "source_symbol"})
    volumes = np.random.default_rng(SEED).integers(10_000, 5_000_000, len(long))
    close_of = long["close"]
    rows = long.assign(
        trade_date=long["trade_date"].dt.date, open=close_of, high=close_of * 1.01, low=close_of * 0.99,
        volume=volumes, source="measured", currency_code="USD", adjustment="none",
    )  # fmt: skip
    return pa.Table.from_pandas(rows, preserve_index=False)


@contextmanager
def warehouse() -> Iterator[str]:
    """Start a migrated warehouse; give its address."""
    home = Path(tempfile.mkdtemp(prefix="fl-bench-"))
    settings = Settings(home=home)
    try:
        prepare(settings)
        yield owner_url(settings)
    finally:
        EmbeddedServer(home / "postgres").stop()
        shutil.rmtree(home, ignore_errors=True)


def seconds(url: str, rows: pa.Table, way: Callable[[str, pa.Table], None], *, keep: bool = False) -> float:
    """Return how long a way to write takes, and see to it that all rows are there afterwards."""
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        if not keep:
            cursor.execute("truncate raw.daily_bars")
            connection.commit()
        started = time.perf_counter()
        way(url, rows)
        taken = time.perf_counter() - started
        cursor.execute("select count(*), sum(close::numeric)::text from raw.daily_bars")
        n_rows, total = cursor.fetchone()
    expected = rows.column("close").to_pandas().sum()
    if n_rows != rows.num_rows or abs(float(total) / expected - 1) > 1e-12:
        raise RuntimeError(
            f"{way.__name__}: {rows.num_rows} rows with sum {expected} must be there; got {n_rows}, {total}"
        )
    return taken


def merge_rows(url: str, rows: pa.Table) -> None:
    """Ours."""
    with adbc.connect(url) as connection:
        merge(connection, "raw.daily_bars", rows)
        connection.commit()


def copy_rows(url: str, rows: pa.Table) -> None:
    """Copy and nothing else: no comparison, no second run, no version of the table."""
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("daily_bars", rows, mode="append", db_schema_name="raw")
        connection.commit()


def insert_rows(url: str, rows: pa.Table) -> None:
    """Insert through SQLAlchemy Core, one statement per row."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    table = sa.Table("daily_bars", sa.MetaData(), schema="raw", autoload_with=engine)
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in rows.schema.names}
    statement = statement.on_conflict_do_update(constraint=table.primary_key, set_=changed)
    with engine.begin() as connection:
        connection.execute(statement, rows.to_pylist())
    engine.dispose()


# -- maths


def indicators_beside_pandas(close: pd.DataFrame) -> Comparison:
    """Compute all 17 indicators, beside 9 of them by pandas."""
    history = melted(close, "close_adj").assign(volume_adj=1e6, price_segment=0)
    history["high_adj"], history["low_adj"] = history["close_adj"] * 1.01, history["close_adj"] * 0.99
    ours, our_seconds = timed(lambda: indicators(history))
    theirs, peer_seconds = timed(lambda: pandas_indicators(history))
    difference = largest_difference(ours[list(theirs.columns)].to_numpy(), theirs.to_numpy())
    size = f"{N_INSTRUMENTS} x {N_DAYS} bars"
    return Comparison("17 indicators", "9 of them by pandas", size, our_seconds, peer_seconds, difference)


def pandas_indicators(history: pd.DataFrame) -> pd.DataFrame:
    """Compute averages, bands and RSI of each instrument as a pandas user would."""
    grouped = history.groupby("instrument_id", sort=False)["close_adj"]
    rolling = {n: grouped.rolling(n) for n in (20, 50, 200)}
    middle, spread = rolling[20].mean(), rolling[20].std(ddof=0)
    columns = {f"sma_{n}d": window.mean() for n, window in rolling.items()}
    columns |= {f"ema_{n}d": grouped.apply(exponential, 2 / (n + 1), n) for n in (12, 26)}
    columns |= {"bollinger_upper_20d": middle + 2 * spread, "bollinger_middle_20d": middle}
    columns |= {"bollinger_lower_20d": middle - 2 * spread, "rsi_14d": grouped.apply(relative_strength)}
    return pd.DataFrame({name: column.to_numpy() for name, column in columns.items()})


def exponential(values: pd.Series, alpha: float, n: int) -> pd.Series:
    """Average exponentially, beginning with the mean of the first `n` values."""
    values = values.dropna()
    seeded = pd.concat([pd.Series([values.iloc[:n].mean()], index=values.index[n - 1 : n]), values.iloc[n:]])
    averages: pd.Series = seeded.ewm(alpha=alpha, adjust=False).mean().reindex(values.index)
    return averages


def relative_strength(close: pd.Series) -> pd.Series:
    """Compute Wilder's RSI over 14 days."""
    change = close.diff()
    up, down = (exponential(part, 1 / 14, 14) for part in (change.clip(lower=0), -change.clip(upper=0)))
    return (100 * up / (up + down)).reindex(close.index)


def engine_beside_loop(close: pd.DataFrame) -> Comparison:
    """Backtest monthly weights on all instruments, beside a loop over days and names."""
    days = close.index[20:-1:21]
    weights = np.random.default_rng(SEED).dirichlet(np.ones(N_INSTRUMENTS), len(days))
    targets = pd.DataFrame(weights, index=days, columns=close.columns)
    books, our_seconds = timed(lambda: backtest(close, targets, execution=Execution(cost_bps=0, slippage_bps=0)))
    equity, peer_seconds = timed(lambda: looped_equity(close, targets))
    difference = largest_difference(books.daily["equity"].to_numpy(), np.array(equity))
    size = f"{N_INSTRUMENTS} x {N_DAYS}, {len(days)} trades"
    return Comparison("portfolio engine", "plain Python loop", size, our_seconds, peer_seconds, difference)


def sweep_beside_engine(close: pd.DataFrame) -> Comparison:
    """Run 1,000 books at once, beside the engine once for each (40 of them measured, the time scaled up)."""
    rows = rebalance_rows(close.index.to_numpy().astype("datetime64[D]"))
    frames = [
        quantile_weights(
            close.pct_change(look).iloc[rows].rank(axis=1, ascending=False), quantile=share, long_only=long
        )
        for look in (21, 63, 126, 189, 252)
        for share in np.linspace(0.02, 0.5, 25)
        for long in (True, False)
    ]
    books = [(frame, cost) for frame in frames for cost in (0.0, 5.0, 10.0, 20.0)]
    only = [bool(frame.to_numpy().min() >= 0) for frame, _ in books]
    targets, costs = [frame for frame, _ in books], [cost for _, cost in books]
    found, our_seconds = timed(lambda: sweep(close, targets, cost_bps=costs, long_only=only))
    some = range(0, len(books), len(books) // 40)

    def one_by_one() -> np.ndarray:
        rules = (Execution(cost_bps=costs[n], slippage_bps=0, long_only=only[n]) for n in some)
        return np.column_stack(
            [backtest(close, targets[n], execution=rule).daily["equity"] for n, rule in zip(some, rules, strict=True)]
        )

    equity, peer_seconds = timed(one_by_one)
    difference = largest_difference(found.equity[:, list(some)], equity)
    size = f"{len(books)} books, {N_INSTRUMENTS} x {N_DAYS}"
    scaled = peer_seconds * len(books) / len(some)
    return Comparison("sweep of monthly books", "our engine, one by one", size, our_seconds, scaled, difference)


def looped_equity(close: pd.DataFrame, targets: pd.DataFrame) -> list[float]:
    """Walk through the days with a dictionary of shares; no costs."""
    wanted = dict(zip(targets.index, targets.to_dict("records"), strict=True))
    shares: dict[str, float] = {}
    cash, equity, pending = 1.0, [], None
    for day, quoted in zip(close.index, close.to_dict("records"), strict=True):
        worth = cash + sum(amount * quoted[name] for name, amount in shares.items())
        if pending is not None:
            shares = {name: weight * worth / quoted[name] for name, weight in pending.items()}
            cash = worth - sum(amount * quoted[name] for name, amount in shares.items())
        equity.append(worth)
        pending = wanted.get(day)
    return equity


def skill_beside_pandas(close: pd.DataFrame) -> Comparison:
    """Evaluate a forecast of each day, beside the correlation of ranks by pandas, which is a part of it."""
    label = (close.shift(-22) / close.shift(-1) - 1).iloc[:-22]
    noise = np.random.default_rng(SEED).normal(0, 0.2, label.shape)
    forecast = label + noise
    ours, our_seconds = timed(lambda: evaluate(forecast.to_numpy(), label.to_numpy()))
    long = melted(forecast, "forecast").assign(label=melted(label, "label")["label"])
    theirs, peer_seconds = timed(lambda: pandas_skill(long))
    difference = largest_difference(ours.rank_ic, theirs.to_numpy())
    size = f"{len(label)} days x {N_INSTRUMENTS}"
    return Comparison(
        "rank IC, deciles, turnover", "rank IC by pandas groupby.corr", size, our_seconds, peer_seconds, difference
    )


def pandas_skill(long: pd.DataFrame) -> pd.Series:
    """Correlate the ranks of each day."""
    ranks = long.groupby("trade_date")[["forecast", "label"]].rank()
    by_day = ranks.groupby(long["trade_date"]).corr()
    return by_day["forecast"].xs("label", level=1)


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest relative difference; the same values must be missing.

    Raises
    ------
    RuntimeError
        When the results are not the same.
    """
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        raise RuntimeError("the same values must be missing on both sides; they are not")
    difference = float(np.nanmax(np.abs(one - other) / np.maximum(np.abs(one), 1e-9)))
    if difference > 1e-6:
        raise RuntimeError(f"both sides must give the same values; the largest relative difference is {difference}")
    return difference


if __name__ == "__main__":
    main()
