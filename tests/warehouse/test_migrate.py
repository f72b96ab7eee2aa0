import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from warehouse.connect import connect, dagster_url, embedded_server, owner_url, with_role
from warehouse.dump import with_database
from warehouse.embedded import EmbeddedServer
from warehouse.errors import MigrationPending, UnfitDatabase
from warehouse.migrate import MIGRATIONS, current_revision, newest_revision, prepare, require_current, upgrade
from warehouse.settings import Settings

PROJECT = Path(__file__).parents[2]
PREPARE = (
    "import sys; from pathlib import Path; from warehouse.migrate import prepare;"
    "from warehouse.settings import Settings; prepare(Settings(home=Path(sys.argv[1])))"
)


@pytest.fixture
def empty(server, request):
    """Address of a database that nothing has been done to."""
    name = f"empty_{abs(hash(request.node.name))}"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield server.url(name)
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def account(server):
    """An account that owns a database and may create neither roles nor databases, while our roles are there."""
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create role limited login")
        connection.execute("create database of_limited owner limited")
        for role in ("factorloom_writer", "factorloom_api"):
            if connection.execute("select to_regrole(%s) is null", [role]).fetchone() == (True,):
                connection.execute(f"create role {role} nologin")
    yield server.url("of_limited").replace("postgres@", "limited@")
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database of_limited with (force)")
        connection.execute("revoke factorloom_writer, factorloom_api from limited")
        connection.execute("drop role limited")


def test_an_empty_database_comes_to_the_newest_revision_and_stays_there(empty):
    assert current_revision(empty) is None
    upgrade(empty)
    assert current_revision(empty) == newest_revision()
    require_current(empty)
    upgrade(empty)
    assert current_revision(empty) == newest_revision()


def test_a_database_behind_the_code_is_refused_with_the_way_out(empty):
    with pytest.raises(MigrationPending, match=rf"must be at revision {newest_revision()}; it is at None\. Run"):
        require_current(empty)


def test_two_preparations_at_once_make_one_installation(tmp_path):
    settings = Settings(home=tmp_path)
    command = [sys.executable, "-c", PREPARE, str(tmp_path)]
    try:
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda _: subprocess.run(command, cwd=PROJECT, capture_output=True, text=True), "ab"))
        assert [result.returncode for result in done] == [0, 0], [result.stderr for result in done]
        require_current(owner_url(settings))
        with connect(dagster_url(settings).replace("+psycopg2", "")) as connection:
            assert connection.execute("select current_database()").fetchone() == ("dagster",)
        prepare(settings)
    finally:
        embedded_server(settings).stop()


def test_an_external_database_is_migrated_and_none_is_made(server, empty):
    settings = Settings(database_url=empty, dagster_database_url=with_database(empty, "not_there"))
    prepare(settings)
    require_current(empty)
    with pytest.raises(psycopg.OperationalError, match="not_there"):
        connect(with_database(empty, "not_there"))


def test_an_account_without_createrole_works_with_the_roles_an_administrator_made(server, account):
    with pytest.raises(UnfitDatabase, match='grant factorloom_writer, factorloom_api to "limited"'):
        upgrade(account)
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("grant factorloom_writer, factorloom_api to limited")
    upgrade(account)
    with connect(with_role(account, "factorloom_writer")) as connection:
        assert connection.execute("select count(*) from raw.daily_bars").fetchone() == (0,)


def test_an_account_that_may_make_roles_makes_ours_and_acts_as_them():
    with tempfile.TemporaryDirectory(prefix="fl-") as folder:
        # A server of its own, on which our roles are not there yet.
        server = EmbeddedServer(Path(folder) / "postgres")
        server.start()
        try:
            with connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("create role maker login createrole")
                connection.execute("create database of_maker owner maker")
            url = server.url("of_maker").replace("postgres@", "maker@")
            upgrade(url)
            with connect(with_role(url, "factorloom_writer")) as connection:
                assert connection.execute("select current_user::text").fetchone() == ("factorloom_writer",)
        finally:
            server.stop()


def test_a_database_that_is_newer_than_the_code_is_left_alone(empty):
    upgrade(empty)
    with connect(empty) as connection:
        connection.execute("update public.alembic_version set version_num = '9999'")
    with pytest.raises(MigrationPending, match=r"it is at 9999\. Run .* if the database is newer, use the code"):
        upgrade(empty)


def test_every_table_and_column_says_what_it_is_and_every_number_its_unit(database):
    undescribed = """
        select n.nspname || '.' || c.relname || coalesce('.' || a.attname, '')
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where n.nspname in ('raw', 'research', 'app') and c.relkind in ('r', 'v')
          and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)
    """
    unitless = """
        select c.table_schema || '.' || c.table_name || '.' || c.column_name
        from information_schema.columns as c
        where c.table_schema in ('raw', 'research', 'app')
          and c.data_type in ('bigint', 'integer', 'smallint', 'numeric', 'double precision', 'real')
          and col_description((c.table_schema || '.' || c.table_name)::regclass, c.ordinal_position) not like '%Unit %'
    """
    with connect(database.owner_url) as connection:
        assert connection.execute(undescribed).fetchall() == []
        assert connection.execute(unitless).fetchall() == []


def test_revisions_follow_one_another_and_each_executes_the_file_of_its_name():
    files = sorted((MIGRATIONS / "sql").glob("0*.sql"))
    revisions = sorted((MIGRATIONS / "versions").glob("0*.py"))
    assert [path.stem for path in files] == [path.stem for path in revisions]
    assert [path.stem[:4] for path in files] == [f"{n:04d}" for n in range(len(files))]
    assert all(re.search(rf'"{path.stem}\.sql"', path.read_text()) for path in revisions)
    assert newest_revision() == files[-1].stem[:4]


def test_pipelines_cannot_change_the_schema_and_the_api_sees_no_raw_row(database):
    with connect(database.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("drop table raw.daily_bars")
    with connect(database.api_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select from raw.daily_bars")


def test_the_api_may_read_what_dbt_makes_anew_but_not_write_it(database):
    with connect(database.url) as connection:
        connection.execute("create table marts.fresh as select 1 as n")
    with connect(database.api_url) as connection:
        assert connection.execute("select n from marts.fresh").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from marts.fresh")


def test_there_is_one_local_owner(database):
    with connect(database.owner_url) as connection:
        assert connection.execute("select display_name, role from app.users").fetchall() == [("Local owner", "admin")]
