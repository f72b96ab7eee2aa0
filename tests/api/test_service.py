"""Headers, health, documentation, and what happens when the database does not do its part."""

import asyncio
import datetime as dt
import gc
import hashlib
import json
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from litestar import Litestar, get
from litestar.testing import TestClient
from pydantic import SecretStr

from api import app as application
from api import problems
from api.database import MAX_CONNECTIONS, Connection, Database
from api.outermost import Outermost
from api.routes.docs import STATIC
from warehouse.connect import API, connect, with_role
from warehouse.cursor_key import CURSOR_KEY_FILE, cursor_key
from warehouse.migrate import newest_revision
from warehouse.owner_files import SecretError
from warehouse.queries.datasets import wanted_revision
from warehouse.settings import Settings

NOW = dt.datetime(2024, 6, 27, 12, tzinfo=dt.UTC)
WAITING = "select count(*) from pg_locks where relation = %s::regclass and not granted"


class _Answer(msgspec.Struct):
    answer: object


def test_every_answer_carries_its_id_its_times_and_security_headers(client):
    for path in ("/livez", "/v1/rankings", "/nope", "/v1/rankings?limit=0", "/docs"):
        headers = client.get(path).headers
        assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-request-id"])
        assert re.fullmatch(r"db;dur=[\d.]+, app;dur=[\d.]+", headers["server-timing"])
        assert float(headers["x-process-time"]) >= 0
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_an_id_of_the_client_is_kept_when_it_is_one(client):
    assert client.get("/livez", headers={"X-Request-Id": "order-12345678"}).headers["x-request-id"] == "order-12345678"
    for odd in ("short", "a" * 65, "with space 123", "semi;colon-1234"):
        assert client.get("/livez", headers={"X-Request-Id": odd}).headers["x-request-id"] != odd
    named = client.get("/nope", headers={"X-Request-Id": "order-12345678"})
    assert named.json()["instance"] == "urn:factorloom:request:order-12345678"


def test_the_root_is_json_for_programs_and_a_page_for_people(client):
    assert client.get("/").json()["links"]["documentation"] == "/docs"
    for accept in ("application/json, text/html;q=0", "application/json, text/html;q=0.9", "application/json", "*/*"):
        assert client.get("/", headers={"Accept": accept}, follow_redirects=False).status_code == 200, accept
    described = application.openapi_document()["paths"]["/"]["get"]["responses"]
    assert list(described["303"]["headers"]) == ["Location"]
    page = client.get("/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"].startswith("text/html")
    assert 'href="/docs"' in page.text


def test_the_links_of_the_root_lead_somewhere(client):
    for path in client.get("/").json()["links"].values():
        assert client.get(path).status_code == 200


def test_documentation_comes_from_here_alone(client):
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        assert address.startswith(("/docs/", "data:")) or address == "/openapi.json"
        if address.startswith("/"):
            assert client.get(address).status_code == 200
    assert "'self'" in page.headers["content-security-policy"]
    assert "http" not in page.headers["content-security-policy"]
    assert "validatorUrl: null" in client.get("/docs/assets/start.js").text


def test_vendored_files_are_those_that_the_list_names():
    listed = (STATIC / "vendor" / "VENDORED.md").read_text()
    scripts = [path.name for path in (STATIC / "vendor").iterdir() if path.suffix in (".js", ".css")]
    assert len(scripts) == 5
    for name in scripts:
        digest = hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest()
        assert re.search(rf"`{re.escape(name)}` .* `{digest}`", listed)


def test_health_looks_at_database_schema_and_freshness(client):
    for path in ("/readyz", "/health"):
        answer = client.get(path).json()
        assert answer["status"] == "ok"
        assert [check["name"] for check in answer["checks"]] == ["database", "schema", "freshness"]
    assert client.get("/livez").json() == {"status": "ok"}


