"""Backtests as jobs: the default ones, and any other by configuration in the launchpad."""

import dagster as dg

default_backtests = dg.define_asset_job(
    "default_backtests",
    selection=dg.AssetSelection.groups("backtests"),
    description="Backtest the rankings of each risk profile, out of sample and after costs. Change the configuration "
    "in the launchpad to try another quantile, rebalancing, costs or period; each is a trial and keeps its own row.",
)
