"""Small pictures for the UI. matplotlib is imported on first use: most steps draw nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from transforms.drift import DRIFTED_INDEX

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2563eb", "#16a34a", "#ea580c", "#7c3aed")
GREY = "#6b7280"
# Inches; at the resolution of `orchestration.metadata.picture` as wide as the UI's column of metadata.
WIDTH, HEIGHT = 8.0, 3.0


def equity_figure(equity: Mapping[str, pd.DataFrame], *, title: str = "Equity after costs, out of sample") -> "Figure":
    """Draw equity curves beside their benchmarks, and below them how far each lay under its highest level.

    Parameters
    ----------
    equity
        Per name a frame with trade_date, equity (multiple of the start) and benchmark_return_1d (fraction).
    title
    """
    figure, (above, below) = _axes(2, heights=(2, 1))
    for colour, (name, frame) in zip(COLOURS, equity.items(), strict=False):
        curve = frame.set_index("trade_date")["equity"]
        benchmark = (1 + frame["benchmark_return_1d"].fillna(0)).cumprod().to_numpy()
        label = f"{name} {curve.iloc[-1] / curve.iloc[0] - 1:+.0%} (benchmark {benchmark[-1] - 1:+.0%})"
        above.plot(curve.index, curve, color=colour, linewidth=1.2, label=label)
        above.plot(curve.index, benchmark, color=colour, linewidth=0.9, linestyle="--", alpha=0.7)
        below.plot(curve.index, (curve / curve.cummax() - 1) * 100, color=colour, linewidth=0.9)
    _label(above, title, "multiple of the start")
    _label(below, "Drawdown from the highest level", "per cent")
    above.legend(frameon=False, fontsize=9, loc="upper left")
    _dates(above, below)
    return figure


def index_figure(values: pd.DataFrame) -> "Figure":
    """Draw the levels of the indices beside the benchmark, which begins at 100 with the first of them.

    Parameters
    ----------
    values
        index_id, as_of_date, value (index points), benchmark_return_1d (fraction), currency_code: the benchmark is
        drawn in the reporting currency.
    """
    figure, (axes,) = _axes()
    levels = values.pivot(index="as_of_date", columns="index_id", values="value").sort_index()
    reporting = values[values["currency_code"].isna()]
    moves = reporting.groupby("as_of_date")["benchmark_return_1d"].first().sort_index().fillna(0)
    benchmark = 100 * (1 + moves).cumprod() / (1 + moves[:1].sum())
    for number, name in enumerate(levels):
        style = "-" if number < len(COLOURS) else ":"
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(levels.index, levels[name], color=colour, linewidth=1.1, linestyle=style, label=str(name))
    axes.plot(benchmark.index, benchmark, color=GREY, linewidth=1.1, linestyle="--", label="benchmark")
    _label(axes, "Indices, dividends put back, before costs", "index points")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    _dates(axes)
    return figure


def strategies_figure(equity: pd.DataFrame) -> "Figure":
    """Draw the accounts of strategies as multiples of their start, beside the benchmark, and below them the drawdowns.

    Parameters
    ----------
    equity
        strategy_id, trade_date, equity (currency), benchmark_return_1d (fraction).
    """
    curves = {}
    for name, own in equity.groupby("strategy_id"):
        multiple = own["equity"] / own["equity"].iloc[0]
        curves[str(name)] = own[["trade_date", "benchmark_return_1d"]].assign(equity=multiple).reset_index(drop=True)
    longest = sorted(curves, key=lambda name: -len(curves[name]))
    return equity_figure({name: curves[name] for name in longest}, title="Equity on paper, after costs")


def trades_figure(trades: pd.DataFrame) -> "Figure":
    """Draw the gain of each closed trade on its last day, one row per strategy.

    Parameters
    ----------
    trades
        strategy_id, exit_date, pnl (currency).
    """
    names = sorted(trades["strategy_id"].unique())
    figure, axes = _axes(len(names), heights=(1,) * len(names))
    for one, name in zip(axes, names, strict=True):
        own = trades[trades["strategy_id"] == name]
        gained = own["pnl"] > 0
        for part, colour in ((own[gained], COLOURS[1]), (own[~gained], COLOURS[2])):
            one.scatter(pd.to_datetime(part["exit_date"]), part["pnl"], s=6, color=colour, alpha=0.6, linewidths=0)
        one.axhline(0, color=GREY, linewidth=0.8)
        title = f"{name}: {len(own)} trades, {gained.mean():.0%} gained, {own['pnl'].sum():+,.0f} in all"
        _label(one, title, "gain, currency")
    _dates(*axes)
    return figure


def outlook_figure(paths: pd.DataFrame, figures: Mapping[str, Mapping[str, Any]], confidence: float) -> "Figure":
    """Draw percentiles of simulated paths; `paths` has session and p<percentile> (multiples of the start)."""
    figure, (axes,) = _axes()
    names = [str(name) for name in paths.columns if name != "session"]
    middle = len(names) // 2
    for low, high in zip(names[:middle], names[::-1][:middle], strict=True):
        axes.fill_between(paths["session"], paths[low], paths[high], color=COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(paths["session"], paths[names[middle]], color=COLOURS[0], linewidth=1.4, label=names[middle])
    axes.axhline(1, color=GREY, linewidth=0.8)
    lost = figures["value_at_risk"]["value"]
    axes.axhline(1 - lost, color=COLOURS[2], linewidth=1.0, linestyle="--", label=f"value at risk, {confidence:.0%}")
    axes.set_xlabel("sessions from now", fontsize=9)
    _label(axes, f"Percentiles {names[0]} to {names[-1]} of simulated paths", "multiple of the start")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def frontier_figure(
    frontier: pd.DataFrame, portfolios: Mapping[str, Mapping[str, Any]], single: pd.DataFrame
) -> "Figure":
    """Draw an efficient frontier, portfolios on and below it, and the instruments (fractions per year)."""
    figure, (axes,) = _axes()
    axes.plot(frontier["volatility"] * 100, frontier["expected_return"] * 100, color=COLOURS[0], linewidth=1.4)
    axes.scatter(single["volatility"] * 100, single["expected_return"] * 100, s=10, color=GREY)
    for colour, (name, one) in zip(COLOURS[1:], portfolios.items(), strict=False):
        label = name.replace("_", " ")
        axes.scatter(one["volatility"] * 100, one["expected_return"] * 100, s=40, color=colour, label=label, zorder=3)
    axes.set_xlabel("volatility, per cent per year", fontsize=9)
    _label(axes, "Efficient frontier, by the past", "expected return, per cent per year")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def options_figure(options: pd.DataFrame) -> "Figure":
    """Draw prices and deltas of options by strike over spot; `options` has spot, strike, price, delta."""
    figure, (above, below) = _axes(2, heights=(1, 1))
    moneyness = options["strike"] / options["spot"]
    for axes, name, unit in ((above, "price", "currency per share"), (below, "delta", "ratio")):
        axes.scatter(moneyness, options[name], s=8, color=COLOURS[0], alpha=0.7, linewidths=0)
        _label(axes, f"{name.capitalize()} of the options", unit)
    below.set_xlabel("strike over spot", fontsize=9)
    return figure


def monthly_ic_figure(days: pd.DataFrame, *, name: str) -> "Figure":
    """Draw the mean rank IC of each month of a forecaster; `days` has as_of_date and rank_ic (ratio)."""
    monthly = days.set_index(pd.DatetimeIndex(days["as_of_date"]))["rank_ic"].resample("MS").mean()
    mean = days["rank_ic"].mean()
    figure, (axes,) = _axes()
    middle = pd.DatetimeIndex(monthly.index).shift(14, freq="D")
    axes.bar(middle, monthly, width=24, color=np.where(monthly >= 0, COLOURS[0], COLOURS[2]))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axhline(mean, color=COLOURS[1], linewidth=1.2, linestyle="--", label=f"mean of all days {mean:+.3f}")
    _label(axes, f"{name}: rank correlation of forecast and 22-session return, out of sample", "mean daily rank IC")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    _dates(axes)
    return figure


def retraining_figure(rank_ics: pd.DataFrame) -> "Figure":
    """Draw the mean rank IC of each version of the forecasters; a column per forecaster, index valid_from_date."""
    figure, (axes,) = _axes()
    for colour, (name, own) in zip([*COLOURS, *[GREY] * len(rank_ics.columns)], rank_ics.items(), strict=False):
        known = own.dropna()
        axes.plot(pd.to_datetime(known.index), known, color=colour, linewidth=1.2, marker="o", markersize=3, label=name)
    axes.axhline(0, color=GREY, linewidth=0.8)
    _label(axes, "Rank correlation of forecast and 22-session return, by retraining date", "mean daily rank IC")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    _dates(axes)
    return figure


def drift_figure(rows: pd.DataFrame) -> "Figure":
    """Draw the largest stability indices of each forecaster's features and forecasts, beside where drift begins.

    Parameters
    ----------
    rows
        Rows of research.model_drift of one quarter: model_id, kind, subject, population_stability_index.
    """
    figure, (axes,) = _axes()
    shown = rows[rows["kind"].isin(["feature", "forecast"])].sort_values("population_stability_index").tail(12)
    kinds = [COLOURS[2] if kind == "forecast" else COLOURS[0] for kind in shown["kind"]]
    names = shown["model_id"] + ": " + shown["subject"].str.removesuffix("_centred_rank")
    axes.barh(names, shown["population_stability_index"], color=kinds)
    axes.axvline(DRIFTED_INDEX, color=GREY, linewidth=1.2, linestyle="--", label=f"drift from {DRIFTED_INDEX:g} on")
    axes.tick_params(axis="y", labelsize=7)
    _label(axes, "Newest quarter beside the training window: the largest indices", "")
    axes.set_xlabel("population stability index", fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def decile_figure(gross: np.ndarray, net: np.ndarray, *, name: str) -> "Figure":
    """Draw the mean label of each tenth by forecast before and after costs, worst first.

    Parameters
    ----------
    gross, net
        Shape (10,), fraction.
    name
        Of the forecaster.
    """
    figure, (axes,) = _axes()
    places = np.arange(1, len(gross) + 1)
    for place, returns, colour, label in ((-0.2, gross, COLOURS[0], "gross"), (0.2, net, COLOURS[2], "net of costs")):
        drawn = axes.bar(places + place, returns * 100, width=0.4, color=colour, label=label)
        axes.bar_label(drawn, fmt="%.2f", fontsize=7)
    axes.axhline(0, color=GREY, linewidth=0.8)
    if np.isfinite(gross).any():
        mean = float(np.nanmean(gross)) * 100
        axes.axhline(mean, color=COLOURS[1], linewidth=1.2, linestyle="--", label="mean, gross")
    axes.set_xticks(places)
    axes.set_xlabel("tenth of the universe by forecast, 10 the best", fontsize=9)
    _label(axes, f"{name}: mean return over 22 sessions by forecast, out of sample", "per cent")
    # The legend has a place of its own above the bars.
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.2 * (high - low))
    axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=3)
    return figure


def sweep_figure(sharpes: np.ndarray) -> "Figure":
    """Draw how the Sharpe ratios of a sweep are spread, the best marked; `sharpes` has shape (n,), annualised."""
    figure, (axes,) = _axes()
    known = sharpes[np.isfinite(sharpes)]
    axes.hist(known, bins=min(40, max(5, len(known) // 5)), color=COLOURS[0])
    if len(known):
        axes.axvline(float(known.max()), color=COLOURS[2], linewidth=1.2, linestyle="--", label="best")
        axes.axvline(float(np.median(known)), color=GREY, linewidth=1.2, label="middle")
    _label(axes, "Sharpe ratios after costs of every configuration", "configurations")
    axes.set_xlabel("Sharpe ratio", fontsize=9)
    axes.legend(frameon=False, fontsize=9)
    return figure


def coverage_figure(sessions: pd.DataFrame) -> "Figure":
    """Draw how many instruments have a bar of each session, and how many were listed.

    Parameters
    ----------
    sessions
        trade_date, n_bars, n_listed (counts).
    """
    figure, (axes,) = _axes()
    days = pd.to_datetime(sessions["trade_date"])
    axes.fill_between(days, sessions["n_bars"], color=COLOURS[0], alpha=0.25, linewidth=0)
    axes.plot(days, sessions["n_bars"], color=COLOURS[0], linewidth=1.0, label="with a bar")
    axes.plot(days, sessions["n_listed"], color=COLOURS[2], linewidth=1.0, linestyle="--", label="listed")
    axes.set_ylim(0, max(float(sessions["n_listed"].max()), 1.0) * 1.15)
    _label(axes, "Instruments with a bar by session", "instruments")
    axes.legend(frameon=False, fontsize=9, loc="lower left", ncols=2)
    _dates(axes)
    return figure


def _axes(number: int = 1, *, heights: tuple[int, ...] = (1,)) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT * sum(heights) / heights[0]), layout="constrained")
    grid = figure.subplots(number, 1, sharex=number > 1, squeeze=False, height_ratios=heights)
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, list(grid[:, 0])


def _label(axes: "Axes", title: str, unit: str) -> None:
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_ylabel(unit, fontsize=9)


def _dates(*axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for one in axes:
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call] # matplotlib's own
        one.xaxis.set_major_locator(locator)
        one.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # the same
