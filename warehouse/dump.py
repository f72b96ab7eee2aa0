"""Copies of the warehouse: into a file by pg_dump, back by pg_restore into a fresh database that takes its place."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from warehouse.connect import WRITER, connect, embedded_server, owner_url
from warehouse.errors import DumpError
from warehouse.migrate import MIGRATIONS, prepare
from warehouse.settings import Settings

# dbt drops and makes the tables of these schemas as the pipelines' role, so that role must own them.
DBT_SCHEMAS = ("staging", "marts", "factors")
SUFFIXES = {"fresh": "_restoring", "old": "_before_restore"}


def dump(settings: Settings, path: Path) -> None:
    """Write the whole warehouse to a file in PostgreSQL's custom format.

    Raises
    ------
    DumpError
        When pg_dump fails; no half-written file is left.
    """
    fresh = path.with_name(f"{path.name}.part")
    try:
        _run(settings, "pg_dump", ["--format=custom", "--compress=6", f"--file={fresh}"])
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def restore(settings: Settings, path: Path, *, clean: bool = False) -> None:
    """Fill a fresh database from a file, then put it in the place of the warehouse.

    Until the very end the present warehouse is not touched: a restore that fails changes nothing.

    Parameters
    ----------
    settings
        Which warehouse.
    path
        File that `dump` wrote.
    clean
        Allow that a warehouse which holds data is replaced.

    Raises
    ------
    DumpError
        When there is data and `clean` is not set, somebody is connected, or pg_restore fails.
    """
    if not path.is_file():
        raise DumpError(
            f"restore: {path} must be a file that `factorloom db dump` wrote; there is none. Check the path."
        )
    prepare(settings)  # also makes the roles that the dump's rights name
    url = owner_url(settings)
    if holds_data(url) and not clean:
        raise DumpError(
            "restore: the warehouse must be empty; it holds data. "
            "Add --clean to replace it (`factorloom db dump` keeps a copy first)."
        )
    name = database_name(url)
    fresh, old = (name + SUFFIXES[which] for which in ("fresh", "old"))
    with connect(with_database(url, "postgres"), autocommit=True) as server:
        _refuse_company(server, name)
        _create_fresh(server, fresh)
        try:
            _fill(settings, path, fresh)
            _hand_over(with_database(url, fresh))
        except (DumpError, psycopg.Error):
            _execute(server, "drop database if exists {}", fresh)
            raise
        _swap(server, name=name, fresh=fresh, old=old)


def holds_data(url: str) -> bool:
    """Tell whether pipelines or people have written to a warehouse."""
    tables = ("app.dataset_versions", "app.portfolios", "app.alerts")
    query = "select " + " or ".join(f"exists(select from {table})" for table in tables)
    with connect(url) as connection:
        row = connection.execute(query).fetchone()
    return bool(row and row[0])


def client_environment(url: str) -> dict[str, str]:
    """Return an address as the variables of PostgreSQL's programs: every account sees what is on a command line.

    >>> client_environment("postgresql://u:secret@h/d")["PGPASSWORD"]
    'secret'
    """
    options = psycopg.pq.Conninfo.parse(url.encode())
    return {
        option.envvar.decode(): option.val.decode()
        for option in options
        if option.envvar is not None and option.val is not None
    }


def program(settings: Settings, name: str) -> Path:
    """Return one of PostgreSQL's programs; they come with the embedded server and serve any up to their version."""
    return embedded_server(settings).program(name)


def database_name(url: str) -> str:
    """Return the database that an address names."""
    return urlsplit(url).path.lstrip("/")


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _run(settings: Settings, name: str, arguments: list[str]) -> str:
    """Run one of PostgreSQL's programs against the warehouse; return what it printed."""
    environment: Mapping[str, str] = {**os.environ, **client_environment(owner_url(settings))}
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        [str(program(settings, name)), *arguments], env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise DumpError(
            f"{name}: must succeed; it ended with {done.returncode}.\n{done.stderr.strip()[-1500:]}\n"
            "The warehouse is as it was. Correct the cause, then try again."
        )
    return done.stdout


def _fill(settings: Settings, path: Path, database: str) -> None:
    """Restore everything but owners and default rights, which belong to the account that wrote the dump."""
    entries = _run(settings, "pg_restore", ["--list", str(path)]).splitlines()
    with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
        chosen.write("\n".join(entry for entry in entries if " DEFAULT ACL " not in entry))
        chosen.flush()
        options = ["--exit-on-error", "--no-owner", f"--use-list={chosen.name}", f"--dbname={database}"]
        _run(settings, "pg_restore", [*options, str(path)])


def _refuse_company(server: psycopg.Connection, name: str) -> None:
    row = server.execute("select count(*) from pg_stat_activity where datname = %s", [name]).fetchone()
    if row and row[0]:
        raise DumpError(
            f"restore: nobody else may be connected to database {name}; {row[0]} connections are. "
            "Stop `factorloom up` and whatever else works with it, then try again."
        )


def _create_fresh(server: psycopg.Connection, fresh: str) -> None:
    _execute(server, "drop database if exists {}", fresh)
    try:
        _execute(server, "create database {} template template0 encoding 'UTF8'", fresh)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DumpError(
            f"restore: the account must be allowed to create a database; it is not ({error}). "
            "As a superuser: alter role <account> createdb"
        ) from error


def _hand_over(url: str) -> None:
    """Give the writer what dbt rebuilds as the writer (pg_restore made it ours), and rights on tables to come."""
    with connect(url) as connection:
        for schema in DBT_SCHEMAS:
            relations = connection.execute(
                "select c.relname, c.relkind = 'v' from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
                " where n.nspname = %s and c.relkind in ('r', 'v')",
                [schema],
            ).fetchall()
            connection.execute(
                sql.SQL("alter schema {} owner to {}").format(sql.Identifier(schema), sql.Identifier(WRITER))
            )
            for name, is_view in relations:
                statement = "alter view {}.{} owner to {}" if is_view else "alter table {}.{} owner to {}"
                connection.execute(
                    sql.SQL(statement).format(sql.Identifier(schema), sql.Identifier(name), sql.Identifier(WRITER))
                )
        connection.execute(
            sql.SQL("grant create, temporary on database {} to {}").format(
                sql.Identifier(database_name(url)), sql.Identifier(WRITER)
            )
        )
        connection.execute((MIGRATIONS / "sql" / "rights_by_default.sql").read_bytes())


def _swap(server: psycopg.Connection, *, name: str, fresh: str, old: str) -> None:
    _execute(server, "drop database if exists {}", old)
    _execute(server, "alter database {} rename to {}", name, old)
    try:
        _execute(server, "alter database {} rename to {}", fresh, name)
    except psycopg.Error:
        _execute(server, "alter database {} rename to {}", old, name)
        raise
    _execute(server, "drop database {}", old)


def _execute(server: psycopg.Connection, statement: str, *names: str) -> None:
    server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
