"""From a piece of a file to a batch of records, with the rows that cannot be read set aside."""

import datetime as dt
import json
import re
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.errors import DataColumnMissing, MappingError
from orchestration.sources.files.cells import MUST_BE, BoolArray, convert
from orchestration.sources.files.mapping import Section
from orchestration.sources.files.tables import BrokenRow, Piece, column_names
from orchestration.sources.records import Batch, Refused, arrow_schema

# Usual names of columns, tried where neither the mapping nor our own name gives one.
_USUAL_NAMES: Dict[str, tuple[str, ...]] = {
    "source_symbol": ("symbol", "ticker"),
    "trade_date": ("date",),
    "ex_date": ("date",),
    "period_end_date": ("period_end", "date"),
    "filed_date": ("filed", "filing_date"),
    "volume": ("volume_shares",),
    "exchange_code": ("exchange", "mic"),
    "currency_code": ("currency",),
    "country_code": ("country",),
    "rate_date": ("date",),
    "holiday_date": ("date",),
    "source_article_id": ("id", "url"),
    "published_at": ("published",),
    "title": ("headline",),
    "source_symbols": ("symbols", "tickers", "symbol", "ticker"),
    "base_currency_code": ("base",),
    "quote_currency_code": ("quote",),
}
# What a record needs and a file may leave out: it follows from other columns.
_DERIVED = {"ticker", "is_active", "metadata"}
_KEYS: Dict[str, tuple[str, ...]] = {
    "daily_bars": ("source_symbol", "trade_date"),
    "instruments": ("source_symbol",),
    "benchmark_bars": ("source_symbol", "trade_date"),
    "fundamentals": ("source_symbol", "statement", "period_end_date"),
    "dividends": ("source_symbol", "ex_date"),
    "splits": ("source_symbol", "ex_date"),
    "news_articles": ("source_article_id",),
    "fx_rates": ("base_currency_code", "quote_currency_code", "rate_date"),
    "market_holidays": ("exchange_code", "holiday_date"),
    "ticker_events": ("source_symbol", "changed_date"),
}
_NO_SYMBOL = re.compile(r'[\[\]"\']')
_BETWEEN_SYMBOLS = re.compile(r"[\s,;|]+")


@dataclass(frozen=True)
class Layout:
    """How one file maps to one entity: `columns` is our name to the file's name."""

    entity: str
    record: type[msgspec.Struct]
    section: Section
    columns: dict[str, str]

    @property
    def file_columns(self) -> list[str]:
        """Columns to read, each once."""
        return list(dict.fromkeys([*self.columns.values(), *self.section.metadata]))


def layout(path: Path, section: Section, *, entity: str, record: type[msgspec.Struct]) -> Layout:
    """Match a file's columns with a record's.

    Raises
    ------
    DataColumnMissing
        If a column that the mapping names, or that the record needs, is not in the file.
    """
    found = column_names(path, section)
    by_lower = {name.lower(): name for name in reversed(found)}
    columns: dict[str, str] = {}
    missing = sorted((set(section.columns.values()) | set(section.metadata)) - set(found))
    for name in record.__struct_fields__:
        if name in section.columns:
            columns[name] = section.columns[name]
        elif name not in section.constants and name not in ("metadata",):
            guesses = (name, *_USUAL_NAMES.get(name, ()))
            known = [by_lower[guess] for guess in guesses if guess in by_lower]
            columns.update({name: known[0]} if known else {})
    needed = set(_required(record)) - set(columns) - set(section.constants)
    missing += sorted(needed)
    if missing:
        raise DataColumnMissing(path, missing, found, entity=entity)
    return Layout(entity, record, section, columns)


def _required(record: type[msgspec.Struct]) -> list[str]:
    fields = msgspec.structs.fields(record)
    return [f.name for f in fields if f.required and f.name not in _DERIVED]


def to_batch(piece: Piece, layout: Layout) -> Batch:
    """Rows of a piece that can be read, in the record's columns; the others as refused."""
    schema = arrow_schema(layout.record)
    n_rows = piece.cells.num_rows
    is_bad = np.zeros(n_rows, dtype=np.bool_)
    why: dict[int, list[str]] = {}
    columns: dict[str, pa.Array] = {}
    for name, of_file in layout.columns.items():
        to = schema.field(name).type
        values, bad = convert(piece.cells.column(of_file), to, layout.section)
        columns[name] = _adjusted(name, values, layout.section)
        is_bad |= bad
        for i in np.flatnonzero(bad).tolist():
            cell = piece.cells.column(of_file)[i].as_py()
            why.setdefault(i, []).append(f"column {of_file!r} must {MUST_BE[to]}; got {cell!r}")
    columns.update(_constants(layout, schema, n_rows, piece.path))
    columns.update(_derived(columns, piece.cells, layout, n_rows))
    arrays = [columns.get(f.name, pa.nulls(n_rows, f.type)) for f in schema]
    rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
    refused = [_unreadable(piece, layout, rows, i, reasons) for i, reasons in why.items()]
    refused += [_broken(piece, layout, row) for row in piece.broken]
    return Batch(rows.filter(pa.array(~is_bad)) if is_bad.any() else rows, refused)