def test_old_prices_degrade_health_and_do_not_end_it(own):
    client, connection = own
    connection.execute("update app.dataset_versions set as_of_date = '2024-06-21' where dataset like 'marts.%'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "2024-06-21, 6 days ago" in answer.json()["checks"][2]["message"]
    connection.execute("delete from app.dataset_versions")
    assert "no prices yet" in client.get("/readyz").json()["checks"][2]["message"]


def test_another_revision_of_the_schema_is_not_ready(own, database):
    client, _ = own
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("update public.alembic_version set version_num = '9999'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
    assert "9999" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    assert client.get("/livez").status_code == 200


def test_the_wanted_revision_is_the_migration_tools_own():
    assert wanted_revision() == newest_revision()


def test_a_table_that_dbt_makes_anew_is_read_on_the_same_connections(own):
    client, connection = own
    for _ in range(7):  # more often than the driver needs to prepare a statement
        _answer_on_every_connection(client, connection, "/v1/instruments", table="marts.dim_instruments")
    connection.execute("create table marts.dim_new as select * from marts.dim_instruments")
    connection.execute("alter table marts.dim_new alter column name type varchar(80)")
    connection.execute("drop table marts.dim_instruments")
    connection.execute("alter table marts.dim_new rename to dim_instruments")
    for _ in range(12):
        assert client.get("/v1/instruments").status_code == 200


def test_a_table_that_is_not_there_yet_is_503_and_says_what_to_do(own):
    client, connection = own
    connection.execute("drop table marts.dim_instruments")
    answer = client.get("/v1/instruments")
    assert (answer.status_code, answer.json()["code"]) == (503, "dataset-missing")
    assert answer.headers["retry-after"] == "60"


def test_connections_that_were_ended_are_replaced_within_the_request(own, database):
    client, _ = own
    assert client.get("/v1/instruments").status_code == 200
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'factorloom-api'"
        )
    for _ in range(5):
        assert client.get("/v1/instruments").status_code == 200


def test_the_same_question_about_many_things_at_once_is_answered_for_each(own):
    client, _ = own
    names = ["ACME", "ZETA", "META", "GONE"] * 10
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda name: client.get(f"/v1/history/{name}?period=max").json(), names))
    assert [answer["meta"]["ticker"] for answer in answers] == names
    last = {answer["meta"]["ticker"]: answer["data"][-1]["close"] for answer in answers[:4]}
    assert all(answer["data"][-1]["close"] == last[answer["meta"]["ticker"]] for answer in answers)
    assert len(set(last.values())) > 1


def test_a_long_answer_is_not_held_until_its_query_is_asked_again(seeded_url):
    queries = [
        "select repeat('x', 100_000) as held_text",
        "select array_agg(n) as held_array from generate_series(1, 20_000) as n",
        "select n as held_rows from generate_series(1, 20_000) as n",
        "select n as held_short from generate_series(1, 100) as n",
        "select n as held_none from generate_series(1, 0) as n",
    ]

    async def held():
        database = Database(with_role(seeded_url, API), lambda: NOW)
        await database.open()
        try:
            lengths = [len(await database.rows(_Answer, sql)) for sql in queries]
            gc.collect()
            results = [cursor.pgresult for cursor in gc.get_objects() if isinstance(cursor, psycopg.AsyncCursor)]
            return lengths, {result.fname(0) for result in results if result is not None}
        finally:
            await database.close()

    lengths, names = asyncio.run(held())
    assert lengths == [1, 1, 20_000, 100, 0]
    assert {name for name in names if name.startswith(b"held_")} == {b"held_short", b"held_none"}


def test_a_query_that_takes_too_long_is_503(own):
    client, connection = own
    connection.execute("begin")
    connection.execute("lock table research.backtests in access exclusive mode")
    started = time.perf_counter()
    answer = client.get("/v1/backtests/b_one")
    connection.execute("rollback")
    assert (answer.status_code, answer.json()["code"]) == (503, "query-too-slow")
    assert 1.5 < time.perf_counter() - started < 10
    assert client.get("/v1/backtests/b_one").status_code == 200


def test_when_every_connection_is_taken_it_is_503_soon(own):
    client, connection = own
    connection.execute("begin")
    connection.execute("lock table research.backtests in access exclusive mode")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.get("/v1/backtests/b_one"), range(12)))
    connection.execute("rollback")
    codes = [answer.json()["code"] for answer in answers]
    assert codes.count("query-too-slow") == 8
    assert codes.count("database-busy") == 4
    assert all(answer.headers["retry-after"] for answer in answers)


def test_a_connection_goes_from_one_to_the_next_and_none_is_lost(seeded_url):
    """Eight hold one; of sixteen who wait, some have gone, and some go at the moment when it is handed to them."""
    hold = "select pg_sleep(0.1)::text as answer"
    who = "select pg_backend_pid() as answer"

    async def handed_on():
        database = Database(with_role(seeded_url, API), lambda: NOW)
        await database.open()
        try:
            waiting = []

            async def held():
                await database.rows(_Answer, hold)
                # In the step in which the connection has been handed on, before who waits for it knows.
                for gone in waiting[4:12]:
                    gone.cancel()

            holding = [asyncio.create_task(held()) for _ in range(MAX_CONNECTIONS)]
            await asyncio.sleep(0.03)
            waiting += [asyncio.create_task(database.rows(_Answer, who)) for _ in range(2 * MAX_CONNECTIONS)]
            await asyncio.sleep(0)
            assert database.stats()["requests_waiting"] == 2 * MAX_CONNECTIONS
            for gone in waiting[:4]:
                gone.cancel()
            await asyncio.gather(*holding)
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            together = await asyncio.gather(
                *(
                    database.rows(_Answer, "select pg_backend_pid() || pg_sleep(0.05)::text as answer")
                    for _ in range(8)
                ),
            )
            return answers, together, database.stats()
        finally:
            await database.close()

    answers, together, stats = asyncio.run(handed_on())
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True] * 12 + [False] * 4
    assert len({row.answer for (row,) in together}) == MAX_CONNECTIONS, "each still has a turn and a connection"
    assert (stats["requests_waiting"], stats["pool_available"]) == (0, stats["pool_size"])


