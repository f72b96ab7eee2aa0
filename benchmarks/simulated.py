"""The largest market that is asked for: 5,000 companies and ten years of sessions, every bar of it made once."""

import datetime as dt
import os
import resource
import time

from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource

N_INSTRUMENTS, FIRST, LAST = 5_000, dt.date(2014, 12, 1), dt.date(2024, 11, 29)
MAX_GIB = 4.0


def main() -> None:
    """Measure and print."""
    evening, before = dt.datetime.combine(LAST, dt.time(23, 30), dt.UTC), os.getloadavg()[0]
    options = SimulatedOptions(n_instruments=N_INSTRUMENTS, first_session=FIRST)
    source = SimulatedSource(options, calendar=HomeCalendar("XNYS"), now=lambda: evening)
    began = time.monotonic()
    n_bars = sum(batch.rows.num_rows for batch in source.daily_bars(FIRST, LAST))
    seconds = time.monotonic() - began
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{n_bars:,} bars of {N_INSTRUMENTS:,} companies in {seconds:.1f} s, {largest:.2f} GiB (at most {MAX_GIB})")
    print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
