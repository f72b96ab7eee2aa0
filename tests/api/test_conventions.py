"""What holds for every operation: swept over all of them as the OpenAPI document lists them."""

import json
import re
from urllib.parse import quote

import pytest

from api.app import create_app, openapi_document
from api.problems import kinds
from tests.api.conftest import ALICE, settings_for

# The same lines run a thousand times.
pytestmark = pytest.mark.unwatched

SCHEMA = openapi_document()
# Pages for browsers, redirects and the stream, which goes on for ever, have tests of their own.
READS = {
    item["get"]["operationId"]: (path, item["get"])
    for path, item in SCHEMA["paths"].items()
    if "application/json" in item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
}
CALCULATIONS = {
    item["post"]["operationId"]: (path, item["post"])
    for path, item in SCHEMA["paths"].items()
    if item.get("post", {}).get("tags") == ["Calculations"]
}
OPERATIONS = {
    operation["operationId"]: (path, operation) for path, item in SCHEMA["paths"].items() for operation in item.values()
}
# What the examples of the document stand for in the warehouse of the tests.
HERE = {"ACME,ZETA": "ACME,ZETA", "b_0cc175b9c0f1b6a8": "b_one"}
JUNK = {
    "sql": "' or '1'='1'; drop table marts.dim_instruments; --",
    "nul": "a\x00b",
    "newline": "AC\nME",
    "oversized": "9" * 5_000,
    "not_a_number": "NaN",
    "huge": "-99999999999999999999999999999",
    "percent": "%_\\",
    "html": "<script>alert(1)</script>",
}
RAW_JUNK = {"surrogate": "%ED%A0%80", "not_utf8": "%FF%FE", "nul": "%00"}


@pytest.fixture(autouse=True)
def as_alice(client):
    """Ask as somebody who may do everything."""
    client.headers.update(ALICE.headers)
    yield
    del client.headers["Authorization"]


def parameters(operation, kind):
    return [parameter for parameter in operation.get("parameters", []) if parameter["in"] == kind]


def example(parameter):
    given = [entry["value"] for entry in parameter.get("examples", {}).values()]
    return HERE.get(given[0], given[0]) if given else None


def path_of(path, operation, **replaced):
    for parameter in parameters(operation, "path"):
        value = replaced.get(parameter["name"], example(parameter))
        path = path.replace("{" + parameter["name"] + "}", quote(str(value), safe=""))
    return path


def needed(operation):
    """What cannot be left out."""
    return {p["name"]: example(p) for p in parameters(operation, "query") if p.get("required")}


def questions(operation):
    """All examples that go together: a period does not go with a range."""
    given = {p["name"]: example(p) for p in parameters(operation, "query") if example(p) is not None}
    return {name: value for name, value in given.items() if name not in ("start", "end") or "period" not in given}


def is_problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    kind = next(kind for kind in kinds() if kind.code == problem["code"])
    assert problem["title"] == kind.title
    assert problem["type"] == f"/problems/{kind.code}"
    assert problem["instance"].startswith("urn:uuid:")
    assert re.match(r"\w+: .+", problem["detail"])
    return True


every_read = pytest.mark.parametrize(("path", "operation"), READS.values(), ids=READS)
every_calculation = pytest.mark.parametrize(("path", "operation"), CALCULATIONS.values(), ids=CALCULATIONS)
every_operation = pytest.mark.parametrize(("path", "operation"), OPERATIONS.values(), ids=OPERATIONS)


def body_of(operation):
    return operation["requestBody"]["content"]["application/json"]["schema"]["examples"][0]


@every_read
def test_every_read_answers_its_example(client, path, operation):
    params = {name: value for name, value in questions(operation).items() if name not in ("as_of",)}
    answer = client.get(path_of(path, operation), params=params)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == set(operation["responses"]["200"]["content"]["application/json"]["example"])


@every_read
def test_every_read_takes_head_and_a_trailing_slash(client, path, operation):
    path = path_of(path, operation)
    params = needed(operation)
    plain, head = client.get(path, params=params), client.head(path, params=params)
    slashed = client.get(path.rstrip("/") + "/", params=params)
    assert (plain.status_code, head.status_code, slashed.status_code) == (200, 200, 200)
    assert head.content == b""
    assert head.headers["content-length"] == str(len(plain.content))
    assert slashed.json() == plain.json()


