"""What the daemon does by itself, on a small market through `factorloom up`."""

import datetime as dt
import json
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.daemon.conftest import Up
from tests.orchestration.conftest import Received
from warehouse.queries.alerts import create_alert
from warehouse.queries.channels import create_channel
from warehouse.records.alerts import decode_rule
from warehouse.secrets import LOCAL_OWNER_ID, webhook_keys
from warehouse.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("daemon")]

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
    number = len(up.runs_of("ingest_market_data"))
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
    up.wait_for_ticks("automation", number=3)
    assert up.newest("staging", "stg_daily_bars")[0] < failed_at
    assert up.wait_for("the failure in the log", lambda: failures(up)) == [("run.failed", "ingest_market_data")]

    with up.installation.connect() as connection:
        connection.execute("delete from raw.daily_bars where source_symbol = 'NOBODY'")
    up.launch("ingest_market_data", NEWEST)
    up.ended_run_of("ingest_market_data", number + 1)
    up.wait_for("the staging view", lambda: up.newest("staging", "stg_daily_bars")[0] > failed_at)


def test_an_alert_reaches_its_receiver_as_a_signed_webhook_once_the_receiver_is_back(up: Up) -> None:
    wait_for_ranking(up)
    settings = Settings(home=Path(up.installation.home), webhook_allow=(up.receiver.address,))
    rule = decode_rule(
        {"version": 1, "metric": "rank", "operator": "at_or_below", "level": 1,
         "instruments": [best_ticker(up)], "profile": "balanced"}
    )  # fmt: skip
    now = dt.datetime.now(dt.UTC)
    with up.installation.connect() as connection:
        endpoint = create_channel(
            connection, "webhook", up.receiver.url, user_id=LOCAL_OWNER_ID, keys=webhook_keys(settings), now=now,
            allow=[up.receiver.address],
        )  # fmt: skip
    up.wait_for("the question whether webhooks are wanted", lambda: received(up, "channel.verification"))
    up.wait_for("the confirmation", lambda: is_confirmed(up))
    up.receiver.stop()
    with up.installation.connect() as connection:
        create_alert(connection, rule, user_id=LOCAL_OWNER_ID, name="the best", now=now)
    up.wait_for("a try that fails", lambda: has_failed(up))
    up.receiver.start()

    request = up.wait_for("a webhook", lambda: received(up, "alert.triggered"))[0]
    Webhook(endpoint.secret).verify(request.body, request.headers)
    data = json.loads(request.body)["data"]
    assert data["message"] == f"{best_ticker(up)}: rank 1 in profile balanced is at or below 1."


def received(up: Up, type: str) -> list[Received]:
    return [request for request in up.receiver.received if json.loads(request.body)["type"] == type]


def has_failed(up: Up) -> bool:
    """Whether the alert has been tried while nobody listened."""
    failed = (
        "select exists (select from app.deliveries inner join app.events using (event_id)"
        " where type = 'alert.triggered' and last_error = 'connection_failed')"
    )
    with up.installation.connect() as connection:
        return connection.execute(failed).fetchone() == (True,)


def is_confirmed(up: Up) -> bool:
    with up.installation.connect() as connection:
        return connection.execute("select verified_at is not null from app.channels").fetchone() == (True,)


def wait_for_ranking(up: Up) -> dict[str, str]:
    """Wait until the newest session is ranked, and return the tags of the run that has done it."""

    def look() -> dict[str, str] | None:
        tags = up.tags_of_run(up.newest("research", "rankings")[1])
        return tags if tags.get("dagster/partition") == NEWEST else None

    return up.wait_for("a ranking of the session", look)


def newest_ranking(up: Up) -> str:
    with up.installation.connect() as connection:
        row = connection.execute("select max(as_of_date)::text from research.rankings where not is_intraday").fetchone()
    return row[0]


def best_ticker(up: Up) -> str:
    with up.installation.connect() as connection:
        row = connection.execute(
            "select ticker from research.rankings inner join marts.dim_instruments using (instrument_id)"
            " where as_of_date = %s and profile = 'balanced' and rank = 1",
            [NEWEST],
        ).fetchone()
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
