"""Who is let through to which handler, what a transaction of theirs sees, and what the audit log keeps."""

import asyncio
import datetime as dt
import re
from typing import get_args
from uuid import UUID

import msgspec
import psycopg
import pytest
from litestar import Litestar
from pydantic import SecretStr

from api import app as application
from api import exchange
from api.database import Database
from api.identity.audit import audit
from api.identity.gate import access_of
from api.identity.principal import Access, account, nobody
from tests.api.conftest import ALICE, BOB, NOW, settings_for
from warehouse.connect import connect
from warehouse.queries import audit as entries
from warehouse.secrets import LOCAL_OWNER_ID, ensure_owner_key

# Health, documentation, the root, the files of the pages, and whatever somebody needs who is about to say who they are.
OPEN_TO_ALL = {
    "/",
    "/livez",
    "/readyz",
    "/health",
    "/problems",
    "/docs",
    "/ui",
    "/openapi.json",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/v1/auth/register",
    "/v1/auth/login",
    "/v1/auth/authorize",
    "/v1/auth/token",
    "/v1/auth/revoke",
    "/v1/auth/provider/login",
    "/v1/auth/provider/callback",
    "/v1/auth/provider/link",
    # The token in the address says who asks.
    "/mail/confirm",
    "/mail/unsubscribe",
}


class Name(msgspec.Struct, frozen=True):
    """What an account is called."""

    display_name: str


def principal(person, *scopes):
    return account(UUID(person.user_id), person.role, frozenset(scopes), "api_key")


def with_database(url, work):
    async def run():
        database = Database(url, lambda: NOW)
        await database.open()
        token = exchange.current.set(exchange.Exchange("a-request-id", client_address="127.0.0.1", user_agent="test"))
        try:
            return await work(database)
        finally:
            exchange.current.reset(token)
            await database.close()

    return asyncio.run(run())


def routes():
    app = Litestar(
        application.routes(), openapi_config=None, logging_config=None, dependencies=application.dependencies()
    )
    for route in app.routes:
        for handler in route.route_handlers:
            yield route.path, handler


def test_every_handler_says_what_a_caller_must_carry():
    flattened = {value for part in get_args(Access) for value in (get_args(part) or (part,))}
    for path, handler in routes():
        assert access_of(handler) in flattened, path


def test_only_what_must_be_is_open_whatever_is_sent_along():
    opened = {path for path, handler in routes() if handler.opt.get("scope") == "open"}
    assert {re.sub(r"/(\{.*|assets.*)", "", path) or "/" for path in opened} <= OPEN_TO_ALL


