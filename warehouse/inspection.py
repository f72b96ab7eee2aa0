"""Facts about a database that tell whether it can carry the warehouse; for `factorloom doctor`."""

from datetime import datetime
from typing import NamedTuple

from warehouse.connect import API, WRITER, connect

OLDEST_VERSION = 15


class DatabaseFacts(NamedTuple):
    """What one database says about itself and about the account that we use."""

    version: int
    """Major version of PostgreSQL."""
    account: str
    may_create_roles: bool
    may_create_databases: bool
    may_read_all_rows: bool
    """True when row-level policies do not bind the account."""
    absent_roles: tuple[str, ...]
    """Roles of ours that do not exist."""
    foreign_roles: tuple[str, ...]
    """Roles of ours that the account is no member of."""
    now: datetime


def inspect(url: str) -> DatabaseFacts:
    """Ask a database for its facts.

    Raises
    ------
    psycopg.OperationalError
        When it cannot be reached.
    """
    query = """
        select
            current_setting('server_version_num')::integer / 10000,
            current_user::text,
            r.rolsuper or r.rolcreaterole,
            r.rolsuper or r.rolcreatedb,
            r.rolsuper or r.rolbypassrls,
            array(select wanted from unnest(%(roles)s::text[]) as wanted where to_regrole(wanted) is null),
            array(
                select wanted from unnest(%(roles)s::text[]) as wanted
                where to_regrole(wanted) is null or not pg_has_role(current_user, to_regrole(wanted), 'member')
            ),
            clock_timestamp()
        from pg_roles as r
        where r.rolname = current_user
    """
    with connect(url) as connection:
        row = connection.execute(query, {"roles": [WRITER, API]}).fetchone()
    assert row is not None, "an account that is connected is in pg_roles"  # noqa: S101
    version, account, roles, databases, all_rows, absent, foreign, now = row
    return DatabaseFacts(version, account, roles, databases, all_rows, tuple(absent), tuple(foreign), now)


def help_for_roles(facts: DatabaseFacts) -> str:
    """Return the SQL that an administrator runs for an account which may not create our roles."""
    statements = [
        *(f"create role {role} nologin;" for role in facts.absent_roles),
        f'grant {", ".join(facts.foreign_roles)} to "{facts.account}";',
    ]
    return " ".join(statements)
