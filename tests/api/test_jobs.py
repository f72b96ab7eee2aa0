"""Jobs over HTTP: taken once, bounded, seen by their owner alone, cancelled; and what was hostile, refused."""

import uuid

import pytest

from tests.api.conftest import ALICE, BOB
from warehouse.queries import jobs as queries
from warehouse.records.jobs import BUDGET_SECONDS, KINDS, WAITING_PER_USER

BACKTEST = {"kind": "backtest", "parameters": {"quantile": 0.2}}


@pytest.fixture(autouse=True)
def nothing_waits(site):
    site.connection.execute("delete from app.jobs")


def create(site, body=BACKTEST, *, key=None, person=ALICE):
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return site.ask("POST", "/v1/jobs", person, json=body, headers=headers)


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def test_a_job_is_one_row_one_event_and_one_entry_of_the_audit_log(site):
    n_audited = site.rows("select count(*) from app.audit")[0][0]
    answer = create(site)
    assert answer.status_code == 202
    job = answer.json()["data"]
    assert answer.headers["location"] == f"/v1/jobs/{job['job_id']}"
    assert answer.headers["retry-after"] == "5"
    assert (job["state"], job["attempt"], job["parameters"]["rebalance"]) == ("requested", 1, "monthly")
    [(kind, user_id, correlation_id)] = site.rows("select kind, user_id::text, correlation_id from app.jobs")
    assert (kind, user_id, correlation_id) == ("backtest", ALICE.user_id, answer.headers["x-request-id"])
    [(type, of)] = site.rows("select type, correlation_id from app.events where subject = %s", job["job_id"])
    assert (type, of) == ("job.requested", answer.headers["x-request-id"])
    [(action, target)] = site.rows("select action, target from app.audit order by audit_id offset %s", n_audited)
    assert (action, target) == ("job.requested", job["job_id"])


def test_the_same_key_is_carried_out_once_and_answered_the_same(site):
    first, second = (create(site, key="the-same-key") for _ in range(2))
    assert first.content == second.content
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.headers["location"] == first.headers["location"]
    assert site.rows("select count(*) from app.jobs") == [(1,)]
    assert site.rows("select count(*) from app.events where subject = %s", first.json()["data"]["job_id"]) == [(1,)]
    refused(create(site, {"kind": "backtest", "parameters": {}}, key="the-same-key"), 422, "idempotency-key-reused")
    # Another person's key is another key.
    assert create(site, key="the-same-key", person=BOB).json()["data"]["job_id"] != first.json()["data"]["job_id"]


def test_a_request_whose_first_copy_is_under_way_is_told_so(site):
    claim = f"{ALICE.user_id}\x1fcreate_job\x1fheld"
    with site.connection.transaction():
        site.connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [claim])
        answer = create(site, key="held")
    refused(answer, 409, "request-in-flight")
    assert answer.headers["retry-after"] == "1"
    assert create(site, key="held").status_code == 202


