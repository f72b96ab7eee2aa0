"""Alpha158 by Qlib's own expressions; runs in an environment that has pyqlib and imports nothing of ours.

    <python with pyqlib> benchmarks/qlib_alpha158.py bars.npz values.npz

`bars.npz` holds open, high, low, close, vwap and volume, each of shape (n_bars,), and starts, the first row of each
instrument; `values.npz` then holds values of shape (n_bars, 158), float32, their names, and the seconds and
CPU seconds that the expressions took. Qlib keeps its data as float32.
"""

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.contrib.data.loader import Alpha158DL
from qlib.data import D

FIELDS = ("open", "high", "low", "close", "vwap", "volume")
FIRST_DAY = "2015-01-01"


def main(bars_file: str, values_file: str) -> None:
    """Compute and store."""
    bars = dict(np.load(bars_file))
    edges = [*bars["starts"].tolist(), len(bars["close"])]
    spans = list(pairwise(edges))
    days = pd.bdate_range(FIRST_DAY, periods=max(last - first for first, last in spans))
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), bars, spans, days)
        qlib.init(provider_uri=folder, region="us", kernels=1, expression_cache=None, dataset_cache=None)
        expressions, names = Alpha158DL.get_feature_config(
            {"kbar": {}, "price": {"windows": [0], "feature": ["OPEN", "HIGH", "LOW", "VWAP"]}, "rolling": {}}
        )
        instruments = [symbol(number) for number in range(len(spans))]
        D.features(instruments[:1], expressions[:1], days[0], days[-1])
        started, cpu = time.perf_counter(), time.process_time()
        found = D.features(instruments, expressions, days[0], days[-1])
        seconds = np.array([time.perf_counter() - started, time.process_time() - cpu])
    values = found.loc[instruments].to_numpy(np.float32)
    np.savez(values_file, values=values, names=np.array([name.lower() for name in names]), seconds=seconds)


def write_data(folder: Path, bars: dict[str, np.ndarray], spans: list[tuple[int, int]], days: pd.DatetimeIndex) -> None:
    """Lay the bars out as Qlib stores them: one little file per instrument and field, days counted from its first."""
    (folder / "calendars").mkdir()
    (folder / "calendars" / "day.txt").write_text("".join(f"{day:%Y-%m-%d}\n" for day in days))
    (folder / "instruments").mkdir()
    lines = []
    for number, (first, last) in enumerate(spans):
        # An instrument's last bar falls on the last day.
        begin = len(days) - (last - first)
        lines.append(f"{symbol(number)}\t{days[begin]:%Y-%m-%d}\t{days[-1]:%Y-%m-%d}\n")
        own = folder / "features" / symbol(number).lower()
        own.mkdir(parents=True)
        for field in FIELDS:
            content = np.concatenate([[begin], bars[field][first:last]]).astype("<f4")
            content.tofile(own / f"{field}.day.bin")
    (folder / "instruments" / "all.txt").write_text("".join(lines))


def symbol(number: int) -> str:
    """Name an instrument."""
    return f"I{number:05d}"


if __name__ == "__main__":
    main(*sys.argv[1:])