def test_only_a_connection_as_good_as_new_is_handed_on(seeded_url, monkeypatch):
    async def fit():
        connection = await Connection.connect(with_role(seeded_url, API), autocommit=True)
        told = [connection.is_fit()]
        await connection.execute("begin")
        told.append(connection.is_fit())
        await connection.rollback()
        told.append(connection.is_fit())
        monkeypatch.setattr("api.database.HANDED_ON_SECONDS", 0.0)
        told.append(connection.is_fit())
        monkeypatch.undo()
        await connection.close()
        return [*told, connection.is_fit()]

    assert asyncio.run(fit()) == [True, False, True, False, False]


def test_without_a_database_everything_is_503_but_the_process_lives(tmp_path):
    url = SecretStr(f"postgresql://nobody@/nothing?host={tmp_path}")
    settings = Settings(home=tmp_path, api_database_url=url, now=NOW)
    with TestClient(application.create_app(settings)) as client:
        for path, code in (
            ("/v1/rankings", "database-unreachable"),
            ("/v1/instruments", "database-unreachable"),
            ("/v1/instruments", "database-unreachable"),
            ("/readyz", "not-ready"),
        ):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert answer.json()["code"] == code
            assert "connection must come free" not in answer.text
        assert client.get("/livez").status_code == 200
        assert client.get("/docs").status_code == 200


def test_a_database_that_comes_after_the_api_is_found(server, seeded_url, tmp_path):
    sockets = tmp_path / "sockets"
    url = seeded_url.replace(quote(str(server.socket_folder)), quote(str(sockets)))
    settings = Settings(home=tmp_path, api_database_url=SecretStr(with_role(url, API)), now=NOW)
    with TestClient(application.create_app(settings)) as client:
        assert client.get("/readyz").status_code == 503
        # To the API, a server begins to listen.
        sockets.symlink_to(server.socket_folder)
        deadline = time.monotonic() + 20
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.get("/v1/instruments").status_code == 200


def test_the_api_may_not_read_raw_tables_nor_write(seeded_url):
    with connect(with_role(seeded_url, API), autocommit=True) as connection:
        for statement in (
            "select * from raw.quotes",
            "delete from research.rankings",
            "delete from marts.dim_instruments",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_defect_is_a_500_problem_that_shows_nothing_and_is_logged(capfd):
    @get("/boom")
    async def boom() -> None:
        raise RuntimeError("the secret")

    inner = Litestar([boom], openapi_config=None, logging_config=None, exception_handlers=_handlers())
    with TestClient(Outermost(inner)) as client:
        answer = client.get("/boom", headers={"X-Request-Id": "11111111-2222-4333-8444-555555555555"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["instance"] == "urn:uuid:11111111-2222-4333-8444-555555555555"
    assert "secret" not in answer.text
    assert "the secret" in "".join(capfd.readouterr())


def test_a_failure_outside_of_litestar_is_a_500_problem_too():
    async def broken(scope, receive, send):
        raise RuntimeError("the secret")

    with TestClient(Outermost(_with_lifespan(broken))) as client:
        answer = client.get("/anything")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_malformed_host_is_a_problem(client):
    answer = client.get("/livez", headers={"Host": "bad host/"})
    assert (answer.status_code, answer.json()["code"]) == (400, "request-refused")


def test_the_key_is_made_once_and_for_the_owner_alone(tmp_path):
    key = cursor_key(Settings(home=tmp_path))
    path = tmp_path / "keys" / CURSOR_KEY_FILE
    assert cursor_key(Settings(home=tmp_path)) == key
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == [CURSOR_KEY_FILE]
    for wrong in ("c0ffee", "no key"):
        path.write_text(wrong)
        with pytest.raises(SecretError, match="must hold what was written into it"):
            cursor_key(Settings(home=tmp_path))


def test_the_docs_example_of_an_error_is_what_is_answered(client):
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    shown = json.loads(re.search(r"```json\n(\{\"type\".*?)```", text, re.DOTALL)[1])
    answer = client.get("/v1/quotes/NOPE").json()
    assert answer | {"instance": shown["instance"]} == shown


def _answer_on_every_connection(client, connection, path, *, table):
    """Ask for what reads the table, and let it be read once all connections of the pool wait for it."""

    def ask():
        while client.get(path).status_code == 503:
            pass

    with ThreadPoolExecutor(MAX_CONNECTIONS) as askers:
        with connection.transaction():
            connection.execute(f"lock table {table} in access exclusive mode")
            answers = [askers.submit(ask) for _ in range(MAX_CONNECTIONS)]
            deadline = time.monotonic() + 20
            while connection.execute(WAITING, [table]).fetchone() != (MAX_CONNECTIONS,):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        for answer in answers:
            answer.result()


def _handlers():
    return {Exception: problems.on_failure}


def _with_lifespan(app):
    inner = Litestar([], openapi_config=None, logging_config=None)

    async def route(scope, receive, send):
        await (inner if scope["type"] == "lifespan" else app)(scope, receive, send)

    return route
