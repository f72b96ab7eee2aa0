import datetime as dt
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.sources.errors import DataColumnMissing, DataFileMissing, DataFileUnreadable, MappingError

BARS = "ticker,date,open,high,low,close,volume\n"


def test_a_simple_csv_needs_a_mapping_of_three_lines(write, read):
    rows, refused = read(write(), "daily_bars")
    assert refused == []
    assert rows[0] == {
        "source_symbol": "aaa",
        "trade_date": dt.date(2024, 7, 3),
        "open": 10.0,
        "high": 11.0,
        "low": 9.5,
        "close": 10.5,
        "volume": 1000,
        "currency_code": "USD",
        "adjustment": "none",
        "vendor_close_adj": None,
    }
    assert len(rows) == 5


def test_sessions_begin_and_end_with_the_bars(write):
    source = write()
    assert (source.first_session, source.last_session) == (
        dt.date(2024, 7, 3),
        dt.date(2024, 7, 8),
    )


def test_instruments_are_the_symbols_where_no_file_has_them(write, read):
    rows, _ = read(write(), "instruments")
    assert [(row["source_symbol"], row["ticker"]) for row in rows] == [
        ("aaa", "AAA"),
        ("brk-b", "BRK.B"),
    ]
    assert rows[0]["currency_code"] == "USD"
    assert rows[0]["is_active"]


def test_parquet_and_csv_read_alike(write, read, tmp_path):
    csv_rows, _ = read(write(), "daily_bars")
    columns = {name: [row[name] for row in csv_rows] for name in csv_rows[0]}
    pq.write_table(pa.table(columns), tmp_path / "bars.parquet", row_group_size=2)
    source = write(mapping="bars: {file: bars.parquet}")
    assert read(source, "daily_bars") == (csv_rows, [])
    assert source.first_session == dt.date(2024, 7, 3)
    one_day = read(source, "daily_bars", dt.date(2024, 7, 5), dt.date(2024, 7, 5))[0]
    assert [row["close"] for row in one_day] == [11.75]


def test_compressed_csv_is_read_as_it_is(write, read, tmp_path):
    plain, _ = read(write(), "daily_bars")
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress((tmp_path / "bars.csv").read_bytes()))
    mapping = "bars: {file: bars.csv.gz, constants: {currency_code: USD, adjustment: none}}"
    assert read(write(mapping=mapping), "daily_bars") == (plain, [])


def test_an_index_is_none_where_the_mapping_has_none(write, read):
    assert write().benchmark_symbol is None
    assert read(write(), "benchmark_bars") == ([], [])


def test_bars_of_one_day_by_constant_are_refused(write):
    mapping = "bars: {file: bars.csv, constants: {currency_code: USD, adjustment: none, trade_date: 2024-07-03}}"
    with pytest.raises(MappingError, match="trade_date must be in the file"):
        write(mapping=mapping).first_session  # noqa: B018


def test_several_files_are_one(write, read):
    more = BARS + "ccc,2024-07-09,1,1,1,1,1\n"
    mapping = "bars: {file: 'bars*.csv', constants: {currency_code: USD, adjustment: none}}"
    source = write(mapping=mapping, **{"bars2.csv": more})
    assert len(read(source, "daily_bars")[0]) == 6
    assert source.last_session == dt.date(2024, 7, 9)


def test_a_cell_that_cannot_be_read_is_refused_by_file_row_and_column(write, read):
    text = BARS + "aaa,2024-07-03,10,11,9,n/k,1000\naaa,2024-07-05,1,1,1,1,1\n"
    rows, (refused,) = read(write(**{"bars.csv": text}), "daily_bars")
    assert len(rows) == 1
    assert refused.entity == "daily_bars"
    assert refused.record_key == "aaa|2024-07-03"
    assert refused.rule == "unreadable_cell"
    assert refused.detail == "bars.csv, row 2: column 'close' must be a number; got 'n/k'."
    assert refused.payload["close"] == "n/k"
    assert refused.trade_date == dt.date(2024, 7, 3)


def test_an_impossible_date_is_refused_with_the_first_window_only(write, read):
    text = BARS + "aaa,2024-02-30,1,1,1,1,1\naaa,2024-07-03,1,1,1,1,1\naaa,2024-07-05,1,1,1,1,1\n"
    source = write(**{"bars.csv": text})
    first = read(source, "daily_bars", dt.date(2024, 7, 3), dt.date(2024, 7, 3))
    second = read(source, "daily_bars", dt.date(2024, 7, 5), dt.date(2024, 7, 5))
    assert [len(first[0]), len(first[1])] == [1, 1]
    assert "row 2: column 'date' must be a date" in first[1][0].detail
    assert first[1][0].record_key == "aaa|2024-02-30"
    assert [len(second[0]), len(second[1])] == [1, 0]