def _adjusted(name: str, values: pa.Array, section: Section) -> pa.Array:
    if name in section.zero_means_missing:
        values = pc.if_else(pc.equal(values, 0), pa.scalar(None, values.type), values)
    if name in section.scale:
        values = pc.multiply(values, section.scale[name]).cast(values.type, safe=False)
    return pc.negate(values) if name in section.negate else values


def _constants(layout: Layout, schema: pa.Schema, n_rows: int, path: Path) -> dict[str, pa.Array]:
    arrays = {}
    for name, value in layout.section.constants.items():
        to = schema.field(name).type
        try:
            arrays[name] = pa.repeat(pa.scalar(value, to), n_rows)
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as exc:
            where = f"{layout.entity}: constants.{name}"
            raise MappingError(path, where, must=MUST_BE[to], got=value) from exc
    return arrays


def _derived(columns: dict[str, pa.Array], cells: pa.RecordBatch, layout: Layout, n_rows: int) -> dict[str, pa.Array]:
    if layout.entity == "news_articles":
        listed = columns.get("source_symbols", pa.nulls(n_rows, pa.string()))
        return {"source_symbols": pa.array([_json_list(text) for text in listed.to_pylist()], pa.string())}
    if layout.entity != "instruments":
        return {}
    derived = {"ticker": canonical_tickers(columns.get("ticker", columns["source_symbol"]))}
    if "is_active" not in columns:
        gone = columns.get("delisted_date", pa.nulls(n_rows, pa.date32()))
        derived["is_active"] = pc.is_null(gone)
    rest = cells.select(list(layout.section.metadata)).to_pylist()
    derived["metadata"] = pa.array([json.dumps(row, default=str) for row in rest], pa.string())
    return derived


def canonical_tickers(symbols: pa.Array) -> pa.Array:
    """Tickers in upper case, the class of a share after a dot: ``brk-b``, ``BRK/B`` and ``BRK B`` become ``BRK.B``."""
    return pc.replace_substring_regex(pc.utf8_upper(symbols), r"[-/ ]", ".")


def _json_list(text: str | None) -> str:
    """Return symbols as a JSON list: `ACME BOLT`, `ACME;BOLT` and `["ACME", "BOLT"]` are the same."""
    bare = _NO_SYMBOL.sub(" ", text or "").strip()
    return json.dumps(_BETWEEN_SYMBOLS.split(bare) if bare else [])


def _unreadable(piece: Piece, layout: Layout, rows: pa.RecordBatch, i: int, reasons: list[str]) -> Refused:
    row_number = piece.row_numbers[i]
    raw: dict[str, Any] = piece.cells.slice(i, 1).to_pylist()[0]
    record = rows.slice(i, 1).to_pylist()[0]
    key = [
        record[name] if record[name] is not None else raw.get(layout.columns.get(name, ""))
        for name in _KEYS[layout.entity]
    ]
    payload = {name: _plain(value) for name, value in raw.items()}
    day = next((record[n] for n in ("trade_date", "ex_date") if n in record), None)
    return Refused(
        entity=layout.entity,
        record_key="|".join(str(part) for part in key),
        rule="unreadable_cell",
        detail=f"{piece.path.name}, row {row_number}: {'; '.join(reasons)}.",
        payload={"file": piece.path.name, "row": row_number, **payload},
        trade_date=day,
    )


def _broken(piece: Piece, layout: Layout, row: BrokenRow) -> Refused:
    return Refused(
        entity=layout.entity,
        record_key=f"{piece.path.name}|{row.row}",
        rule="broken_row",
        detail=f"{piece.path.name}, row {row.row}: must have {row.n_expected} fields; got {row.n_fields}.",
        payload={"file": piece.path.name, "row": row.row, "text": row.text},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    is_plain = value is None or isinstance(value, str | int | float | bool)
    return value if is_plain else str(value)


def within(days: pa.Array, first_date: dt.date | None, last_date: dt.date | None) -> BoolArray:
    """Rows whose day lies in a window; None is unbounded; a row without a day only where the start is unbounded."""
    is_in = pa.array(np.ones(len(days), dtype=np.bool_))
    if first_date is not None:
        is_in = pc.and_(is_in, pc.greater_equal(days, first_date))
    if last_date is not None:
        is_in = pc.and_(is_in, pc.less_equal(days, last_date))
    is_in = pc.if_else(pc.is_null(days), first_date is None, is_in)
    return np.asarray(is_in.to_numpy(zero_copy_only=False), dtype=np.bool_)
