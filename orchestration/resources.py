"""What assets are given: warehouse, source, and the store of artifacts. All read their settings when a run begins."""

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import adbc_driver_postgresql.dbapi as adbc
import dagster as dg
import pandas as pd
import psutil
import psycopg
import pyarrow as pa
from pydantic import PrivateAttr
from upath import UPath

from orchestration.installation import Installation, current_installation
from orchestration.tracing import RunTrace, statement, trace_of
from warehouse.arrow import arrow_connection, read_arrow, read_arrow_at_once
from warehouse.connect import connect, writer_url
from warehouse.merge import MergeResult, Rows, Window, merge

PID_TAG = "factorloom/pid"
PROCESS_STARTED_TAG = "factorloom/process_started_at"


class Warehouse(dg.ConfigurableResource["Warehouse"]):
    """The PostgreSQL that keeps everything, reached as `factorloom_writer`; at DATABASE_URL, else embedded."""

    _trace: RunTrace | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Leave a mark of this process on the run: a later start can tell whether the run is dead."""
        run = context.run
        if run and context.instance and context.instance.has_run(run.run_id):
            context.instance.add_run_tags(run.run_id, process_tags())
            self._trace = trace_of(run.run_id, run.job_name)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the trace of the run."""
        if self._trace is not None:
            self._trace.end()

    @property
    def url(self) -> str:
        """Address for pipelines."""
        return writer_url(current_installation().settings)

    def read(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Read the answer of a query; parameters are `$1`, `$2`, ..."""
        with statement("query", sql):
            return read_arrow(self.url, sql, parameters)

    def read_frame(self, sql: str, parameters: Sequence[object] = ()) -> pd.DataFrame:
        """Read the answer of a query as a frame; dates are datetime64, text is Arrow-backed."""
        return _as_frame(self.read(sql, parameters))

    def read_history(
        self, sql: str, parameters: Sequence[object] = (), *, day: str, between: tuple[dt.date, dt.date]
    ) -> pd.DataFrame:
        """Read a long answer in two halves at once, both of one instant.

        Parameters
        ----------
        sql, parameters
            As for `read_frame`; an order of the rows would be lost.
        day : str
            Column by which the answer is halved.
        between : (date, date)
            First and last day of most rows; those beyond come as well.
        """
        first, last = between
        halves = [f"select * from ({sql}) as whole where {day} {side} ${len(parameters) + 1}" for side in ("<", ">=")]
        given = [*parameters, first + (last - first) / 2]
        with statement("query", sql):
            return _as_frame(pa.concat_tables(read_arrow_at_once(self.url, halves, given)))

    def read_frames(self, *queries: str) -> list[pd.DataFrame]:
        """Read the answers of several queries at once, all of one instant."""
        with statement("query", "; ".join(queries)):
            return [_as_frame(rows) for rows in read_arrow_at_once(self.url, queries)]

    def merge(self, table: str, rows: "Rows | pd.DataFrame", *, window: Window | None = None) -> MergeResult:
        """Merge rows into a table in a transaction of its own."""
        with statement("merge", table), self.transaction() as connection:
            return merge(connection, table, as_arrow(rows), window=window)

    @contextmanager
    def transaction(self) -> Iterator[adbc.Connection]:
        """Open a connection for whole tables; commits at the end, unless an error leaves it."""
        with arrow_connection(self.url) as connection:
            yield connection

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Open a connection for single rows; commits at the end, unless an error leaves it."""
        with connect(self.url) as connection:
            yield connection


def _as_frame(rows: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas(date_as_object=False)
    return frame


class MarketData(dg.ConfigurableResource["MarketData"]):
    """The source of market data that FACTORLOOM_SOURCE names, and the home calendar."""

    @property
    def installation(self) -> Installation:
        """Source, calendar and clock."""
        return current_installation()


class Artifacts(dg.ConfigurableResource["Artifacts"]):
    """Where model files and reports lie: FACTORLOOM_ARTIFACTS, a folder or an object store."""

    def write(self, name: str, content: bytes) -> str:
        """Write a file and return where it lies within the store: a store that is moved keeps its rows true."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def read(self, uri: str) -> bytes:
        """Read a file by its place within the store, or by a whole address."""
        return (self._root / uri if "://" not in uri else UPath(uri)).read_bytes()

    def link(self, uri: str) -> dg.MetadataValue:
        """Return what the UI shows of a file: its path, or its address where the store has one."""
        path = self._root / uri
        return (
            dg.MetadataValue.url(str(path)) if path.protocol in ("http", "https") else dg.MetadataValue.path(str(path))
        )

    @property
    def _root(self) -> UPath:
        return UPath(current_installation().settings.artifacts_uri)


def process_tags() -> dict[str, str]:
    """Return the mark by which a run says that this process works on it."""
    process = psutil.Process(os.getpid())
    return {PID_TAG: str(process.pid), PROCESS_STARTED_TAG: f"{process.create_time():.2f}"}


def as_arrow(rows: "Rows | pd.DataFrame") -> Rows:
    """Return rows as Arrow; NaN and NaT become null."""
    if isinstance(rows, pd.DataFrame):
        return pa.Table.from_pandas(rows, preserve_index=False)
    return rows
