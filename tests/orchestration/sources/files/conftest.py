"""A folder with small files, and the source that reads it."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.source import FilesSource

MAPPING = """
bars:
  file: bars.csv
  constants: {currency_code: USD, adjustment: none}
"""
# 4 July 2024 is a holiday in New York, 6 and 7 July are a weekend.
BARS = """ticker,date,open,high,low,close,volume
aaa,2024-07-03,10,11,9.5,10.5,1000
aaa,2024-07-05,10.5,12,10.5,11.75,1500
aaa,2024-07-08,11.75,12,11,11.5,900
brk-b,2024-07-03,400,401,399,400.5,50
brk-b,2024-07-08,400.5,405,400,404,60
"""
Write = Callable[..., FilesSource]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a folder (name -> text) and open it as a source."""

    def make(*, mapping: str = MAPPING, cache_folder: Path | None = None, **files: str) -> FilesSource:
        for name, text in {"bars.csv": BARS, "mapping.yaml": mapping, **files}.items():
            (tmp_path / name).write_text(text)
        return FilesSource(
            FilesOptions(folder=tmp_path, cache_folder=cache_folder),
            calendar=HomeCalendar("XNYS"),
            now=lambda: dt.datetime(2024, 7, 31, 22, tzinfo=dt.UTC),
        )

    return make


@pytest.fixture
def read() -> Callable[..., tuple[list[dict], list]]:
    """Rows and refused records of an entity, by default over all days."""

    def read_entity(
        source: FilesSource,
        entity: str,
        first: dt.date = dt.date(2000, 1, 1),
        last: dt.date = dt.date(2030, 1, 1),
    ) -> tuple[list[dict], list]:
        window = () if entity == "instruments" else (first, last)
        batches = list(getattr(source, entity)(*window))
        rows = [row for batch in batches for row in batch.rows.to_pylist()]
        return rows, [refused for batch in batches for refused in batch.refused]

    return read_entity
