"""Books, a report on a forecast and the features of a day, beside vectorbt and alphalens, values compared.

Both are general engines and keep far more of what happened; ours do one thing each.
"""

import os

# As in every step of the pipeline, and before numpy is loaded: threads that wait cost more than they bring here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import resource

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.features import random_bars
from benchmarks.quant import NAN, SEED, Line, ask_peers, table_of, timed
from models.features import alpha158_panel
from models.panels import as_days, panel_index
from transforms.alpha158 import COLUMNS, alpha158_rows
from transforms.backtest import backtest
from transforms.evaluation import evaluate
from transforms.ledger import Execution
from transforms.selection_bias import deflated_sharpes
from transforms.sweep import Sweep, sweep, sweep_figures
from transforms.target_weights import quantile_weights, rebalance_rows
from transforms.trial_honesty import spread_of_trials

HORIZON = 22
N_OF_LAST_DAY, BARS_OF_LAST_DAY, N_CHECKED = 5_000, 61, 500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instruments", type=int, default=500)
    parser.add_argument("--days", type=int, default=1260)
    parser.add_argument("--peers", help="Python that has vectorbt and alphalens-reloaded, or one of them")
    arguments = parser.parse_args()
    console, before = Console(width=150), os.getloadavg()[0]
    # The day comes first, so that the largest memory of this process is its.
    lines = [
        last_day(),
        *monthly_books(arguments.peers, arguments.instruments, arguments.days),
        many_books(arguments.instruments, arguments.days),
        report(arguments.peers, arguments.instruments, arguments.days),
    ]
    console.print(table_of(lines))
    console.print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}; seed {SEED}")
    console.print("Best of three at least and of what fits into a second, peers' first runs aside.")
    console.print("Peers are general engines, ours are specialised.")
    if arguments.peers is None:
        console.print("Not measured beside others: give a Python that has them, `make bench PEERS=<python>`.")


def closes(n_days: int, n_instruments: int) -> np.ndarray:
    """Return random closes, (n_days, n_instruments)."""
    return 50 * np.exp(np.cumsum(np.random.default_rng(SEED).normal(0.0003, 0.02, (n_days, n_instruments)), axis=0))


def last_day() -> Line:
    """Compute the 158 features of one day, ranked, from the bars that they look back on."""
    bars = bars_of_last_days()
    day = bars["trade_date"].iloc[-1:]
    index = panel_index(as_days(np.repeat(day, N_OF_LAST_DAY)), pd.Index(bars["instrument_id"].unique()))
    alpha158_rows(bars.iloc[:BARS_OF_LAST_DAY])  # compiles
    panel, times = timed(lambda: alpha158_panel(bars, index))
    gibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    values = alpha158_rows(bars.iloc[: N_CHECKED * BARS_OF_LAST_DAY], engine="numpy")
    last = values.iloc[BARS_OF_LAST_DAY - 1 :: BARS_OF_LAST_DAY][list(COLUMNS)].rank()
    # Values that differ in the last bit of 32 may stand a place apart.
    off = compared(panel.iloc[:N_CHECKED].rank().to_numpy(), last.to_numpy(), at_most=0.005 * N_CHECKED)
    return Line(
        f"158 features of a day, ranked, {N_OF_LAST_DAY:,} instruments", times,
        f"{N_CHECKED:,} in numpy's order to {off:g} places; {gibibytes:.2f} GiB in all",
    )  # fmt: skip


def bars_of_last_days() -> pd.DataFrame:
    """Return bars as `alpha158_panel` takes them, by instrument and day."""
    walks = random_bars(N_OF_LAST_DAY, BARS_OF_LAST_DAY)
    names = np.array([f"i{number:016d}" for number in range(N_OF_LAST_DAY)], dtype=object)
    days = pd.bdate_range("2024-01-01", periods=BARS_OF_LAST_DAY)
    return pd.DataFrame(
        {
            "instrument_id": np.repeat(names, BARS_OF_LAST_DAY),
            "trade_date": np.tile(days, N_OF_LAST_DAY),
            "price_segment": 0,
            **{f"{name}_adj": getattr(walks, name) for name in ("open", "high", "low", "close", "volume")},
        }
    )


def closes_by_day(n_days: int, n_instruments: int) -> pd.DataFrame:
    """Return random closes with their days."""
    days = pd.bdate_range("2019-01-01", periods=n_days, name="trade_date")
    return pd.DataFrame(closes(n_days, n_instruments), index=days)


