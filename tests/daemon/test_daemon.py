"""What the daemon does by itself, on a small market through `factorloom up`."""

import datetime as dt
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from standardwebhooks import Webhook

from tests.daemon.conftest import Up
from tests.orchestration.conftest import Received, Receiver
from warehouse.queries.alerts import create_alert
from warehouse.queries.channels import create_channel
from warehouse.records.alerts import decode_rule
from warehouse.records.jobs import UNFINISHED
from warehouse.secrets import LOCAL_OWNER_ID, OWNER_KEY_FILE, webhook_keys
from warehouse.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("daemon")]

N_KILLS = int(os.environ.get("FACTORLOOM_TEST_KILLS", "5"))
SEED = int(os.environ.get("FACTORLOOM_TEST_KILL_SEED", "1"))
# It starts, looks for requests and takes one up within so many seconds.
LONGEST_LIFE_SECONDS = 30.0
NEWEST, OLDER = "2024-06-27", "2024-06-20"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def test_a_missed_evening_is_made_up_for_and_automation_carries_the_session_to_the_rankings(up: Up) -> None:
    asked = up.ended_run_of("ingest_market_data", 0)
    assert asked["tags"]["dagster/schedule_name"] == "end_of_day"
    assert asked["tags"]["dagster/partition"] == NEWEST
    assert asked["tags"]["factorloom/reason"] == f"missing since {NEWEST}"

    tags = wait_for_ranking(up)
    assert tags["dagster/from_automation_condition"] == "true"
    assert tags["factorloom/reason"] == "inputs have changed and their blocking checks passed"
    assert newest_ranking(up) == NEWEST
    # Five ticks were missed; the later ones saw that the first had asked.
    assert len(up.runs_of("ingest_market_data")) == 1


def test_what_the_source_has_corrected_is_carried_downstream_in_one_range_run(up: Up) -> None:
    wait_for_ranking(up)
    before = factors_of(up, OLDER)
    number = len(up.runs_of("ingest_market_data"))
    up.launch("ingest_market_data", OLDER)
    up.ended_run_of("ingest_market_data", number)

    carried = up.ended_run_of("carry_downstream", 0)
    assert carried["tags"]["dagster/sensor_name"] == "restatements"
    assert [carried["tags"][name] for name in RANGE] == [OLDER, NEWEST]
    assert factors_of(up, OLDER) != before
    assert len(up.runs_of("carry_downstream")) == 1


def test_a_failed_blocking_check_stops_what_lies_below_until_it_passes(up: Up) -> None:
    wait_for_ranking(up)
    number, before = len(up.runs_of("ingest_market_data")), runs_that_make(up, "staging", "stg_daily_bars")
    with up.installation.connect() as connection:
        connection.execute(
            "insert into raw.daily_bars (source, source_symbol, trade_date, open, high, low, close, volume,"
            " currency_code, adjustment) select source, 'NOBODY', trade_date, open, high, low, close, volume,"
            " currency_code, adjustment from raw.daily_bars where trade_date = %s limit 1",
            [NEWEST],
        )
    up.launch("ingest_market_data", NEWEST)
    up.ended_run_of("ingest_market_data", number, status="FAILURE")
    failed_at, _ = up.newest("raw", "daily_bars")
    # When the second begins, the first has had its look.
    up.wait_for_ticks("automation", number=2)
    assert runs_that_make(up, "staging", "stg_daily_bars") == before
    assert up.newest("staging", "stg_daily_bars")[0] < failed_at
    assert up.wait_for("the failure in the log", lambda: failures(up)) == [("run.failed", "ingest_market_data")]

    with up.installation.connect() as connection:
        connection.execute("delete from raw.daily_bars where source_symbol = 'NOBODY'")
    up.launch("ingest_market_data", NEWEST)
    up.ended_run_of("ingest_market_data", number + 1)
    up.wait_for("the staging view", lambda: up.newest("staging", "stg_daily_bars")[0] > failed_at)
    assert runs_that_make(up, "staging", "stg_daily_bars") > before


def test_a_quote_fires_a_rule_and_its_webhook_arrives_at_once_or_once_the_receiver_is_back(
    up: Up,
) -> None:
    wait_for_ranking(up)
    settings = Settings(home=Path(up.installation.home), webhook_allow=(up.receiver.address, up.other_receiver.address))
    now = dt.datetime.now(dt.UTC)
    with up.installation.connect() as connection:
        here, there = (
            create_channel(
                connection, "webhook", receiver.url, user_id=LOCAL_OWNER_ID, keys=webhook_keys(settings), now=now,
                allow=settings.webhook_allow,
            )
            for receiver in (up.receiver, up.other_receiver)
        )  # fmt: skip
        ticker, close = best(connection)
        # Wherever the next price is, but where it was at the close.
        levels = {"at_or_above": close * 1.0001, "at_or_below": close * 0.9999}
        tests = [{"operator": name, "metric": "price", "level": level} for name, level in levels.items()]
        rule = decode_rule(
            {"version": 2, "when": {"operator": "or", "conditions": tests},
             "scope": {"kind": "instruments", "instruments": [ticker]}}
        )  # fmt: skip
        create_alert(connection, rule, user_id=LOCAL_OWNER_ID, name="it moves", now=now)
    up.wait_for("both confirmations", lambda: read(up, CONFIRMED) == [(2,)])
    up.wait_for("a first look, at the close", lambda: read(up, STATES) == [("normal", dt.date(2024, 6, 27))])
    up.other_receiver.stop()
    up.launch("intraday", config={"ops": {"rank_live": {"config": {"rank": False}}}})

    arrived = up.wait_for("a webhook", lambda: received(up.receiver, "alert.triggered"))
    up.wait_for("a try that fails", lambda: read(up, FAILED) == [(up.other_receiver.url,)])
    up.other_receiver.start()
    late = up.wait_for("the other webhook", lambda: received(up.other_receiver, "alert.triggered"))
    for [request], secret in ((arrived, here.secret), (late, there.secret)):
        Webhook(secret).verify(request.body, request.headers)
        data = json.loads(request.body)["data"]
        assert (data["ticker"], data["observed_date"]) == (ticker, "2024-06-28")
        assert data["observed_at"] <= "2024-06-28T15:01:00Z"
        assert data["message"].startswith(f"{ticker}: price ")


