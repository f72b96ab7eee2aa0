"""Figures of memory, measured in a process of their own."""

import subprocess
import sys

PROGRAM = """
import datetime as dt, resource
from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

first, last = dt.date(2022, 1, 3), dt.date(2023, 6, 30)
options = SimulatedOptions(n_instruments={n}, first_session=first)
source = SimulatedSource(
    options, calendar=HomeCalendar(), now=lambda: dt.datetime(2023, 6, 30, 22, tzinfo=dt.UTC)
)
HomeCalendar().is_session(first)
before = peak()
rows = [batch.rows.num_rows for batch in source.daily_bars(first, last)]
print(sum(rows), max(rows), round(peak() - before))
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
    n_small, largest_small, peak_small = measure(256)
    n_large, largest_large, peak_large = measure(1280)
    print(f"{n_small} bars: {peak_small} MiB; {n_large} bars: {peak_large} MiB")
    assert n_large > 4.8 * n_small
    assert largest_large < 1.05 * largest_small
    # Only the paths stay, 6 numbers per bar at most; a list of the batches would add 70 bytes and more.
    assert peak_large - peak_small < (n_large - n_small) * 56 / 2**20
