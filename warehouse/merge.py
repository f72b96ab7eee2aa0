"""The one way in which pipelines write a table: merge rows by key, so that a second run writes nothing.

COPY into a temporary table, then in the same transaction: insert what is new, update what is distinct, delete what the
written window no longer holds. An empty table is copied into at once. The table's row in `app.dataset_versions` moves
with it.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import adbc_driver_postgresql.dbapi as adbc
import msgspec
import pyarrow as pa

from warehouse.errors import MergeError

# Written by us at each change and never compared: two runs on the same input differ in these alone.
OUR_STAMPS = frozenset({"ingested_at", "computed_at", "decided_at", "first_seen_at"})
ANALYZE_FROM_ROWS = 20_000
# What a COPY straight into a column of each type takes. A table with another type is filled by the temporary one.
COPIED_AS: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "text[]": pa.list_(pa.string()),
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "double precision[]": pa.list_(pa.float64()),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}

T = TypeVar("T")
Rows: TypeAlias = "pa.Table | pa.RecordBatchReader"


class MergeResult(msgspec.Struct, frozen=True):
    """What a merge did, in rows, and the oldest day that it inserted or updated (where the key has a day)."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    first_changed_date: dt.date | None = None

    def __add__(self, other: "MergeResult") -> "MergeResult":
        """Return what two merges did together."""
        days = [day for day in (self.first_changed_date, other.first_changed_date) if day is not None]
        return MergeResult(
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            deleted=self.deleted + other.deleted,
            first_changed_date=min(days, default=None),
        )

    @property
    def changed(self) -> int:
        """Rows written or deleted."""
        return self.inserted + self.updated + self.deleted


class Window(NamedTuple):
    """The part of a derived table that a merge writes: keys in it that are not produced any more are deleted."""

    column: str
    first_date: dt.date
    last_date: dt.date
    also: str = "true"

    def condition(self) -> str:
        """Return the SQL condition on the target `t`. Both ends are included."""
        return (
            f"t.{self.column} between date '{self.first_date:%Y-%m-%d}' and date '{self.last_date:%Y-%m-%d}'"
            f" and ({self.also})"
        )


class _Changed(NamedTuple):
    inserted: int
    updated: int
    digest: int
    first_date: dt.date | None


class _Target(NamedTuple):
    name: str
    types: dict[str, str]
    key: list[str]

    @property
    def date_column(self) -> str | None:
        """From which day on a row can matter to others: that of its publication where it has one, else its own."""
        # A statement of a quarter changes nothing before it was published.
        if "published_at" in self.key:
            return "(published_at at time zone 'UTC')::date"
        return next((column for column in self.key if column.endswith("_date")), None)

    def row_hash(self, alias: str, columns: Sequence[str]) -> str:
        listed = ", ".join(f"{alias}.{column}" for column in sorted(columns) if column not in OUR_STAMPS)
        return f"hash_record_extended(row({listed}), 0)::numeric"


def merge(connection: adbc.Connection, table: str, rows: Rows, *, window: Window | None = None) -> MergeResult:
    """Merge rows into a table by its primary key.

    Parameters
    ----------
    connection
        Inside its transaction; the caller commits.
    table
        Schema and name, for example ``raw.daily_bars``.
    rows
        Columns named as the table's; those that the table fills itself may be missing. A reader is streamed.
    window
        For derived tables: rows of the table in this window that are not among `rows` are deleted.

    Raises
    ------
    MergeError
        When columns do not fit the table, or a key comes twice.
    """
    with connection.cursor() as cursor:
        target = _describe(cursor, table)
        columns = _check_columns(target, rows.schema.names)
        cursor.execute(f"select pg_advisory_xact_lock(hashtext('{table}'))")
        cursor.fetchall()
        rows = _checked(target, lambda: rows.cast(_copied_schema(target, rows.schema)))
        is_empty = _scalar(cursor, f"select count(*) from (select from {table} limit 1) as some_row") == 0
        if is_empty:
            _fill(cursor, target, columns, rows)
            return _all_inserted(cursor, target, columns)
        received = _take_in(cursor, target, rows)
        return _merge_delta(cursor, target, columns, received, window)


def _copied_schema(target: _Target, given: pa.Schema) -> pa.Schema:
    """Give each column the type that its copy takes: a column without any value would else be text."""
    return pa.schema([(field.name, COPIED_AS.get(target.types[field.name], field.type)) for field in given])


