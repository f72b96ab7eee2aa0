"""The merge against a plain dictionary that does the same, one key at a time."""

import datetime as dt
import hashlib
from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.arrow import arrow_connection, read_arrow
from warehouse.connect import connect
from warehouse.errors import MergeError
from warehouse.merge import MergeResult, Window, merge

TABLE = "public.measured"
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(5)]
SCHEMA = pa.schema({"symbol": pa.string(), "trade_date": pa.date32(), "amount": pa.float64(), "label": pa.string()})

Key = tuple[str, dt.date]
Values = tuple[float | None, str | None]


class Step(NamedTuple):
    """One merge: what it is given, and whether it deletes what is missing between two days."""

    rows: dict[Key, Values]
    window: tuple[int, int] | None


@pytest.fixture
def table(database):
    """An empty table keyed by symbol and day; its address."""
    with connect(database.owner_url) as connection:
        connection.execute(
            f"create table {TABLE} (symbol text, trade_date date, amount double precision check (amount < 1000),"
            " label text, ingested_at timestamptz not null default now(), primary key (symbol, trade_date))"
        )
        connection.execute(f"grant select, insert, update, delete on {TABLE} to factorloom_writer")
    return database.url


def arrow(rows: dict[Key, Values]) -> pa.Table:
    listed = [
        {"symbol": symbol, "trade_date": day, "amount": amount, "label": label}
        for (symbol, day), (amount, label) in rows.items()
    ]
    return pa.Table.from_pylist(listed, schema=SCHEMA)


def run(url: str, step: Step) -> MergeResult:
    window = Window("trade_date", DAYS[step.window[0]], DAYS[step.window[1]]) if step.window else None
    with arrow_connection(url) as connection:
        return merge(connection, TABLE, arrow(step.rows), window=window)


def expected(model: dict[Key, Values], step: Step) -> tuple[dict[Key, Values], MergeResult]:
    """Merge by hand: {key: values} before and after, and what was done."""
    inserted = [key for key in step.rows if key not in model]
    updated = [key for key, values in step.rows.items() if key in model and model[key] != values]
    first, last = (DAYS[step.window[0]], DAYS[step.window[1]]) if step.window else (dt.date.max, dt.date.min)
    deleted = [key for key in model if first <= key[1] <= last and key not in step.rows]
    after = {key: values for key, values in {**model, **step.rows}.items() if key not in deleted}
    unchanged = len(step.rows) - len(inserted) - len(updated)
    earliest = min((day for _, day in (*inserted, *updated)), default=None)
    return after, MergeResult(len(inserted), len(updated), unchanged, len(deleted), earliest)


def stored(url: str) -> dict[Key, Values]:
    rows = read_arrow(url, f"select symbol, trade_date, amount, label from {TABLE}").to_pylist()
    return {(row["symbol"], row["trade_date"]): (row["amount"], row["label"]) for row in rows}


def version(url: str) -> tuple[object, ...] | None:
    query = (
        "select version, content_digest, as_of_date, n_rows, changed_at from app.dataset_versions where dataset = %s"
    )
    with connect(url) as connection:
        return connection.execute(query, [TABLE]).fetchone()


def digest_from_scratch(url: str) -> int:
    with connect(url) as connection:
        hashes = connection.execute(
            f"select hash_record_extended(row(amount, label, symbol, trade_date), 0) from {TABLE}"
        ).fetchall()
    return sum(value for (value,) in hashes)


keys = st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(DAYS))
values = st.tuples(st.sampled_from([None, 0.0, -0.0, 1.5, float("inf") * -1]), st.sampled_from([None, "", "é"]))
windows = st.none() | st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda pair: (min(pair), max(pair)))
steps = st.builds(Step, st.dictionaries(keys, values, max_size=8), windows)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=1, max_size=4))
def test_any_sequence_of_merges_does_what_a_dictionary_does(table, database, sequence):
    with connect(database.owner_url) as connection:
        connection.execute(f"truncate {TABLE}")
        connection.execute("delete from app.dataset_versions")
    model: dict[Key, Values] = {}
    for step in sequence:
        model, wanted = expected(model, step)
        assert run(table, step) == wanted
        assert stored(table) == model
        found = version(table)
        digest = digest_from_scratch(table)
        if found is not None:
            assert found[:4] == (
                hashlib.md5(str(digest).encode()).hexdigest(),
                digest,
                max((day for _, day in model), default=None),
                len(model),
            )
        else:
            assert digest == 0


