"""Streams of rows out of Parquet and CSV files, never a whole file in memory."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from orchestration.sources.errors import DataFileMissing, DataFileUnreadable
from orchestration.sources.files.mapping import Section

ROWS_PER_BATCH = 65_536
_CSV_BLOCK_BYTES = 4 * 2**20
_PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class BrokenRow:
    """A line of a CSV file with another number of fields than the header."""

    row: int
    text: str
    n_fields: int
    n_expected: int


@dataclass(frozen=True)
class Piece:
    """Adjacent rows of a file; `row_numbers` as people count them: the header of a CSV file is row 1."""

    path: Path
    cells: pa.RecordBatch
    row_numbers: list[int] | range
    broken: list[BrokenRow] = field(default_factory=list)


def find_files(folder: Path, section: Section, *, entity: str) -> list[Path]:
    """Files of a section, sorted by name.

    Raises
    ------
    DataFileMissing
        If there is none.
    """
    found = sorted(path for path in folder.glob(section.file) if path.is_file())
    if not found:
        raise DataFileMissing(folder, section.file, entity=entity)
    return found


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its name; everything else is CSV."""
    return path.suffix.lower() in _PARQUET_SUFFIXES


def column_names(path: Path, section: Section) -> list[str]:
    """Columns of a file, in its order; `DataFileUnreadable` if it has none."""
    if is_parquet(path):
        return [str(name) for name in _open_parquet(path).schema_arrow.names]
    with _open_csv(path, section, columns=None, broken=[]) as reader:
        return [str(name) for name in reader.schema.names]


def date_span(path: Path, column: str) -> tuple[dt.date, dt.date] | None:
    """Smallest and largest date of a column as Parquet's own statistics have it; None where it has none."""
    if not is_parquet(path):
        return None
    metadata = _open_parquet(path).metadata
    position = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}[column]
    groups = [metadata.row_group(i).column(position) for i in range(metadata.num_row_groups)]
    spans = [_span(group.statistics) for group in groups]
    known = [span for span in spans if span is not None]
    if len(known) < len(spans) or not known:
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def read_pieces(
    path: Path,
    columns: list[str],
    section: Section,
    *,
    date_column: str | None = None,
    first_date: dt.date | None = None,
    last_date: dt.date | None = None,
) -> Iterator[Piece]:
    """Stream some columns of a file.

    With a date column and bounds, row groups of a Parquet file that lie wholly outside are passed over; single
    rows outside still come.

    Raises
    ------
    DataFileUnreadable
        If the file is damaged or not what its name says.
    """
    if not is_parquet(path):
        yield from _read_csv(path, columns, section)
        return
    opened = _open_parquet(path)
    first_row = 1
    for group in range(opened.metadata.num_row_groups):
        n_rows = opened.metadata.row_group(group).num_rows
        if _is_wanted(opened, group, date_column, first_date, last_date):
            row = first_row
            for cells in _parquet_batches(opened, path, columns, group):
                yield Piece(path, cells, range(row, row + cells.num_rows))
                row += cells.num_rows
        first_row += n_rows


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as exc:
        raise DataFileUnreadable(path, str(exc)) from exc


def _parquet_batches(opened: pq.ParquetFile, path: Path, columns: list[str], group: int) -> Iterator[pa.RecordBatch]:
    try:
        yield from opened.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=columns)
    except (pa.ArrowInvalid, OSError) as exc:
        raise DataFileUnreadable(path, str(exc)) from exc


def _is_wanted(
    opened: pq.ParquetFile,
    group: int,
    date_column: str | None,
    first_date: dt.date | None,
    last_date: dt.date | None,
) -> bool:
    if date_column is None:
        return True
    metadata = opened.metadata.row_group(group)
    for i in range(metadata.num_columns):
        if metadata.column(i).path_in_schema == date_column:
            statistics = metadata.column(i).statistics
            span = _span(statistics)
            # A row without a date belongs to no window that statistics could tell.
            if span is None or statistics.null_count:
                return True
            is_before = first_date is not None and span[1] < first_date
            is_after = last_date is not None and span[0] > last_date
            return not (is_before or is_after)
    return True


def _span(statistics: pq.Statistics | None) -> tuple[dt.date, dt.date] | None:
    if statistics is None or not statistics.has_min_max:
        return None
    low, high = statistics.min, statistics.max
    if isinstance(low, dt.datetime) or not isinstance(low, dt.date):
        return None
    return low, high


def _open_csv(
    path: Path, section: Section, *, columns: list[str] | None, broken: list[BrokenRow]
) -> pa_csv.CSVStreamingReader:
    def set_aside(row: pa_csv.InvalidRow) -> str:
        broken.append(BrokenRow(row.number, row.text, row.actual_columns, row.expected_columns))
        return "skip"

    try:
        return pa_csv.open_csv(
            path,
            # Only one thread numbers the rows that it sets aside.
            pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES, encoding=section.encoding),
            pa_csv.ParseOptions(delimiter=section.separator, invalid_row_handler=set_aside),
            pa_csv.ConvertOptions(
                include_columns=columns,
                column_types={name: pa.string() for name in columns or ()},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, OSError, LookupError) as exc:
        raise DataFileUnreadable(path, str(exc)) from exc


def _read_csv(path: Path, columns: list[str], section: Section) -> Iterator[Piece]:
    broken: list[BrokenRow] = []
    reader = _open_csv(path, section, columns=columns, broken=broken)
    last_row = 1
    with reader:
        while True:
            try:
                cells = reader.read_next_batch()
            except StopIteration:
                break
            except (pa.ArrowInvalid, OSError) as exc:
                raise DataFileUnreadable(path, str(exc)) from exc
            numbers, broken_here = _numbered(cells.num_rows, last_row, broken)
            last_row = max([*numbers[-1:], *(row.row for row in broken_here), last_row])
            yield Piece(path, cells, numbers, broken_here)
    if broken:
        # Lines after the last good one.
        nothing = pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in columns})
        yield Piece(path, nothing, [], list(broken))


def _numbered(n_rows: int, last_row: int, broken: list[BrokenRow]) -> tuple[list[int] | range, list[BrokenRow]]:
    """Number good rows around the broken ones among them, and take those out of the list."""
    if not broken or broken[0].row > last_row + n_rows:
        return range(last_row + 1, last_row + 1 + n_rows), []
    numbers: list[int] = []
    taken: list[BrokenRow] = []
    row = last_row
    while len(numbers) < n_rows:
        row += 1
        if broken and broken[0].row == row:
            taken.append(broken.pop(0))
        else:
            numbers.append(row)
    return numbers, taken
