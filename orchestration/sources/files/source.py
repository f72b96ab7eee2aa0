"""A folder of Parquet or CSV files, as the platform sees it. The mapping is described in `mapping`."""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.calendars import FIRST_KNOWN_DATE, HomeCalendar
from orchestration.sources.errors import MappingError
from orchestration.sources.files.cells import convert
from orchestration.sources.files.mapping import (
    SECTIONS,
    Mapping,
    Section,
    mapping_of,
    read_mapping,
)
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.rows import (
    Layout,
    canonical_tickers,
    layout,
    to_batch,
    within,
)
from orchestration.sources.files.survey import Survey, survey
from orchestration.sources.files.tables import Piece, find_files, read_pieces
from orchestration.sources.records import Batch, Instrument, arrow_schema

# Where a file has neither an instant of publication nor a filing day: the window in which a statement is handed over.
ASSUMED_PUBLICATION_DAYS = 90
_DAY_COLUMNS = ("trade_date", "ex_date", "rate_date")
_RECORDS = dict(SECTIONS.values())
_UNNAMED_INDEX = "INDEX"

Bounds = tuple[dt.date | None, dt.date | None]


class FilesSource:
    """Market data that lies in files; it ends with the newest bar.

    Parameters
    ----------
    options : FilesOptions
    calendar : HomeCalendar
        Sessions that windows are cut at.
    now : callable
        The clock, timezone-aware; bars dated after it do not move the end.

    Raises
    ------
    SourceError
        On first use, if the mapping, a file or a column is missing; the message says which and what to do.
    """

    name = "files"
    is_simulated = False

    def __init__(
        self,
        options: FilesOptions,
        *,
        calendar: HomeCalendar,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._options = options
        self._calendar = calendar
        self._now = now

    @property
    def label(self) -> str:
        """The mapping's sentence, or one that names the folder."""
        return self._mapping.label or f"Market data from the files in {self._options.folder}."

    @property
    def entities(self) -> frozenset[str]:
        """Entities that the mapping has; instruments always."""
        found = {table for name, (table, _) in SECTIONS.items() if getattr(self._mapping, name)}
        return frozenset(found | {"instruments"})

    @property
    def first_session(self) -> dt.date:
        """First session at or after the oldest bar."""
        first = self._survey.first_date
        return first if self._calendar.is_session(first) else self._calendar.next_session(first)

    @property
    def last_session(self) -> dt.date:
        """Last session at or before the newest bar."""
        last = self._survey.last_date
        return last if self._calendar.is_session(last) else self._calendar.previous_session(last)

    @property
    def benchmark_symbol(self) -> str | None:
        """Symbol of the index, from the mapping's constants or the file's first row."""
        section = self._mapping.benchmark
        if section is None:
            return None
        if "source_symbol" in section.constants:
            return str(section.constants["source_symbol"])
        for batch in self._read("benchmark_bars", (None, None)):
            if batch.rows.num_rows:
                return str(batch.rows.column("source_symbol")[0])
        return _UNNAMED_INDEX

    def instruments(self) -> Iterator[Batch]:
        """Instruments of the file, or the symbols of the bars where the mapping has no such file."""
        if self._mapping.instruments is not None:
            yield from self._read("instruments", (None, None))
            return
        symbols = pa.array(self._survey.symbols, pa.string())
        given = {
            "source_symbol": symbols,
            "ticker": canonical_tickers(symbols),
            "currency_code": self._currency_of_bars(len(symbols)),
            "is_active": pa.repeat(pa.scalar(True), len(symbols)),
            "metadata": pa.repeat(pa.scalar("{}"), len(symbols)),
        }
        schema = arrow_schema(Instrument)
        arrays = [given.get(f.name, pa.nulls(len(symbols), f.type)) for f in schema]
        yield Batch(pa.RecordBatch.from_arrays(arrays, schema=schema))

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars by day; days without a session come with the next session's window."""
        yield from self._read_window("daily_bars", first_date, last_date)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the index by day."""
        yield from self._read_window("benchmark_bars", first_date, last_date)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends by ex-date."""
        yield from self._read_window("dividends", first_date, last_date)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits by ex-date."""
        yield from self._read_window("splits", first_date, last_date)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements by day of publication, else of filing, else 90 days after the period's end."""
        yield from self._read_window("fundamentals", first_date, last_date)

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles by day of publication, in the exchange's time."""
        yield from self._read_window("news_articles", first_date, last_date)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Exchange rates by day."""
        yield from self._read_window("fx_rates", first_date, last_date)

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays, all that the file has."""
        yield from self._read("market_holidays", (None, None))

    def ticker_events(self) -> Iterator[Batch]:
        """Renamings, all that the file has."""
        yield from self._read("ticker_events", (None, None))

    @cached_property
    def _mapping(self) -> Mapping:
        return read_mapping(self._mapping_path)

    @cached_property
    def _mapping_path(self) -> Path:
        return self._options.mapping or mapping_of(self._options.folder)

    @cached_property
    def _survey(self) -> Survey:
        files = list(self._files("daily_bars"))
        for _, found in files:
            if "trade_date" not in found.columns:
                must = "be in the file, not a constant"
                raise MappingError(self._mapping_path, "bars: trade_date", must=must, got="constant")
        return survey(
            files,
            earliest=FIRST_KNOWN_DATE,
            latest=self._calendar.last_closed_session(self._now()),
            needs_symbols=self._mapping.instruments is None,
            cache_folder=self._options.cache_folder,
        )

    def _files(self, entity: str) -> Iterator[tuple[Path, Layout]]:
        section = self._mapping.section(entity)
        if section is None:
            return
        named = _with_index_symbol(section) if entity == "benchmark_bars" else section
        for path in find_files(self._options.folder, section, entity=entity):
            yield path, layout(path, named, entity=entity, record=_RECORDS[entity])

    def _read_window(self, entity: str, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        bounds = self._bounds(first_date, last_date)
        if bounds is not None:
            yield from self._read(entity, bounds)

    def _bounds(self, first_date: dt.date, last_date: dt.date) -> Bounds | None:
        """Days of a window: from after the session before it to its last session; open at the source's ends."""
        first, last = self.first_session, self.last_session
        sessions = self._calendar.sessions(max(first_date, first), min(last_date, last))
        if not sessions:
            return None
        is_first, is_last = sessions[0] <= first, sessions[-1] >= last
        before = None if is_first else self._calendar.previous_session(sessions[0])
        begin = None if before is None else before + dt.timedelta(days=1)
        return begin, None if is_last else sessions[-1]

    def _read(self, entity: str, bounds: Bounds) -> Iterator[Batch]:
        for path, found in self._files(entity):
            date_column = next((found.columns[name] for name in _DAY_COLUMNS if name in found.columns), None)
            pieces = read_pieces(
                path,
                found.file_columns,
                found.section,
                date_column=date_column,
                first_date=bounds[0],
                last_date=bounds[1],
            )
            for piece in pieces:
                batch = to_batch(self._in_window(piece, found, bounds), found)
                if batch.n_received:
                    yield batch

    def _in_window(self, piece: Piece, found: Layout, bounds: Bounds) -> Piece:
        if bounds == (None, None):
            return piece
        is_in = within(self._days(piece, found), *bounds)
        numbers = [piece.row_numbers[i] for i in np.flatnonzero(is_in).tolist()]
        # A line that cannot be told apart into fields has no day; it comes with the first window, like a row without.
        broken = piece.broken if bounds[0] is None else []
        return Piece(piece.path, piece.cells.filter(pa.array(is_in)), numbers, broken)

    def _days(self, piece: Piece, found: Layout) -> pa.Array:
        def column(name: str, to: pa.DataType) -> pa.Array:
            if name not in found.columns:
                return pa.nulls(piece.cells.num_rows, to)
            return convert(piece.cells.column(found.columns[name]), to, found.section)[0]

        day = next((name for name in _DAY_COLUMNS if name in found.columns), None)
        if day is not None:
            return column(day, pa.date32())
        published = column("published_at", pa.timestamp("us", tz="UTC"))
        local = published.cast(pa.timestamp("us", tz=self._calendar.timezone.key))
        published_day = pc.local_timestamp(local).cast(pa.date32(), safe=False)
        if found.entity != "fundamentals":
            return published_day
        ended = column("period_end_date", pa.date32()).cast(pa.int32())
        assumed = pc.add(ended, ASSUMED_PUBLICATION_DAYS).cast(pa.int32()).cast(pa.date32())
        return pc.coalesce(published_day, column("filed_date", pa.date32()), assumed)

    def _currency_of_bars(self, n_rows: int) -> pa.Array:
        currency = self._mapping.bars.constants.get("currency_code")
        return pa.repeat(pa.scalar(currency, pa.string()), n_rows)


def _with_index_symbol(section: Section) -> Section:
    """Give an index file without a symbol one."""
    if "source_symbol" in section.columns or "source_symbol" in section.constants:
        return section
    constants = {**section.constants, "source_symbol": _UNNAMED_INDEX}
    return msgspec.structs.replace(section, constants=constants)