A1, A2, B1 = ("A", DAYS[0]), ("A", DAYS[1]), ("B", DAYS[0])


def test_a_second_run_writes_nothing_not_even_a_stamp(table):
    step = Step({A1: (1.0, "x"), A2: (None, None)}, (0, 4))
    run(table, step)
    before = version(table), read_arrow(table, f"select * from {TABLE} order by 1, 2").to_pylist()
    assert run(table, step) == MergeResult(unchanged=2)
    assert (version(table), read_arrow(table, f"select * from {TABLE} order by 1, 2").to_pylist()) == before


def test_an_update_moves_the_stamp_of_its_row_alone(table):
    run(table, Step({A1: (1.0, "x"), B1: (1.0, "x")}, None))
    query = f"select symbol, ingested_at from {TABLE}"
    before = {row["symbol"]: row["ingested_at"] for row in read_arrow(table, query).to_pylist()}
    result = run(table, Step({A1: (2.0, "x"), B1: (1.0, "x")}, None))
    after = {row["symbol"]: row["ingested_at"] for row in read_arrow(table, query).to_pylist()}
    assert (result.changed, result.first_changed_date) == (1, DAYS[0])
    assert after["A"] > before["A"]
    assert after["B"] == before["B"]


def test_a_stamp_that_comes_with_the_rows_is_written_but_never_compared(table):
    noon, evening = (dt.datetime(2024, 1, 1, hour, tzinfo=dt.UTC) for hour in (12, 20))

    def with_stamp(amount: float, at: dt.datetime) -> pa.Table:
        return arrow({A1: (amount, "x")}).append_column("ingested_at", pa.array([at], pa.timestamp("us", "UTC")))

    results = []
    for amount, at in ((1.0, noon), (1.0, evening), (2.0, evening)):
        with arrow_connection(table) as connection:
            results.append(merge(connection, TABLE, with_stamp(amount, at)))
    assert [(result.inserted, result.updated, result.unchanged) for result in results] == [
        (1, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
    ]
    assert read_arrow(table, f"select ingested_at from {TABLE}").to_pylist() == [{"ingested_at": evening}]


def test_columns_that_are_not_given_keep_their_values(table):
    run(table, Step({A1: (1.0, "kept")}, None))
    with arrow_connection(table) as connection:
        merge(connection, TABLE, arrow({A1: (2.0, None)}).drop_columns(["label"]))
    assert stored(table) == {A1: (2.0, "kept")}


def test_a_key_alone_is_a_row_too(table):
    run(table, Step({A1: (1.0, "x")}, None))
    with arrow_connection(table) as connection:
        result = merge(connection, TABLE, arrow({A1: (9.0, "y"), B1: (9.0, "y")}).select(["symbol", "trade_date"]))
    assert (result.inserted, result.unchanged) == (1, 1)
    assert stored(table) == {A1: (1.0, "x"), B1: (None, None)}


def test_a_reader_is_streamed(table):
    batches = arrow({A1: (1.0, "x"), A2: (2.0, "y"), B1: (3.0, "z")}).to_batches(max_chunksize=1)
    with arrow_connection(table) as connection:
        result = merge(connection, TABLE, pa.RecordBatchReader.from_batches(SCHEMA, batches))
    assert result.inserted == 3
    assert len(stored(table)) == 3


def test_no_rows_at_all_empty_the_window_whatever_their_types(table):
    run(table, Step({("A", DAYS[0]): (1.0, None), ("A", DAYS[3]): (2.0, None)}, None))
    nothing = pa.table({name: pa.nulls(0) for name in SCHEMA.names})
    with arrow_connection(table) as connection:
        done = merge(connection, TABLE, nothing, window=Window("trade_date", DAYS[0], DAYS[1]))
    assert (done.deleted, done.changed) == (1, 1)


def test_a_window_may_be_narrowed_further(table):
    run(table, Step({A1: (1.0, "x"), B1: (1.0, "x")}, None))
    with arrow_connection(table) as connection:
        window = Window("trade_date", DAYS[0], DAYS[4], "t.symbol = 'B'")
        assert merge(connection, TABLE, arrow({}), window=window).deleted == 1
    assert list(stored(table)) == [A1]


@pytest.mark.parametrize("existing", [{}, {A1: (1.0, "x")}], ids=["empty", "filled"])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (pa.concat_tables([arrow({A1: (5.0, "x")}), arrow({A1: (6.0, "x")})]), "each key"),
        (arrow({A1: (1000.0, "x")}), "check"),
        (arrow({A1: (5.0, "x")}).set_column(2, "amount", pa.array(["many"])), "many"),
    ],
    ids=["a key comes twice", "a check is broken", "a value has the wrong type"],
)
def test_a_merge_that_fails_says_why_and_writes_nothing(table, existing, rows, said):
    run(table, Step(existing, None))
    before = version(table)
    with arrow_connection(table) as connection:
        with pytest.raises(MergeError, match=said):
            merge(connection, TABLE, rows)
        connection.rollback()
    assert stored(table) == existing
    assert version(table) == before


