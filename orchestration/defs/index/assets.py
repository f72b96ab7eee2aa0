"""Rule-based indices: allocations, values, turnover and risk."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from orchestration.automation import FOLLOW_INPUTS
from orchestration.defs.rankings.assets import first_ranked_session, rankings
from orchestration.indexing import (
    TABLES,
    Definition,
    IndexRows,
    build_indices,
    read_definitions,
    seed_definitions,
    write_indices,
)
from orchestration.metadata import OWNER, merge_metadata, picture, table, table_metadata
from orchestration.partitions import sessions_partitions, window_of
from orchestration.plots import index_figure
from orchestration.resources import MarketData, Warehouse
from transforms.risk_windows import honest_windows, risk_windows
from warehouse.merge import Window
from warehouse.queries import indices as queries

GROUP = "index"
DEPS: list[dg.AssetsDefinition | list[str]] = [
    rankings, ["marts", "fct_daily_prices"], ["marts", "fct_exchange_rates"], ["marts", "dim_benchmark_prices"],
    ["factors", "fct_universe_members"], ["factors", "fct_size"], ["factors", "fct_momentum"],
]  # fmt: skip
DESCRIPTIONS = {
    "index_allocations": "One row per index, session with a change, and instrument: weights and units.",
    "index_values": "One row per index and session: value by the divisor method, and the benchmark's return beside it.",
    "index_turnover": "One row per index and session in which its positions changed: how much was traded.",
}
SHOWN = (
    "cagr", "volatility", "sharpe", "deflated_sharpe", "overfitting_probability", "max_drawdown", "beta",
    "information_ratio",
)  # fmt: skip


@dg.multi_asset(
    name="indices",
    specs=[
        dg.AssetSpec(
            ["research", name], deps=DEPS, group_name=GROUP, kinds={"python", "postgres"}, owners=[OWNER],
            description=description, automation_condition=FOLLOW_INPUTS,
            metadata={"dagster/table_name": f"research.{name}"},
        )
        for name, description in DESCRIPTIONS.items()
    ],
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(),
)  # fmt: skip
# Dagster takes no other annotation of a generator of several results.
def indices(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult:  # type: ignore[misc, type-arg]
    """Decide, trade and value every index of app.index_definitions.

    A run goes on from the positions before its window, and writes what walking from the base would write.
    """
    installation, window = market_data.installation, window_of(context)
    seed_definitions(warehouse)
    definitions = read_definitions(warehouse)
    begin = first_ranked_session(installation)
    built = build_indices(warehouse, installation, definitions, window, begin=begin)
    written = write_indices(warehouse, built, window[1])
    for name in TABLES:
        shown = _newest(definitions, built) if name == "index_values" else {}
        yield dg.MaterializeResult(
            asset_key=["research", name],
            metadata={**merge_metadata(written[name]), **shown, **table_metadata(warehouse, f"research.{name}")},
        )


@dg.asset(
    key=["research", "risk_metrics"], deps=[["research", "index_values"]], group_name=GROUP,
    kinds={"python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
)  # fmt: skip
def risk_metrics(warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One row per index, window that ends on its newest session, and figure, beside the benchmark's."""
    values = warehouse.read_frame(queries.VALUES)
    if values.empty:
        return dg.MaterializeResult(metadata={"indices": 0, "note": "No index holds anything yet."})
    parts = []
    for index_id, own in values.groupby("index_id"):
        days = own.set_index(pd.DatetimeIndex(own["as_of_date"]))
        found = risk_windows(days["return_1d"], days["benchmark_return_1d"])
        net = risk_windows(days["return_net_1d"], days["benchmark_return_1d"])
        found["net_value"] = net["value"]
        parts.append(found.assign(index_id=index_id, as_of_date=days.index[-1]))
    alone = pd.concat(parts, ignore_index=True)
    if alone.empty:
        return dg.MaterializeResult(metadata={"indices": len(parts), "note": "No index has a return yet."})
    rows = pd.concat([alone, _honesty(warehouse, values, alone)], ignore_index=True)
    rows = rows.rename(columns={"window": "window_name"})
    first, last = rows["as_of_date"].min().date(), rows["as_of_date"].max().date()
    written = warehouse.merge("research.risk_metrics", rows, window=Window("as_of_date", first, last))
    whole = rows[(rows["window_name"] == "all") & rows["metric"].isin(SHOWN)]
    figures = whole.pivot(index="index_id", columns="metric", values="value")[list(SHOWN)].reset_index()
    net = whole.pivot(index="index_id", columns="metric", values="net_value")[list(SHOWN)].reset_index()
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "figures": table(figures),
            "figures_after_costs": table(net),
            "levels": picture(index_figure(values)),
            **table_metadata(warehouse, "research.risk_metrics"),
        }
    )


def _honesty(warehouse: Warehouse, values: pd.DataFrame, alone: pd.DataFrame) -> pd.DataFrame:
    """Set each index beside all others, before and after costs, over the windows that it has figures of."""
    [row] = warehouse.read(queries.N_DEFINITIONS, [values["as_of_date"].max()]).to_pylist()
    before, after = (
        honest_windows(
            values.assign(as_of_date=pd.to_datetime(values["as_of_date"])).pivot(
                index="as_of_date", columns="index_id", values=name
            ),
            n_trials=row["n_definitions"],
        )
        for name in ("return_1d", "return_net_1d")
    )
    whole = alone.loc[alone["metric"] == "n_days", ["index_id", "window", "first_date", "last_date", "as_of_date"]]
    return before.assign(net_value=after["value"]).merge(whole, on=["index_id", "window"])


def _newest(definitions: list[Definition], built: Mapping[str, IndexRows]) -> dict[str, Any]:
    """Show the newest level of each index, and which of them have nothing to hold."""
    levels = [rows.by_table["index_values"] for rows in built.values()]
    newest = [one.iloc[-1] for one in levels if len(one)]
    without = [one.index_id for one in definitions if one.index_id not in built]
    shown: dict[str, Any] = {"without_constituents": ", ".join(without) or "none"}
    if newest:
        columns = ["index_id", "as_of_date", "value", "return_1d", "n_constituents"]
        shown["newest"] = table(pd.DataFrame(newest)[columns])
    return shown
