"""Backtests from configuration to rows: read, choose weights, run the engine, describe."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from orchestration.code_versions import code_version_of
from orchestration.errors import BacktestImpossible
from orchestration.installation import Installation
from orchestration.resources import Warehouse
from transforms.backtest import Books, backtest
from transforms.book_analysis import (
    benchmark_returns,
    break_even,
    capacity,
    exposures,
    holdings,
    index_figures,
)
from transforms.chained_prices import chained
from transforms.days import as_days
from transforms.grids import on_grid
from transforms.ledger import Execution
from transforms.metrics import Metric
from transforms.performance import SESSIONS_PER_YEAR, performance
from transforms.sweep import sweep
from transforms.target_weights import (
    capped_weights,
    quantile_weights,
    rebalance_rows,
    volatility_scaled,
)
from transforms.trading_costs import Liquidity
from transforms.trial_honesty import honesty_figures
from warehouse.queries import trading as queries

# Whose source the ids of backtests and sweeps hash, with all maths that it imports.
ENGINE = (backtest, sweep, chained, quantile_weights, performance, capacity, honesty_figures)
CHARACTERISTICS = {
    "market": ("ratio", "beta on the benchmark over 252 sessions"),
    "size": ("standard deviations", "z-score of the logarithm of market value"),
    "value": ("standard deviations", "z-score of book to price"),
    "momentum": ("standard deviations", "z-score of 12-1 momentum"),
}
LIQUIDITY_SESSIONS = 21
# Read before the first session, so that weights and costs of the first orders rest on as much past as later ones.
RUN_UP_SESSIONS = 63

# From days to what a book may lean on, by as_of_date and instrument_id.
ReadCharacteristics = Callable[[tuple[pd.Timestamp, ...]], pd.DataFrame]


class BacktestOptions(msgspec.Struct, frozen=True):
    """What is traded and how; see `BacktestConfig` for each option."""

    profile: str
    quantile: float = 0.1
    rebalance: str = "monthly"
    cost_bps: float = 5.0
    slippage_bps: float = 5.0
    long_only: bool = True
    fill: str = "close"
    sector_neutral: bool = False
    max_weight: float | None = None
    target_volatility: float | None = None
    max_turnover: float | None = None
    spread_by_liquidity: bool = False
    impact_coefficient: float = 0.0
    capital: float = 1e6
    cash_rate: float = 0.0
    delisting_return: float = 0.0
    first_date: dt.date | None = None
    last_date: dt.date | None = None

    def execution(self) -> Execution:
        """Rules of filling."""
        return Execution(
            cost_bps=self.cost_bps,
            slippage_bps=self.slippage_bps,
            long_only=self.long_only,
            delisting_return=self.delisting_return,
            cash_return_1d=(1.0 + self.cash_rate) ** (1.0 / SESSIONS_PER_YEAR) - 1.0,
            fill=self.fill,  # type: ignore[arg-type] # the engine checks it
            max_turnover=self.max_turnover or float("inf"),
            spread_by_liquidity=self.spread_by_liquidity,
            impact_coefficient=self.impact_coefficient,
            capital=self.capital,
        )


class Market(NamedTuple):
    """What every backtest of a period trades in; frames of shape (n_sessions, n_instruments).

    `history` has the closes of the sessions before the period, too; `index_returns` are those of the market's index.
    """

    history: pd.DataFrame
    opens: pd.DataFrame
    dollar_volume: pd.DataFrame
    gone: pd.Series
    index_returns: pd.Series
    names: pd.DataFrame

    @property
    def closes(self) -> pd.DataFrame:
        """Closes of the period."""
        return self._of_period(self.history)

    def liquidity(self) -> Liquidity:
        """How easily each instrument trades."""
        returns = self.history.pct_change(fill_method=None)
        volatility = self._of_period(returns.rolling(LIQUIDITY_SESSIONS, min_periods=LIQUIDITY_SESSIONS // 2).std())
        return Liquidity(self.dollar_volume.to_numpy(np.float64), volatility.to_numpy(np.float64))

    def _of_period(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.iloc[len(frame) - len(self.opens) :]


class Outcome(msgspec.Struct, frozen=True):
    """The rows of one backtest, and what its report is made from."""

    options: BacktestOptions
    backtest_id: str
    data_digest: str
    equity: pd.DataFrame
    trades: pd.DataFrame
    metrics: pd.DataFrame
    n_rebalances: int
    books: Books
    market: Market
    ranks: pd.DataFrame
    exposures: pd.DataFrame
    report_uri: str | None = None

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
                    "report_uri": self.report_uri,
                }
            ]
        )


def run_backtests(warehouse: Warehouse, installation: Installation, wanted: Sequence[BacktestOptions]) -> list[Outcome]:
    """Run backtests on the rankings in the warehouse; those of one period share what they read.

    Raises
    ------
    BacktestImpossible
        When a profile has no rankings in the period.
    """
    period = lru_cache(maxsize=1)(partial(period_of, warehouse, installation))
    market = lru_cache(maxsize=1)(partial(read_market, warehouse, installation))
    characteristics = lru_cache(maxsize=1)(partial(_read_characteristics, warehouse))
    return [
        _run(warehouse, market(*period(options.first_date, options.last_date)), options, characteristics)
        for options in wanted
    ]


def _run(
    warehouse: Warehouse,
    found: Market,
    options: BacktestOptions,
    characteristics: ReadCharacteristics,
) -> Outcome:
    ranks = read_ranks(warehouse, found, options.profile, options.rebalance)
    targets = target_weights(options, ranks, found)
    execution = options.execution()
    books = backtest(
        found.closes, targets, open_adj=found.opens, last_trade_dates=found.gone, execution=execution,
        liquidity=found.liquidity() if execution.needs_liquidity else None,
    )  # fmt: skip
    return _outcome(options, books, targets, ranks, found, characteristics)


def period_of(
    warehouse: Warehouse, installation: Installation, first: dt.date | None, last: dt.date | None
) -> tuple[dt.date, dt.date]:
    """Return the days of a backtest: by default from the first out-of-sample forecast to the newest session."""
    row = warehouse.read(queries.FIRST_SIGNAL_DATE).to_pylist()[0]
    return first or row["as_of_date"] or installation.first_session, last or installation.last_session()


def read_market(warehouse: Warehouse, installation: Installation, first: dt.date, last: dt.date) -> Market:
    """Read what is traded between two days, and what was known of it at the first."""
    known = installation.sessions(last_date=max(first, installation.first_session))
    run_up = [day for day in known if day < first][-RUN_UP_SESSIONS:]
    begin = min([first, *run_up])
    prices = warehouse.read_history(queries.PRICES_BETWEEN, [begin, last], day="trade_date", between=(begin, last))
    # What no longer traded when the period began is no part of it.
    is_own = prices["trade_date"] >= pd.Timestamp(first)
    prices = prices[prices["instrument_id"].isin(prices.loc[is_own, "instrument_id"].unique())]
    grids = chained(prices, ("close_adj", "open_adj"))
    history = grids["close_adj"]
    usual = (
        on_grid(prices, ("dollar_volume",))["dollar_volume"]
        .reindex_like(history)
        .rolling(LIQUIDITY_SESSIONS, min_periods=1)
        .median()
    )
    gone = warehouse.read_frame(queries.DELISTED).set_index("instrument_id")["delisted_date"]
    index = warehouse.read_frame(queries.BENCHMARK_BETWEEN, [first, last]).set_index("trade_date")["return_1d"]
    names = warehouse.read_frame(queries.NAMES).set_index("instrument_id")
    gone = gone[(gone <= pd.Timestamp(last)) & gone.index.isin(history.columns)]
    opens = grids["open_adj"].where(grids["open_adj"] > 0)
    period = history.index >= pd.Timestamp(first)
    return Market(history, opens[period], usual[period], gone, index, names)


def read_ranks(warehouse: Warehouse, market: Market, profile: str, rebalance: str) -> pd.DataFrame:
    """Return places of the days to rebalance, 1 the best; shape (n_rebalances, n_ranked).

    Raises
    ------
    BacktestImpossible
        When there are none.
    """
    days = as_days(market.closes.index)
    signal_days = days[rebalance_rows(days, every=rebalance)]  # type: ignore[arg-type] # the engine checks it
    ranks = warehouse.read_frame(queries.RANKS_ON, [profile, ",".join(map(str, signal_days))])
    if ranks.empty:
        raise BacktestImpossible(profile, days[0].item(), days[-1].item())
    return ranks.pivot(index="as_of_date", columns="instrument_id", values="rank").sort_index().sort_index(axis=1)


def target_weights(options: BacktestOptions, ranks: pd.DataFrame, market: Market) -> pd.DataFrame:
    """Turn places into weights, within the limits of the options."""
    weights = quantile_weights(
        ranks, quantile=options.quantile, long_only=options.long_only,
        sectors=market.names["sector"] if options.sector_neutral else None,
    )  # fmt: skip
    if options.max_weight is not None:
        weights = capped_weights(weights, max_weight=options.max_weight)
    if options.target_volatility is not None:
        most = 1.0 if options.long_only else 2.0
        weights = volatility_scaled(weights, market.history, target=options.target_volatility, max_gross=most)
    return weights


def _outcome(
    options: BacktestOptions, books: Books, targets: pd.DataFrame, ranks: pd.DataFrame, market: Market,
    characteristics: ReadCharacteristics,
) -> Outcome:  # fmt: skip
    digest = digest_of(market, targets, ranks.notna())
    identity = json.dumps([msgspec.to_builtins(options), digest, code_version()], sort_keys=True)
    backtest_id = f"b{hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()}"
    daily = books.daily
    days = pd.DatetimeIndex(daily.index)
    benchmark = benchmark_returns(
        market.closes, targets, ranks, execution=options.execution(), open_adj=market.opens,
        last_trade_dates=market.gone,
    )  # fmt: skip
    index = pd.Series(market.index_returns.reindex(days).to_numpy(dtype=np.float64), index=daily.index)
    equity = daily.drop(columns="n_unfilled").assign(benchmark_return_1d=benchmark, index_return_1d=index)
    metrics = performance(daily["return_1d"], benchmark=benchmark, turnover=daily["turnover"])
    leant_on = _exposures(books, market, characteristics)
    more = [
        *index_figures(daily["return_1d"], index), break_even(daily, benchmark),
        capacity(books, market.dollar_volume), *_mean_exposures(leant_on),
    ]  # fmt: skip
    return Outcome(
        options=options,
        backtest_id=backtest_id,
        data_digest=digest,
        equity=equity.rename_axis("trade_date").reset_index().assign(backtest_id=backtest_id),
        trades=books.trades.assign(backtest_id=backtest_id),
        metrics=with_metrics(metrics, more).assign(backtest_id=backtest_id),
        n_rebalances=len(targets),
        books=books,
        market=market,
        ranks=ranks,
        exposures=leant_on,
    )


def with_metrics(metrics: pd.DataFrame, more: Sequence[Metric]) -> pd.DataFrame:
    """Add figures that the benchmark does not have."""
    added = pd.DataFrame(more).rename(columns={"name": "metric"})
    return pd.concat([metrics, added.assign(benchmark_value=np.nan)[metrics.columns]], ignore_index=True)


def _read_characteristics(warehouse: Warehouse, days: tuple[pd.Timestamp, ...]) -> pd.DataFrame:
    return warehouse.read_frame(queries.characteristics_on(days)).set_index(["as_of_date", "instrument_id"])


def _exposures(books: Books, market: Market, characteristics: ReadCharacteristics) -> pd.DataFrame:
    """Exposures at the close of each session with orders."""
    held = holdings(books, market.closes)
    orders = books.trades.loc[books.trades["reason"] == "rebalance", "trade_date"]
    held = held[held.index.isin(orders)]
    found = characteristics(tuple(pd.DatetimeIndex(held.index)))
    return exposures(held, {name: found[name].unstack() for name in CHARACTERISTICS})


def _mean_exposures(leant_on: pd.DataFrame) -> list[Metric]:
    return [
        Metric(
            f"exposure_{name}", float(leant_on[name].mean()), unit,
            f"Mean over sessions with orders of the sum of weight times {what}; a position without a value counts as "
            "the average of the others.",
        )
        for name, (unit, what) in CHARACTERISTICS.items()
    ]  # fmt: skip


def digest_of(market: Market, *chosen: pd.DataFrame) -> str:
    """Hash everything that the engine sees: the market, and what was chosen from it."""
    digest = hashlib.blake2b(digest_size=16)
    frames = (market.history, market.opens, market.dollar_volume, *chosen, market.index_returns.to_frame())
    for frame in frames:
        digest.update("|".join(map(str, frame.columns)).encode())
        digest.update(np.ascontiguousarray(as_days(frame.index)).view(np.int64).tobytes())
        digest.update(np.ascontiguousarray(frame.to_numpy(dtype=np.float64)).tobytes())
    digest.update("|".join(f"{name} until {day}" for name, day in market.gone.sort_index().items()).encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return a content hash of the engine's source."""
    return code_version_of(*ENGINE)
