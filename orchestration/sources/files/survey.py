"""What a pass over the bars tells beforehand: their first and last day, and the symbols. Remembered on disk."""

import datetime as dt
import hashlib
import uuid
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.errors import DataFileUnreadable
from orchestration.sources.files.cells import convert
from orchestration.sources.files.rows import Layout
from orchestration.sources.files.tables import date_span, read_pieces

_DATE = pa.date32()


class Survey(msgspec.Struct, frozen=True):
    """First and last day with a bar, and the symbols in alphabetical order."""

    first_date: dt.date
    last_date: dt.date
    symbols: tuple[str, ...]


def survey(
    files: list[tuple[Path, Layout]],
    *,
    earliest: dt.date,
    latest: dt.date,
    needs_symbols: bool,
    cache_folder: Path | None,
) -> Survey:
    """Find the days (and symbols) of bars, from Parquet's statistics where they tell enough.

    Days before `earliest` and after `latest` are taken for errors and do not count.

    Raises
    ------
    DataFileUnreadable
        If no bar has a day between the two.
    """
    spans = [date_span(path, layout.columns["trade_date"]) for path, layout in files]
    known = [s for s in spans if s is not None and earliest <= s[0] and s[1] <= latest]
    if len(known) == len(files) and not needs_symbols:
        return Survey(min(low for low, _ in known), max(high for _, high in known), ())
    cached = None if cache_folder is None else cache_folder / _cache_name(files, earliest, latest)
    if cached is not None and cached.is_file():
        return msgspec.json.decode(cached.read_bytes(), type=Survey)
    found = _read_all(files, earliest, latest)
    if cached is not None:
        _write(cached, found)
    return found


def _read_all(files: list[tuple[Path, Layout]], earliest: dt.date, latest: dt.date) -> Survey:
    first, last = latest, earliest
    symbols: set[str] = set()
    has_any = False
    for path, layout in files:
        date_column, symbol_column = (layout.columns.get(n) for n in ("trade_date", "source_symbol"))
        columns = [name for name in (date_column, symbol_column) if name is not None]
        for piece in read_pieces(path, columns, layout.section):
            days, _ = convert(piece.cells.column(date_column), _DATE, layout.section)
            plausible = days.filter(pc.and_(pc.greater_equal(days, earliest), pc.less_equal(days, latest)))
            if len(plausible):
                has_any = True
                span = pc.min_max(plausible)
                first, last = min(first, span["min"].as_py()), max(last, span["max"].as_py())
            symbols.update(_symbols(piece.cells, symbol_column, layout))
    if not has_any:
        path = files[0][0]
        raise DataFileUnreadable(path, f"no bar with a date from {earliest} to {latest}")
    return Survey(first, last, tuple(sorted(symbols)))


def _symbols(cells: pa.RecordBatch, column: str | None, layout: Layout) -> list[str]:
    if column is None:
        return [str(layout.section.constants["source_symbol"])]
    texts, _ = convert(cells.column(column), pa.string(), layout.section)
    return [str(symbol) for symbol in pc.drop_null(pc.unique(texts)).to_pylist()]


def _cache_name(files: list[tuple[Path, Layout]], earliest: dt.date, latest: dt.date) -> str:
    parts = [earliest, latest]
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=12)
    for path, layout in files:
        status = path.stat()
        described = (str(path.resolve()), status.st_size, status.st_mtime_ns, layout.section)
        digest.update(repr(described).encode())
    return f"survey-{digest.hexdigest()}.json"


def _write(path: Path, found: Survey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own first: two processes may survey the same files at once.
    unfinished = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
    unfinished.write_bytes(msgspec.json.encode(found))
    unfinished.replace(path)
