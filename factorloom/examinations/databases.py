"""The databases: does the server run, may our account do what is needed, is the schema the code's, do clocks agree."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg

from factorloom.examinations.findings import Finding, fail, ok, warn
from warehouse.clock import machine_clock
from warehouse.connect import connect, dagster_url, embedded_server, owner_url
from warehouse.errors import ServerError
from warehouse.inspection import OLDEST_VERSION, DatabaseFacts, help_for_roles, help_for_tables, inspect
from warehouse.migrate import current_revision, newest_revision
from warehouse.queries.audit import BROKEN_LINKS
from warehouse.settings import Settings

TOLERATED_SKEW = timedelta(seconds=5)


def server(settings: Settings) -> Iterator[Finding]:
    """Look at the embedded server; nothing is started."""
    if not settings.is_embedded:
        return
    embedded = embedded_server(settings)
    pid_file = embedded.data / "postmaster.pid"
    process = embedded.process()
    try:
        accepts = embedded.accepts()
    except ServerError as error:
        yield fail("server", str(error), "Run `make install`, or set DATABASE_URL.")
        return
    if process is not None and accepts:
        yield ok("server", f"embedded PostgreSQL, process {process.pid}")
    elif process is not None:
        what_to_do = f"Wait a minute (it may be recovering), then look into {embedded.log}."
        yield fail("server", f"process {process.pid} runs but takes no connections", what_to_do)
    elif pid_file.exists():
        what_to_do = "Nothing is lost: the next `factorloom up` or `refresh` starts it, and it recovers by itself."
        yield warn("server", f"{pid_file} was left behind by a server that was killed", what_to_do)
    else:
        yield ok("server", "embedded PostgreSQL is stopped; started, it can be examined further")


def warehouse(settings: Settings) -> Iterator[Finding]:
    """Look at the warehouse: rights, revision, clock."""
    if settings.is_embedded and embedded_server(settings).process() is None:
        return
    url = owner_url(settings)
    try:
        facts = inspect(url)
        revision = current_revision(url)
    except psycopg.Error as error:
        yield fail("warehouse", _first_line(error), _how_to_reach(settings, "DATABASE_URL", error))
        return
    yield _version(facts)
    yield _roles(facts)
    yield _revision(revision)
    yield _skew(facts)
    if revision == newest_revision():
        yield _audit(url)


def dagster_storage(settings: Settings) -> Iterator[Finding]:
    """Look at Dagster's own database."""
    if settings.dagster_database_url is None and embedded_server(settings).process() is None:
        return
    url = dagster_url(settings).replace("postgresql+psycopg2://", "postgresql://", 1)
    try:
        with connect(url) as connection:
            row = connection.execute(
                "select to_regclass('public.runs') is not null, has_schema_privilege('public', 'create')"
            ).fetchone()
    except psycopg.Error as error:
        yield fail("Dagster storage", _first_line(error), _how_to_reach(settings, "DAGSTER_DATABASE_URL", error))
        return
    is_filled, may_fill = row or (False, False)
    if not may_fill:
        by_hand = "As a superuser: alter database <name> owner to <account>;"
        yield fail("Dagster storage", "our account may not create tables in that database", by_hand)
    elif is_filled:
        yield ok("Dagster storage", "reachable")
    else:
        yield warn("Dagster storage", "reachable, but still empty", "Run `factorloom db upgrade`.")


def _version(facts: DatabaseFacts) -> Finding:
    if facts.version < OLDEST_VERSION:
        what_to_do = f"Use PostgreSQL {OLDEST_VERSION} or newer, or unset DATABASE_URL for the embedded one."
        return fail("PostgreSQL", f"version {facts.version}", what_to_do)
    return ok("PostgreSQL", f"version {facts.version}")


def _roles(facts: DatabaseFacts) -> Finding:
    if not facts.may_create_tables:
        detail = f"{facts.account} may not create schemas and tables in database {facts.database}"
        return fail("roles", detail, help_for_tables(facts))
    if facts.foreign_roles:
        detail = f"{facts.account} may neither act as nor make (CREATEROLE) {', '.join(facts.foreign_roles)}"
        return fail("roles", detail, help_for_roles(facts))
    lacks = [
        f"{word} ({command} needs it)"
        for word, command, has in (
            ("createdb", "`db restore`", facts.may_create_databases),
            ("bypassrls", "`db dump`", facts.may_read_all_rows),
        )
        if not has
    ]
    if lacks:
        words = " ".join(lack.split()[0] for lack in lacks)
        what_to_do = f'As a superuser: alter role "{facts.account}" {words};'
        return warn("roles", f"{facts.account} lacks {', '.join(lacks)}", what_to_do)
    return ok("roles", f"{facts.account} may do what is needed")


def _revision(revision: str | None) -> Finding:
    wanted = newest_revision()
    if revision == wanted:
        return ok("migrations", f"at revision {wanted}")
    if revision is not None and revision > wanted:
        what_to_do = "Use the version of the code that made it, or newer."
        return fail("migrations", f"the schema is at {revision}, newer than the code's {wanted}", what_to_do)
    return fail("migrations", f"the schema is at {revision or 'no revision'}, the code wants {wanted}",
                "Run `factorloom db upgrade`.")  # fmt: skip


def _audit(url: str) -> Finding:
    """Look whether a row of the audit log was changed, or rows were taken away."""
    with connect(url) as connection:
        broken = connection.execute(BROKEN_LINKS).fetchall()
    if not broken:
        return ok("audit log", "as it was written")
    listed = ", ".join(str(audit_id) for (audit_id,) in broken[:5])
    what_to_do = "Find out who had the database's own account; compare with a dump from before."
    return fail("audit log", f"rows were changed, or some before them taken away: {listed}", what_to_do)


def _skew(facts: DatabaseFacts) -> Finding:
    skew = abs(machine_clock() - facts.now)
    if skew > TOLERATED_SKEW:
        detail = f"database and machine differ by {skew.total_seconds():.0f} s"
        return warn("clock of the database", detail, "Set both by NTP: stamps of rows and of runs would not fit.")
    return ok("clock of the database", "agrees with the machine's")


def _how_to_reach(settings: Settings, variable: str, error: psycopg.Error) -> str:
    if "does not exist" in str(error) and "database" in str(error):
        by_hand = "As a superuser: create database <name> owner <account>;"
        return "Run `factorloom db upgrade`." if settings.is_embedded else by_hand
    if settings.is_embedded:
        return f"Look into {embedded_server(settings).log}."
    return f"Start that server, or correct {variable}."


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