def test_a_job_without_a_key_or_with_a_hostile_one_is_refused(site):
    refused(site.ask("POST", "/v1/jobs", json=BACKTEST), 400, "parameter-invalid")
    for key in ("", "with space", "k" * 129, "caf\u00e9".encode("latin-1")):
        refused(create(site, key=key) if key else site.ask("POST", "/v1/jobs", json=BACKTEST, headers={"Idempotency-Key": ""}), 400, "parameter-invalid")  # fmt: skip # noqa: E501
    assert site.rows("select count(*) from app.jobs") == [(0,)]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400), (b"null", 400), (b"[]", 400), (b'{"kind": "backtest"}', 400), (b'{"parameters": {}}', 400),
        (b'{"kind": "mine_coins", "parameters": {}}', 400), (b'{"kind": ["backtest"], "parameters": {}}', 400),
        (b'{"kind": "backtest", "parameters": {}, "user_id": "x"}', 400),
        (b'{"kind": "backtest", "parameters": {"quantile": NaN}}', 400),
        (b'{"kind": "backtest", "parameters": {"quantile": 1e999}}', 400),
        (b'{"kind": "backtest", "parameters": {"start": "2024-06-28", "end": "2024-01-02"}}', 400),
        (b'{"kind": "backtest", "parameters": {"start": "0001-01-01"}}', 400),
        (b'{"kind": "backtest\\u0000", "parameters": {}}', 400), (b'{"kind": "\\ud800", "parameters": {}}', 400),
        (b'{"kind": "backtest", "parameters": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", 400),
        (b"[" * 100_000, 400), (b'{"kind": "backtest", "parameters": {}}' + b" " * 1_000_001, 413),
        (b'{"kind": "backtest", "parameters": {"rebalance": "\xff"}}', 400),
        (b'{"kind": "train", "parameters": {"start": "1970-01-01", "end": "2199-01-01"}}', 422),
    ],
)  # fmt: skip
def test_what_is_hostile_is_refused_and_nothing_is_written(site, content, status):
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    answer = site.ask("POST", "/v1/jobs", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert site.rows("select count(*) from app.jobs") == [(0,)]


def test_a_choice_of_parameters_is_for_administrators_and_a_sweep_for_everybody(site):
    tune = {"kind": "tune", "parameters": {"model_id": "technical", "grid": {"n_leaves": [4, 8]}}}
    assert "scope admin" in refused(create(site, tune, person=BOB), 403, "not-allowed")["detail"]
    assert site.rows("select count(*) from app.jobs") == [(0,)]
    job = create(site, tune).json()["data"]
    assert (job["kind"], job["parameters"]["grid"]) == ("tune", {"n_leaves": [4, 8]})
    assert job["cost_seconds"] == 60 + 20 * 2 * 4
    sweep = create(site, {"kind": "sweep", "parameters": {"costs_bps": [0, 5]}}, person=BOB)
    assert (sweep.status_code, sweep.json()["data"]["parameters"]["profile"]) == (202, "balanced")


def test_a_stranger_sees_neither_job_nor_its_events(site):
    job_id = create(site).json()["data"]["job_id"]
    refused(site.ask("GET", f"/v1/jobs/{job_id}", BOB), 404, "job-unknown")
    refused(site.ask("DELETE", f"/v1/jobs/{job_id}", BOB), 404, "job-unknown")
    assert site.ask("GET", "/v1/jobs", BOB).json()["data"] == []
    assert site.ask("GET", f"/v1/jobs/{job_id}").status_code == 200
    refused(site.ask("GET", "/v1/jobs", None), 401, "unauthenticated")


def test_jobs_are_listed_newest_first_by_pages_and_filters(site):
    ids = [create(site, {"kind": "backtest", "parameters": {"quantile": q}}).json()["data"]["job_id"] for q in (0.1, 0.2, 0.3)]  # fmt: skip # noqa: E501
    site.connection.execute("update app.jobs set state = 'cancelled', finished_at = now() where job_id = %s", [ids[1]])
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = site.ask("GET", "/v1/jobs", params=query).json()
        seen += [job["job_id"] for job in page["data"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    listed = site.ask("GET", "/v1/jobs", params={"state": "cancelled"}).json()["data"]
    assert [job["job_id"] for job in listed] == [ids[1]]
    assert site.ask("GET", "/v1/jobs", params={"kind": "train"}).json()["data"] == []
    refused(site.ask("GET", "/v1/jobs", params={"state": "asleep"}), 400, "parameter-invalid")
    unknown = refused(site.ask("GET", "/v1/jobs", params={"kind": "mine_coins"}), 400, "parameter-invalid")
    assert all(kind in unknown["errors"][0]["message"] for kind in KINDS)


def test_what_waits_is_cancelled_at_once_and_what_runs_when_its_run_has_ended(site):
    waits, runs = (create(site).json()["data"]["job_id"] for _ in range(2))
    now = site.rows("select now()")[0][0]
    queries.mark_running(site.connection, runs, 1, run_id="r", now=now)
    answer = site.ask("DELETE", f"/v1/jobs/{waits}")
    assert (answer.status_code, answer.json()["data"]["state"]) == (202, "cancelled")
    answer = site.ask("DELETE", f"/v1/jobs/{runs}")
    assert (answer.status_code, answer.json()["data"]["state"]) == (202, "running")
    assert answer.json()["data"]["cancel_requested_at"] is not None
    refused(site.ask("DELETE", f"/v1/jobs/{waits}"), 409, "job-ended")
    ended = site.rows("select payload->>'state' from app.events where type = 'job.completed' and subject = %s", waits)
    assert ended == [("cancelled",)]


def test_the_result_and_what_was_made_are_shown_to_the_end(site):
    job_id = create(site).json()["data"]["job_id"]
    now = site.rows("select now()")[0][0]
    artifact = queries.Artifact("backtest/balanced", "/v1/backtests/b_one")
    queries.keep_artifacts(site.connection, job_id, 1, [artifact], now=now)
    queries.finish(site.connection, job_id, 1, "succeeded", now=now, run_id="r", result={"sharpe": 1.5})
    shown = site.ask("GET", f"/v1/jobs/{job_id}").json()["data"]
    assert (shown["job"]["state"], shown["job"]["result"], shown["job"]["progress"]) == (
        "succeeded",
        {"sharpe": 1.5},
        1,
    )
    assert shown["artifacts"] == [
        {"name": "backtest/balanced", "uri": "/v1/backtests/b_one", "media_type": "application/json"}
    ]


def test_the_days_budget_and_the_number_that_waits_are_bounded(site):
    big = {"kind": "train", "parameters": {"start": "2000-01-01", "end": "2050-01-01"}}
    cost = create(site, big).json()["data"]["cost_seconds"]
    answers = [create(site, big) for _ in range(int(BUDGET_SECONDS // cost))]
    problem = refused(answers[-1], 429, "job-quota-spent")
    assert "seconds of one core" in problem["detail"]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 86_400
    assert create(site, person=BOB).status_code == 202
    many = [create(site, person=BOB) for _ in range(WAITING_PER_USER)]
    refused(many[-1], 429, "job-quota-spent")
    assert site.rows("select count(*) from app.jobs where user_id = %s", BOB.user_id) == [(WAITING_PER_USER,)]


def test_the_short_ways_make_jobs_and_join_one_that_waits(site):
    first = site.ask("POST", "/v1/refresh", json={"part": "fundamentals"})
    again = site.ask("POST", "/v1/refresh", json={"part": "fundamentals"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["location"] == first.headers["location"]
    assert first.json()["data"]["kind"] == "refresh"
    recompute = site.ask("POST", "/v1/rankings/recompute", json={"start": "2024-06-03", "end": "2024-06-28"})
    assert recompute.json()["data"]["parameters"]["scope"] == "rankings"
    assert site.rows("select count(*) from app.jobs") == [(2,)]
    assert site.ask("POST", "/v1/diagnostics/test-refresh").json()["data"]["parameters"] == {"part": "quotes"}
    refused(site.ask("POST", "/v1/diagnostics/test-refresh", BOB), 403, "not-allowed")
