"""Facts about a database that tell whether it can carry the warehouse; for `factorloom doctor`."""

from datetime import datetime
from typing import NamedTuple

from warehouse.connect import API, WRITER, connect
from warehouse.errors import UnfitDatabase

OLDEST_VERSION = 15


class DatabaseFacts(NamedTuple):
    """What one database says about itself and about the account that we use."""

    version: int
    """Major version of PostgreSQL."""
    account: str
    database: str
    may_create_tables: bool
    """True when it may create schemas, and tables in `public`."""
    may_create_databases: bool
    may_read_all_rows: bool
    """True when row-level policies do not bind the account."""
    foreign_roles: tuple[str, ...]
    """Roles of ours that the account may neither act as nor make, nor grant to itself."""
    absent_roles: tuple[str, ...]
    """Those of them that do not exist."""
    now: datetime


FACTS = """
with account as (
    select
        current_setting('server_version_num')::integer as version,
        rolname, rolsuper as is_super, rolcreaterole, rolcreatedb, rolbypassrls
    from pg_roles
    where rolname = current_user
),

ours as (select wanted, to_regrole(wanted) as role from unnest(%(roles)s::text[]) as wanted),

-- Since PostgreSQL 16 a member need not be allowed to act as the role, and CREATEROLE grants only what it has made.
foreign_ones as (
    select ours.wanted, ours.role is null as is_absent
    from ours
    cross join account
    where
        not account.is_super
        and case
            when ours.role is null then not account.rolcreaterole
            when account.version < 160000
                then not account.rolcreaterole and not pg_has_role(current_user, ours.role, 'member')
            else
                not pg_has_role(current_user, ours.role, 'set')
                and not pg_has_role(current_user, ours.role, 'member with admin option')
        end
)

select
    version / 10000,
    rolname::text,
    current_database()::text,
    has_database_privilege(current_user, current_database(), 'create')
    and coalesce(has_schema_privilege(current_user, to_regnamespace('public'), 'create'), false),
    is_super or rolcreatedb,
    is_super or rolbypassrls,
    array(select wanted from foreign_ones),
    array(select wanted from foreign_ones where is_absent),
    clock_timestamp()
from account
"""


def inspect(url: str) -> DatabaseFacts:
    """Ask a database for its facts.

    Raises
    ------
    psycopg.OperationalError
        When it cannot be reached.
    """
    with connect(url) as connection:
        row = connection.execute(FACTS, {"roles": [WRITER, API]}).fetchone()
    assert row is not None, "an account that is connected is in pg_roles"  # noqa: S101
    version, account, database, tables, databases, all_rows, foreign, absent, now = row
    return DatabaseFacts(version, account, database, tables, databases, all_rows, tuple(foreign), tuple(absent), now)


def require_ability(facts: DatabaseFacts) -> None:
    """Raise `UnfitDatabase` unless migrations can run with what the account may do."""
    if facts.version < OLDEST_VERSION:
        raise UnfitDatabase(
            f"PostgreSQL must be {OLDEST_VERSION} or newer; it is {facts.version}",
            "Use a newer server, or unset DATABASE_URL for the embedded one.",
        )
    if not facts.may_create_tables:
        raise UnfitDatabase(
            f"the account must be allowed to create schemas and tables in database {facts.database}; "
            f"{facts.account} is not",
            help_for_tables(facts),
        )
    if facts.foreign_roles:
        raise UnfitDatabase(
            f"the account must be allowed to act as {' and '.join(facts.foreign_roles)}, or to make them; "
            f"{facts.account} is not",
            help_for_roles(facts),
        )


def help_for_roles(facts: DatabaseFacts) -> str:
    """Return what an administrator runs for an account which may not create our roles."""
    statements = [
        *(f"create role {role} nologin;" for role in facts.absent_roles),
        f'grant {", ".join(facts.foreign_roles)} to "{facts.account}";',
    ]
    return f"As a superuser: {' '.join(statements)}"


def help_for_tables(facts: DatabaseFacts) -> str:
    """Return what an administrator runs for an account which may not create tables in its database."""
    return f'As a superuser: alter database "{facts.database}" owner to "{facts.account}";'
