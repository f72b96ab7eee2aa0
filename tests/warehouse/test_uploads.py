"""Bars that somebody sends in: what has their form, and what is refused with its place."""

import datetime as dt
import io
import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestration.sources.records import DailyBar, arrow_schema
from warehouse import uploads
from warehouse.records.errors import UploadRefused
from warehouse.uploads import ARROW, BARS, NDJSON, read_bars

BAR = {
    "source_symbol": "ACME", "trade_date": "2024-06-20", "open": 10.0, "high": 11.0, "low": 9.5, "close": 10.5,
    "volume": 1000, "currency_code": "USD",
}  # fmt: skip


def lines(*bars):
    return "".join(json.dumps(bar) + "\n" for bar in bars).encode()


def table(n=1, **replaced):
    columns = {name: [value] * n for name, value in {**BAR, "trade_date": dt.date(2024, 6, 20)}.items()}
    return pa.table({**columns, **replaced})


def stream(content, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, content.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write(content)
    return sink.getvalue()


def read(content, media_type=NDJSON):
    return pa.Table.from_batches(read_bars(io.BytesIO(content), media_type), BARS)


def refusal(content, media_type=NDJSON):
    with pytest.raises(UploadRefused) as caught:
        read(content, media_type)
    return str(caught.value)


def test_the_columns_are_those_of_the_record_that_sources_hand_over():
    assert arrow_schema(DailyBar) == BARS


def test_lines_and_a_stream_of_the_same_bars_are_the_same_bars():
    by_lines = read(lines(BAR, {**BAR, "close": None, "adjustment": "splits"}, {**BAR, "vendor_close_adj": 5}))
    assert by_lines.column("close").to_pylist() == [10.5, None, 10.5]
    assert by_lines.column("adjustment").to_pylist() == ["none", "splits", "none"]
    by_arrow = read(
        stream(
            table(
                3, close=[10.5, None, 10.5], adjustment=["none", "splits", "none"], vendor_close_adj=[None, None, 5.0]
            )
        ),
        ARROW,
    )
    assert by_arrow == by_lines


def test_a_stream_of_another_library_s_types_is_read():
    frame = pd.DataFrame([{**BAR, "trade_date": dt.date(2024, 6, 20)}]).astype({"open": np.float32, "volume": np.int32})
    content = pa.Table.from_pandas(frame, preserve_index=False)
    wide = content.set_column(0, "source_symbol", content.column("source_symbol").cast(pa.large_string()))
    assert read(stream(wide), ARROW) == read(lines(BAR))


def test_many_batches_are_read_one_by_one_and_rows_are_counted_through(monkeypatch):
    monkeypatch.setattr(uploads, "ROWS_AT_ONCE", 2)
    assert "upload: line 5: " in refusal(lines(BAR, BAR, BAR, BAR, {**BAR, "close": "x"}))
    batches = list(read_bars(io.BytesIO(lines(*[BAR] * 5)), NDJSON))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "truncated"),
        (b"\n", "must be a bar as JSON"),
        (b"[]\n", "Expected `object`"),
        (b'{"source_symbol": "ACME"}\n', "missing required field `trade_date`"),
        (lines({**BAR, "close": float("nan")}), "JSON is malformed"),
        (lines({**BAR, "close": "10.5"}), "$.close"),
        (lines({**BAR, "volume": 10**30}), "$.volume"),
        (lines({**BAR, "colour": "red"}), "unknown field `colour`"),
        (lines({**BAR, "adjustment": "maybe"}), "$.adjustment"),
        (lines({**BAR, "trade_date": "20.06.2024"}), "$.trade_date"),
        (lines({**BAR, "trade_date": "0001-01-01"}), "trade_date must lie between 1900-01-01"),
        (lines({**BAR, "source_symbol": "AC\x00ME"}), "no control characters"),
        (lines({**BAR, "source_symbol": "\ud800"}), "surrogate"),
        (lines({**BAR, "source_symbol": "A" * 65}), "at most 64 characters"),
        (b'{"source_symbol": "\xff"}\n', "must be a bar as JSON"),
        (b"[" * 4_000 + b"\n", "must be a bar as JSON"),
        (b'{"source_symbol": "' + b"A" * 5_000 + b'"}\n', "at most 4096 bytes"),
    ],
)
def test_a_line_that_is_no_bar_is_refused_with_its_number(line, said):
    text = refusal(lines(BAR, BAR) + line)
    assert text.startswith("upload: line 3: ")
    assert said in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "another end"),
        (b"no stream at all", "must be an Arrow stream"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f" * 4, "must be an Arrow stream"),
        (stream(table())[:-20], "must be an Arrow stream"),
        (stream(table())[:-8], "another end"),
        (stream(table()) * 2, "another end"),
        (stream(table().slice(0, 0)), "a bar at least"),
        (stream(table().drop_columns(["close"])), "columns must be"),
        (stream(table().append_column("colour", pa.array(["red"]))), "got source_symbol"),
        (stream(table(close=["10.5"])), "column close must be of type double or float; got string"),
        (stream(table(volume=pa.array([1], pa.uint64()))), "column volume must be of type"),
        (stream(table(source_symbol=pa.array(["ACME"]).dictionary_encode())), "column source_symbol must be of type"),
        (stream(table(2, source_symbol=["ACME", "AC\nME"])), "row 2: source_symbol must"),
        (stream(table(trade_date=pa.array([2**30], pa.int32()).cast(pa.date32()))), "row 1: trade_date must"),
        (stream(table(20_000), compression="zstd"), "must not be compressed"),
        (stream(table(20_000), compression="lz4"), "must not be compressed"),
    ],
)  # fmt: skip
def test_a_stream_that_holds_no_bars_is_refused(content, said):
    assert said in refusal(content, ARROW)


def test_a_stream_with_any_byte_changed_is_read_or_refused():
    content = stream(table(3))
    rng = np.random.default_rng(1)
    n_refused = 0
    for place in rng.choice(len(content), 300, replace=False):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        try:
            read(bytes(changed), ARROW)
        except UploadRefused:
            n_refused += 1
    assert n_refused > 30


def test_more_bars_than_may_come_are_refused(monkeypatch):
    monkeypatch.setattr(uploads, "MAX_ROWS", 2)
    monkeypatch.setattr(uploads, "MAX_BATCHES", 2)
    assert "at most 2 bars" in refusal(lines(BAR, BAR, BAR))
    assert "at most 2 record batches" in refusal(stream(pa.concat_tables([table()] * 3)), ARROW)


# Kinds of message in the Arrow format (Message.fbs), beside 1, the schema, and some that do not exist.
@pytest.mark.parametrize("kind", [0, 2, 3, 4, 5, 6, 89, 255])
def test_a_stream_that_begins_with_something_else_than_its_schema_is_refused(kind):
    """Read as a schema, the header of another message is memory of somebody else: it would end the process."""
    content = bytearray(stream(table()))
    message = content[8:]
    content[8 + uploads._field_of(message, int.from_bytes(message[:4], "little"), 1)] = kind
    said = refusal(bytes(content), ARROW)
    assert "must begin with its schema" in said or "must be an Arrow stream" in said


def test_a_stream_whose_bytes_were_changed_at_random_is_bars_or_is_refused():
    whole, chance = stream(table(3)), random.Random(20240620)
    n_refused = 0
    for _ in range(2_000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            read(bytes(content), ARROW)
        except UploadRefused:
            n_refused += 1
    assert 0 < n_refused < 2_000
