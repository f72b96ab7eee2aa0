"""What follows from a try."""

import pytest

from orchestration.delivery.messages import Outcome
from orchestration.delivery.retries import WAIT_SECONDS, Verdict, judge

FAILED = Outcome(500, "http_500")


def test_the_schedule_takes_ten_tries_and_three_days() -> None:
    assert len(WAIT_SECONDS) == 10
    # 5 s + 5 min + 30 min + (2 + 5 + 10 + 14 + 20 + 24) h = 75.58 h
    assert sum(WAIT_SECONDS) == 5 + 35 * 60 + 75 * 3600


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_done(status: int) -> None:
    assert judge(Outcome(status, None), attempts=1, delivery_id="a") == Verdict("done")


@pytest.mark.parametrize("attempts", range(1, 10))
def test_a_failure_is_tried_again_within_a_fifth_of_the_schedule(attempts: int) -> None:
    waits = [judge(FAILED, attempts=attempts, delivery_id=str(n)).wait_seconds or 0.0 for n in range(200)]
    assert 0.8 * WAIT_SECONDS[attempts] <= min(waits) < 0.85 * WAIT_SECONDS[attempts]
    assert 1.15 * WAIT_SECONDS[attempts] < max(waits) <= 1.2 * WAIT_SECONDS[attempts]


def test_the_jitter_of_a_try_is_always_the_same() -> None:
    assert judge(FAILED, attempts=3, delivery_id="a") == judge(FAILED, attempts=3, delivery_id="a")


def test_the_tenth_failure_is_the_last() -> None:
    assert judge(FAILED, attempts=10, delivery_id="a") == Verdict("dead", has_channel_failed=True)


def test_gone_ends_the_channel_too() -> None:
    gone = Outcome(410, "http_410", is_gone=True)
    assert judge(gone, attempts=1, delivery_id="a") == Verdict("dead", is_channel_gone=True)


def test_what_trying_again_does_not_mend_is_given_up() -> None:
    assert judge(Outcome(None, "body_too_large"), attempts=1, delivery_id="a") == Verdict("dead")


@pytest.mark.parametrize("error", ["secret_unreadable", "mail_not_configured", "mail_server_refuses_us"])
def test_what_is_our_own_fault_is_tried_again_and_no_mark_against_the_channel(error: str) -> None:
    verdict = judge(Outcome(None, error), attempts=1, delivery_id="a")
    assert (verdict.state, verdict.has_channel_failed) == ("pending", False)


@pytest.mark.parametrize("error", ["timeout", "connection_failed", "address_refused", "tls_failed"])
def test_no_answer_is_tried_again(error: str) -> None:
    assert judge(Outcome(None, error), attempts=1, delivery_id="a").state == "pending"


def test_retry_after_is_honoured_up_to_a_day() -> None:
    assert judge(Outcome(503, "http_503", 100.0), attempts=1, delivery_id="a").wait_seconds == 100
    assert judge(Outcome(503, "http_503", 1e9), attempts=1, delivery_id="a").wait_seconds == 86_400
    # Shorter than the schedule: the schedule stands.
    assert (judge(Outcome(503, "http_503", 1.0), attempts=2, delivery_id="a").wait_seconds or 0) >= 240


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_overloaded_receiver_is_left_alone_altogether(status: int) -> None:
    verdict = judge(Outcome(status, f"http_{status}"), attempts=1, delivery_id="a")
    assert (verdict.state, verdict.wait_seconds, verdict.pause_seconds) == ("pending", 60.0, 60.0)
    asked = judge(Outcome(status, f"http_{status}", 600.0), attempts=1, delivery_id="a")
    assert (asked.wait_seconds, asked.pause_seconds) == (600.0, 600.0)
