"""Daily bars that somebody sends in, as NDJSON or as an Arrow stream: read the same way when they come and by the job.

What is wrong with the form is refused as a whole, by `read_bars`. What is wrong with a bar (a missing price, a day on
which nobody traded) is no matter of form: the rules of all prices judge it, and it goes to quarantine.
"""

import datetime as dt
import os
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from warehouse.records.errors import UploadRefused

NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
MAX_BYTES = 64_000_000
MAX_ROWS = 1_000_000
MAX_LINE_BYTES = 4_096
# An Arrow message costs as much as many rows.
MAX_BATCHES = 10_000
MAX_TEXT = 64
ROWS_AT_ONCE = 20_000
FIRST_DATE, LAST_DATE = dt.date(1900, 1, 1), dt.date(2199, 12, 31)

Price = Annotated[float | None, Meta(description="Unit currency per share, adjusted as `adjustment` says.")]


class BarGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day's prices and volume of one instrument, as somebody sends them in."""

    source_symbol: Annotated[str, Meta(description="Symbol, as the source of the installation spells it.")]
    trade_date: Annotated[dt.date, Meta(description="Session.")]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[
        Annotated[int, Meta(ge=-(2**62), le=2**62)] | None, Meta(description="Traded volume. Unit shares.")
    ]
    currency_code: Annotated[str, Meta(description="Currency of the prices, ISO 4217.")]
    adjustment: Annotated[
        Literal["none", "splits", "splits_dividends"], Meta(description="What the prices are adjusted for already.")
    ] = "none"
    vendor_close_adj: Annotated[
        float | None, Meta(description="Close adjusted for splits and dividends. Unit currency per share.")
    ] = None


# Columns of `raw.daily_bars` that a record brings, in their order.
BARS = pa.schema(
    [
        ("source_symbol", pa.string()),
        ("trade_date", pa.date32()),
        ("open", pa.float64()),
        ("high", pa.float64()),
        ("low", pa.float64()),
        ("close", pa.float64()),
        ("volume", pa.int64()),
        ("currency_code", pa.string()),
        ("adjustment", pa.string()),
        ("vendor_close_adj", pa.float64()),
    ]
)
# End-of-stream marker of the Arrow IPC format.
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_OPTIONAL = {"adjustment": "none", "vendor_close_adj": None}
_TEXTS = [field.name for field in BARS if field.type == pa.string()]
# What loses nothing when it becomes the type of the column.
_ALSO = {
    pa.string(): (pa.large_string(), pa.string_view()),
    pa.float64(): (pa.float32(),),
    pa.int64(): (pa.int32(),),
}


def read_bars(file: BinaryIO, media_type: str) -> Iterator[pa.RecordBatch]:
    """Read bars from the start of a file, some thousand at a time, in the columns of BARS.

    Parameters
    ----------
    file
        Its size is bounded by MAX_BYTES; of NDJSON no more than ROWS_AT_ONCE lines are in memory, of Arrow one batch.
    media_type
        NDJSON or ARROW.

    Raises
    ------
    UploadRefused
        Naming the line or row, when the file has not the form of bars, holds none, or more than MAX_ROWS.
    """
    file.seek(0)
    n_rows = 0
    for batch in _from_lines(file) if media_type == NDJSON else _from_arrow(file):
        _check(batch, n_rows, "line" if media_type == NDJSON else "row")
        n_rows += batch.num_rows
        if n_rows > MAX_ROWS:
            raise UploadRefused(f"at most {MAX_ROWS} bars may come at once; got more")
        yield batch
    if n_rows == 0:
        raise UploadRefused("there must be a bar at least; got none")


