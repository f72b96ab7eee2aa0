"""The files source on real prices. The folder is not part of the project: FACTORLOOM_REAL_DATA says where it is."""

import datetime as dt
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.files import source as source_module
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.source import FilesSource

MAPPING = Path(source_module.__file__).parents[1] / "mappings" / "market_data_2013_2018.yaml"
ALWAYS = dt.date(1990, 1, 1), dt.date(2040, 1, 1)


@pytest.fixture(scope="module")
def source() -> FilesSource:
    folder = os.environ.get("FACTORLOOM_REAL_DATA")
    if not folder:
        pytest.skip("real market data is absent: set FACTORLOOM_REAL_DATA to its folder")
    return FilesSource(
        FilesOptions(folder=Path(folder), mapping=MAPPING),
        calendar=HomeCalendar("XNYS"),
        now=lambda: dt.datetime(2026, 1, 5, 22, tzinfo=dt.UTC),
    )


def test_every_bar_of_the_real_files_is_received_and_none_refused(source):
    counts = Counter()
    for batch in source.daily_bars(*ALWAYS):
        counts["rows"] += batch.rows.num_rows
        counts["refused"] += len(batch.refused)
    assert counts == {"rows": 619_608, "refused": 0}


def test_the_real_files_span_five_years_and_then_end(source):
    assert (source.first_session, source.last_session) == (
        dt.date(2013, 5, 21),
        dt.date(2018, 5, 18),
    )


def test_the_other_real_files_are_received_whole(source):
    assert sum(b.n_received for b in source.instruments()) == 505
    assert sum(b.n_received for b in source.benchmark_bars(*ALWAYS)) == 1_259
    assert sum(b.n_received for b in source.fundamentals(*ALWAYS)) == 1_781
    assert "splits" not in source.entities


def test_real_windows_add_up(source):
    halves = [(ALWAYS[0], dt.date(2016, 1, 3)), (dt.date(2016, 1, 4), ALWAYS[1])]
    for entity, total in (("daily_bars", 619_608), ("fundamentals", 1_781)):
        parts = [sum(b.n_received for b in getattr(source, entity)(*half)) for half in halves]
        assert sum(parts) == total
        assert min(parts) > 0


def test_a_zero_of_the_real_statements_is_no_figure(source):
    for batch in source.fundamentals(*ALWAYS):
        rows = batch.rows.to_pandas()
        assert not (rows[["cost_of_revenue", "current_assets", "capex"]] == 0).any(axis=None)
        assert (rows["total_equity"] < 0).sum() == 52


def test_the_real_bars_stream_in_little_memory(source):
    program = f"""
import datetime as dt
import pyarrow as pa
from pathlib import Path
from orchestration.calendars import HomeCalendar
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.source import FilesSource
options = FilesOptions(folder=Path({str(source._options.folder)!r}), mapping=Path({str(MAPPING)!r}))
now = dt.datetime(2026, 1, 5, 22, tzinfo=dt.UTC)
source = FilesSource(options, calendar=HomeCalendar(), now=lambda: now)
n = sum(b.rows.num_rows for b in source.daily_bars(dt.date(1990, 1, 1), dt.date(2040, 1, 1)))
print(n, round(pa.default_memory_pool().max_memory() / 2**20))
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    n_rows, mebibytes = (int(figure) for figure in shown.stdout.split())
    print(f"{n_rows} bars: {mebibytes} MiB at most")
    assert n_rows == 619_608
    # All of it at once would be 50 MiB of figures and more.
    assert 0 < mebibytes < 30
