"""Rows as bytes: NDJSON, CSV, Arrow and Parquet, and the columns of JSON. Knows rows and their types, no request."""

import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet
from msgspec import inspect

Rows = Sequence[msgspec.Struct]

# A spreadsheet runs a text that begins so (OWASP, CSV injection); full-width signs are folded to these by some.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_ENCODER = msgspec.json.Encoder()
_UTC = pa.timestamp("us", "UTC")
# Arrow reads days from text as instants; they are cast to days afterwards.
_DAY_AS_READ = pa.timestamp("s")


class Column(NamedTuple):
    """One column of a table of rows."""

    name: str
    arrow: pa.DataType
    is_nested: bool
    description: str


@lru_cache(256)
def columns_of(row: type[msgspec.Struct]) -> tuple[Column, ...]:
    """Return the columns of rows of this type; what is no plain value or list of them travels as JSON text."""
    return tuple(_column(field) for field in msgspec.structs.fields(row))


@lru_cache(256)
def _projection(
    row: type[msgspec.Struct], fields: tuple[str, ...]
) -> tuple[type[msgspec.Struct], Callable[[Any], tuple[Any, ...]]]:
    types = {field.name: field.type for field in msgspec.structs.fields(row)}
    narrow = msgspec.defstruct(row.__name__, [(name, types[name]) for name in fields], frozen=True, gc=False)
    if len(fields) == 1:
        return narrow, lambda whole: (getattr(whole, fields[0]),)
    return narrow, attrgetter(*fields)


def project(rows: Rows, row: type[msgspec.Struct], fields: tuple[str, ...]) -> tuple[Rows, type[msgspec.Struct]]:
    """Return the rows with these fields alone, in this order, and their type."""
    narrow, values = _projection(row, fields)
    return [narrow(*values(whole)) for whole in rows], narrow


def as_columns(rows: Rows, row: type[msgspec.Struct]) -> dict[str, list[Any]]:
    """Return one list per column, all of one length."""
    return {column.name: [getattr(each, column.name) for each in rows] for column in columns_of(row)}


def as_ndjson(rows: Rows, row: type[msgspec.Struct], about: bytes) -> bytes:
    """Return one JSON object per line."""
    return _ENCODER.encode_lines(rows)


def as_csv(rows: Rows, row: type[msgspec.Struct], about: bytes) -> bytes:
    """Return comma-separated values with a header, safe to open in a spreadsheet: RFC 4180, UTF-8, null is empty."""
    columns = columns_of(row)
    cells = [[_cell(getattr(each, column.name)) for each in rows] for column in columns]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue().encode()


def as_arrow(rows: Rows, row: type[msgspec.Struct], about: bytes) -> bytes:
    """Return an Arrow IPC stream; each column carries its description, the schema what the rows are."""
    table = _table(rows, row, about)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def as_parquet(rows: Rows, row: type[msgspec.Struct], about: bytes) -> bytes:
    """Return a Parquet file (zstd) with the schema of the Arrow stream."""
    sink = io.BytesIO()
    pa.parquet.write_table(_table(rows, row, about), sink, compression="zstd")
    return sink.getvalue()


def _table(rows: Rows, row: type[msgspec.Struct], about: bytes) -> pa.Table:
    """Build a table by Arrow's own reader of JSON lines: no loop over values, and no pandas, which `pa.array` loads."""
    columns = columns_of(row)
    schema = pa.schema(
        [pa.field(column.name, column.arrow, metadata={"description": column.description}) for column in columns],
        metadata={"meta": about},
    )
    if not rows:
        return schema.empty_table()
    lines = _ENCODER.encode_lines(_with_nested_as_text(rows, columns))
    as_read = pa.schema([(c.name, _DAY_AS_READ if pa.types.is_date(c.arrow) else c.arrow) for c in columns])
    table = pa.json.read_json(
        pa.BufferReader(lines),
        read_options=pa.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pa.json.ParseOptions(explicit_schema=as_read, unexpected_field_behavior="error"),
    )
    return table.cast(schema).replace_schema_metadata(schema.metadata)


def _with_nested_as_text(rows: Rows, columns: tuple[Column, ...]) -> Sequence[Any]:
    nested = [column.name for column in columns if column.is_nested]
    if not nested:
        return rows
    return [msgspec.structs.asdict(each) | {name: _as_text(getattr(each, name)) for name in nested} for each in rows]


def _cell(value: Any) -> Any:
    """Return a value as a cell: numbers as they are, texts that a spreadsheet would run behind an apostrophe."""
    if type(value) is float:
        # JSON has no others either.
        return value if math.isfinite(value) else None
    if value is None or type(value) is int:
        return value
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_BEGINS) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    # A sign before a number is no formula.
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, dt.date) else _ENCODER.encode(value).decode()


def _column(field: msgspec.structs.FieldInfo) -> Column:
    told = inspect.type_info(field.type)
    description = ""
    if isinstance(told, inspect.Metadata):
        description = str((told.extra_json_schema or {}).get("description", ""))
    arrow = _arrow_type(_plain(told))
    return Column(field.name, arrow or pa.string(), arrow is None, description)


def _plain(told: inspect.Type) -> inspect.Type:
    """Return a type without its description, and without null."""
    if isinstance(told, inspect.Metadata):
        return _plain(told.type)
    if isinstance(told, inspect.UnionType):
        others = [each for each in told.types if not isinstance(each, inspect.NoneType)]
        return _plain(others[0]) if len(others) == 1 else told
    return told


def _arrow_type(told: inspect.Type) -> pa.DataType | None:
    match told:
        case inspect.FloatType():
            return pa.float64()
        case inspect.IntType():
            return pa.int64()
        case inspect.BoolType():
            return pa.bool_()
        case inspect.StrType() | inspect.LiteralType() | inspect.UUIDType() | inspect.DecimalType():
            return pa.string()
        case inspect.DateType():
            return pa.date32()
        case inspect.DateTimeType():
            return _UTC
        case inspect.ListType():
            item = _arrow_type(_plain(told.item_type))
            return None if item is None else pa.list_(item)
    return None


def _as_text(value: Any) -> str | None:
    """Return a nested value as JSON text; none stays none."""
    return None if value is None else _ENCODER.encode(value).decode()
