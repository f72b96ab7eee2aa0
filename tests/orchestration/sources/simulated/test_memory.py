"""Figures of memory, measured in a process of their own."""

import subprocess
import sys

PROGRAM = """
import datetime as dt, tracemalloc
import pyarrow as pa
from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource

first, last = dt.date(2022, 1, 3), dt.date(2023, 6, 30)
options = SimulatedOptions(n_instruments={n}, first_session=first)
source = SimulatedSource(
    options, calendar=HomeCalendar(), now=lambda: dt.datetime(2023, 6, 30, 22, tzinfo=dt.UTC)
)
HomeCalendar().is_session(first)
tracemalloc.start()
rows = [batch.rows.num_rows for batch in source.daily_bars(first, last)]
arrays = tracemalloc.get_traced_memory()[1]
print(sum(rows), max(rows), arrays, pa.default_memory_pool().max_memory())
"""


def measure(n_instruments: int) -> list[int]:
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(n=n_instruments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(figure) for figure in shown.stdout.split()]


def test_a_larger_market_streams_in_batches_of_the_same_size():
    n_small, batch_small, arrays_small, arrow_small = measure(256)
    n_large, batch_large, arrays_large, arrow_large = measure(1280)
    print(f"{n_small} bars: {arrays_small / 2**20:.0f} + {arrow_small / 2**20:.0f} MiB at most")
    print(f"{n_large} bars: {arrays_large / 2**20:.0f} + {arrow_large / 2**20:.0f} MiB at most")
    assert n_large > 4.8 * n_small
    assert batch_large < 1.05 * batch_small
    # One batch is still held while the next one is made.
    assert arrow_large < 2.2 * arrow_small
    # Of the rest only the paths stay: four figures per company and session, and one more batch.
    assert arrays_large - arrays_small < 60 * (n_large - n_small)
