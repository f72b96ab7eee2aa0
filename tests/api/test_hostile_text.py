"""SQL, markup and broken text in every parameter of every operation: a clear answer, never a failure of ours."""

from urllib.parse import quote

import psycopg
import pytest

from api.app import openapi_document
from warehouse.connect import API, connect, with_role

# The same lines run a thousand times.
pytestmark = pytest.mark.unwatched

HOSTILE = (
    "'",
    "';drop table marts.dim_instruments;--",
    "' or '1'='1",
    "ACME' union select null,null,null--",
    '"; delete from app.users; --',
    "1;select pg_sleep(5)",
    "$$;select 1;$$",
    "%s %(x)s {x} \\x00",
    "\\",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "\N{FULLWIDTH APOSTROPHE} or 1=1",
)
SCHEMA = openapi_document()
READS = [(path, operations["get"]) for path, operations in SCHEMA["paths"].items() if "get" in operations]
COUNTS = "select (select count(*) from marts.dim_instruments), (select count(*) from research.rankings)"


def requests_of(path: str, operation: dict):
    """Each parameter in turn holds something hostile; the others what their example says, or nothing."""
    parameters = operation.get("parameters", [])
    in_path = {p["name"]: example_of(p) for p in parameters if p["in"] == "path"}
    for parameter in parameters:
        for text in HOSTILE:
            if parameter["in"] == "path":
                filled = {**in_path, parameter["name"]: quote(text, safe="")}
                yield path.format(**filled), {}
            elif parameter["in"] == "query":
                yield path.format(**in_path), {parameter["name"]: text}


def example_of(parameter: dict) -> str:
    examples = parameter.get("examples") or parameter["schema"].get("examples") or ["x"]
    first = examples[0] if isinstance(examples, list) else next(iter(examples.values()))
    return quote(str(first.get("value") if isinstance(first, dict) else first), safe="")


@pytest.mark.parametrize(("path", "operation"), READS, ids=[operation["operationId"] for _, operation in READS])
def test_hostile_text_in_a_parameter_is_data_or_refused(client, path, operation):
    for address, query in requests_of(path, operation):
        if operation["operationId"] == "stream":
            continue
        answer = client.get(address, params=query)
        assert answer.status_code < 500, (address, query, answer.text)
        if answer.status_code >= 400:
            problem = answer.json()
            assert answer.headers["content-type"] == "application/problem+json"
            assert problem["detail"]
            assert "Traceback" not in answer.text
            assert "psycopg" not in answer.text


def test_hostile_text_in_a_header_does_no_harm(client):
    for text in HOSTILE:
        if text.isascii():
            for name in ("X-Request-Id", "If-None-Match", "Accept", "User-Agent", "Last-Event-ID", "traceparent"):
                assert client.get("/v1/instruments", headers={name: text}).status_code in (200, 406)


def test_nothing_was_lost(client, seeded_url):
    """The tables after all of this hold what the seed put there."""
    with connect(seeded_url) as connection:
        assert connection.execute(COUNTS).fetchone() == (18, 31)


def test_the_role_of_the_api_could_not_have_done_it_either(client, seeded_url):
    with connect(with_role(seeded_url, API), autocommit=True) as connection, pytest.raises(psycopg.Error):
        connection.execute("drop table marts.dim_instruments")
