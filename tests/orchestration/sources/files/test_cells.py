import datetime as dt
import decimal

import pyarrow as pa
import pytest

from orchestration.sources.files.cells import convert
from orchestration.sources.files.mapping import Section

PLAIN = Section(file="x.csv")
INSTANT = pa.timestamp("us", tz="UTC")
NOON = dt.datetime(2024, 5, 2, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("cells", "to", "values"),
    [
        (["1.5", " -2 ", "+3", "1e3", ".5"], pa.float64(), [1.5, -2.0, 3.0, 1000.0, 0.5]),
        (["", "NA", "NaN", None, "-"], pa.float64(), [None] * 5),
        ([1.0, float("nan"), None], pa.float64(), [1.0, None, None]),
        ([decimal.Decimal("1.25")], pa.float64(), [1.25]),
        (["100", "7.6"], pa.int64(), [100, 8]),
        ([5, None], pa.int64(), [5, None]),
        (["2024-02-29", "2024-2-9"], pa.date32(), [dt.date(2024, 2, 29), dt.date(2024, 2, 9)]),
        ([dt.datetime(2024, 1, 2)], pa.date32(), [dt.date(2024, 1, 2)]),  # noqa: DTZ001
        (["2024-05-02T14:00:00+02:00"], INSTANT, [NOON]),
        ([NOON], INSTANT, [NOON]),
        (["Yes", "0", ""], pa.bool_(), [True, False, None]),
        ([True], pa.bool_(), [True]),
        ([7, None], pa.string(), ["7", None]),
        ([" x "], pa.string(), ["x"]),
    ],
)
def test_cells_become_values(cells, to, values):
    converted, is_bad = convert(pa.array(cells), to, PLAIN)
    assert converted.to_pylist() == values
    assert converted.type == to
    assert not is_bad.any()


@pytest.mark.parametrize(
    ("cells", "to"),
    [
        (["1,5", "abc", "1.2.3", "(5)", "inf"], pa.float64()),
        ([float("inf")], pa.float64()),
        ([dt.date(2024, 1, 1)], pa.float64()),
        (["1e30"], pa.int64()),
        (["2024-02-30", "2024-13-01", "20240101", "2024-01-05 10:00"], pa.date32()),
        ([20240101], pa.date32()),
        (["2024-05-02T14:00:00", "yesterday"], INSTANT),
        ([20240101], INSTANT),
        (["maybe"], pa.bool_()),
    ],
)
def test_cells_that_mean_nothing_are_marked(cells, to):
    converted, is_bad = convert(pa.array(cells), to, PLAIN)
    assert is_bad.all()
    assert converted.null_count == len(cells)


def test_text_in_dictionary_form_reads_like_text():
    cells = pa.array(["1", "2", "1"]).dictionary_encode()
    assert convert(cells, pa.float64(), PLAIN)[0].to_pylist() == [1.0, 2.0, 1.0]
