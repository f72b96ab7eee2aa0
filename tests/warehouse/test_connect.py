from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from warehouse.arrow import arrow_connection, read_arrow
from warehouse.connect import (
    API,
    WRITER,
    api_url,
    connect,
    dagster_url,
    owner_url,
    with_role,
    writer_url,
)
from warehouse.settings import Settings

EXTERNAL = Settings(
    database_url="postgres://u:p@db:5433/w?sslmode=require",
    dagster_database_url="postgresql://d@db/dagster",
    api_database_url="postgresql://reader@db/w",
)


def test_an_external_server_is_reached_by_its_addresses():
    assert owner_url(EXTERNAL) == "postgresql://u:p@db:5433/w?sslmode=require"
    assert api_url(EXTERNAL) == "postgresql://reader@db/w"
    assert dagster_url(EXTERNAL) == "postgresql+psycopg2://d@db/dagster"


def test_the_embedded_server_is_reached_through_its_socket(tmp_path):
    settings = Settings(home=tmp_path)
    for url, database in ((owner_url(settings), "/factorloom"), (dagster_url(settings), "/dagster")):
        assert urlsplit(url).path == database
        assert parse_qs(urlsplit(url).query)["host"] == [str(tmp_path / "postgres" / "socket")]
    assert dagster_url(settings).startswith("postgresql+psycopg2://")


def test_pipelines_and_api_act_by_their_roles(tmp_path):
    settings = Settings(home=tmp_path)
    assert parse_qs(urlsplit(writer_url(settings)).query)["options"] == [f"-c role={WRITER}"]
    assert parse_qs(urlsplit(api_url(settings)).query)["options"] == [f"-c role={API}"]


def test_a_role_joins_the_options_that_are_there():
    url = with_role("postgresql://h/d?sslmode=require&options=-c%20jit%3Doff", "r")
    assert parse_qs(urlsplit(url).query) == {"sslmode": ["require"], "options": ["-c jit=off -c role=r"]}


def test_connections_have_their_role(database):
    for url, role in ((database.url, WRITER), (database.api_url, API)):
        with connect(url) as connection:
            assert connection.execute("select current_user").fetchone() == (role,)


def test_a_psycopg_connection_commits_at_its_end_and_rolls_back_on_an_error(database):
    with connect(database.owner_url) as connection:
        connection.execute("create table public.kept (n integer)")
    with suppress(ZeroDivisionError), connect(database.owner_url) as connection:
        connection.execute("insert into public.kept values (1)")
        raise ZeroDivisionError
    assert read_arrow(database.owner_url, "select count(*) as n from public.kept").to_pydict() == {"n": [0]}


def test_an_arrow_connection_commits_at_its_end_and_rolls_back_on_an_error(database):
    rows = pa.table({"n": [1, 2]})
    with arrow_connection(database.owner_url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("kept", rows, mode="create", db_schema_name="public")
    with suppress(ZeroDivisionError), arrow_connection(database.owner_url) as connection:
        with connection.cursor() as cursor:
            cursor.adbc_ingest("kept", rows, mode="append", db_schema_name="public")
        raise ZeroDivisionError
    assert read_arrow(database.owner_url, "select n from public.kept order by n").to_pydict() == {"n": [1, 2]}


def test_arrow_reads_take_parameters(database):
    answer = read_arrow(database.url, "select $1::bigint + $2::bigint as n", [40, 2])
    assert answer.to_pydict() == {"n": [42]}
