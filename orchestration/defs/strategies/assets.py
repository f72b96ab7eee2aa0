"""Trading strategies on paper: signals, orders, fills, trades, events, and the account of each session."""

import datetime as dt
from typing import Any

import dagster as dg
import pandas as pd

from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.indicators.assets import indicators
from orchestration.defs.rankings.assets import first_ranked_session, rankings
from orchestration.metadata import OWNER, merge_metadata, picture, sample, table, table_metadata
from orchestration.partitions import first_of_window, sessions_partitions, window_of
from orchestration.plots import strategies_figure, trades_figure
from orchestration.resources import MarketData, Warehouse
from orchestration.strategy_registry import load_strategies
from orchestration.trading import Traded, read_definitions, seed_versions, trade, write_strategies, write_traded
from orchestration.user_trading import trade_for_users
from transforms.strategies.macd_rsi import MacdRsi
from transforms.strategies.mean_reversion_bollinger import MeanReversionBollinger
from transforms.strategies.ranking_rotation import RankingRotation
from transforms.strategies.walk import walk
from warehouse.queries import paper_trading as queries

GROUP = "strategies"
EQUITY = dg.AssetKey(["research", "strategy_equity"])
# What rounding may leave of an account, fraction.
TOLERANCE = 1e-9
N_SAMPLES = 10
DEPS: list[dg.AssetsDefinition | list[str]] = [
    indicators, rankings, ["marts", "fct_daily_prices"], ["marts", "fct_exchange_rates"],
    ["marts", "dim_benchmark_prices"], ["marts", "dim_instruments"],
]  # fmt: skip
CODE_VERSION = code_version_of(walk, *(one.signals for one in (MacdRsi, MeanReversionBollinger, RankingRotation)))
DESCRIPTIONS = {
    "strategies": "One row per trading strategy on paper: what it does, and its settings in force.",
    "strategy_signals": "One row per strategy, session and instrument that it wants to buy, or holds: buy, sell or "
    "hold, why, by which values, and what became of it.",
    "paper_orders": "One row per order of a strategy, with the broker's id and what was filled.",
    "paper_fills": "One row per order of a strategy and session in which some of it was filled.",
    "paper_trades": "One row per position of a strategy from entry to exit: gain after costs, and what it rested on.",
    "strategy_events": "One row per thing that happened to a strategy: positions, expired orders, drawdowns.",
    "strategy_equity": "One row per strategy and session: the account at the close, from which the next goes on.",
}


@dg.multi_asset(
    name="strategies",
    specs=[
        dg.AssetSpec(
            ["research", name], deps=DEPS, group_name=GROUP, kinds={"python", "postgres"}, owners=[OWNER],
            description=description, automation_condition=FOLLOW_INPUTS, code_version=CODE_VERSION,
            metadata={"dagster/table_name": f"research.{name}"},
        )
        for name, description in DESCRIPTIONS.items()
    ],
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(),
)  # fmt: skip
# Dagster takes no other annotation of a generator of several results.
def trading(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult:  # type: ignore[misc, type-arg]
    """Trade every strategy of strategies.yaml from its account before the window on.

    A run goes on to the newest session that is stored: what came later rests on what it writes.
    """
    installation, window = market_data.installation, window_of(context)
    registry = load_strategies()
    seed_versions(warehouse, registry)
    definitions = read_definitions(warehouse, registry)
    begin = first_ranked_session(installation)
    traded = trade(warehouse, installation, registry, definitions, window, begin=begin)
    written = write_traded(warehouse, traded)
    written["strategies"] = write_strategies(warehouse, traded, installation.reporting_currency)
    shown = {"strategy_equity": _accounts(warehouse, traded), "paper_trades": _trades(warehouse)}
    for name in DESCRIPTIONS:
        yield dg.MaterializeResult(
            asset_key=["research", name],
            metadata={
                **merge_metadata(written[name]),
                **shown.get(name, {}),
                **table_metadata(warehouse, f"research.{name}"),
            },
        )


@dg.asset_check(
    asset=EQUITY, blocking=True,
    description="Cash and positions are the equity of every session, and cash moves by the fills alone, to 1e-9.",
)  # fmt: skip
def books_balance(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for sessions whose account does not add up, of those that the run has made; shows the first of them.

    Launched without a window it looks at all.
    """
    return books_result(warehouse, first_of_window(context.run.tags) or dt.date.min)


def books_result(warehouse: Warehouse, first_date: dt.date) -> dg.AssetCheckResult:
    """Return the verdict on the accounts of the sessions from a day on."""
    wrong = warehouse.read_frame(queries.UNBALANCED, [TOLERANCE, first_date])
    return dg.AssetCheckResult(
        passed=wrong.empty,
        asset_key=EQUITY,
        check_name="books_balance",
        metadata={"sessions_out_of_balance": len(wrong), **sample(wrong.head(N_SAMPLES))},
        description=None
        if wrong.empty
        else f"{len(wrong)} sessions do not add up, the first {wrong['trade_date'].min():%Y-%m-%d}. "
        "Run the partitions from there on again.",
    )


@dg.asset(
    key=["app", "paper_orders"],
    deps=[["marts", "fct_daily_prices"], ["marts", "fct_exchange_rates"], ["marts", "dim_instruments"]],
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP,
    kinds={"python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
)  # fmt: skip
def paper_orders(
    context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per order on paper that a user placed (POST /v1/orders): handed to the broker, filled by the bars."""
    rules = load_strategies().broker
    written = trade_for_users(warehouse, market_data.installation, rules, window_of(context))
    return dg.MaterializeResult(metadata={"orders_changed": written.updated, "orders_unchanged": written.unchanged})


def _accounts(warehouse: Warehouse, traded: list[Traded]) -> dict[str, Any]:
    """Show where each account stands, and the way there."""
    equity = warehouse.read_frame(queries.EQUITY)
    if equity.empty:
        return {"note": "No strategy has traded yet."}
    newest = [one.by_table["strategy_equity"].iloc[-1] for one in traded]
    columns = ["strategy_id", "trade_date", "equity", "return_1d", "drawdown", "n_positions", "n_orders", "is_active"]
    frame = pd.DataFrame(newest, columns=columns)
    return {"accounts": table(frame), "equity": picture(strategies_figure(equity))}


def _trades(warehouse: Warehouse) -> dict[str, Any]:
    closed = warehouse.read_frame(queries.CLOSED_TRADES)
    return {} if closed.empty else {"trades": picture(trades_figure(closed))}
