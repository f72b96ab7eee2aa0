"""GET /v1/diagnostics: how the installation stands."""

import datetime as dt

from litestar.di import NamedDependency

from api import answers, operations
from api.answers import One, Page
from warehouse.queries import diagnostics
from warehouse.queries.diagnostics import DatabaseFacts, Refresh
from warehouse.queries.reader import Reader

DATABASE = DatabaseFacts(
    server_version="18.4",
    started_at=dt.datetime(2024, 6, 24, 6, 0, tzinfo=dt.UTC),
    is_replica=False,
    size_bytes=1_822_000_000,
    n_connections=14,
    max_connections=100,
    revision="0016",
    n_datasets=31,
    changed_at=dt.datetime(2024, 6, 28, 22, 9, tzinfo=dt.UTC),
)
REFRESH = Refresh(
    source="simulated",
    entity="quotes",
    asked_at=dt.datetime(2024, 6, 28, 18, 30, tzinfo=dt.UTC),
    version="7d793037a0760186574b0282f2f435e7",
    as_of_date=dt.date(2024, 6, 28),
    n_rows=120_400,
    changed_at=dt.datetime(2024, 6, 28, 18, 30, 1, tzinfo=dt.UTC),
)


@operations.read(
    "/diagnostics/database-status",
    operation_id="get_database_status",
    summary="Say how the database stands",
    tag="Service",
    scope="read:market",
    example=One(DATABASE, answers.Meta()),
)
async def get_database_status(reader: NamedDependency[Reader]) -> One[DatabaseFacts]:
    """Version, age, size, connections and schema of the database; `/readyz` says whether that is as it should be."""
    return One(await diagnostics.database(reader), answers.meta())


@operations.read(
    "/diagnostics/refresh-status",
    operation_id="list_refresh_status",
    summary="List when each source was asked last",
    tag="Service",
    scope="read:market",
    example=Page([REFRESH], answers.Meta()),
)
async def list_refresh_status(reader: NamedDependency[Reader]) -> Page[Refresh]:
    """Each table of the sources: when it was asked for last, and which content of it stands since when."""
    return Page(await diagnostics.refreshes(reader), answers.meta())
