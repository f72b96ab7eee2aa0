"""One backtest from configuration to rows: read, run the engine, describe."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from orchestration.errors import BacktestImpossible
from orchestration.installation import Installation
from orchestration.resources import Warehouse
from transforms.backtest import Books, backtest
from transforms.chained_prices import chained_closes
from transforms.days import as_days
from transforms.ledger import Execution
from transforms.performance import performance
from transforms.target_weights import quantile_weights, rebalance_rows
from warehouse.queries import trading as queries

MODULES = ("backtest.py", "ledger.py", "target_weights.py", "chained_prices.py", "performance.py")


class BacktestOptions(msgspec.Struct, frozen=True):
    """What is traded and how; see `BacktestConfig` for each option."""

    profile: str
    quantile: float = 0.1
    rebalance: str = "monthly"
    cost_bps: float = 5.0
    slippage_bps: float = 5.0
    long_only: bool = True
    first_date: dt.date | None = None
    last_date: dt.date | None = None


class Outcome(msgspec.Struct, frozen=True):
    """The rows of one backtest."""

    options: BacktestOptions
    backtest_id: str
    data_digest: str
    equity: pd.DataFrame
    trades: pd.DataFrame
    metrics: pd.DataFrame
    n_rebalances: int

    @property
    def first_date(self) -> dt.date:
        """First session of the books."""
        return pd.Timestamp(self.equity["trade_date"].iloc[0]).date()

    @property
    def last_date(self) -> dt.date:
        """Last session of the books."""
        return pd.Timestamp(self.equity["trade_date"].iloc[-1]).date()

    def figure(self, metric: str) -> float:
        """Return one of the figures."""
        return float(self.metrics.loc[self.metrics["metric"] == metric, "value"].iloc[0])

    def row(self) -> pd.DataFrame:
        """Return the row of research.backtests."""
        return pd.DataFrame(
            [
                {
                    "backtest_id": self.backtest_id,
                    "profile": self.options.profile,
                    "configuration": json.dumps(msgspec.to_builtins(self.options), sort_keys=True),
                    "data_digest": self.data_digest,
                    "code_version": code_version(),
                    "first_date": self.first_date,
                    "last_date": self.last_date,
                    "n_rebalances": self.n_rebalances,
                    "n_trades": len(self.trades),
                }
            ]
        )


class Market(NamedTuple):
    """What every backtest of a period trades in."""

    closes: pd.DataFrame
    gone: pd.Series
    benchmark: pd.Series


def run_backtests(warehouse: Warehouse, installation: Installation, wanted: Sequence[BacktestOptions]) -> list[Outcome]:
    """Run backtests on the rankings in the warehouse; those of one period share what they read.

    Raises
    ------
    BacktestImpossible
        When a profile has no rankings in the period.
    """
    market = lru_cache(maxsize=1)(partial(_market, warehouse))
    return [_run(warehouse, installation, options, market) for options in wanted]


def _run(
    warehouse: Warehouse, installation: Installation, options: BacktestOptions, market: Callable[..., Market]
) -> Outcome:
    first = options.first_date or _first_day(warehouse, installation)
    last = options.last_date or installation.last_session()
    closes, gone, benchmark = market(first, last)
    days = as_days(closes.index)
    signal_days = days[rebalance_rows(days, every=options.rebalance)]  # type: ignore[arg-type] # the engine checks it
    ranks = warehouse.read_frame(queries.RANKS_ON, [options.profile, ",".join(map(str, signal_days))])
    if ranks.empty:
        raise BacktestImpossible(options.profile, first, last)
    grid = ranks.pivot(index="as_of_date", columns="instrument_id", values="rank").sort_index().sort_index(axis=1)
    targets = quantile_weights(grid, quantile=options.quantile, long_only=options.long_only)
    execution = Execution(cost_bps=options.cost_bps, slippage_bps=options.slippage_bps, long_only=options.long_only)
    books = backtest(closes, targets, last_trade_dates=gone, execution=execution)
    return _outcome(options, books, benchmark, _digest(closes, targets, benchmark), len(targets))


def _market(warehouse: Warehouse, first: dt.date, last: dt.date) -> Market:
    closes = chained_closes(warehouse.read_frame(queries.CLOSES_BETWEEN, [first, last]))
    gone = warehouse.read_frame(queries.DELISTED).set_index("instrument_id")["delisted_date"]
    benchmark = warehouse.read_frame(queries.BENCHMARK_BETWEEN, [first, last]).set_index("trade_date")["return_1d"]
    return Market(closes, gone[gone <= pd.Timestamp(last)], benchmark)


def _outcome(options: BacktestOptions, books: Books, benchmark: pd.Series, digest: str, n_rebalances: int) -> Outcome:
    identity = json.dumps([msgspec.to_builtins(options), digest, code_version()], sort_keys=True)
    backtest_id = f"b{hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()}"
    daily = books.daily
    matched = benchmark.reindex(pd.DatetimeIndex(daily.index)).to_numpy(dtype=np.float64)
    equity = (
        daily.drop(columns="n_unfilled").assign(benchmark_return_1d=matched).rename_axis("trade_date").reset_index()
    )
    metrics = performance(
        daily["return_1d"], benchmark=pd.Series(matched, index=daily.index), turnover=daily["turnover"]
    )
    return Outcome(
        options=options,
        backtest_id=backtest_id,
        data_digest=digest,
        equity=equity.assign(backtest_id=backtest_id),
        trades=books.trades.assign(backtest_id=backtest_id),
        metrics=metrics.assign(backtest_id=backtest_id),
        n_rebalances=n_rebalances,
    )


def _first_day(warehouse: Warehouse, installation: Installation) -> dt.date:
    """Return the first day of an out-of-sample forecast, or of a ranking where there is none."""
    row = warehouse.read(queries.FIRST_SIGNAL_DATE).to_pylist()[0]
    return row["as_of_date"] or installation.first_session


def _digest(closes: pd.DataFrame, targets: pd.DataFrame, benchmark: pd.Series) -> str:
    """Hash everything that the engine sees."""
    digest = hashlib.blake2b(digest_size=16)
    for frame in (closes, targets, benchmark.to_frame()):
        digest.update("|".join(map(str, frame.columns)).encode())
        digest.update(np.ascontiguousarray(as_days(frame.index)).view(np.int64).tobytes())
        digest.update(np.ascontiguousarray(frame.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return a content hash of the engine's source."""
    folder = Path(__file__).resolve().parent.parent / "transforms"
    digest = hashlib.blake2b(digest_size=8)
    for name in MODULES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