def monthly_books(peers: str | None, n_instruments: int, n_days: int) -> list[Line]:
    """Follow monthly weights of all instruments, without costs: with its daily columns, and with its trades as well."""
    close = closes_by_day(n_days, n_instruments)
    signal_rows = np.arange(20, n_days - 1, 21)
    weights = np.random.default_rng(SEED).dirichlet(np.ones(n_instruments), len(signal_rows))
    targets = pd.DataFrame(weights, index=close.index[signal_rows])
    rules = Execution(cost_bps=0.0, slippage_bps=0.0)
    daily, times = timed(lambda: backtest(close, targets, execution=rules).daily)

    def with_trades() -> tuple[pd.DataFrame, pd.DataFrame]:
        books = backtest(close, targets, execution=rules)
        return books.daily, books.trades

    (_, trades), times_with_trades = timed(with_trades)
    asked = {"close": close.to_numpy(), "trade_rows": signal_rows + 1, "weights": weights}
    theirs = ask_peers(peers, asked, "vectorbt")
    checked = f"{len(signal_rows)} rebalances"
    if "vectorbt" in theirs:
        off = compared(daily["equity"].to_numpy(), theirs["vectorbt"].ravel(), at_most=1e-9)
        checked += f"; worth off by {off:.0e}"
    theirs_cpu = float(theirs.get("vectorbt_cpu", NAN))
    what = f"monthly book, {n_instruments} instruments x {n_days}"
    return [
        Line(f"{what}, {daily.shape[1]} daily columns", times, checked, "vectorbt", theirs_cpu),
        Line(f"{what}, with all trades", times_with_trades, f"{len(trades):,} trades", "vectorbt", theirs_cpu),
    ]


def many_books(n_instruments: int, n_days: int) -> Line:
    """Follow 1,000 monthly books at once and judge each, deflated too; some of them are followed alone as well."""
    close = closes_by_day(n_days, n_instruments)
    rows = rebalance_rows(close.index.to_numpy().astype("datetime64[D]"))
    frames = [
        quantile_weights(close.pct_change(look).iloc[rows].rank(axis=1, ascending=False), quantile=q, long_only=True)
        for look in (21, 42, 63, 84, 105, 126, 168, 189, 210, 252)
        for q in np.linspace(0.02, 0.5, 25)
    ]
    books = [(frame, cost) for frame in frames for cost in (0.0, 5.0, 10.0, 20.0)]
    costs = [cost for _, cost in books]

    def swept() -> tuple[Sweep, pd.DataFrame, np.ndarray]:
        found = sweep(close, [frame for frame, _ in books], cost_bps=costs, long_only=[True] * len(books))
        figures = sweep_figures(found)
        n_trials, deviation = spread_of_trials(figures["sharpe"].to_numpy())
        return found, figures, deflated_sharpes(found.returns, n_trials=n_trials, sharpe_sd=deviation)

    (found, _, _), times = timed(swept)
    some = range(0, len(books), 97)
    alone = [backtest(close, books[n][0], execution=Execution(cost_bps=costs[n], slippage_bps=0.0)) for n in some]
    worth = np.column_stack([each.daily["equity"] for each in alone])
    off = compared(found.equity[:, list(some)], worth, at_most=1e-9)
    what = f"{len(books):,} monthly books at once, {n_instruments} instruments x {n_days}"
    return Line(what, times, f"worth of {len(alone)} off from the engine's by {off:.0e}")


def report(peers: str | None, n_instruments: int, n_days: int) -> Line:
    """Judge a forecast: rank IC, tenths and turnover of each day."""
    close = closes(n_days + HORIZON, n_instruments)
    label = close[HORIZON:] / close[1 : 1 - HORIZON] - 1
    forecast = label + np.random.default_rng(SEED + 1).normal(0, 0.2, label.shape)
    skill, times = timed(lambda: evaluate(forecast, label, horizon_sessions=HORIZON))
    theirs = ask_peers(peers, {"forecast": forecast, "label": label}, "alphalens")
    checked = ""
    if "alphalens" in theirs:
        ours = np.column_stack([skill.rank_ic, skill.decile_returns, skill.decile_turnovers])
        # Of the first days, which have nothing before them, it says that all is new; we say nothing.
        off = compared(ours[HORIZON:], theirs["alphalens"][HORIZON:], at_most=1e-9)
        checked = f"rank IC, tenths and turnover off by {off:.0e}"
    what = f"report on a forecast, {n_instruments} instruments x {n_days}"
    return Line(what, times, checked, "alphalens-reloaded", float(theirs.get("alphalens_cpu", NAN)))


def compared(ours: np.ndarray, theirs: np.ndarray, *, at_most: float) -> float:
    """Return the largest difference.

    Raises
    ------
    RuntimeError
        When other values are missing, or the difference is larger than that.
    """
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        raise RuntimeError("the same values must be missing on both sides; they are not")
    off = float(np.nanmax(np.abs(ours - theirs)))
    if off > at_most:
        raise RuntimeError(f"both sides must give the same values to {at_most}; they differ by {off}")
    return off


if __name__ == "__main__":
    main()