@every_read
def test_every_read_refuses_parameters_that_it_does_not_know(client, path, operation):
    answer = client.get(path_of(path, operation), params={"tikcer": "ACME"})
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-unknown")
    assert is_problem(answer)
    for parameter in parameters(operation, "query"):
        assert parameter["name"] in answer.json()["detail"]


@every_read
def test_null_is_no_value_of_a_query(client, path, operation):
    for parameter in parameters(operation, "query"):
        schema = parameter["schema"]
        assert "null" not in json.dumps({**schema, "description": "", "pattern": ""}), parameter["name"]
        if schema["type"] == "string" and not {"format", "enum"} & schema.keys():
            continue  # a text may be this word
        for word in ("null", "NULL"):
            answer = client.get(path_of(path, operation), params={parameter["name"]: word})
            assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid"), parameter["name"]
            assert answer.json()["errors"][0]["parameter"] == parameter["name"]


@every_read
def test_every_read_refuses_methods_that_it_does_not_take(client, path, operation):
    taken = {method.upper() for method in SCHEMA["paths"][path]}
    for method in {"POST", "PUT", "PATCH", "DELETE"} - taken:
        answer = client.request(method, path_of(path, operation))
        assert answer.status_code == 405
        assert is_problem(answer)
        assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


@every_read
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_every_parameter_refuses_junk(client, path, operation, junk):
    for parameter in parameters(operation, "query"):
        answer = client.get(path_of(path, operation), params={parameter["name"]: junk})
        # A word of letters or digits is a text that one may search for.
        if parameter["name"] in ("q", "subject") and junk in (JUNK["not_a_number"], JUNK["huge"]):
            assert answer.status_code == 200
            continue
        assert 400 <= answer.status_code < 500, (parameter["name"], answer.text)
        assert is_problem(answer)
    for parameter in parameters(operation, "path"):
        answer = client.get(path_of(path, operation, **{parameter["name"]: junk}))
        assert 400 <= answer.status_code < 500, (parameter["name"], answer.text)
        assert is_problem(answer)


@every_read
@pytest.mark.parametrize("junk", RAW_JUNK.values(), ids=RAW_JUNK)
def test_every_read_refuses_bytes_that_are_no_text(client, path, operation, junk):
    for parameter in parameters(operation, "query"):
        answer = client.get(f"{path_of(path, operation)}?{parameter['name']}={junk}")
        assert (answer.status_code, answer.json()["code"]) == (400, "text-invalid")
        assert is_problem(answer)


@every_read
def test_every_parameter_may_be_given_once(client, path, operation):
    for parameter in parameters(operation, "query"):
        name = parameter["name"]
        answer = client.get(f"{path_of(path, operation)}?{name}=1&{name}=2")
        assert (answer.status_code, answer.json()["code"]) == (400, "parameter-repeated")


@every_calculation
def test_every_calculation_answers_its_example(client, path, operation):
    answer = client.post(path, json=body_of(operation))
    assert answer.status_code == 200, answer.text
    assert answer.json() == operation["responses"]["200"]["content"]["application/json"]["example"]
    assert answer.headers["cache-control"] == "no-store"


@every_calculation
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "parameter-invalid"),
        (b"{", 400, "request-refused"),
        (b"[]", 400, "parameter-invalid"),
        (b"{}", 400, "parameter-invalid"),
        (b'{"a": NaN}', 400, "request-refused"),
        (b'{"a": "\xff\xfe"}', 400, "text-invalid"),
        (b"[" * 100_000, 400, "body-nested"),
        (b'{"a":' * 100_000, 400, "body-nested"),
        (b" " * 1_000_001, 413, "request-refused"),
    ],
    ids=["empty", "cut", "list", "nothing", "not_a_number", "not_utf8", "nested", "nested_objects", "oversized"],
)
def test_every_calculation_refuses_junk(client, path, operation, body, status, code):
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert is_problem(answer)


@every_calculation
def test_every_calculation_takes_json_alone(client, path, operation):
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "a\tb",
        "",
    ):
        answer = client.post(path, content=b"{}", headers={"Content-Type": media_type})
        assert (answer.status_code, answer.json()["code"]) == (415, "media-type-unsupported")
        assert is_problem(answer)
    with_charset = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post(path, content=json.dumps(body_of(operation)), headers=with_charset).status_code == 200