def test_a_line_with_other_fields_is_refused_and_rows_keep_their_numbers(write, read):
    text = BARS + "aaa,2024-07-03,1,1\naaa,2024-07-05,1,1,1,x,1\naaa,2024-07-08,1,1,1,1,1\nend\n"
    rows, refused = read(write(**{"bars.csv": text}), "daily_bars")
    assert len(rows) == 1
    details = sorted(r.detail for r in refused)
    assert details == [
        "bars.csv, row 2: must have 7 fields; got 4.",
        "bars.csv, row 3: column 'close' must be a number; got 'x'.",
        "bars.csv, row 5: must have 7 fields; got 1.",
    ]


def test_windows_of_single_sessions_bring_every_record_exactly_once(write, read):
    """A Sunday's bar comes with Monday, one from before a holiday with its own day, one of the far future last."""
    text = BARS + "".join(
        f"aaa,{day},1,1,1,1,1\n"
        for day in ["2024-07-03", "2024-07-05", "2024-07-07", "2024-07-08", "2108-07-08", "bad"]
    )
    source = write(**{"bars.csv": text})
    assert source.last_session == dt.date(2024, 7, 8)
    days = [dt.date(2024, 7, 3), dt.date(2024, 7, 5), dt.date(2024, 7, 8)]
    parts = [read(source, "daily_bars", day, day) for day in days]
    assert [len(rows) for rows, _ in parts] == [1, 1, 3]
    assert [len(refused) for _, refused in parts] == [1, 0, 0]
    assert read(source, "daily_bars", dt.date(2024, 7, 4), dt.date(2024, 7, 4)) == ([], [])


def test_european_numbers_and_dates_are_read_as_the_mapping_says(write, read):
    text = "Symbol;Tag;Open;High;Low;Close;Volume\nABB;03.07.2024;1.010,5;1.020;1.000;1.015,25;2.000\n"
    mapping = """
bars:
  file: bars.csv
  columns: {trade_date: Tag}
  constants: {currency_code: SEK, adjustment: splits}
  separator: ;
  decimal: ","
  thousands: .
  date_format: "%d.%m.%Y"
"""
    ((row,), refused) = read(write(mapping=mapping, **{"bars.csv": text}), "daily_bars")
    assert refused == []
    assert (row["open"], row["close"], row["volume"]) == (1010.5, 1015.25, 2000)
    assert row["trade_date"] == dt.date(2024, 7, 3)


def test_scale_sign_and_zeros_of_fundamentals_follow_the_mapping(write, read):
    mapping = """
bars: {file: bars.csv, constants: {currency_code: USD, adjustment: none}}
fundamentals:
  file: reports.csv
  columns: {published_at: when}
  constants: {statement: annual, currency_code: USD}
  scale: {revenue: 1000}
  negate: [capex]
  zero_means_missing: [cash]
"""
    reports = (
        "symbol,period_end,revenue,capex,cash,when\n"
        "aaa,2024-03-31,12.5,3,0,2024-07-05T20:31:07Z\n"
        "aaa,2023-03-31,11,2,5,2024-07-05T20:31:07\n"
    )
    source = write(mapping=mapping, **{"reports.csv": reports})
    (row,), (refused,) = read(source, "fundamentals")
    assert (row["revenue"], row["capex"], row["cash"]) == (12500.0, -3.0, None)
    assert row["published_at"] == dt.datetime(2024, 7, 5, 20, 31, 7, tzinfo=dt.UTC)
    assert "row 3: column 'when' must be an instant with a time zone" in refused.detail


@pytest.mark.parametrize(
    ("columns", "day"),
    [
        # Shortly after midnight UTC it is still the 5th in New York.
        ("2024-01-31,2024-07-06T01:00:00Z,", dt.date(2024, 7, 5)),
        ("2024-01-31,,2024-07-05", dt.date(2024, 7, 5)),
        # 90 days after 6 April is 5 July.
        ("2024-04-06,,", dt.date(2024, 7, 5)),
    ],
)
def test_statements_come_on_the_day_of_publication_or_filing_or_90_days_on(write, read, columns, day):
    mapping = """
bars: {file: bars.csv, constants: {currency_code: USD, adjustment: none}}
fundamentals: {file: reports.csv, constants: {statement: annual, currency_code: USD}}
"""
    reports = f"symbol,period_end,published_at,filed_date,revenue\naaa,{columns},1\n"
    source = write(mapping=mapping, **{"reports.csv": reports})
    sessions = [dt.date(2024, 7, 3), dt.date(2024, 7, 5), dt.date(2024, 7, 8)]
    found = [d for d in sessions if read(source, "fundamentals", d, d)[0]]
    assert found == [day]


