import datetime as dt

import msgspec
import pyarrow as pa
import pytest

from orchestration.sources.records import Batch, DailyBar, Fundamental, Refused, arrow_schema


def test_the_arrow_schema_has_the_columns_of_the_record_in_order():
    assert arrow_schema(DailyBar) == pa.schema(
        {
            "source_symbol": pa.string(),
            "trade_date": pa.date32(),
            "open": pa.float64(),
            "high": pa.float64(),
            "low": pa.float64(),
            "close": pa.float64(),
            "volume": pa.int64(),
            "currency_code": pa.string(),
            "adjustment": pa.string(),
            "vendor_close_adj": pa.float64(),
        }
    )


def test_instants_are_utc_microseconds_and_choices_are_text():
    schema = arrow_schema(Fundamental)
    assert schema.field("published_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("statement").type == pa.string()


def test_a_field_of_a_type_that_no_table_uses_is_refused():
    class Odd(msgspec.Struct):
        when: dt.time

    with pytest.raises(TypeError, match="time"):
        arrow_schema(Odd)


def test_what_was_received_is_rows_and_refused_together():
    rows = pa.RecordBatch.from_pydict({"a": [1, 2]})
    refused = Refused(entity="daily_bars", record_key="A|x", rule="r", detail="d", payload={})
    assert Batch(rows, [refused]).n_received == 3