@pytest.mark.faults
def test_jobs_end_once_each_though_the_daemon_is_killed(up: Up, figure: Callable[[str], None]) -> None:
    """It dies at random moments while it also makes up for the missed evening; `factorloom up` starts it again."""
    draws = random.Random(SEED)
    asked = []
    for number in range(N_KILLS):
        asked.append(ask_for_job(up, number))
        time.sleep(draws.uniform(0.0, LONGEST_LIFE_SECONDS))
        kill_daemon(up)
    up.wait_for("the end of all jobs", lambda: all(state not in UNFINISHED for _, state, _ in read(up, JOBS)))
    assert read(up, JOBS) == sorted((job_id, "succeeded", 1) for job_id in asked)
    # Asked again under its key, a job is the one that there is.
    assert [ask_for_job(up, number) for number in range(len(asked))] == asked
    figure(f"{N_KILLS} kills of the daemon: {len(asked)} jobs accepted, none lost, none twice")


CONFIRMED = "select count(*) from app.channels where verified_at is not null"
STATES = """
select s.state, (s.observed_at at time zone 'America/New_York')::date
from app.alert_states as s where s.observed_at is not null
"""
FAILED = """
select c.address
from app.deliveries as d inner join app.events as e using (event_id) inner join app.channels as c using (channel_id)
where e.type = 'alert.triggered' and d.last_error = 'connection_failed'
"""
BEST = """
select i.ticker, coalesce(p.close_raw, p.close_adj)
from research.rankings as r
inner join marts.dim_instruments as i on i.instrument_id = r.instrument_id
inner join marts.fct_daily_prices as p on p.instrument_id = r.instrument_id and p.trade_date = r.as_of_date
where r.as_of_date = %s and r.profile = 'balanced' and not r.is_intraday and r.rank = 1
"""


JOBS = """
select j.job_id::text, j.state, count(e.event_id)::int
from app.jobs as j left join app.events as e on e.subject = j.job_id::text and e.type = 'job.completed'
where j.kind = 'black_scholes'
group by j.job_id, j.state
order by 1
"""
OPTION = {"type": "call", "spot": 100.0, "strike": 100.0, "years": 1.0, "volatility": 0.2}


def ask_for_job(up: Up, number: int) -> str:
    """Ask the API to price an option; returns the id of the job."""
    key = (up.installation.home / "keys" / OWNER_KEY_FILE).read_text().strip()
    answer = httpx.post(
        f"http://127.0.0.1:{up.installation.environment['FACTORLOOM_API_PORT']}/v1/jobs", timeout=60, trust_env=False,
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": f"daemon-{number}"},
        json={"kind": "black_scholes", "parameters": {"options": [{**OPTION, "strike": 100.0 + number}]}},
    )  # fmt: skip
    assert answer.status_code in (200, 202), answer.text
    return answer.json()["data"]["job_id"]


def kill_daemon(up: Up) -> None:
    """End the daemon of this installation as a power cut would, and see that another one is there."""
    [old] = daemons(up)
    old.kill()
    up.wait_for("another daemon", lambda: [one for one in daemons(up) if one.pid != old.pid])


def daemons(up: Up) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            is_daemon = any(Path(part).name == "dagster-daemon" for part in process.cmdline())
            if is_daemon and process.environ().get("FACTORLOOM_HOME") == str(up.installation.home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def best(connection: psycopg.Connection) -> tuple[str, float]:
    """Return ticker and close of who leads the ranking."""
    row = connection.execute(BEST, [NEWEST]).fetchone()
    assert row is not None
    return row


def read(up: Up, sql: str) -> list[tuple[Any, ...]]:
    with up.installation.connect() as connection:
        return connection.execute(sql).fetchall()


def received(receiver: Receiver, type: str) -> list[Received]:
    return [request for request in receiver.received if json.loads(request.body)["type"] == type]


def wait_for_ranking(up: Up) -> dict[str, str]:
    """Wait until the newest session is ranked, alone or in a range, and return the tags of the run that has done it."""

    def look() -> dict[str, str] | None:
        tags = up.tags_of_run(up.newest("research", "rankings")[1])
        return tags if NEWEST in (tags.get("dagster/partition"), tags.get(RANGE[1])) else None

    return up.wait_for("a ranking of the session", look)


def runs_that_make(up: Up, *path: str) -> int:
    """Count the runs that automation has asked for to make a table."""
    return sum({"path": list(path)} in (run["assetSelection"] or []) for run in up.runs_of("__ASSET_JOB"))


def newest_ranking(up: Up) -> str:
    with up.installation.connect() as connection:
        row = connection.execute("select max(as_of_date)::text from research.rankings where not is_intraday").fetchone()
    return row[0]


def factors_of(up: Up, day: str) -> str:
    """Return a content hash of the factor values of a day."""
    with up.installation.connect() as connection:
        row = connection.execute(
            "select md5(string_agg(t::text, '|' order by instrument_id)) from factors.fct_factor_values as t"
            " where as_of_date = %s",
            [day],
        ).fetchone()
    return row[0]


def failures(up: Up) -> list[tuple[str, str]]:
    with up.installation.connect() as connection:
        return connection.execute("select type, subject from app.events where type = 'run.failed'").fetchall()