def test_market_data_are_open_and_a_good_key_changes_nothing(client):
    assert client.get("/v1/rankings").status_code == 200
    assert client.get("/v1/rankings", headers=BOB.headers).json() == client.get("/v1/rankings").json()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {BOB.key}",
        BOB.key,
        f"Bearer {BOB.key}0",
        f"Bearer  {BOB.key}",
        f"Bearer {BOB.key[:-1]}c",
        f"Bearer {BOB.key.upper()}",
        "Bearer fl_b0b000000000_",
        f"Bearer fl_ffffffffffff_{'b' * 64}",
        f"Bearer fl_a11ce0000000_{'b' * 64}",
        f"Bearer {BOB.key}, Bearer {ALICE.key}",
        "Bearer fl_' or '1'='1_x",
    ],
)
def test_a_key_that_does_not_hold_is_401_even_where_none_is_needed(client, header):
    answer = client.get("/v1/rankings", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert BOB.key not in answer.text
    assert client.get("/livez", headers={"Authorization": header}).status_code == 200


def test_keys_end_when_they_are_revoked_when_they_expire_and_with_their_account(own):
    client, connection = own
    hour = dt.timedelta(hours=1)
    for change, undo in (
        (("revoked_at", NOW), ("revoked_at", None)),
        (("expires_at", NOW), ("expires_at", NOW + hour)),
    ):
        for (column, value), status in ((change, 401), (undo, 200)):
            connection.execute(f"update app.api_keys set {column} = %s where user_id = %s", [value, BOB.user_id])
            assert client.get("/v1/rankings", headers=BOB.headers).status_code == status
    connection.execute("update app.users set is_active = false where user_id = %s", [BOB.user_id])
    assert client.get("/v1/rankings", headers=BOB.headers).status_code == 401
    assert client.get("/v1/rankings", headers=ALICE.headers).status_code == 200


def test_the_key_that_lies_in_the_home_of_the_installation_holds(database, tmp_path, own):
    client, connection = own
    settings = settings_for(database.api_url, tmp_path).model_copy(
        update={"database_url": SecretStr(database.owner_url)}
    )
    key = ensure_owner_key(settings).read_text().strip()
    assert client.get("/v1/rankings", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    used = connection.execute("select last_used_at from app.api_keys where user_id = %s", [LOCAL_OWNER_ID]).fetchall()
    assert used == [(NOW,)]


def test_admin_counts_only_with_an_account_that_is_one():
    assert principal(ALICE, "admin", "read:market").may("admin")
    assert not principal(BOB, "admin", "read:market").may("admin")
    assert not principal(BOB, "read:market").may("write:portfolio")
    assert principal(BOB).may("signed-in")
    unknown = nobody(reads_market=True)
    assert [unknown.may(access) for access in ("open", "read:market", "signed-in", "run:jobs")] == [
        True,
        True,
        False,
        False,
    ]
    assert not nobody(reads_market=False).may("read:market")


def test_a_transaction_sees_and_writes_the_rows_of_one_person_and_ends_with_them(own, database):
    _, connection = own

    async def work(database: Database):
        async with database.as_user(principal(BOB)) as transaction:
            names = await transaction.rows(Name, "select display_name from app.users")
            written = await transaction.execute("update app.users set display_name = 'Robert'")
        others = [await database.rows(Name, "select display_name from app.users") for _ in range(12)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with database.as_user(principal(BOB)) as transaction:
                await transaction.execute("update app.users set user_id = %(id)s", {"id": str(UUID(int=7))})
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await database.rows(Name, "update app.users set display_name = 'x' returning display_name")
        with pytest.raises(ValueError, match="must be somebody's"):
            async with database.as_user(nobody(reads_market=True)):
                pass
        return [name.display_name for name in names], written, others

    names, written, others = with_database(database.api_url, work)
    assert (names, written, others) == (["Bob"], 1, [[]] * 12)
    names = connection.execute("select display_name from app.users order by user_id").fetchall()
    assert [name for (name,) in names] == ["Local owner", "Robert", "Alice"]


def test_nothing_of_a_transaction_that_fails_stands_and_its_connection_is_clean(own, database):
    _, connection = own

    async def work(database: Database):
        async def fail():
            async with database.as_user(principal(BOB)) as transaction:
                await transaction.execute("update app.users set display_name = 'x'")
                await audit(transaction, principal(BOB), "user.renamed", BOB.user_id)
                raise ZeroDivisionError

        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                await fail()
        return await database.rows(Name, "select coalesce(current_setting('app.user_id', true), '')")

    assert [row.display_name for row in with_database(database.api_url, work)] == [""]
    assert connection.execute("select count(*) from app.users where display_name = 'x'").fetchone() == (0,)
    with connect(database.owner_url) as owner:
        assert owner.execute("select count(*) from app.audit").fetchone() == (0,)


def test_a_transaction_begins_on_another_connection_when_the_server_ended_those_of_the_pool(own, database):
    async def work(pool: Database):
        with connect(database.owner_url, autocommit=True) as owner:
            owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'factorloom-api' and datname = current_database()"
            )
        async with pool.as_user(principal(BOB)) as transaction:
            return await transaction.rows(Name, "select display_name from app.users")

    assert [row.display_name for row in with_database(database.api_url, work)] == ["Bob"]


def test_the_audit_log_says_who_what_and_from_where(own, database):
    async def work(database: Database):
        who = principal(BOB)
        async with database.as_user(who) as transaction:
            await audit(transaction, who, "alert.created", "a-1", name="Low", level=2.5)

    with_database(database.api_url, work)
    with connect(database.owner_url) as owner:
        rows = owner.execute(
            "select at, actor, actor_kind, action, target, detail, request_id, client_address, user_agent"
            " from app.audit"
        ).fetchall()
    detail = {"name": "Low", "level": 2.5}
    expected = (NOW, BOB.user_id, "api_key", "alert.created", "a-1", detail, "a-request-id", "127.0.0.1", "test")
    assert rows == [expected]


def test_the_audit_log_shows_what_was_changed_and_what_was_taken_away(own, database):
    async def write(database: Database):
        async def one(number):
            who = principal(BOB if number % 2 else ALICE)
            async with database.as_user(who) as transaction:
                await audit(transaction, who, "test", f"t-{number}", number=number)

        # As many at once as there are connections from the start.
        for begin in (0, 4):
            await asyncio.gather(*(one(number) for number in range(begin, begin + 4)))

    with_database(database.api_url, write)

    def broken():
        async def look(database: Database):
            return [link.audit_id for link in await entries.broken_links(database)]

        return with_database(database.owner_url, look)

    assert broken() == []
    with connect(database.owner_url, autocommit=True) as owner:
        ids = [n for (n,) in owner.execute("select audit_id from app.audit order by audit_id").fetchall()]
        assert len(ids) == 8
        for statement in ("delete from app.audit", "update app.audit set actor = 'x'", "truncate app.audit"):
            with pytest.raises(psycopg.errors.RaiseException, match="must stay as they were written"):
                owner.execute(statement)
        owner.execute("alter table app.audit disable trigger append_only")
        owner.execute("update app.audit set detail = '{}' where audit_id = %s", [ids[2]])
        owner.execute("delete from app.audit where audit_id = %s", [ids[5]])
    assert broken() == [ids[2], ids[6]]


def test_nobody_but_the_owner_of_the_database_reads_or_changes_the_audit_log(database):
    for statement in ("select * from app.audit", "delete from app.audit", "update app.audit set actor = 'x'"):
        with connect(database.api_url) as api, pytest.raises(psycopg.errors.InsufficientPrivilege):
            api.execute(statement)
    with connect(database.url) as writer, pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.execute("delete from app.audit")


def test_every_table_that_belongs_to_people_is_closed_to_the_api_without_a_person(database):
    with connect(database.owner_url) as owner:
        tables = owner.execute(
            "select c.oid::regclass::text, c.relrowsecurity and c.relforcerowsecurity from pg_attribute as a"
            " inner join pg_class as c on c.oid = a.attrelid where a.attname = 'user_id' and c.relkind = 'r'"
            " and c.relnamespace = 'app'::regnamespace and has_table_privilege('factorloom_api', c.oid, 'select')"
        ).fetchall()
    assert len(tables) >= 10
    assert [table for table, is_closed in tables if not is_closed] == []
    with connect(database.api_url) as api:
        for table, _ in tables:
            where = " where user_id is not null" if table == "app.events" else ""
            assert api.execute(f"select count(*) from {table}{where}").fetchone() == (0,), table
