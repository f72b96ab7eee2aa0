"""Files that are brought in once, beside what the source of the installation delivers.

They come in by the same door, under the source's symbols, as a source of their own: IMPORTED counts after all others,
so it fills what they do not have and takes nothing from them, and a check shows where it says something else.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from orchestration.defs.fundamentals.assets import fundamentals_entity
from orchestration.defs.market_data.assets import write_aliases
from orchestration.defs.market_data.entities import daily_bars_entity, instruments_entity
from orchestration.ingestion import Entity, Ingested, ingest
from orchestration.installation import IMPORTED, Installation
from orchestration.resources import Warehouse
from orchestration.sources.errors import DataFileMissing
from orchestration.sources.files.mapping import Section, read_mapping
from orchestration.sources.files.rows import canonical_tickers, layout, to_batch
from orchestration.sources.files.tables import read_pieces
from orchestration.sources.records import Batch, DailyBar, Fundamental, Instrument, arrow_schema
from warehouse.queries import market_data as queries

MARGIN = dt.timedelta(days=20)


class Kind(NamedTuple):
    """What can be imported: the mapping's section, the record, and how it comes in."""

    section: str
    record: type[msgspec.Struct]
    entity: Callable[[Warehouse, Installation], Entity]


def _prices(_: Warehouse, installation: Installation) -> Entity:
    calendar = installation.calendar
    today = installation.clock().astimezone(calendar.timezone).date()
    return daily_bars_entity(installation, calendar.first_known_session + MARGIN, today)


def _instruments(warehouse: Warehouse, installation: Installation) -> Entity:
    names = ",".join(installation.source_names)
    known = warehouse.read_frame(queries.KNOWN_INSTRUMENTS, [names])
    events = warehouse.read_frame(queries.TICKER_EVENTS, [names])
    return instruments_entity(installation, known, events, source=IMPORTED)


KINDS = {
    "prices": Kind("bars", DailyBar, _prices),
    "instruments": Kind("instruments", Instrument, _instruments),
    "fundamentals": Kind("fundamentals", Fundamental, fundamentals_entity),
}


def import_file(
    installation: Installation, name: str, path: Path, section: Section, *, warehouse: Warehouse | None = None
) -> Ingested:
    """Take in a CSV or Parquet file; the same file again changes nothing.

    Parameters
    ----------
    installation
        Whose calendar and warehouse count.
    name
        One of KINDS.
    path
        The file.
    section
        What its columns are called, as in a mapping of the source `files`; `file` is not looked at.
    warehouse
        In place of the installation's.

    Raises
    ------
    SourceError
        If the file or a column that is needed is not there.
    """
    kind, warehouse = KINDS[name], warehouse or Warehouse()
    entity = kind.entity(warehouse, installation)
    return _take_in(installation, warehouse, entity, _batches(path, section, kind, entity))


def import_bars(
    installation: Installation, bars: Iterable[pa.RecordBatch], *, warehouse: Warehouse | None = None
) -> Ingested:
    """Take in daily bars, in the columns of `DailyBar`; the same bars again change nothing. Parameters as above."""
    warehouse = warehouse or Warehouse()
    return _take_in(installation, warehouse, _prices(warehouse, installation), (Batch(rows) for rows in bars))


def _take_in(installation: Installation, warehouse: Warehouse, entity: Entity, batches: Iterator[Batch]) -> Ingested:
    ingested = ingest(warehouse, IMPORTED, entity, batches)
    write_aliases(warehouse, installation)
    _list_unknown(warehouse, installation)
    return ingested


def _list_unknown(warehouse: Warehouse, installation: Installation) -> None:
    """List the symbols of prices that nobody has described, as the source `files` does."""
    symbols = warehouse.read(queries.BARS_WITHOUT_INSTRUMENT, [IMPORTED]).column("source_symbol").cast(pa.string())
    if len(symbols) == 0:
        return
    given = {
        "source_symbol": symbols,
        "ticker": canonical_tickers(symbols),
        "is_active": pa.repeat(pa.scalar(True), len(symbols)),
        "metadata": pa.repeat(pa.scalar("{}"), len(symbols)),
    }
    schema = arrow_schema(Instrument)
    arrays = [given.get(field.name, pa.nulls(len(symbols), field.type)) for field in schema]
    batch = Batch(pa.RecordBatch.from_arrays([_flat(array) for array in arrays], schema=schema))
    ingest(warehouse, IMPORTED, _instruments(warehouse, installation), iter([batch]))
    write_aliases(warehouse, installation)


def _flat(column: "pa.Array | pa.ChunkedArray") -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def section_of(name: str, mapping: Path | None, constants: dict[str, str]) -> Section:
    """Return the mapping's section for a kind of file, without a mapping one that renames nothing.

    `constants` are columns that the file does not have; they go before the mapping's.
    """
    found = getattr(read_mapping(mapping), KINDS[name].section) if mapping is not None else None
    section = found or Section(file="")
    return msgspec.structs.replace(section, constants={**section.constants, **constants})


def _batches(path: Path, section: Section, kind: Kind, entity: Entity) -> Iterator[Batch]:
    """Return the file's records; what is wrong with the file as a whole is said before the first of them."""
    if not path.is_file():
        raise DataFileMissing(path.parent, path.name, entity=entity.table)
    found = layout(path, section, entity=entity.table.removeprefix("raw."), record=kind.record)
    return (to_batch(piece, found) for piece in read_pieces(path, found.file_columns, found.section))