def _take_in(cursor: adbc.Cursor, target: _Target, rows: Rows) -> int:
    """Copy the rows into the temporary table `incoming` and return how many they are."""
    cursor.execute("drop table if exists incoming, delta")
    received = _checked(target, lambda: cursor.adbc_ingest("incoming", rows, mode="create", temporary=True))
    received = _scalar(cursor, "select count(*) from incoming") if received < 0 else received
    _guide_planner(cursor, received)
    return received


def _fill(cursor: adbc.Cursor, target: _Target, columns: list[str], rows: Rows) -> None:
    """Copy rows into an empty table while they are still being made; by the temporary one where a type wants a cast."""
    if all(target.types[column] in COPIED_AS for column in columns):
        schema_name, _, name = target.name.partition(".")
        _checked(target, lambda: cursor.adbc_ingest(name, rows, mode="append", db_schema_name=schema_name))
        return
    _take_in(cursor, target, rows)
    listed = ", ".join(columns)
    _write(cursor, target, f"insert into {target.name} ({listed}) select {_cast(target, columns)} from incoming as i")


def _all_inserted(cursor: adbc.Cursor, target: _Target, columns: list[str]) -> MergeResult:
    """Count what an empty table has been filled with, and give it its version."""
    row_hash = target.row_hash("t", columns)
    changed = _look(cursor, target, f"count(*), 0, coalesce(sum({row_hash}), 0)", f"{target.name} as t")
    result = MergeResult(inserted=changed.inserted, first_changed_date=changed.first_date)
    _move_version(cursor, target, changed.digest, result)
    # Also a small table: taken for an empty one, it is joined row by row. Of such a one a rough picture is enough.
    detail = "10" if result.inserted < ANALYZE_FROM_ROWS else "default"
    cursor.execute(f"set local default_statistics_target = {detail}")
    cursor.execute(f"analyze {target.name}")
    cursor.execute("set local default_statistics_target = default")
    return result


def _merge_delta(
    cursor: adbc.Cursor, target: _Target, columns: list[str], received: int, window: Window | None
) -> MergeResult:
    values = [column for column in columns if column not in target.key]
    same_key = " and ".join(f"t.{column} = i.{column}" for column in target.key)
    compared = [column for column in values if column not in OUR_STAMPS]
    distinct = " or ".join(f"t.{column} is distinct from i.{column}" for column in compared) or "false"
    _write(
        cursor,
        target,
        f"create temporary table delta on commit drop as"
        f" select i.*, t.{target.key[0]} is null as is_new,"
        f" case when t.{target.key[0]} is null then 0 else {target.row_hash('t', columns)} end as old_hash,"
        f" {target.row_hash('i', columns)} as new_hash"
        f" from (select {_cast(target, columns)} from incoming as i) as i"
        f" left join {target.name} as t on {same_key}"
        f" where t.{target.key[0]} is null or {distinct}",
    )
    _refuse_repeated_keys(cursor, target)
    counts = "count(*) filter (where is_new), count(*) filter (where not is_new), coalesce(sum(new_hash - old_hash), 0)"
    inserted, updated, digest, first_changed_date = _look(cursor, target, counts, "delta")
    # Before the insert: what the table's statistics say of the window still holds then.
    deleted, deleted_digest = _delete_missing(cursor, target, columns, window) if window else (0, 0)
    if inserted:
        listed = ", ".join(columns)
        _write(cursor, target, f"insert into {target.name} ({listed}) select {listed} from delta where is_new")
    if updated:
        stamps = [f"{column} = now()" for column in target.types if column in OUR_STAMPS and column not in columns]
        assignments = ", ".join([f"{column} = i.{column}" for column in values] + stamps)
        _write(
            cursor,
            target,
            f"update {target.name} as t set {assignments} from delta as i where {same_key} and not i.is_new",
        )
    result = MergeResult(inserted, updated, received - inserted - updated, deleted, first_changed_date)
    _move_version(cursor, target, digest - deleted_digest, result)
    if result.changed >= ANALYZE_FROM_ROWS:
        cursor.execute(f"analyze {target.name}")
    return result


def _guide_planner(cursor: adbc.Cursor, received: int) -> None:
    """A new table has no statistics, and a wrong guess is dear: 340,000 rows by nested loops took minutes on end."""
    cursor.execute("analyze incoming")
    if received >= ANALYZE_FROM_ROWS:
        cursor.execute("set local enable_nestloop = off")