def test_an_update_that_fails_takes_the_inserts_beside_it_back(table):
    run(table, Step({A1: (1.0, "x")}, None))
    with arrow_connection(table) as connection:
        with pytest.raises(MergeError, match="check"):
            merge(connection, TABLE, arrow({A2: (2.0, "new"), A1: (1000.0, "x")}))
        connection.rollback()
    assert stored(table) == {A1: (1.0, "x")}


def test_a_key_that_is_repeated_word_for_word_is_refused_too(table):
    run(table, Step({A1: (1.0, "x")}, None))
    twice = pa.concat_tables([arrow({A1: (1.0, "x")})] * 2)
    with pytest.raises(MergeError, match=r"got \(A,2024-01-01\) more than once"), arrow_connection(table) as connection:
        merge(connection, TABLE, twice)


def test_columns_must_be_the_tables_with_its_key(table):
    rows = arrow({A1: (1.0, "x")}).rename_columns(["symbol", "day", "amount", "label"])
    with (
        pytest.raises(MergeError, match=r"missing \['trade_date'\], unexpected \['day'\]"),
        arrow_connection(table) as connection,
    ):
        merge(connection, TABLE, rows)


def test_a_table_without_a_key_is_refused(database):
    with connect(database.owner_url) as connection:
        connection.execute("create table public.keyless (n integer)")
    with pytest.raises(MergeError, match="must have a primary key"), arrow_connection(database.owner_url) as connection:
        merge(connection, "public.keyless", pa.table({"n": [1]}))


def test_a_table_whose_key_has_no_day_has_no_newest_day(database):
    with connect(database.owner_url) as connection:
        connection.execute("create table public.dayless (n integer primary key)")
    with arrow_connection(database.owner_url) as connection:
        result = merge(connection, "public.dayless", pa.table({"n": [1, 2]}))
    assert result == MergeResult(inserted=2)
    with connect(database.owner_url) as connection:
        row = connection.execute("select as_of_date, n_rows from app.dataset_versions").fetchone()
    assert row == (None, 2)


def test_a_large_merge_tells_the_planner(database):
    n_rows = 20_000
    rows = pa.table(
        {
            "source": ["s"] * n_rows,
            "source_symbol": ["INDEX"] * n_rows,
            "trade_date": [dt.date(2000, 1, 1) + dt.timedelta(days=n) for n in range(n_rows)],
            "close": [1.0] * n_rows,
            "currency_code": ["USD"] * n_rows,
        }
    )
    with arrow_connection(database.url) as connection:
        assert merge(connection, "raw.benchmark_bars", rows).inserted == n_rows
    query = "select reltuples::bigint as n from pg_class where oid = 'raw.benchmark_bars'::regclass"
    assert read_arrow(database.url, query).to_pydict() == {"n": [n_rows]}


def test_two_merges_add_up_and_their_oldest_change_counts():
    one = MergeResult(inserted=1, updated=2, unchanged=3, deleted=4, first_changed_date=DAYS[1])
    other = MergeResult(inserted=10, updated=20, unchanged=30, deleted=40, first_changed_date=DAYS[0])
    assert one + other == MergeResult(11, 22, 33, 44, DAYS[0])
    assert one + MergeResult() == one
    assert sum([MergeResult(), MergeResult()], MergeResult()).first_changed_date is None
