"""Alpha158 beside Qlib on the same bars in the same run, values compared."""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from transforms.alpha158 import COLUMNS, Bars, Engine, alpha158

SEED = 7
QLIB = "QLIB_PYTHON"
# Qlib keeps float32. The share of values that must be as near as this; the rest are correlations of nearly nothing.
NEAR, SHARE_NEAR = 1e-3, 0.9999


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instruments", type=int, default=500)
    parser.add_argument("--days", type=int, default=1260)
    arguments = parser.parse_args()
    bars = random_bars(arguments.instruments, arguments.days)
    console, before = Console(width=120), os.getloadavg()[0]
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
    python = os.environ.get(QLIB)
    if not python:
        return None, (float("nan"), float("nan"))
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "bars.npz", Path(folder) / "values.npz"
        np.savez(given, **bars._asdict())
        script = Path(__file__).with_name("qlib_alpha158.py")
        subprocess.run([python, script, given, found], check=True, stderr=subprocess.DEVNULL)
        answer = np.load(found)
        seconds, cpu = answer["seconds"].tolist()
        return answer["values"], (seconds, cpu)


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
