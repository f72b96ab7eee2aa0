"""Bring an installation's databases into being and up to date."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from warehouse.connect import DAGSTER_DATABASE, WAREHOUSE_DATABASE, connect, embedded_server, owner_url
from warehouse.errors import MigrationPending
from warehouse.inspection import inspect, require_ability
from warehouse.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def prepare(settings: Settings) -> None:
    """Start the embedded server where it is used, make missing databases, and migrate. Safe to run twice at once."""
    if settings.is_embedded:
        server = embedded_server(settings)
        server.start()
        for database in (WAREHOUSE_DATABASE, DAGSTER_DATABASE):
            _create_database(server.url("postgres"), database)
    upgrade(owner_url(settings))


def upgrade(url: str) -> None:
    """Apply the migrations that the database at `url` lacks.

    Raises
    ------
    UnfitDatabase
        When the server is too old, or the account may not do what migrations do.
    MigrationPending
        When the database is newer than the code.
    """
    found, wanted = current_revision(url), newest_revision()
    if found == wanted:
        return
    if found is not None and found > wanted:
        raise MigrationPending(found=found, wanted=wanted)
    require_ability(inspect(url))
    command.upgrade(_alembic(url), "head")


def current_revision(url: str) -> str | None:
    """Return the revision that the database is at, None before the first."""
    with connect(url) as connection:
        if connection.execute("select to_regclass('public.alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("select version_num from public.alembic_version").fetchone()
    return row[0] if row else None


def newest_revision() -> str:
    """Return the revision that the code wants."""
    head = ScriptDirectory.from_config(_alembic("")).get_current_head()
    if head is None:
        raise FileNotFoundError(f"migrations: {MIGRATIONS} must hold revisions; it has none. Install the package anew.")
    return head


def require_current(url: str) -> None:
    """Raise `MigrationPending` unless the database is at the code's revision."""
    found, wanted = current_revision(url), newest_revision()
    if found != wanted:
        raise MigrationPending(found=found, wanted=wanted)


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return config


def _create_database(url: str, name: str) -> None:
    with connect(url, autocommit=True) as connection:
        if connection.execute("select from pg_database where datname = %s", [name]).fetchone() is not None:
            return
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # another start made it in the meantime
