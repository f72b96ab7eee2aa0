"""Statements as known on each day by Qlib's operator P; runs in an environment that has pyqlib.

    <python with pyqlib> benchmarks/qlib_statements.py statements.npz values.npz

`statements.npz` holds days, n_instruments, the figures' values of shape (n_figures, n_statements) and, of shape
(n_statements,), instrument (a number), known_from and period (year and quarter, as 202403), ascending by instrument
and known_from; `values.npz` then holds values of shape (n_figures, n_dates, n_instruments), float32, and seconds and
CPU seconds. It imports nothing of this project.
"""

import struct
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.data import D

NONE = 0xFFFFFFFF
RECORD = "IIdI"
SIZE = struct.calcsize(RECORD)


def main(statements_file: str, values_file: str) -> None:
    """Store as Qlib does, ask, and write down."""
    given = dict(np.load(statements_file))
    days = pd.DatetimeIndex(given["days"])
    names = [f"I{number:05d}" for number in range(int(given["n_instruments"]))]
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), given, days, names)
        qlib.init(provider_uri=folder, region="us", kernels=1, expression_cache=None, dataset_cache=None)
        fields = [f"P($$f{number}_q)" for number in range(len(given["values"]))]
        D.features(names[:1], fields[:1], days[0], days[1])
        started, cpu = time.perf_counter(), time.process_time()
        found = D.features(names, fields, days[0], days[-1])
        seconds = np.array([time.perf_counter() - started, time.process_time() - cpu])
    values = np.stack([found[field].unstack("instrument").reindex(columns=names, index=days) for field in fields])
    np.savez(values_file, values=values.astype(np.float32), seconds=seconds)


def write_data(folder: Path, given: dict[str, np.ndarray], days: pd.DatetimeIndex, names: list[str]) -> None:
    """Lay calendar, instruments and statements out as Qlib stores them."""
    (folder / "calendars").mkdir()
    (folder / "calendars" / "day.txt").write_text("".join(f"{day:%Y-%m-%d}\n" for day in days))
    (folder / "instruments").mkdir()
    (folder / "instruments" / "all.txt").write_text(
        "".join(f"{name}\t{days[0]:%Y-%m-%d}\t{days[-1]:%Y-%m-%d}\n" for name in names)
    )
    known = pd.DatetimeIndex(given["known_from"])
    dates = (known.year * 10_000 + known.month * 100 + known.day).to_numpy()
    for number, name in enumerate(names):
        (own := folder / "financial" / name.lower()).mkdir(parents=True)
        of_name = np.flatnonzero(given["instrument"] == number)
        for figure, values in enumerate(given["values"]):
            write_figure(own / f"f{figure}_q", dates[of_name], given["period"][of_name], values[of_name])


def write_figure(stem: Path, dates: np.ndarray, periods: np.ndarray, values: np.ndarray) -> None:
    """Write records that point to the next revision of their period, and where the first of each period lies."""
    next_of, newest = np.full(len(dates), NONE, dtype=np.uint32), {}
    first_year = int(periods.min()) // 100
    first_of = np.full(4 * (int(periods.max()) // 100 - first_year + 1), NONE, dtype=np.uint32)
    for row, period in enumerate(periods.tolist()):
        if period in newest:
            next_of[newest[period]] = row * SIZE
        else:
            first_of[(period // 100 - first_year) * 4 + period % 100 - 1] = row * SIZE
        newest[period] = row
    records = zip(dates.tolist(), periods.tolist(), values.tolist(), next_of.tolist(), strict=True)
    stem.with_suffix(".data").write_bytes(b"".join(struct.pack(RECORD, *record) for record in records))
    stem.with_suffix(".index").write_bytes(struct.pack("I", first_year) + first_of.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