@every_calculation
def test_every_calculation_refuses_other_methods_and_parameters(client, path, operation):
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"].split(", ")
    answer = client.post(path, json=body_of(operation), params={"limit": 5})
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-unknown")


@pytest.mark.parametrize(
    "day", ["2024-02-30", "2024-13-01", "24-01-01", "yesterday", "2024-01-01T00:00:00", "", "0000-00-00", "99999-01-01"]
)
def test_days_that_are_none_are_refused(client, day):
    for path in ("/v1/rankings?as_of=", "/v1/history/ACME?start=", "/v1/fundamentals/ACME?as_of="):
        answer = client.get(path + day)
        assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid")
        assert answer.json()["errors"][0]["parameter"] in ("as_of", "start")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_last_day_of_the_calendar_are_days(client, day):
    for path in ("/v1/rankings?as_of=", "/v1/history/ACME?start=", "/v1/history/ACME?end=", "/v1/indicators/ACME?end="):
        assert client.get(path + day).status_code in (200, 404)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "5.5", "", "NaN", "1_0"])
def test_limits_that_are_none_are_refused(client, limit):
    answer = client.get("/v1/rankings", params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "limit")


def test_an_unknown_address_is_a_problem_too(client):
    for path in ("/nope", "/v1", "/v1/nope", "/v2/rankings", "/docs/nope", "/docs/assets/nope.js", "/v1/history/A/B"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        assert is_problem(answer)


def test_a_list_of_tickers_has_an_end(client):
    answer = client.get("/v1/quotes", params={"tickers": ",".join(["A"] * 101)})
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid")


def test_each_type_of_problem_leads_to_its_page(client):
    listed = client.get("/problems").json()["data"]
    assert len({kind["code"] for kind in listed}) == len(listed) > 20
    for kind in listed:
        page = client.get(f"/problems/{kind['code']}").json()["data"]
        assert page == kind
        assert page["title"]
        assert page["meaning"]
    assert client.get("/problems/nope").json()["code"] == "problem-unknown"


def test_the_document_is_served_as_it_is_swept_here(client):
    assert client.get("/openapi.json").json() == SCHEMA
    assert SCHEMA["openapi"].startswith("3.1")


@every_operation
def test_every_operation_is_documented(client, path, operation):
    assert operation["operationId"]
    assert operation["summary"]
    assert operation["description"].strip()
    assert operation["tags"]
    status, ok = next((status, answer) for status, answer in operation["responses"].items() if status < "304")
    assert status in ("204", "303") or any(content.get("example") for content in ok["content"].values())
    assert "X-Request-Id" in ok["headers"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
    for status in ("400", "405", "500", "503"):
        problem = operation["responses"][status]
        assert problem["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    if parameters(operation, "path"):
        assert "404" in operation["responses"]


def test_every_field_that_is_a_number_says_its_unit():
    without = [
        f"{name}.{field}"
        for name, schema in SCHEMA["components"]["schemas"].items()
        for field, shape in schema.get("properties", {}).items()
        if any(kind in ("number", "integer") for kind in _types(shape)) and "Unit" not in shape.get("description", "")
    ]
    assert without == []


def test_every_reference_of_the_document_leads_somewhere():
    text = str(SCHEMA)
    names = set(re.findall(r"#/components/schemas/([\w.]+)", text))
    assert names <= set(SCHEMA["components"]["schemas"])
    assert all(re.fullmatch(r"\w+", name) for name in SCHEMA["components"]["schemas"])


def _types(shape):
    for part in [shape, *shape.get("oneOf", []), *shape.get("anyOf", [])]:
        kind = part.get("type", [])
        yield from [kind] if isinstance(kind, str) else kind


def test_what_handlers_are_handed_is_provided_in_turn_without_a_task_for_each(tmp_path):
    app = create_app(settings_for("postgresql://127.0.0.1:9/none", tmp_path)).app
    models = [model for route in app.routes for _, model in route.route_handler_map.values()]
    batches = [batch for model in models for batch in model.dependency_batches]
    assert {len(batch) for batch in batches} == {1}
    assert {one.key for batch in batches for one in batch} == {"instrument", "principal", "sought"}, "no shared thing"
