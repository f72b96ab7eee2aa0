"""Backtests as jobs: the default ones, and any other by configuration in the launchpad."""

import dagster as dg

SWEEPS = dg.AssetSelection.assets(["research", "sweeps"], ["research", "sweep_results"])
BACKTESTS = dg.AssetSelection.groups("backtests") - SWEEPS

default_backtests = dg.define_asset_job(
    "default_backtests",
    selection=BACKTESTS,
    description="Backtest the rankings of each risk profile, out of sample and after costs. Change the configuration "
    "in the launchpad to try another quantile, rebalancing, costs or period; each is a trial and keeps its own row.",
)

backtest = dg.define_asset_job(
    "backtest",
    selection=BACKTESTS,
    description="One backtest of your own: choose profiles, share, rebalancing, fill, limits, costs and period in the "
    "launchpad; everything has a default. Its page of figures is linked from the table research.backtests.",
)

sweep = dg.define_asset_job(
    "sweep",
    selection=SWEEPS,
    description="Every combination of some options at once, for the risk profile that the partition names: 144 by "
    "default. Each is a trial and counts against all. A backfill of all profiles runs them side by side on a cluster.",
)
