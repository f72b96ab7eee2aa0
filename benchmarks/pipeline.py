"""The pipeline from nothing, and a new day on top of 6 and of 12 years: time, processor, memory, cost per step."""

import argparse
import datetime as dt
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measured import Cost, install, run
from orchestration.calendars import HomeCalendar
from warehouse.connect import connect
from warehouse.embedded import OPTIONS, EmbeddedServer

LAST_SESSION = dt.date(2026, 11, 24)
FIRST_SESSIONS = {6: "2020-12-01", 12: "2014-12-01"}
MAX_SECONDS, MAX_DAY_SECONDS, MAX_GROWTH, MAX_GIB = 150, 30, 1.2, 1.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instruments", default="500", help="of the simulated market; 500 by default")
    parser.add_argument("--years", type=int, nargs="+", default=[6, 12], choices=sorted(FIRST_SESSIONS))
    given = parser.parse_args()
    console = Console(width=120)
    whole, day = {}, {}
    for years in given.years:
        whole[years], day[years] = measure(years, given.instruments)
        console.print(totals({f"first run, {years} years": whole[years], "a new day on top": day[years]}))
        console.print(steps(whole[years], day[years]))
    for line in verdicts(whole, day):
        console.print(line)


def measure(years: int, instruments: str) -> tuple[Cost, Cost]:
    """Return what the first run costs, and then that of the next session."""
    home = Path(tempfile.mkdtemp(prefix="fl-bench-"))
    settings = {
        "FACTORLOOM_SIMULATED_FIRST_SESSION": FIRST_SESSIONS[years],
        "FACTORLOOM_SIMULATED_INSTRUMENTS": instruments,
    }
    try:
        install(home)
        first = run(home, ["refresh"], {**settings, **clock_after(LAST_SESSION)})
        vacuum(home)
        next_session = HomeCalendar("XNYS").next_session(LAST_SESSION)
        return first, run(home, ["refresh"], {**settings, **clock_after(next_session)})
    finally:
        EmbeddedServer(home / "postgres").stop()
        shutil.rmtree(home, ignore_errors=True)


def vacuum(home: Path) -> None:
    """Do what PostgreSQL does by itself in the night between, so that it does not do it in the evening measured."""
    server = EmbeddedServer(home / "postgres")
    server.start()
    with connect(server.url("factorloom"), autocommit=True) as connection:
        connection.execute("vacuum (analyze)")


def clock_after(session: dt.date) -> dict[str, str]:
    """Freeze the clock in the evening of a session, when its data is there."""
    return {"FACTORLOOM_NOW": f"{session}T23:30:00Z"}


def totals(costs: Mapping[str, Cost]) -> Table:
    """Return one row per run."""
    table = Table("run", "seconds", "CPU s", "of it server", "largest process", "load before, after")
    for name, cost in costs.items():
        table.add_row(
            name, f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.server_cpu_seconds:.1f}",
            f"{cost.largest_bytes / 1024**3:.2f} GiB", f"{cost.load_before:.1f}, {cost.load_after:.1f}",
        )  # fmt: skip
    return table


def steps(whole: Cost, day: Cost) -> Table:
    """Return one row per step."""
    table = Table("step", "first run, s", "a new day, s")
    for name in dict.fromkeys([*whole.seconds_by_step, *day.seconds_by_step]):
        cells = (cost.seconds_by_step.get(name) for cost in (whole, day))
        table.add_row(name, *("" if seconds is None else f"{seconds:.2f}" for seconds in cells))
    return table


def verdicts(whole: Mapping[int, Cost], day: Mapping[int, Cost]) -> list[str]:
    """Return how the figures stand to what is asked for."""
    lines = [f"Beside the processes, PostgreSQL shares one pool of {OPTIONS['shared_buffers']}."]
    if 6 in whole:
        largest = max(whole[6].largest_bytes, day[6].largest_bytes) / 1024**3
        lines += [
            f"first run: {whole[6].seconds:.0f} s (at most {MAX_SECONDS})",
            f"largest process: {largest:.2f} GiB (below {MAX_GIB})",
            f"a new day: {day[6].seconds:.1f} s (at most {MAX_DAY_SECONDS})",
        ]
    if {6, 12} <= set(day):
        lines += [
            f"a new day on 12 years over one on 6: {day[12].seconds / day[6].seconds:.2f} by the clock, "
            f"{day[12].cpu_seconds / day[6].cpu_seconds:.2f} by processor time (at most {MAX_GROWTH})"
        ]
    return lines


if __name__ == "__main__":
    main()
