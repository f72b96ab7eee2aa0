"""Daily bars over HTTP: taken into a job or refused with their line, and the whole way with the job's step."""

import datetime as dt
import hashlib
import io
import json
import uuid

import dagster as dg
import pyarrow as pa
import pytest

from orchestration.defs.market_data.uploads import upload
from orchestration.job_kinds import KINDS
from orchestration.job_runs import ATTEMPT_TAG, JOB_TAG, USER_TAG
from tests.api.conftest import ALICE, BOB
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of
from warehouse.connect import WRITER, connect, with_role
from warehouse.records.job_parameters import UploadParameters
from warehouse.uploads import ARROW, MAX_BYTES, NDJSON

BAR = {
    "source_symbol": "NUTS", "trade_date": "2024-06-20", "open": 10.0, "high": 11.0, "low": 9.5, "close": 10.5,
    "volume": 1000, "currency_code": "USD",
}  # fmt: skip
# The 22nd is a Saturday, 2100 has not come, and a close of nothing is no price.
MIXED = [
    BAR, {**BAR, "trade_date": "2024-06-21"}, BAR, {**BAR, "trade_date": "2024-06-22"},
    {**BAR, "trade_date": "2100-06-21"}, {**BAR, "trade_date": "2024-06-24", "close": None},
]  # fmt: skip


class Named:
    """A source that delivers nothing here."""

    name = "test"
    first_session, last_session = dt.date(2024, 1, 2), None


MARKET = market_data_of(Named(), now="2024-06-26T21:30:00+00:00")


@pytest.fixture(autouse=True)
def nothing_waits(site):
    for table in ("app.jobs", "app.uploads", "raw.quarantine"):
        site.connection.execute(f"delete from {table}")
    site.connection.execute("delete from raw.daily_bars where source = 'import'")


def lines(*bars):
    return "".join(json.dumps(bar) + "\n" for bar in bars).encode()


def stream(table):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return sink.getvalue()


def send(site, content, media_type=NDJSON, *, key=None, person=ALICE):
    headers = {"Content-Type": media_type, "Idempotency-Key": key or str(uuid.uuid4())}
    return site.ask("POST", "/v1/import/bars", person, content=content, headers=headers)


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def carry_out(site, job, *, user_id=ALICE.user_id, raises=True):
    """Run the step that the job asks for, in this process."""
    asked = UploadParameters(upload_id=uuid.UUID(job["parameters"]["upload_id"]))
    launch = KINDS["upload"].launch(asked, None, MARKET.installation)
    resources = {
        "warehouse": WarehouseOfTest(address=with_role(site.owner_url, WRITER)), "market_data": MARKET,
    }  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        return upload.execute_in_process(
            run_config=dict(launch.run_config), resources=resources, instance=instance, raise_on_error=raises,
            tags={JOB_TAG: job["job_id"], ATTEMPT_TAG: "1", USER_TAG: user_id},
        )  # fmt: skip


def result_of(site, content, media_type=NDJSON):
    job = send(site, content, media_type).json()["data"]
    carry_out(site, job)
    shown = site.ask("GET", f"/v1/jobs/{job['job_id']}").json()["data"]["job"]
    assert shown["state"] == "succeeded"
    return shown["result"]


def nothing_is_kept(site):
    kept = ("app.jobs", "app.uploads", "app.upload_pieces")
    return [site.rows(f"select count(*) from {table}")[0][0] for table in kept] == [0, 0, 0]


def test_bars_are_kept_with_a_job_an_event_and_entries_of_the_audit_log(site):
    n_audited = site.rows("select count(*) from app.audit")[0][0]
    content = lines(*MIXED)
    answer = send(site, content)
    assert answer.status_code == 202, answer.text
    job = answer.json()["data"]
    assert answer.headers["location"] == f"/v1/jobs/{job['job_id']}"
    assert (job["kind"], job["state"]) == ("upload", "requested")
    upload_id = job["parameters"]["upload_id"]
    assert site.rows(
        "select upload_id::text, user_id::text, media_type, content_hash, n_rows, n_bytes from app.uploads"
    ) == [(upload_id, ALICE.user_id, NDJSON, hashlib.sha256(content).hexdigest(), 6, len(content))]
    assert site.rows("select piece, content from app.upload_pieces") == [(0, content)]
    assert site.rows("select type from app.events where subject = %s", job["job_id"]) == [("job.requested",)]
    noted = site.rows("select action, target from app.audit order by audit_id offset %s", n_audited)
    assert noted == [("bars.uploaded", upload_id), ("job.requested", job["job_id"])]


def test_the_same_key_is_carried_out_once_and_another_body_under_it_is_refused(site):
    first, second = (send(site, lines(BAR), key="bars-of-today") for _ in range(2))
    assert first.content == second.content
    assert site.rows("select count(*) from app.uploads") == [(1,)]
    refused(send(site, lines(BAR, BAR), key="bars-of-today"), 422, "idempotency-key-reused")
    headers = {"Content-Type": NDJSON}
    refused(site.ask("POST", "/v1/import/bars", content=lines(BAR), headers=headers), 400, "parameter-invalid")


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code", "said"),
    [
        (b"", NDJSON, 422, "upload-refused", "a bar at least"),
        (lines(BAR, {**BAR, "close": "x"}), NDJSON, 422, "upload-refused", "line 2: "),
        (lines(BAR, {**BAR, "close": float("nan")}), NDJSON, 422, "upload-refused", "line 2: "),
        (lines({**BAR, "source_symbol": "A\x00"}), NDJSON, 422, "upload-refused", "line 1: "),
        (stream(pa.table({"a": [1]})), ARROW, 422, "upload-refused", "columns must be"),
        (stream(pa.Table.from_pylist([BAR]))[:-30], ARROW, 422, "upload-refused", "upload: "),
        (lines(BAR), "application/json", 415, "media-type-unsupported", "application/x-ndjson"),
        (b" " * (MAX_BYTES + 1), NDJSON, 413, "request-refused", "Too Large"),
    ],
    ids=["nothing", "line", "nan", "nul", "schema", "cut", "media_type", "too_large"],
)  # fmt: skip
def test_what_is_hostile_is_refused_and_nothing_is_kept(site, content, media_type, status, code, said):
    problem = refused(send(site, content, media_type), status, code)
    assert said in problem["detail"]
    assert nothing_is_kept(site)


def test_only_who_may_do_everything_sends_in_what_everybody_reads(site):
    refused(send(site, lines(BAR), person=BOB), 403, "not-allowed")
    refused(send(site, lines(BAR), person=None), 401, "unauthenticated")
    assert nothing_is_kept(site)


def test_every_bar_is_stored_or_in_quarantine_and_the_same_bars_again_change_nothing(site):
    result = result_of(site, lines(*MIXED))
    counts = {name: result[name] for name in ("received", "stored", "inserted", "exact_duplicates", "quarantined")}
    assert counts == {"received": 6, "stored": 2, "inserted": 2, "exact_duplicates": 1, "quarantined": 3}
    assert result["quarantined_by_rule"] == {"missing_price": 1, "not_a_session": 2}
    assert (result["is_accounted_for"], result["first_changed_date"]) == (True, "2024-06-20")
    bars = "select source_symbol, trade_date, close from raw.daily_bars where source = 'import' order by 2"
    stored = [("NUTS", dt.date(2024, 6, 20), 10.5), ("NUTS", dt.date(2024, 6, 21), 10.5)]
    assert site.rows(bars) == stored
    again = result_of(site, lines(*MIXED))
    assert (again["stored"], again["inserted"], again["updated"], again["unchanged"]) == (2, 0, 0, 2)
    assert again["first_changed_date"] is None
    assert site.rows(bars) == stored
    assert site.rows("select count(*) from raw.quarantine where source = 'import'") == [(3,)]


def test_not_a_number_and_infinity_of_an_arrow_stream_go_to_quarantine(site):
    days = [dt.date(2024, 6, 20), dt.date(2024, 6, 21), dt.date(2024, 6, 24)]
    table = pa.Table.from_pylist([{**BAR, "trade_date": day} for day in days])
    table = table.set_column(table.schema.get_field_index("high"), "high", [[11.0, float("nan"), float("inf")]])
    result = result_of(site, stream(table), ARROW)
    assert (result["received"], result["stored"], result["quarantined_by_rule"]) == (3, 1, {"missing_price": 2})
    assert sorted(site.rows("select payload->>'high' from raw.quarantine"), key=str) == [("inf",), (None,)]


def test_a_large_upload_lies_in_pieces_that_are_put_together_again(site, monkeypatch):
    monkeypatch.setattr("warehouse.queries.uploads.PIECE_BYTES", 100)
    content = lines(*MIXED)
    job = send(site, content).json()["data"]
    pieces = site.rows("select content from app.upload_pieces order by piece")
    assert len(pieces) == -(-len(content) // 100)
    assert b"".join(piece for (piece,) in pieces) == content
    assert carry_out(site, job).success
    assert site.rows("select (result->>'received')::int from app.jobs") == [(6,)]


def test_an_upload_of_somebody_else_is_not_taken_over(site):
    upload_id = send(site, lines(BAR)).json()["data"]["parameters"]["upload_id"]
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"kind": "upload", "parameters": {"upload_id": upload_id}}
    assert site.ask("POST", "/v1/jobs", BOB, json=body, headers=headers).status_code == 403
    # Nor does another administrator get at it.
    with connect(site.owner_url) as owner:
        owner.execute("update app.users set role = 'admin' where user_id = %s", [BOB.user_id])
    job = site.ask("POST", "/v1/jobs", BOB, json=body, headers=headers).json()["data"]
    assert not carry_out(site, job, user_id=BOB.user_id, raises=False).success
    assert site.rows("select count(*) from raw.daily_bars where source = 'import'") == [(0,)]
