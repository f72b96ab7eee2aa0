"""What was tried so far: each configuration of a backtest is one trial, and its newest row says how it went."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd

from orchestration.backtesting import BacktestOptions, Outcome, with_metrics
from orchestration.resources import Warehouse
from transforms.trial_honesty import honesty_figures
from warehouse.queries import trading as queries


def sharpes_on_record(warehouse: Warehouse) -> dict[BacktestOptions, float]:
    """Return the Sharpe ratio per year of every trial, backtests and configurations of sweeps; NaN where it has none.

    The same configuration on newer data, or by newer code, is the same trial: near-copies of it would make the trials
    look alike, and so each of them look better than it is.
    """
    tried = warehouse.read(queries.TRIALS).to_pylist()
    # Oldest first: of one configuration the newest stays.
    return {_options(row): np.nan if row["sharpe"] is None else float(row["sharpe"]) for row in tried}


def with_honesty(warehouse: Warehouse, outcomes: list[Outcome]) -> list[Outcome]:
    """Set each backtest beside every trial on record, those of this run among them."""
    sharpes = sharpes_on_record(warehouse) | {outcome.options: outcome.figure("sharpe") for outcome in outcomes}
    trials = np.array(list(sharpes.values()), dtype=np.float64)
    return [_with_honesty(outcome, trials, _peers(warehouse, outcome, outcomes)) for outcome in outcomes]


def _with_honesty(outcome: Outcome, trials: np.ndarray, peers: pd.DataFrame) -> Outcome:
    own = outcome.books.daily["return_1d"].to_numpy(np.float64)
    metrics = with_metrics(outcome.metrics.drop(columns="backtest_id"), honesty_figures(own, trials, peers))
    return msgspec.structs.replace(outcome, metrics=metrics.assign(backtest_id=outcome.backtest_id))


def _peers(warehouse: Warehouse, outcome: Outcome, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Daily returns of all backtests of the same period, one of each configuration."""
    period = [outcome.first_date, outcome.last_date]
    of_run = [other for other in outcomes if [other.first_date, other.last_date] == period]
    own = {other.backtest_id: other.books.daily["return_1d"].iloc[1:] for other in of_run}
    found = warehouse.read(queries.BACKTESTS_OF_PERIOD, period).to_pylist()
    newest = {_options(row): row["backtest_id"] for row in found}
    others = [name for options, name in newest.items() if options not in {other.options for other in of_run}]
    days = next(iter(own.values())).index
    returns = warehouse.read_frame(queries.RETURNS_OF, [",".join(others)])
    returns = returns.pivot(index="trade_date", columns="backtest_id", values="return_1d")
    return pd.DataFrame(own | {name: returns[name].reindex(days) for name in returns}).sort_index(axis=1)


def _options(row: dict[str, str]) -> BacktestOptions:
    return msgspec.json.decode(row["configuration"], type=BacktestOptions)
