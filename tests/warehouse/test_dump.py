import doctest

import psycopg
import pytest

import warehouse.connect
import warehouse.dump
from warehouse.connect import connect, owner_url, writer_url
from warehouse.dump import client_environment, dump, holds_data, restore, with_database
from warehouse.errors import DumpError
from warehouse.migrate import prepare, require_current
from warehouse.settings import Settings


@pytest.fixture
def settings(server, database):
    """A warehouse on the tests' server, reached as an external one."""
    return Settings(database_url=database.owner_url, dagster_database_url=with_database(database.owner_url, "dagster"))


def fill(settings: Settings) -> None:
    with connect(writer_url(settings)) as connection:
        connection.execute(
            "insert into raw.benchmark_bars (source, source_symbol, trade_date, close, currency_code)"
            " values ('s', 'INDEX', '2024-01-02', 4700.5, 'USD')"
        )
        connection.execute("insert into app.dataset_versions (dataset, version) values ('raw.benchmark_bars', 'v1')")
        connection.execute("create table marts.made_by_dbt as select 1 as n")
        connection.execute("create view staging.seen_by_dbt as select * from raw.benchmark_bars")


def closes(settings: Settings) -> list[float]:
    with connect(owner_url(settings)) as connection:
        return [close for (close,) in connection.execute("select close from raw.benchmark_bars").fetchall()]


def databases(settings: Settings) -> set[str]:
    with connect(with_database(owner_url(settings), "postgres")) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database").fetchall()}


def test_a_warehouse_comes_back_as_it_was(settings, tmp_path):
    fill(settings)
    before = databases(settings)
    dump(settings, tmp_path / "w.dump")
    with connect(owner_url(settings)) as connection:
        connection.execute("delete from raw.benchmark_bars")
    restore(settings, tmp_path / "w.dump", clean=True)
    assert closes(settings) == [4700.5]
    assert databases(settings) == before
    require_current(owner_url(settings))


def test_after_a_restore_pipelines_and_api_have_their_rights_again(settings, tmp_path, database):
    fill(settings)
    dump(settings, tmp_path / "w.dump")
    restore(settings, tmp_path / "w.dump", clean=True)
    with connect(database.url) as connection:
        connection.execute("drop table marts.made_by_dbt")
        connection.execute("drop view staging.seen_by_dbt")
        connection.execute("create table marts.made_anew as select 2 as n")
        connection.execute("create temporary table scratch (n integer)")
        connection.execute("create schema of_the_writer")
        connection.execute("delete from raw.benchmark_bars")
    with connect(database.api_url) as connection:
        assert connection.execute("select n from marts.made_anew").fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select from raw.benchmark_bars")


def test_a_fresh_warehouse_is_filled_without_further_ado(settings, tmp_path, server):
    fill(settings)
    dump(settings, tmp_path / "w.dump")
    other = Settings(database_url=server.url("other"), dagster_database_url=server.url("d"))
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database other")
    prepare(other)
    assert not holds_data(owner_url(other))
    restore(other, tmp_path / "w.dump")
    assert closes(other) == [4700.5]
    assert holds_data(owner_url(other))
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database other with (force)")


def test_another_account_than_the_one_that_dumped_may_restore(settings, tmp_path, server):
    fill(settings)
    dump(settings, tmp_path / "w.dump")
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create role hosted login createdb")
        connection.execute("grant factorloom_writer, factorloom_api to hosted")
        connection.execute("create database of_hosted owner hosted")
    url = server.url("of_hosted").replace("postgres@", "hosted@")
    hosted = Settings(database_url=url, dagster_database_url=url)
    restore(hosted, tmp_path / "w.dump")
    assert closes(hosted) == [4700.5]
    with connect(writer_url(hosted)) as connection:
        connection.execute("drop table marts.made_by_dbt")
        connection.execute("delete from raw.benchmark_bars")
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database of_hosted with (force)")
        connection.execute("drop owned by hosted")
        connection.execute("drop role hosted")


def test_data_is_replaced_only_on_demand(settings, tmp_path):
    fill(settings)
    dump(settings, tmp_path / "w.dump")
    with pytest.raises(DumpError, match=r"must be empty; it holds data. Add --clean"):
        restore(settings, tmp_path / "w.dump")


def test_a_file_that_is_no_dump_changes_nothing(settings, tmp_path):
    fill(settings)
    before = databases(settings)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DumpError, match=r"(?s)pg_restore: must succeed.*The warehouse is as it was"):
        restore(settings, tmp_path / "text", clean=True)
    assert closes(settings) == [4700.5]
    assert databases(settings) == before


def test_a_missing_file_is_named(settings, tmp_path):
    with pytest.raises(DumpError, match=r"no.dump must be a file that `factorloom db dump` wrote"):
        restore(settings, tmp_path / "no.dump")


def test_a_warehouse_at_work_is_not_replaced(settings, tmp_path):
    dump(settings, tmp_path / "w.dump")
    with (
        connect(owner_url(settings)),
        pytest.raises(DumpError, match=r"nobody else may be connected to database .*; 1 connections are"),
    ):
        restore(settings, tmp_path / "w.dump")


def test_a_dump_that_fails_leaves_no_half_of_a_file(tmp_path):
    nowhere = "postgresql://u@127.0.0.1:1/w"
    settings = Settings(database_url=nowhere, dagster_database_url=nowhere)
    with pytest.raises(DumpError, match=r"(?s)pg_dump: must succeed.*port 1 failed"):
        dump(settings, tmp_path / "w.dump")
    assert list(tmp_path.iterdir()) == []


def test_an_account_without_createdb_is_told_what_it_lacks(server, settings, tmp_path):
    dump(settings, tmp_path / "w.dump")
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create role no_createdb login")
        connection.execute("create database of_no_createdb owner no_createdb")
        connection.execute("grant factorloom_writer, factorloom_api to no_createdb")
    url = server.url("of_no_createdb").replace("postgres@", "no_createdb@")
    try:
        with pytest.raises(DumpError, match=r"must be allowed to create a database.*createdb"):
            restore(Settings(database_url=url, dagster_database_url=url), tmp_path / "w.dump")
    finally:
        with connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("drop database of_no_createdb with (force)")
            connection.execute("revoke factorloom_writer, factorloom_api from no_createdb")
            connection.execute("drop role no_createdb")


def test_a_swap_that_fails_puts_the_old_warehouse_back(settings, server):
    from warehouse.dump import _swap, database_name

    name = database_name(owner_url(settings))
    with (
        connect(server.url("postgres"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InvalidCatalogName),
    ):
        _swap(connection, name=name, fresh="never_made", old=f"{name}_old")
    assert closes(settings) == []


def test_no_password_is_on_a_command_line():
    assert client_environment("postgresql://u:p%40ss@h:5433/d?sslmode=require&options=-c%20jit%3Doff") == {
        "PGUSER": "u",
        "PGPASSWORD": "p@ss",
        "PGHOST": "h",
        "PGPORT": "5433",
        "PGDATABASE": "d",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c jit=off",
    }


@pytest.mark.parametrize("module", [warehouse.dump, warehouse.connect], ids=["dump", "connect"])
def test_docstring_examples_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