def _refuse_repeated_keys(cursor: adbc.Cursor, target: _Target) -> None:
    """An insert would find a key that comes twice; an update would take one of its rows at random."""
    key = ", ".join(target.key)
    cursor.execute(f"select ({key})::text from incoming group by {key} having count(*) > 1 limit 1")
    repeated = cursor.fetchone()
    if repeated is not None:
        raise MergeError(
            f"{target.name}: rows must hold each key ({key}) once; got {repeated[0]} more than once. "
            "Correct the rows before the merge; nothing was written."
        )


def _delete_missing(cursor: adbc.Cursor, target: _Target, columns: list[str], window: Window) -> tuple[int, int]:
    same_key = " and ".join(f"t.{column} = i.{column}" for column in target.key)
    cursor.execute(
        f"with gone as (delete from {target.name} as t where {window.condition()}"
        f" and not exists (select from incoming as i where {same_key})"
        f" returning {target.row_hash('t', columns)} as old_hash)"
        " select count(*)::text, coalesce(sum(old_hash), 0)::text from gone"
    )
    count, digest = cursor.fetchone() or ("0", "0")
    return int(count), int(digest)


def _move_version(cursor: adbc.Cursor, target: _Target, digest_change: int, result: MergeResult) -> None:
    if result.changed == 0:
        return
    newest = f"(select max({target.date_column}) from {target.name})" if target.date_column else "null"
    n_rows = result.inserted - result.deleted
    cursor.execute(
        "insert into app.dataset_versions as v (dataset, version, content_digest, as_of_date, n_rows)"
        f" values ('{target.name}', md5(({digest_change})::text), {digest_change}, {newest}, {n_rows})"
        " on conflict (dataset) do update set"
        " content_digest = v.content_digest + excluded.content_digest,"
        " version = md5((v.content_digest + excluded.content_digest)::text),"
        " as_of_date = excluded.as_of_date, n_rows = v.n_rows + excluded.n_rows, changed_at = now()"
    )


def _describe(cursor: adbc.Cursor, table: str) -> _Target:
    cursor.execute(
        "select a.attname, format_type(a.atttypid, a.atttypmod), coalesce(a.attnum = any(i.indkey), false)"
        " from pg_attribute as a left join pg_index as i on i.indrelid = a.attrelid and i.indisprimary"
        f" where a.attrelid = '{table}'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"
    )
    found = cursor.fetchall()
    key = [str(name) for name, _, is_key in found if is_key]
    if not key:
        raise MergeError(
            f"{table}: a table that is merged into must have a primary key; it has none. Add it in a migration."
        )
    return _Target(table, {str(name): str(type_) for name, type_, _ in found}, key)


def _check_columns(target: _Target, given: list[str]) -> list[str]:
    unexpected = [column for column in given if column not in target.types]
    missing = [column for column in target.key if column not in given]
    if unexpected or missing:
        raise MergeError(
            f"{target.name}: columns must be the table's, with its key; missing {missing}, unexpected {unexpected}. "
            "Add a migration in warehouse/migrations/ or rename them before the merge."
        )
    return given


def _cast(target: _Target, columns: Sequence[str]) -> str:
    return ", ".join(f"i.{column}::{target.types[column]} as {column}" for column in columns)


def _write(cursor: adbc.Cursor, target: _Target, statement: str) -> None:
    _checked(target, lambda: cursor.execute(statement))


def _checked(target: _Target, write: Callable[[], T]) -> T:
    try:
        return write()
    except (adbc.IntegrityError, adbc.ProgrammingError, adbc.DataError, pa.ArrowInvalid) as error:
        raise MergeError(
            f"{target.name}: rows must fit the table's types and checks, each key {target.key} once; "
            f"the database said: {error}. Correct the rows before the merge; nothing was written."
        ) from error


def _look(cursor: adbc.Cursor, target: _Target, counts: str, relation: str) -> _Changed:
    """Count what is written, in one pass: inserted, updated, sum of hashes; and the first day that it is about."""
    # As text: ADBC has no Arrow type for numeric.
    numbers = f"select concat_ws(' ', {counts}) as numbers, min({target.date_column or 'null::date'}) as first_date"
    cursor.execute(f"{numbers} from {relation}")
    row = cursor.fetchone()
    inserted, updated, digest = (int(number) for number in row[0].split()) if row else (0, 0, 0)
    return _Changed(inserted, updated, digest, row[1] if row else None)


def _scalar(cursor: adbc.Cursor, query: str) -> int:
    # As text: ADBC has no Arrow type for numeric.
    cursor.execute(f"select ({query})::text")
    row = cursor.fetchone()
    return int(row[0]) if row else 0
