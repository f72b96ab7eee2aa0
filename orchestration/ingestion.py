"""How records come in: every one received is stored, counted as an exact duplicate, or quarantined with its reason."""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from orchestration.metadata import merge_metadata, sample
from orchestration.resources import Warehouse
from orchestration.sources.records import Batch, Refused, Turn, arrow_schema
from orchestration.sources.wire import LEFT_OUT
from transforms.refusals import Checked
from warehouse.merge import MergeResult, merge
from warehouse.queries.vendor_progress import record_progress

SAMPLE_ROWS = 10
# What one judgement costs does not depend on its rows up to about here: a vendor's answers are put together.
ROWS_AT_ONCE = 20_000
Check = Callable[[pd.DataFrame], Checked]
Complete = Callable[[pd.DataFrame], pd.DataFrame]


class Entity(msgspec.Struct, frozen=True):
    """A table of `raw` and how its records come in."""

    table: str
    record: type[msgspec.Struct]
    key: tuple[str, ...]
    check: Check
    # Turns accepted records into rows of the table, where the table wants more than the record has.
    complete: Complete = lambda records: records
    # True where a vendor tells the state of a day: asked for once a day, as a window of the past is.
    is_of_a_day: bool = False

    @property
    def name(self) -> str:
        """Name of the table without its schema, and of the capability that brings it."""
        return self.table.removeprefix("raw.")


class Ingested(msgspec.Struct, frozen=True):
    """What became of the records of one run."""

    written: MergeResult
    n_received: int
    n_quarantined: int
    n_exact_duplicates: int
    refused_by_rule: dict[str, int]
    sample: list[dict[str, str]]
    # Who answered: more than one where a source was replaced by another.
    received_by_source: dict[str, int]
    # What could not be asked for, symbols or sessions of the whole market: the next run goes on there.
    left_out: list[str] = []

    @property
    def is_accounted_for(self) -> bool:
        """Whether received = inserted + updated + unchanged + quarantined + exact duplicates."""
        stored = self.written.inserted + self.written.updated + self.written.unchanged
        return self.n_received == stored + self.n_quarantined + self.n_exact_duplicates

    def metadata(self) -> dict[str, Any]:
        """Return the counts as Dagster metadata; numbers are plotted over time."""
        return {
            **merge_metadata(self.written),
            "received": self.n_received,
            "quarantined": self.n_quarantined,
            "exact_duplicates": self.n_exact_duplicates,
            "quarantined_by_rule": dg.MetadataValue.json(self.refused_by_rule),
            "received_by_source": dg.MetadataValue.json(self.received_by_source),
            **self._left_out(),
        }

    def _left_out(self) -> dict[str, Any]:
        if not self.left_out:
            return {}
        return {"left_out": len(self.left_out), "left_out_first": ", ".join(self.left_out[:SAMPLE_ROWS])}

    def accounting_check(self) -> dg.AssetCheckResult:
        """Return the blocking check that no record was lost, with a sample of what was refused."""
        return dg.AssetCheckResult(
            check_name="every_record_is_accounted_for",
            passed=self.is_accounted_for,
            metadata={**self.metadata(), **sample(pd.DataFrame(self.sample))},
            description=f"{self.n_received} received = {self.written.inserted} inserted"
            f" + {self.written.updated} updated + {self.written.unchanged} unchanged + {self.n_quarantined} quarantined"
            f" + {self.n_exact_duplicates} exact duplicates",
        )