def test_instruments_benchmark_dividends_and_splits_have_files_of_their_own(write, read):
    mapping = """
label: My market.
bars: {file: bars.csv, constants: {currency_code: USD, adjustment: none}}
instruments: {file: names.csv, constants: {currency_code: USD}, metadata: [cik]}
benchmark: {file: index.csv, constants: {currency_code: USD}}
dividends: {file: dividends.csv, constants: {currency_code: USD}}
splits: {file: splits.csv, constants: {shares_old: 1}}
"""
    source = write(
        mapping=mapping,
        **{
            "names.csv": "symbol,name,delisted_date,cik\naaa,Triple A,,7\nbrk-b,B,2024-07-08,8\n",
            "index.csv": "date,close\n2024-07-03,100\n",
            "dividends.csv": "symbol,ex_date,amount\naaa,2024-07-05,0.5\n",
            "splits.csv": "symbol,date,shares_new\naaa,2024-07-05,4\n",
        },
    )
    names, _ = read(source, "instruments")
    assert [(n["ticker"], n["is_active"], n["metadata"]) for n in names] == [
        ("AAA", True, '{"cik": "7"}'),
        ("BRK.B", False, '{"cik": "8"}'),
    ]
    assert source.benchmark_symbol == "INDEX"
    assert read(source, "benchmark_bars")[0][0]["close"] == 100.0
    assert read(source, "dividends")[0][0]["amount"] == 0.5
    (split,) = read(source, "splits")[0]
    assert (split["shares_new"], split["shares_old"]) == (4.0, 1.0)
    assert source.label == "My market."


def test_the_index_can_be_named_by_its_file(write):
    mapping = """
bars: {file: bars.csv, constants: {currency_code: USD, adjustment: none}}
benchmark: {file: index.csv, constants: {currency_code: USD}, columns: {source_symbol: name}}
"""
    source = write(mapping=mapping, **{"index.csv": "name,date,close\nMYX,2024-07-03,100\n"})
    assert source.benchmark_symbol == "MYX"


def test_a_missing_file_is_named_with_what_is_there(write):
    mapping = "bars: {file: prices.csv}"
    with pytest.raises(DataFileMissing, match=r"prices\.csv.*holds \['bars\.csv'"):
        write(mapping=mapping).first_session  # noqa: B018


def test_missing_columns_are_named_with_those_that_are_there(write):
    with pytest.raises(DataColumnMissing, match=r"missing \['low', 'open'\], found \['ticker'"):
        write(**{"bars.csv": "ticker,date,high,close,volume\n"}).first_session  # noqa: B018


def test_a_missing_constant_counts_as_a_missing_column(write):
    with pytest.raises(DataColumnMissing, match="'adjustment', 'currency_code'"):
        write(mapping="bars: {file: bars.csv}").first_session  # noqa: B018


@pytest.mark.parametrize(("name", "content"), [("bars.csv", ""), ("bars.parquet", "no parquet"), ("bars.csv", BARS)])
def test_a_file_that_is_empty_or_not_what_it_says_is_unreadable(write, name, content):
    mapping = f"bars: {{file: {name}, constants: {{currency_code: USD, adjustment: none}}}}"
    with pytest.raises(DataFileUnreadable, match=name):
        write(mapping=mapping, **{name: content}).first_session  # noqa: B018


def test_text_in_another_encoding_is_unreadable_unless_the_mapping_says_so(write, read, tmp_path):
    source = write()
    (tmp_path / "bars.csv").write_bytes((BARS + "åå,2024-07-03,1,1,1,1,1\n").encode("latin1"))
    with pytest.raises(DataFileUnreadable, match="UTF8"):
        read(source, "daily_bars")
    mapping = "bars: {file: bars.csv, encoding: latin1, constants: {currency_code: USD, adjustment: none}}"
    (tmp_path / "mapping.yaml").write_text(mapping)
    again = type(source)(source._options, calendar=source._calendar, now=source._now)
    assert read(again, "daily_bars")[0][0]["source_symbol"] == "åå"


def test_the_survey_of_a_csv_is_remembered_until_the_file_changes(write, tmp_path):
    cache = tmp_path / "cache"
    assert write(cache_folder=cache).last_session == dt.date(2024, 7, 8)
    assert len(list(cache.iterdir())) == 1
    assert write(cache_folder=cache).last_session == dt.date(2024, 7, 8)
    longer = BARS + "aaa,2024-07-03,1,1,1,1,1\naaa,2024-07-10,1,1,1,1,1\n"
    assert write(cache_folder=cache, **{"bars.csv": longer}).last_session == dt.date(2024, 7, 10)
