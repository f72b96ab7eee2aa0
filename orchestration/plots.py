"""Small pictures for the UI. matplotlib is imported on first use: most steps draw nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2563eb", "#16a34a", "#ea580c", "#7c3aed")
GREY = "#6b7280"


def equity_figure(equity: Mapping[str, pd.DataFrame]) -> "Figure":
    """Draw equity curves beside the benchmark's.

    Parameters
    ----------
    equity
        Per name a frame with trade_date, equity (multiple of the start) and benchmark_return_1d (fraction).
    """
    figure, axes = _axes("Equity after costs, start = 1")
    for colour, (name, frame) in zip(COLOURS, equity.items(), strict=False):
        axes.plot(frame["trade_date"], frame["equity"], color=colour, linewidth=1.2, label=name)
    some = next(iter(equity.values()))
    axes.plot(
        some["trade_date"], (1 + some["benchmark_return_1d"].fillna(0)).cumprod(), color=GREY, linewidth=1.2,
        linestyle="--", label="benchmark",
    )  # fmt: skip
    axes.legend(frameon=False, fontsize=8)
    return figure


def monthly_ic_figure(days: pd.DataFrame) -> "Figure":
    """Draw the mean rank IC of each month; `days` has as_of_date and rank_ic (ratio)."""
    monthly = days.set_index(pd.DatetimeIndex(days["as_of_date"]))["rank_ic"].resample("MS").mean()
    figure, axes = _axes("Mean daily rank IC by month, out of sample")
    axes.bar(monthly.index, monthly, width=25, color=np.where(monthly >= 0, COLOURS[0], COLOURS[2]))
    axes.axhline(0, color=GREY, linewidth=0.8)
    return figure


def decile_figure(returns: np.ndarray) -> "Figure":
    """Draw the mean label of each tenth by forecast, worst first; `returns` has shape (10,), fraction."""
    figure, axes = _axes("Mean 22-session return by decile of the forecast, out of sample")
    axes.bar(np.arange(1, len(returns) + 1), returns * 100, color=COLOURS[0])
    axes.set_xticks(np.arange(1, len(returns) + 1))
    axes.set_ylabel("per cent")
    return figure


def counts_figure(counts: pd.DataFrame, title: str) -> "Figure":
    """Draw a count per day; `counts` has day and count."""
    figure, axes = _axes(title)
    axes.plot(counts["day"], counts["count"], color=COLOURS[0], linewidth=1.2)
    axes.set_ylim(bottom=0)
    return figure


def _axes(title: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3))
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes
