"""Every list in every format: the same rows, read back by other readers than ours."""

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api import formats
from api.presentation import MEDIA_TYPES, accepted
from tests.api.conftest import ALICE
from tests.api.test_conventions import READS, needed, path_of
from warehouse.queries.prices import Bar
from warehouse.queries.rankings import Ranked

LISTS = {
    name: item for name, item in READS.items() if any(p["name"] == "fields" for p in item[1].get("parameters", []))
}


@pytest.fixture(autouse=True)
def as_alice(client):
    """Ask as somebody who has lists of her own."""
    client.headers.update(ALICE.headers)
    yield
    del client.headers["Authorization"]


every_list = pytest.mark.parametrize(("path", "operation"), LISTS.values(), ids=LISTS)
BACK = {
    "ndjson": lambda body: [json.loads(line) for line in body.splitlines()],
    "csv": lambda body: list(csv.DictReader(io.StringIO(body.decode(), newline=""))),
    "arrow": lambda body: pa.ipc.open_stream(body).read_all().to_pylist(),
    "parquet": lambda body: pq.read_table(io.BytesIO(body)).to_pylist(),
}


def as_told_in_json(value):
    """What JSON says of a value that Arrow has in a type of its own."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, dt.date) else value


@every_list
@pytest.mark.parametrize("format", BACK)
def test_every_list_says_the_same_in_every_format(client, path, operation, format):
    path = path_of(path, operation)
    rows = client.get(path, params=needed(operation)).json()["data"]
    assert rows
    answer = client.get(path, params=needed(operation) | {"format": format})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, MEDIA_TYPES[format])
    back = BACK[format](answer.content)
    assert [list(row) for row in back] == [list(row) for row in rows]
    if format == "csv":
        assert [[cell == "" for cell in row.values()] for row in back] == [
            [value is None or value == "" for value in row.values()] for row in rows
        ]
        # Ids, instants and exact decimals are texts in JSON, and no more than their letters here.
        texts = [(told[name], value) for told, row in zip(back, rows, strict=True) for name, value in row.items()]
        assert [told for told, value in texts if isinstance(value, str)] == [
            value for _, value in texts if isinstance(value, str)
        ]
    else:
        told = [{name: as_told_in_json(value) for name, value in row.items()} for row in back]
        nested = {name for row in rows for name, value in row.items() if isinstance(value, dict)}
        if format != "ndjson":
            rows = [row | {name: json.dumps(row[name], separators=(",", ":")) for name in nested} for row in rows]
        assert told == rows


@every_list
def test_every_list_comes_by_columns_and_by_some_fields(client, path, operation):
    path = path_of(path, operation)
    whole = client.get(path, params=needed(operation)).json()
    names = list(whole["data"][0])
    columns = client.get(path, params=needed(operation) | {"shape": "columns"}).json()
    assert columns["data"] == {name: [row[name] for row in whole["data"]] for name in names}
    assert (columns["meta"], columns["next"] is None) == (whole["meta"], whole["next"] is None)
    turned = [names[-1], names[0]]
    some = client.get(path, params=needed(operation) | {"fields": ",".join(turned)}).json()
    assert [list(row.items()) for row in some["data"]] == [
        [(name, row[name]) for name in turned] for row in whole["data"]
    ]
    one = client.get(path, params=needed(operation) | {"fields": names[0], "format": "csv"})
    assert one.text.splitlines()[0] == names[0]


def test_the_header_decides_and_the_parameter_goes_before_it(client):
    by_header = client.get("/v1/rankings", headers={"Accept": "text/csv"})
    assert by_header.headers["content-type"].startswith("text/csv")
    assert by_header.headers["vary"] == "Accept"
    both = client.get("/v1/rankings?format=json", headers={"Accept": "text/csv"})
    assert both.json()["data"]
    browser = client.get("/v1/rankings", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert browser.json()["data"]


@pytest.mark.parametrize("path", ["/v1/rankings", "/v1/quotes/ACME"])
@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0, text/html", "text/*;q=0", "nonsense"])
def test_a_format_that_is_not_there_is_refused(client, path, accept):
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")
    assert "application/json" in answer.json()["known"]


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/csv;q=0.5, application/x-ndjson", "ndjson"),
        ("text/*, application/json;q=0.2", "csv"),
        ("*/*;q=0.1, application/vnd.apache.parquet;q=0.9", "parquet"),
        # The most specific range counts, also where it is the less welcome one.
        ("application/*, application/json;q=0.1", "ndjson"),
        ("text/csv;q=nine", None),
        ("text/csv;q=7", None),
        (", ,", None),
    ],
)
def test_the_best_liked_format_is_found(accept, name):
    assert accepted(accept, tuple(MEDIA_TYPES.values())) == name


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("fields=nope", 400, "parameter-invalid"),
        ("fields=", 400, "parameter-invalid"),
        ("fields=rank,rank", 400, "parameter-invalid"),
        ("format=xml", 400, "parameter-invalid"),
        ("shape=cube", 400, "parameter-invalid"),
        ("shape=columns&format=csv", 422, "parameter-conflict"),
    ],
)
def test_what_a_list_cannot_be_put_as_is_refused(client, query, status, code):
    answer = client.get(f"/v1/rankings?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("format", BACK)
def test_each_format_pages_to_the_same_end(client, format):
    whole = client.get("/v1/rankings?limit=100").json()["data"]
    seen, path = [], f"/v1/rankings?limit=4&format={format}&fields=instrument_id"
    while path:
        answer = client.get(path)
        seen += [row["instrument_id"] for row in BACK[format](answer.content)]
        link = answer.headers.get("link")
        assert link is None or link.endswith('; rel="next"')
        path = link[1 : link.index(">")] if link else None
    assert seen == [row["instrument_id"] for row in whole]


def test_a_table_says_what_it_is(client):
    answer = client.get("/v1/history/ACME?format=parquet")
    table = pq.read_table(io.BytesIO(answer.content))
    meta = client.get("/v1/history/ACME").json()["meta"]
    assert json.loads(table.schema.metadata[b"meta"]) == meta == json.loads(answer.headers["x-meta"])
    assert b"Unit currency per share" in table.schema.field("close").metadata[b"description"]
    assert table.schema.field("trade_date").type == pa.date32()


def test_each_format_has_a_tag_of_its_own(client):
    tags = {client.get(f"/v1/rankings?format={name}").headers["etag"] for name in MEDIA_TYPES}
    tags |= {client.get("/v1/rankings", headers={"Accept": "text/csv"}).headers["etag"]}
    assert len(tags) == len(MEDIA_TYPES) + 1
    tag = client.get("/v1/rankings", headers={"Accept": "text/csv"}).headers["etag"]
    assert client.get("/v1/rankings", headers={"Accept": "text/csv", "If-None-Match": tag}).status_code == 304
    assert client.get("/v1/rankings", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\uff1d1"])
def test_a_spreadsheet_runs_nothing_of_a_csv(begin):
    row = ranked(name=begin, score=-5.5)
    back = BACK["csv"](formats.as_csv([row], Ranked, b""))
    assert back[0]["name"] == "'" + begin
    assert back[0]["score"] == "-5.5"


def test_odd_texts_survive_every_format():
    odd = 'a "b", c\r\nd é 漢 \U0001f600 \u2028'
    for name, encode in (("csv", formats.as_csv), ("arrow", formats.as_arrow), ("ndjson", formats.as_ndjson)):
        assert BACK[name](encode([ranked(name=odd, score=1.0)], Ranked, b"{}"))[0]["name"] == odd


def test_a_list_without_rows_keeps_its_columns():
    empty = pa.ipc.open_stream(formats.as_arrow([], Bar, b"{}")).read_all()
    assert (empty.num_rows, empty.column_names[0], len(empty.column_names)) == (0, "trade_date", 8)
    assert formats.as_csv([], Bar, b"").decode().startswith("trade_date,open,")


def ranked(**changed):
    given = {field: 0.0 for field in Ranked.__struct_fields__}
    given |= {
        "rank": 1, "ticker": "ACME", "instrument_id": "i", "sector": None, "market": None, "signal": "hold",
        "as_of_date": dt.date(2024, 1, 2), "breached_limit": None, "missing_groups": ["value"],
        "model_version_id": None, "is_intraday": False, "computed_at": dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
    }  # fmt: skip
    return Ranked(**(given | changed))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_finite_number_is_an_empty_cell_and_null(value):
    rows = [ranked(score=value)]
    assert BACK["csv"](formats.as_csv(rows, Ranked, b""))[0]["score"] == ""
    assert BACK["ndjson"](formats.as_ndjson(rows, Ranked, b""))[0]["score"] is None


def test_exact_decimals_and_ids_are_plain_in_a_csv():
    class Lot(msgspec.Struct):
        lot_id: UUID
        quantity_shares: Decimal

    row = Lot(UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4e"), Decimal("-1E+3"))
    assert formats.as_csv([row], Lot, b"").decode().splitlines()[1] == f"{row.lot_id},-1000"
