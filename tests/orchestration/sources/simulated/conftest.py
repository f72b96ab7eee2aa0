"""Small simulated markets, and their feeds as frames."""

import datetime as dt
from collections.abc import Callable, Iterator

import pandas as pd
import pyarrow as pa
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.records import Batch
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource

FIRST = dt.date(2022, 1, 3)
LAST = dt.date(2023, 6, 30)
MakeSource = Callable[..., SimulatedSource]


def close_of(day: dt.date) -> dt.datetime:
    """An hour after the latest close in New York."""
    return dt.datetime(day.year, day.month, day.day, 22, tzinfo=dt.UTC)


def frame(batches: Iterator[Batch]) -> pd.DataFrame:
    rows = [batch.rows for batch in batches]
    return pa.Table.from_batches(rows).to_pandas() if rows else pd.DataFrame()


@pytest.fixture
def make_source() -> MakeSource:
    """Make a market of 30 companies without defects; any option and the day of "now" can be given."""

    def make(*, today: dt.date = LAST, calendar: str = "XNYS", **options: object) -> SimulatedSource:
        chosen = {"n_instruments": 30, "first_session": FIRST, "defect_rate": 0.0, **options}
        return SimulatedSource(
            SimulatedOptions(**chosen),
            calendar=HomeCalendar(calendar),
            now=lambda: close_of(today),
        )

    return make


@pytest.fixture
def read() -> Callable[..., pd.DataFrame]:
    """Read an entity of a source as a frame, by default over all its days."""

    def read_entity(source: SimulatedSource, entity: str, first: dt.date = FIRST, last: dt.date = LAST) -> pd.DataFrame:
        return frame(getattr(source, entity)(first, last))

    return read_entity
