"""Alpha158 and statements as known on each day beside Qlib, on the same data in the same run, values compared."""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from transforms.alpha158 import COLUMNS, Bars, Engine, alpha158
from transforms.known_statements import known_values

SEED = 7
QLIB = "QLIB_PYTHON"
FIGURES = ("revenue", "net_income")
# Qlib keeps float32. The share of values that must be as near as this; the rest are correlations of nearly nothing.
NEAR, SHARE_NEAR = 1e-3, 0.9999


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instruments", type=int, default=500)
    parser.add_argument("--days", type=int, default=1260)
    arguments = parser.parse_args()
    console, before = Console(width=120), os.getloadavg()[0]
    console.print(
        f"Statements as known on each day, {arguments.instruments} instruments x {arguments.days} days, seed {SEED}"
    )
    console.print(statements_beside_qlib(arguments.instruments, arguments.days))
    bars = random_bars(arguments.instruments, arguments.days)
    shown = Table("engine", "seconds", "CPU seconds", "CPU seconds of Qlib / ours", "within 0.1 % of Qlib")
    theirs, (qlib_seconds, qlib_cpu) = beside_qlib(bars)
    alpha158(random_bars(1, 61), engine="numba")  # compiles
    for engine in ("numba", "numpy"):
        values, seconds, cpu = timed(bars, engine)
        beside = ["no Qlib", "no Qlib"]
        if theirs is not None:
            beside = [f"{qlib_cpu / cpu:.1f}", f"{compared(values, theirs):.6f}"]
        shown.add_row(engine, f"{seconds:.2f}", f"{cpu:.2f}", *beside)
    if theirs is not None:
        shown.add_row("Qlib, one process", f"{qlib_seconds:.2f}", f"{qlib_cpu:.2f}", "1.0", "")
    console.print(f"Alpha158, {arguments.instruments} instruments x {arguments.days} days, seed {SEED}")
    console.print(shown)
    console.print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")
    if theirs is None:
        console.print(f"Not measured beside Qlib: set {QLIB} to a Python that has pyqlib.")


def statements_beside_qlib(n_instruments: int, n_days: int) -> Table:
    """Ask which figures were known on each day."""
    statements, days = random_statements(n_instruments, n_days)
    names = pd.RangeIndex(n_instruments, name="instrument_id")
    runs = []
    for _ in range(5):
        started, cpu = time.perf_counter(), time.process_time()
        found = known_values(statements, FIGURES, days=days, instruments=names)
        runs.append((time.perf_counter() - started, time.process_time() - cpu))
    seconds, cpu = min(runs, key=lambda run: run[1])
    shown = Table("figures", "seconds", "CPU seconds", "CPU seconds of Qlib / ours", "compared")
    asked = {
        "days": days, "n_instruments": np.array(n_instruments),
        "values": statements[list(FIGURES)].to_numpy().T, "instrument": statements["instrument_id"].to_numpy(),
        "known_from": statements["known_from_date"].to_numpy(), "period": quarters(statements["period_end_date"]),
    }  # fmt: skip
    answer = ask_qlib("qlib_statements.py", asked)
    if answer is None:
        shown.add_row(f"{len(FIGURES)}, ours, best of five", f"{seconds:.4f}", f"{cpu:.4f}", "no Qlib", "")
        return shown
    ours = np.stack([frame.to_numpy(np.float32) for frame in found.values()])
    if not np.array_equal(ours, answer["values"], equal_nan=True):
        raise RuntimeError("both sides must know the same figures on every day; they do not")
    qlib_seconds, qlib_cpu = answer["seconds"].tolist()
    equal = f"all {ours.size:,} values equal as float32"
    shown.add_row(
        f"{len(FIGURES)}, ours, best of five", f"{seconds:.4f}", f"{cpu:.4f}", f"{qlib_cpu / cpu:,.0f}", equal
    )
    shown.add_row(f"{len(FIGURES)}, Qlib, one process", f"{qlib_seconds:.1f}", f"{qlib_cpu:.1f}", "1", "")
    return shown


