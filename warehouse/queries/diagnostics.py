"""What the API reads of the installation: how the database stands, and when each source was asked last."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries.reader import Reader

DATABASE = """
select
    current_setting('server_version'),
    pg_postmaster_start_time(),
    pg_is_in_recovery(),
    pg_database_size(current_database()),
    (select count(*) from pg_stat_activity where datname = current_database())::integer,
    current_setting('max_connections')::integer,
    (select version_num from public.alembic_version limit 1),
    (select count(*) from app.dataset_versions)::integer,
    (select max(changed_at) from app.dataset_versions)
"""

REFRESHES = """
select r.source, r.entity, r.asked_at, v.version, v.as_of_date, v.n_rows, v.changed_at
from app.refreshes as r
left join app.dataset_versions as v on v.dataset = 'raw.' || r.entity
union all
select null, split_part(v.dataset, '.', 2), null, v.version, v.as_of_date, v.n_rows, v.changed_at
from app.dataset_versions as v
where
    v.dataset like 'raw.%%'
    and not exists (select from app.refreshes as r where 'raw.' || r.entity = v.dataset)
order by 2, 1
"""


class DatabaseFacts(msgspec.Struct, frozen=True, gc=False):
    """How the database stands."""

    server_version: Annotated[str, Meta(description="Version of PostgreSQL.")]
    started_at: Annotated[dt.datetime, Meta(description="When the server was started, UTC.")]
    is_replica: Annotated[bool, Meta(description="True where the server only follows another.")]
    size_bytes: Annotated[int, Meta(description="Size of the warehouse. Unit bytes.")]
    n_connections: Annotated[int, Meta(description="Connections to the warehouse. Unit connections.")]
    max_connections: Annotated[int, Meta(description="Connections that the server takes. Unit connections.")]
    revision: Annotated[str | None, Meta(description="Migration that the tables are at.")]
    n_datasets: Annotated[int, Meta(description="Tables with a version. Unit tables.")]
    changed_at: Annotated[dt.datetime | None, Meta(description="When data last changed, UTC.")]


class Refresh(msgspec.Struct, frozen=True, gc=False):
    """When a source was last asked for something, and what of it stands."""

    source: Annotated[str | None, Meta(description="Source that was asked; null where that is not kept.")]
    entity: Annotated[str, Meta(description="Table of raw, without its schema.")]
    asked_at: Annotated[dt.datetime | None, Meta(description="When it was asked last by the platform's clock, UTC.")]
    version: Annotated[str | None, Meta(description="Content hash of what stands.")]
    as_of_date: Annotated[dt.date | None, Meta(description="Newest day that the table knows.")]
    n_rows: Annotated[int | None, Meta(description="Rows, null where nobody counted. Unit rows.")]
    changed_at: Annotated[dt.datetime | None, Meta(description="When the content last changed, UTC.")]


async def database(reader: Reader) -> DatabaseFacts:
    """Return how the database stands."""
    return (await reader.rows(DatabaseFacts, DATABASE))[0]


async def refreshes(reader: Reader) -> list[Refresh]:
    """Return when each source was last asked, by entity and source."""
    return await reader.rows(Refresh, REFRESHES)