def ingest(warehouse: Warehouse, source: str, entity: Entity, batches: Iterator[Batch]) -> Ingested:
    """Check and store the records of a source in one transaction: bad ones go to `raw.quarantine`.

    Parameters
    ----------
    warehouse
        Where to.
    source
        Name of the source, for the column `source`.
    entity
        Which table, and its rules.
    batches
        Records as received; streamed, so that a long history needs no more memory than its largest batch.
    """
    door = _Door(source, entity)
    with warehouse.transaction() as connection:
        reader = door.reader(batches)
        written = merge(connection, entity.table, reader)
        if door.quarantine:
            merge(connection, "raw.quarantine", pa.Table.from_pylist(door.quarantine))
        if door.reached:
            record_progress(connection, door.reached)
    return Ingested(
        written=written,
        n_received=door.n_received,
        n_quarantined=door.n_quarantined,
        n_exact_duplicates=door.n_exact_duplicates,
        refused_by_rule=dict(sorted(door.refused_by_rule.items())),
        received_by_source=dict(sorted(door.received_by_source.items())),
        left_out=door.left_out,
        sample=[
            {name: str(row[name]) for name in ("record_key", "rule", "detail")} for row in door.quarantine[:SAMPLE_ROWS]
        ],
    )


def larger(batches: Iterator[Batch], n_rows: int = ROWS_AT_ONCE) -> Iterator[Batch]:
    """Put batches that follow each other and are of the same source together, up to so many rows and what is over."""
    waiting: list[Batch] = []
    for batch in batches:
        if waiting and waiting[0].source != batch.source:
            yield _together(waiting)
            waiting = []
        waiting.append(batch)
        if sum(held.rows.num_rows for held in waiting) >= n_rows:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(batches: Sequence[Batch]) -> Batch:
    return Batch(
        rows=pa.concat_batches([batch.rows for batch in batches]),
        refused=[record for batch in batches for record in batch.refused],
        source=batches[0].source,
        reached=tuple(turn for batch in batches for turn in batch.reached),
        left=tuple(turn for batch in batches for turn in batch.left),
    )


