"""What the API reads of the warehouse itself: which version of each table stands, and which schema it has."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries.reader import Reader

MIGRATIONS = Path(__file__).parent.parent / "migrations" / "versions"

VERSIONS = "select dataset, version, as_of_date, n_rows, changed_at from app.dataset_versions order by dataset"
REVISION = "select version_num from public.alembic_version"


class Dataset(msgspec.Struct, frozen=True, gc=False):
    """One table that is served or computed from, and the version of its content."""

    dataset: Annotated[str, Meta(description="Table, schema and name.")]
    version: Annotated[str, Meta(description="Content hash; the same version is the same content.")]
    as_of_date: Annotated[dt.date | None, Meta(description="Newest day that the table knows.")]
    n_rows: Annotated[int | None, Meta(description="Rows, null where nobody counted. Unit rows.")]
    changed_at: Annotated[dt.datetime, Meta(description="When the content last changed, UTC.")]


class _Revision(msgspec.Struct, frozen=True):
    version_num: str


async def versions(reader: Reader) -> list[Dataset]:
    """Return the version of every table, by name."""
    return await reader.rows(Dataset, VERSIONS)


async def revision(reader: Reader) -> str | None:
    """Return the migration that the database is at."""
    rows = await reader.rows(_Revision, REVISION)
    return rows[0].version_num if rows else None


def wanted_revision() -> str:
    """Return the migration that this code wants: the newest file, found without loading the migration tool."""
    return max(path.stem.partition("_")[0] for path in MIGRATIONS.glob("[0-9]*.py"))
