"""The life of a job as the database keeps it: every legal change, no other, whoever tries, however often."""

import datetime as dt
import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest

from warehouse.connect import connect
from warehouse.queries import jobs
from warehouse.records.jobs import LIFE, MAX_ATTEMPTS, Artifact, decode_parameters
from warehouse.secrets import LOCAL_OWNER_ID

NOW = dt.datetime(2024, 6, 27, 21, tzinfo=dt.UTC)
OTHER_ID = "00000000-0000-7000-8000-000000000002"
STATES = ("requested", "queued", "running", "succeeded", "failed", "cancelled", "expired")
LEGAL = {
    ("requested", "queued"), ("requested", "failed"), ("requested", "cancelled"), ("requested", "expired"),
    ("queued", "running"), ("queued", "requested"), ("queued", "failed"), ("queued", "cancelled"),
    ("running", "succeeded"), ("running", "requested"), ("running", "failed"), ("running", "cancelled"),
}  # fmt: skip
WAY_TO = {
    "requested": (), "queued": ("queued",), "running": ("queued", "running"),
    "succeeded": ("queued", "running", "succeeded"), "failed": ("failed",), "cancelled": ("cancelled",),
    "expired": ("expired",),
}  # fmt: skip


@pytest.fixture
def connection(database: Any) -> Iterator[psycopg.Connection]:
    """The pipelines' connection, which commits each statement, and a second user."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "insert into app.users (user_id, display_name, role) values (%s, 'Another', 'user')", [OTHER_ID]
        )
        yield connection


def ask(connection: psycopg.Connection, *, user_id: str = LOCAL_OWNER_ID, now: dt.datetime = NOW) -> UUID:
    asked = decode_parameters("backtest", b"{}")
    return jobs.request_job(connection, "backtest", asked, user_id=user_id, now=now, correlation_id="request-1")


def move(connection: psycopg.Connection, job_id: UUID, state: str) -> None:
    finished = NOW if state in ("succeeded", "failed", "cancelled", "expired") else None
    connection.execute(
        "update app.jobs set state = %(state)s, finished_at = %(finished)s,"
        " run_id = case when %(state)s = 'requested' then null else 'r' end,"
        " attempt = attempt + (%(state)s = 'requested' and state <> 'requested')::integer where job_id = %(job)s",
        {"state": state, "finished": finished, "job": job_id},
    )


def one(connection: psycopg.Connection, job_id: UUID, columns: str) -> Any:
    row = connection.execute(f"select {columns} from app.jobs where job_id = %s", [job_id]).fetchone()
    assert row is not None
    return row if len(row) > 1 else row[0]


def events(connection: psycopg.Connection, type: str) -> list[Any]:
    return connection.execute(
        "select payload, user_id::text, correlation_id from app.events where type = %s order by event_id", [type]
    ).fetchall()


def test_only_legal_changes_of_state_are_possible(connection: psycopg.Connection):
    for before, after in [pair for pair in product(STATES, STATES) if pair[0] != pair[1]]:
        job_id = ask(connection)
        for state in WAY_TO[before]:
            move(connection, job_id, state)
        if (before, after) in LEGAL:
            move(connection, job_id, after)
            assert one(connection, job_id, "state") == after
        else:
            with pytest.raises(psycopg.errors.CheckViolation):
                move(connection, job_id, after)
            assert one(connection, job_id, "state") == before


def test_what_was_asked_never_changes_and_nothing_goes_before_its_time(connection: psycopg.Connection):
    job_id = ask(connection)
    changes = [
        "attempt = attempt + 1", "kind = 'train'", "parameters = '{}'", "parameters_hash = 'x'", "cost_seconds = 0",
        f"user_id = '{OTHER_ID}'", "progress = 1.5", "result = '{}'", "error = 'x'", "finished_at = now()",
        "state = 'running'",
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(f"update app.jobs set {change} where job_id = %s", [job_id])


def test_a_job_cannot_be_born_in_the_middle_of_its_life(connection: psycopg.Connection):
    row = jobs.new_job_row(
        "backtest", decode_parameters("backtest", b"{}"), user_id=LOCAL_OWNER_ID, now=NOW, correlation_id=None
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="a job begins as requested"):
        connection.execute(jobs.INSERT_JOB.replace("expires_at\n)", "expires_at, attempt\n)").replace(
            "%(expires_at)s\n)", "%(expires_at)s, 2\n)"), row)  # fmt: skip


def test_the_api_may_cancel_and_nothing_else(connection: psycopg.Connection, database: Any):
    job_id = ask(connection)
    foreign = ask(connection, user_id=OTHER_ID)
    with connect(database.api_url, autocommit=True) as api:
        api.execute("select set_config('app.user_id', %s, false)", [LOCAL_OWNER_ID])
        assert api.execute("select job_id from app.jobs").fetchall() == [(job_id,)]
        for change in ("result = '{}'", "run_id = 'r'", "parameters = '{}'", "attempt = 2"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                api.execute(f"update app.jobs set {change} where job_id = %s", [job_id])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            api.execute("update app.jobs set state = 'failed', finished_at = now() where job_id = %s", [job_id])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            api.execute("delete from app.jobs")
        assert api.execute("update app.jobs set cancel_requested_at = now() where job_id = %s", [foreign]).rowcount == 0
        api.execute("update app.jobs set state = 'cancelled', finished_at = now() where job_id = %s", [job_id])
    assert one(connection, job_id, "state") == "cancelled"


def test_the_end_is_written_once_with_its_event(connection: psycopg.Connection):
    job_id = ask(connection)
    assert jobs.finish(connection, job_id, 1, "succeeded", now=NOW, run_id="r", result={"sharpe": 1.5})
    for late in ({"sharpe": 9.0}, {"sharpe": 1.5}):
        assert not jobs.finish(connection, job_id, 1, "succeeded", now=NOW, run_id="r", result=late)
    assert not jobs.finish(connection, job_id, 1, "failed", now=NOW, error="too late")
    assert one(connection, job_id, "state, result, progress, error") == ("succeeded", {"sharpe": 1.5}, 1.0, None)
    [(payload, user_id, correlation_id)] = events(connection, "job.completed")
    assert (payload["state"], payload["result"]) == ("succeeded", {"sharpe": 1.5})
    assert (user_id, correlation_id) == (LOCAL_OWNER_ID, "request-1")


def test_an_earlier_attempt_that_comes_late_changes_nothing(connection: psycopg.Connection):
    job_id = ask(connection)
    assert jobs.mark_running(connection, job_id, 1, run_id="r1", now=NOW)
    assert jobs.try_again(connection, job_id, 1, now=NOW, reason="lost") == "requested"
    assert not jobs.finish(connection, job_id, 1, "succeeded", now=NOW, run_id="r1", result={"from": 1})
    jobs.show_life(connection, job_id, 1, now=NOW, progress=0.9)
    assert one(connection, job_id, "state, attempt, run_id, progress") == ("requested", 2, None, None)
    assert jobs.finish(connection, job_id, 2, "succeeded", now=NOW, run_id="r2", result={"from": 2})
    assert one(connection, job_id, "result") == {"from": 2}


def test_a_job_whose_runs_are_lost_is_tried_three_times_then_fails(connection: psycopg.Connection):
    job_id = ask(connection)
    states = []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        jobs.mark_queued(connection, job_id, attempt, run_id=f"r{attempt}")
        states.append(jobs.try_again(connection, job_id, attempt, now=NOW, reason="its runs were lost"))
    assert states == ["requested", "requested", "failed"]
    assert one(connection, job_id, "state, attempt, error") == ("failed", 3, "its runs were lost")


def test_progress_never_goes_back_and_each_tenth_is_told_once(connection: psycopg.Connection):
    job_id = ask(connection)
    jobs.mark_running(connection, job_id, 1, run_id="r", now=NOW)
    for second, progress in enumerate((0.11, 0.15, 0.05, 0.42)):
        jobs.show_life(connection, job_id, 1, now=NOW + dt.timedelta(seconds=second), progress=progress)
    jobs.show_life(connection, job_id, 1, now=NOW + dt.timedelta(seconds=9))
    assert one(connection, job_id, "progress, heartbeat_at") == (0.42, NOW + dt.timedelta(seconds=9))
    assert [payload["progress"] for payload, *_ in events(connection, "job.progressed")] == [0.11, 0.42]


def test_what_nobody_took_up_in_time_expires(connection: psycopg.Connection):
    late, young = ask(connection, now=NOW - LIFE), ask(connection)
    assert jobs.expire(connection, now=NOW) == 1
    assert jobs.expire(connection, now=NOW) == 0
    assert [one(connection, job_id, "state") for job_id in (late, young)] == ["expired", "requested"]
    assert one(connection, late, "error") == "No run took it up within 24 hours; ask again."


def test_each_user_has_two_turns_and_the_oldest_go_first(connection: psycopg.Connection):
    mine = [ask(connection, now=NOW + dt.timedelta(seconds=second)) for second in range(4)]
    theirs = ask(connection, user_id=OTHER_ID, now=NOW + dt.timedelta(minutes=1))

    def turns() -> list[UUID]:
        return [job.job_id for job in jobs.read_unfinished(connection) if job.is_its_turn]

    assert turns() == [*mine[:2], theirs]
    jobs.mark_running(connection, mine[0], 1, run_id="r0", now=NOW)
    assert turns() == [mine[1], theirs]
    jobs.mark_queued(connection, mine[1], 1, run_id="r1")
    assert turns() == [theirs]
    jobs.finish(connection, mine[0], 1, "succeeded", now=NOW, run_id="r0")
    assert turns() == [mine[2], theirs]


def test_artifacts_are_kept_once_and_belong_to_the_attempt_that_counts(connection: psycopg.Connection):
    job_id = ask(connection)
    jobs.keep_artifacts(connection, job_id, 1, [Artifact("a", "first")], now=NOW)
    jobs.keep_artifacts(connection, job_id, 1, [Artifact("a", "again")], now=NOW)
    jobs.mark_queued(connection, job_id, 1, run_id="r")
    jobs.try_again(connection, job_id, 1, now=NOW, reason="lost")
    jobs.keep_artifacts(connection, job_id, 1, [Artifact("a", "late"), Artifact("b", "late")], now=NOW)
    jobs.keep_artifacts(connection, job_id, 2, [Artifact("a", "second")], now=NOW)
    kept = connection.execute("select name, uri, attempt from app.job_artifacts order by name").fetchall()
    assert kept == [("a", "second", 2)]


def test_asking_writes_an_event_that_carries_the_request(connection: psycopg.Connection):
    job_id = ask(connection)
    [(payload, user_id, correlation_id)] = events(connection, "job.requested")
    assert (payload["job_id"], payload["kind"]) == (str(job_id), "backtest")
    assert (user_id, correlation_id) == (LOCAL_OWNER_ID, "request-1")


def test_an_unknown_job_is_no_error(connection: psycopg.Connection):
    nobody = uuid.uuid4()
    assert not jobs.finish(connection, nobody, 1, "failed", now=NOW, error="x")
    assert not jobs.mark_running(connection, nobody, 1, run_id="r", now=NOW)
    assert not jobs.is_to_run(connection, nobody, 1)
