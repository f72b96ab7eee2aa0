"""A configuration is one trial, however often it has run."""

import json

import msgspec
import psycopg
import pytest

from orchestration.backtesting import BacktestOptions, Market, Outcome
from orchestration.trials import sharpes_on_record, with_honesty
from tests.orchestration.defs.conftest import WarehouseOfTest
from tests.transforms.test_backtest import random_market, random_opens
from transforms.backtest import backtest
from transforms.performance import performance
from transforms.target_weights import quantile_weights

BALANCED, BOLD = BacktestOptions("balanced"), BacktestOptions("aggressive")


class Record:
    """Backtests and sweeps of earlier weeks."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def backtest(self, options: BacktestOptions, sharpe: float, *, week: int) -> None:
        backtest_id = f"{options.profile}{options.quantile}{week}"
        self._connection.execute(
            "insert into research.backtests (backtest_id, profile, configuration, data_digest, code_version,"
            " first_date, last_date, n_rebalances, n_trades, computed_at) values (%s, %s, %s, %s, 'c', '2020-01-01',"
            " date '2020-06-01' + 7 * %s, 1, 1, timestamptz '2020-06-01 00:00Z' + %s * interval '7 days')",
            [backtest_id, options.profile, json.dumps(msgspec.to_builtins(options)), f"d{week}", week, week],
        )
        self._connection.execute(
            "insert into research.backtest_metrics (backtest_id, metric, value, unit, definition)"
            " values (%s, 'sharpe', %s, 'ratio', 'd')",
            [backtest_id, sharpe],
        )

    def sweep(self, base: BacktestOptions, sharpes: dict[float, float], *, week: int) -> None:
        """One configuration for each quantile."""
        self._connection.execute(
            "insert into research.sweeps (sweep_id, profile, configuration, data_digest, code_version, first_date,"
            " last_date, n_configurations, best_number, computed_at) values (%s, %s, %s, 'd', 'c', '2020-01-01',"
            " '2020-06-01', %s, 0, timestamptz '2020-06-01 00:00Z' + %s * interval '7 days')",
            [f"s{week}", base.profile, json.dumps({"base": msgspec.to_builtins(base)}), len(sharpes), week],
        )
        for number, (quantile, sharpe) in enumerate(sharpes.items()):
            self._connection.execute(
                "insert into research.sweep_results (sweep_id, number, parameters, sharpe, turnover)"
                " values (%s, %s, %s, %s, 0)",
                [f"s{week}", number, json.dumps({"quantile": quantile}), sharpe],
            )


@pytest.fixture
def record(database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield Record(connection)


def test_the_newest_row_of_each_configuration_is_the_trial(database, record: Record):
    for week, sharpe in enumerate([0.5, 0.6, 0.7]):
        record.backtest(BALANCED, sharpe, week=week)
    record.backtest(BOLD, 0.1, week=0)
    record.sweep(BALANCED, {0.2: 1.0, 0.3: 2.0}, week=1)
    # The quantile of 0.1 is that of the backtests, which ran later.
    record.sweep(BALANCED, {0.1: 9.0, 0.3: 2.5}, week=1 + 0.5)
    assert sharpes_on_record(WarehouseOfTest(address=database.url)) == {
        BALANCED: 0.7, BOLD: 0.1,
        msgspec.structs.replace(BALANCED, quantile=0.2): 1.0, msgspec.structs.replace(BALANCED, quantile=0.3): 2.5,
    }  # fmt: skip


def test_running_the_same_every_week_makes_no_book_look_better(database, record: Record):
    warehouse, outcome = WarehouseOfTest(address=database.url), outcome_of(BALANCED)
    record.backtest(BOLD, -1.0, week=0)
    for quantile, sharpe in ((0.2, 1.5), (0.3, 0.2)):
        record.backtest(msgspec.structs.replace(BALANCED, quantile=quantile), sharpe, week=0)
    before = figures(with_honesty(warehouse, [outcome])[0])
    assert before["n_trials"] == 4
    for week in range(1, 60):
        record.backtest(BALANCED, outcome.figure("sharpe"), week=week)
    assert figures(with_honesty(warehouse, [outcome])[0]) == before


def outcome_of(options: BacktestOptions) -> Outcome:
    close, last = random_market(1, n_days=300)
    market = Market(close, random_opens(close), close * 0 + 1e7, last, close.iloc[:, 0], close.iloc[:0].T)
    ranks = close.ffill().iloc[30::21].rank(axis=1)
    books = backtest(close, quantile_weights(ranks), last_trade_dates=last)
    equity = books.daily.reset_index()
    metrics = performance(books.daily["return_1d"]).assign(backtest_id="b")
    return Outcome(options, "b", "digest", equity, books.trades, metrics, len(ranks), books, market, ranks, ranks)


def figures(outcome: Outcome) -> dict[str, float]:
    return {name: outcome.figure(name) for name in ("deflated_sharpe", "n_trials")}