class _Door:
    """Counts and sorts while the records stream through."""

    def __init__(self, source: str, entity: Entity) -> None:
        self._source = self._answering = source
        self._entity = entity
        self._seen: dict[str, _SeenRecords] = {}
        self._quarantined: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.n_received = 0
        self.n_quarantined = 0
        self.n_exact_duplicates = 0
        self.refused_by_rule: dict[str, int] = {}
        self.received_by_source: dict[str, int] = {}
        self.reached: list[dict[str, Any]] = []
        self.left_out: list[str] = []

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        return list(self._quarantined.values())

    def reader(self, batches: Iterator[Batch]) -> pa.RecordBatchReader:
        """Return the accepted rows as a stream; the schema is known from the first batch's own."""
        empty = arrow_schema(self._entity.record).empty_table().to_pandas(date_as_object=False)
        schema = self._rows(empty).schema
        return pa.RecordBatchReader.from_batches(schema, self._accepted(batches, schema))

    def _accepted(self, batches: Iterator[Batch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in larger(batches):
            self.n_received += batch.n_received
            self._answering = batch.source or self._source
            so_far = self.received_by_source.get(self._answering, 0)
            self.received_by_source[self._answering] = so_far + batch.n_received
            for refused in batch.refused:
                self._refuse(refused)
                if refused.rule.startswith(LEFT_OUT):
                    self.left_out.append(refused.record_key.partition("|")[0])
            self.reached += [self._progress(turn, is_asked=True) for turn in batch.reached]
            self.reached += [self._progress(turn.none_of_it, is_asked=False) for turn in batch.left]
            records = pa.Table.from_batches([batch.rows]).to_pandas(date_as_object=False)
            checked = self._entity.check(records)
            self.n_exact_duplicates += checked.n_exact_duplicates
            self._refuse_rows(checked.refused)
            fresh = self._without_seen(checked.accepted)
            yield from self._rows(fresh).cast(schema).to_batches()

    def _progress(self, turn: Turn, *, is_asked: bool) -> dict[str, Any]:
        return {
            "source": self._answering,
            "entity": self._entity.name,
            "source_symbol": turn.symbol,
            "reached_date": turn.last_date,
            "is_asked": is_asked,
        }

    def _rows(self, records: pd.DataFrame) -> pa.Table:
        rows = self._entity.complete(records)
        return (
            pa.Table.from_pandas(rows, preserve_index=False)
            .append_column("source", pa.array([self._answering] * len(rows), pa.string()))
            .replace_schema_metadata()
        )

    def _without_seen(self, accepted: pd.DataFrame) -> pd.DataFrame:
        """Leave out what an earlier batch of the source has brought: equal records repeat it, others conflict."""
        seen = self._seen.setdefault(self._answering, _SeenRecords(self._entity.key))
        same_key, same_record = seen.split(accepted)
        self.n_exact_duplicates += int(same_record.sum())
        conflicting = accepted[same_key & ~same_record]
        if len(conflicting):
            self._refuse_rows(
                conflicting.assign(
                    rule="conflicting_duplicate",
                    detail=f"one record per {', '.join(self._entity.key)}; an earlier batch brought another one.",
                )
            )
        return accepted[~same_key]

    def _refuse_rows(self, refused: pd.DataFrame) -> None:
        reasons = ("rule", "detail")
        for row in refused.to_dict("records"):
            payload = {str(name): _plain(value) for name, value in row.items() if name not in reasons}
            key = "|".join(str(payload.get(part)) for part in self._entity.key)
            self._refuse(
                Refused(
                    entity=self._entity.name,
                    record_key=key,
                    rule=row["rule"],
                    detail=row["detail"],
                    payload=payload,
                    trade_date=_day(row.get("trade_date")),
                )
            )

    def _refuse(self, refused: Refused) -> None:
        payload = json.dumps(refused.payload, sort_keys=True, default=str)
        digest = hashlib.blake2b(payload.encode(), digest_size=16).hexdigest()
        self.n_quarantined += 1
        self.refused_by_rule[refused.rule] = self.refused_by_rule.get(refused.rule, 0) + 1
        self._quarantined[(refused.record_key, refused.rule, digest)] = {
            "source": self._answering,
            "entity": refused.entity,
            "record_key": refused.record_key,
            "rule": refused.rule,
            "payload_hash": digest,
            "trade_date": refused.trade_date,
            "detail": refused.detail,
            "payload": payload,
        }


class _SeenRecords:
    """Remembers the records of earlier batches by hash: 16 bytes each."""

    def __init__(self, key: Sequence[str]) -> None:
        self._key = list(key)
        self._keys = np.empty(0, dtype=np.uint64)
        self._records = np.empty(0, dtype=np.uint64)
        # Most sources bring a day in one batch: the first is hashed when another one follows.
        self._first: pd.DataFrame | None = None

    def split(self, records: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return which records have a key, and which equal a record, of an earlier batch; then remember these."""
        if self._first is not None:
            self._remember(*self._hashes(self._first))
            self._first = None
        elif not len(self._keys):
            self._first = records
            return np.zeros(len(records), dtype=bool), np.zeros(len(records), dtype=bool)
        keys, whole = self._hashes(records)
        same_key = np.isin(keys, self._keys)
        same_record = same_key & np.isin(whole, self._records)
        self._remember(keys[~same_key], whole[~same_key])
        return same_key, same_record

    def _remember(self, keys: np.ndarray, records: np.ndarray) -> None:
        self._keys = np.concatenate([self._keys, keys])
        self._records = np.concatenate([self._records, records])

    def _hashes(self, records: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        keys = pd.util.hash_pandas_object(records[self._key], index=False).to_numpy()
        whole = records.astype({"metadata": str}) if "metadata" in records else records
        return keys, pd.util.hash_pandas_object(whole, index=False).to_numpy()


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if value is None or (not isinstance(value, (dict, list)) and pd.isna(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value.tz is None else value.isoformat()
    if isinstance(value, float) and math.isinf(value):
        return str(float(value))  # No JSON says it as a number.
    return value.item() if isinstance(value, np.generic) else value


def _day(value: Any) -> dt.date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()