def random_statements(n_instruments: int, n_days: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return quarterly statements, known 30 to 90 days after their period, a tenth of them restated in a year."""
    rng = np.random.default_rng(SEED)
    days = pd.bdate_range("2015-01-01", periods=n_days)
    ends = pd.date_range(days[0] - pd.DateOffset(months=6), days[-1], freq="QE").to_numpy()
    first = pd.DataFrame(
        {
            "instrument_id": np.repeat(np.arange(n_instruments), len(ends)),
            "period_end_date": np.tile(ends, n_instruments),
        }
    )
    first["known_from_date"] = first["period_end_date"] + pd.to_timedelta(rng.integers(30, 90, len(first)), unit="D")
    again = first[rng.random(len(first)) < 0.1]
    again = again.assign(
        known_from_date=again["known_from_date"] + pd.to_timedelta(rng.integers(1, 365, len(again)), unit="D")
    )
    both = pd.concat([first, again]).sort_values(["instrument_id", "known_from_date", "period_end_date"])
    figures = {name: np.round(rng.lognormal(10, 1, len(both)), 2) for name in FIGURES}
    return both.reset_index(drop=True).assign(**figures), days.to_numpy().astype("datetime64[D]")


def quarters(period_ends: pd.Series) -> np.ndarray:
    """Name quarters as Qlib does: 202403."""
    return (period_ends.dt.year * 100 + period_ends.dt.quarter).to_numpy()


def random_bars(n_instruments: int, n_days: int) -> Bars:
    """Return random walks as float32 holds them."""
    rng = np.random.default_rng(SEED)
    shape = (n_instruments, n_days)
    close = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.02, shape), axis=1))
    open_ = close * np.exp(rng.normal(0, 0.005, shape))
    high = np.maximum(open_, close) * (1 + 0.01 * rng.random(shape))
    low = np.minimum(open_, close) * (1 - 0.01 * rng.random(shape))
    volume = np.round(1e6 * np.exp(rng.normal(0, 0.5, shape)))
    arrays = [v.astype(np.float32).astype(np.float64).ravel() for v in (open_, high, low, close, close, volume)]
    return Bars(*arrays, starts=np.arange(n_instruments) * n_days)


def timed(bars: Bars, engine: Engine) -> tuple[np.ndarray, float, float]:
    """Return values, seconds by the clock and processor seconds of one computation."""
    started, cpu = time.perf_counter(), time.process_time()
    values = alpha158(bars, engine=engine)
    return values, time.perf_counter() - started, time.process_time() - cpu


def beside_qlib(bars: Bars) -> tuple[np.ndarray | None, tuple[float, float]]:
    """Return Qlib's values and what they took, in seconds and CPU seconds; None where there is no Qlib."""
    answer = ask_qlib("qlib_alpha158.py", bars._asdict())
    if answer is None:
        return None, (float("nan"), float("nan"))
    seconds, cpu = answer["seconds"].tolist()
    return answer["values"], (seconds, cpu)


def ask_qlib(script: str, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Run a script beside this one with the Python that has Qlib; None where there is none."""
    python = os.environ.get(QLIB)
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(given, **asked)  # type: ignore[arg-type] # the stubs fear for `allow_pickle`
        subprocess.run([python, Path(__file__).with_name(script), given, found], check=True, stderr=subprocess.DEVNULL)
        with np.load(found) as answer:
            return dict(answer)


def compared(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the share of values as near as `NEAR`, relatively.

    Raises
    ------
    RuntimeError
        When other values are missing, or too few are near.
    """
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        raise RuntimeError("the same values must be missing on both sides; they are not")
    error = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-3)
    share = 1.0 - float(np.nanmean(error > NEAR))
    if share < SHARE_NEAR:
        worst = np.argsort(-np.nanmean(error > NEAR, axis=0))[:5]
        raise RuntimeError(f"both sides must agree; {share=}, worst {[COLUMNS[column] for column in worst]}")
    return share


if __name__ == "__main__":
    main()
