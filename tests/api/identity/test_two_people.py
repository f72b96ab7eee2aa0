"""Two people: what is Alice's is nothing to Bob, on every operation that the OpenAPI document lists.

Operations are found, not listed. The ids in their examples are those of Alice's rows in `belongings.sql`; an operation
on something that is not there fails here, until its example has a row.
"""

import json
import re
from uuid import uuid4

import pytest
from psycopg import sql

from api.app import openapi_document
from tests.api.conftest import ALICE, BOB

SCHEMA = openapi_document()
# What ends things comes last, and the parts of a thing before the whole.
ORDER = ("get", "head", "post", "put", "patch", "delete")
MARKET_ONLY = f"fl_a11ce0000001_{'c' * 64}"


def is_private(operation):
    return operation["security"] not in ([], None) and {} not in operation["security"]


def scope_of(operation):
    return (operation["security"][0]["bearer"] or ["signed-in"])[0]


PRIVATE = {
    operation["operationId"]: (method, path, operation)
    for method, path, operation in sorted(
        ((method, path, operation) for path, item in SCHEMA["paths"].items() for method, operation in item.items()),
        key=lambda found: (ORDER.index(found[0]), -found[1].count("/"), found[1]),
    )
    if is_private(operation)
}
OF_ONE_THING = {name: entry for name, entry in PRIVATE.items() if "{" in entry[1]}
LISTS = {name: entry for name, entry in PRIVATE.items() if "{" not in entry[1] and entry[0] == "get"}


def each(operations):
    return pytest.mark.parametrize(("method", "path", "operation"), operations.values(), ids=operations)


def example(parameter):
    given = [entry["value"] for entry in parameter.get("examples", {}).values()]
    assert given, f"{parameter['name']} needs an example: the id of a row in belongings.sql"
    return str(given[0])


def address(path, operation, **replaced):
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            value = replaced.get(parameter["name"], example(parameter))
            path = path.replace("{" + parameter["name"] + "}", value)
    assert "{" not in path
    return path


def ask(installation, method, path, operation, headers):
    body = operation.get("requestBody", {}).get("content", {})
    takes_key = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    more = {**({"Idempotency-Key": str(uuid4())} if takes_key else {}), **headers}
    content = None
    if body:
        media_type, described = next(iter(body.items()))
        given = [*described["schema"].get("examples", []), *([described["example"]] if "example" in described else [])]
        more["Content-Type"] = media_type
        content = given[0] if given else ""
        content = content if isinstance(content, str) else json.dumps(content)
    return installation.client.request(method, path, content=content, headers=more, follow_redirects=False)


def belongings(installation, person):
    """Everything in the tables of people that is somebody's, as text."""
    with installation.owner() as owner:
        tables = owner.execute(
            "select c.relname from pg_attribute as a inner join pg_class as c on c.oid = a.attrelid"
            " where a.attname = 'user_id' and c.relkind = 'r' and c.relnamespace = 'app'::regnamespace"
            " and c.relname not in ('users', 'api_keys') order by 1"
        ).fetchall()
        return {
            table: owner.execute(
                sql.SQL("select t::text from app.{} as t where user_id = %s order by 1").format(sql.Identifier(table)),
                [person.user_id],
            ).fetchall()
            for (table,) in tables
        }


@each(OF_ONE_THING)
def test_a_stranger_sees_404_and_changes_nothing_where_the_owner_is_answered(installation, method, path, operation):
    where = address(path, operation)
    before = belongings(installation, ALICE)
    stranger = ask(installation, method, where, operation, BOB.headers)
    if scope_of(operation) == "admin":
        assert stranger.status_code == 403, stranger.text
    else:
        assert stranger.status_code == 404, stranger.text
        # And what is somebody else's looks like what does not exist.
        if all(re.fullmatch(r"[0-9a-f-]{36}", value) for value in ids_of(operation)):
            unknown = {
                parameter["name"]: str(uuid4()) for parameter in operation["parameters"] if parameter["in"] == "path"
            }
            nothing = ask(installation, method, address(path, operation, **unknown), operation, BOB.headers)
            assert (nothing.status_code, nothing.json()["code"]) == (404, stranger.json()["code"])
    assert belongings(installation, ALICE) == before
    owner = ask(installation, method, where, operation, ALICE.headers)
    assert owner.status_code not in (401, 403, 404), owner.text
    assert owner.status_code < 500


def ids_of(operation):
    return [example(parameter) for parameter in operation.get("parameters", []) if parameter["in"] == "path"]


@each(LISTS)
def test_a_list_holds_nothing_of_somebody_else(installation, method, path, operation):
    strangers = ask(installation, method, path, operation, BOB.headers)
    assert strangers.status_code == (403 if scope_of(operation) == "admin" else 200), strangers.text
    theirs = {value for entry in OF_ONE_THING.values() for value in ids_of(entry[2])} | {ALICE.user_id}
    assert not [value for value in theirs if value in strangers.text]


@each(PRIVATE)
def test_nobody_gets_in_without_saying_who_they_are(installation, method, path, operation):
    answer = ask(installation, method, address(path, operation), operation, {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@each({name: entry for name, entry in PRIVATE.items() if scope_of(entry[2]) != "signed-in"})
def test_nobody_gets_in_without_the_scope(installation, method, path, operation):
    with installation.owner() as owner:
        owner.execute(
            "insert into app.api_keys (api_key_id, user_id, key_hash, scopes, label, created_at)"
            " select split_part(%(key)s, '_', 2), %(user_id)s,"
            " encode(sha256(convert_to(split_part(%(key)s, '_', 3), 'UTF8')), 'hex'), '{read:market}', 'x', now()"
            " on conflict do nothing",
            {"key": MARKET_ONLY, "user_id": ALICE.user_id},
        )
    headers = {"Authorization": f"Bearer {MARKET_ONLY}"}
    answer = ask(installation, method, address(path, operation), operation, headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert f'scope="{scope_of(operation)}"' in answer.headers["www-authenticate"]


def test_the_matrix_is_about_something():
    assert {"revoke_api_key", "get_job", "cancel_job"} <= set(OF_ONE_THING)
    assert {"list_api_keys", "get_me"} <= set(LISTS)