def _from_lines(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    decoder = msgspec.json.Decoder(BarGiven)
    lines, n_lines = _lines(file), 0
    while some := list(islice(lines, ROWS_AT_ONCE)):
        bars = [_bar(decoder, line, n_lines + place) for place, line in enumerate(some, start=1)]
        n_lines += len(bars)
        columns = [pa.array([getattr(bar, field.name) for bar in bars], field.type) for field in BARS]
        yield pa.RecordBatch.from_arrays(columns, schema=BARS)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line


def _bar(decoder: msgspec.json.Decoder[BarGiven], line: bytes, number: int) -> BarGiven:
    if len(line) > MAX_LINE_BYTES:
        raise UploadRefused(f"a line must have at most {MAX_LINE_BYTES} bytes; got more", row=number, of="line")
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise UploadRefused(f"must be a bar as JSON; got {str(exc).rstrip('.')}", row=number, of="line") from exc


def _from_arrow(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    try:
        messages = pa.ipc.MessageReader.open_stream(file)
        schema = _schema_of(messages.read_next_message())
        _check_schema(schema)
        for _ in range(MAX_BATCHES):
            message = messages.read_next_message()
            if _is_compressed(message):
                raise UploadRefused("record batches must not be compressed; got some that are")
            batch = pa.ipc.read_record_batch(message, schema)
            batch.validate(full=True)
            yield _in_order(batch)
    except StopIteration:
        _check_end(file)
        return
    except (pa.ArrowException, OSError, EOFError, struct.error, UnicodeDecodeError) as exc:
        said = str(exc).partition("\n")[0].rstrip(".")[:200]
        raise UploadRefused(f"the body must be an Arrow stream; got {said or 'none'}") from exc
    raise UploadRefused(f"at most {MAX_BATCHES} record batches may come at once; got more")


def _schema_of(message: pa.ipc.Message) -> pa.Schema:
    """Return the schema that a message holds; Arrow reads one of another kind as if it were one, and dies of it."""
    if message.type != "schema":
        raise UploadRefused(f"an Arrow stream must begin with its schema; got a message of type {message.type}")
    return pa.ipc.read_schema(message)


def _check_end(file: BinaryIO) -> None:
    """Refuse a stream that was cut between two of its batches, or that goes on after its end."""
    has_more = bool(file.read(1))
    file.seek(-min(len(_END), file.seek(0, os.SEEK_END)), os.SEEK_END)
    if has_more or file.read() != _END:
        raise UploadRefused("the body must be one Arrow stream, ended by its end-of-stream marker; got another end")


def _check_schema(schema: pa.Schema) -> None:
    """Refuse other columns than those of bars, and types from which a value could be lost or blown up."""
    needed = set(BARS.names) - set(_OPTIONAL)
    if len(set(schema.names)) < len(schema.names) or not needed <= set(schema.names) <= set(BARS.names):
        raise UploadRefused(f"columns must be {', '.join(BARS.names)}; got {', '.join(schema.names)[:400] or 'none'}")
    for field in schema:
        known = (BARS.field(field.name).type, *_ALSO.get(BARS.field(field.name).type, ()))
        if field.type not in known:
            must = " or ".join(str(one) for one in known)
            raise UploadRefused(f"column {field.name} must be of type {must}; got {str(field.type)[:100]}")


def _in_order(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.repeat(pa.scalar(_OPTIONAL[field.name], field.type), batch.num_rows)
        for field in BARS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=BARS)


def _is_compressed(message: pa.ipc.Message) -> bool:
    """Whether the buffers of a record batch are compressed, by its metadata (Message.fbs: field `compression`).

    A few kilobytes could stand for many gigabytes, and reading them would be too late to find out.
    """
    if message.type != "record batch":
        return False
    metadata = message.metadata.to_pybytes()
    (root,) = struct.unpack_from("<I", metadata)
    header = _field_of(metadata, root, 2)
    if header is None:
        return False
    return _field_of(metadata, header + struct.unpack_from("<I", metadata, header)[0], 3) is not None


def _field_of(buffer: bytes, table: int, number: int) -> int | None:
    """Return where a field of a FlatBuffers table lies, None where it is left out."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    slot = 4 + 2 * number
    if slot >= struct.unpack_from("<H", buffer, vtable)[0]:
        return None
    offset: int = struct.unpack_from("<H", buffer, vtable + slot)[0]
    return table + offset if offset else None


def _check(batch: pa.RecordBatch, n_before: int, of: str) -> None:
    """Refuse texts that are none, and days of another age; everything else is for the rules of bars to judge."""
    for name in _TEXTS:
        column = batch.column(name)
        is_odd = pc.or_(
            pc.greater(pc.utf8_length(column), MAX_TEXT), pc.match_substring_regex(column, r"[\x00-\x1f\x7f]")
        )
        must = f"{name} must have at most {MAX_TEXT} characters, no control characters among them"
        _refuse_first(is_odd, column, must, n_before, of)
    days = batch.column("trade_date")
    is_far = pc.or_(pc.less(days, FIRST_DATE), pc.greater(days, LAST_DATE))
    _refuse_first(
        is_far, days.cast(pa.int32()), f"trade_date must lie between {FIRST_DATE} and {LAST_DATE}", n_before, of
    )


def _refuse_first(is_refused: pa.Array, column: pa.Array, must: str, n_before: int, of: str) -> None:
    place = pc.index(is_refused, True).as_py()
    if place >= 0:
        got: Any = column[place].as_py()
        raise UploadRefused(f"{must}; got {str(got)[:80]!r}", row=n_before + place + 1, of=of)
