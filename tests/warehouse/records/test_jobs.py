"""Parameters of jobs: what is refused, what it costs, and when two ask for the same."""

import datetime as dt

import pytest

from warehouse.records.errors import JobRefused
from warehouse.records.jobs import KINDS, MAX_COST_SECONDS, canonical, decode_parameters, parameters_hash, schemas

REFUSED = [
    (b"", "truncated"),
    (b"[]", "Expected `object`"),
    (b"[" * 100_000, "Expected `object`"),
    (b'{"a":' * 100_000, "unknown field `a`"),
    (b'{"quantile": NaN}', "malformed"),
    (b'{"quantile": 1e999}', "quantile"),
    (b'{"quantile": "0.1"}', "Expected `float`"),
    (b'{"quantile": 0.6}', "<= 0.5"),
    (b'{"quantile": 0}', ">= 0.001"),
    (b'{"cost_bps": -1}', ">= 0"),
    (b'{"profiles": []}', "length >= 1"),
    (b'{"profiles": ["reckless"]}', "Invalid enum value 'reckless'"),
    (b'{"rebalance": "hourly"}', "Invalid enum value 'hourly'"),
    (b'{"start": "2024-02-30"}', "Invalid RFC3339"),
    (b'{"start": "2024-06-28", "end": "2024-01-02"}', "must not be after"),
    (b'{"start": "0001-01-01"}', "between 1970-01-01 and 2200-01-01"),
    (b'{"user_id": "somebody"}', "unknown field `user_id`"),
    (b'{"start": "\xff"}', "Invalid RFC3339"),
    (b'{"\xff": 1}', "utf-8"),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED)
def test_what_does_not_hold_is_refused_with_the_reason(body: bytes, reason: str):
    with pytest.raises(JobRefused, match=r"job: kind and parameters must be") as refused:
        decode_parameters("backtest", body)
    assert reason in str(refused.value)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(JobRefused, match="`kind` must be one of backtest, train"):
        decode_parameters("mine_coins", b"{}")


def test_order_repetition_and_defaults_make_no_other_job():
    one = decode_parameters("backtest", b'{"profiles": ["balanced", "aggressive"], "quantile": 0.1}')
    other = decode_parameters("backtest", b'{"profiles": ["aggressive", "balanced", "aggressive"]}')
    assert parameters_hash("backtest", one) == parameters_hash("backtest", other)
    assert canonical(one) == canonical(other)
    assert canonical(one)["rebalance"] == "monthly"


def test_another_value_or_kind_is_another_job():
    hashes = [parameters_hash("backtest", decode_parameters("backtest", body)) for body in (b"{}", b'{"quantile":0.2}')]
    hashes += [parameters_hash(kind, decode_parameters(kind, b"{}")) for kind in ("train", "recompute")]
    assert len(set(hashes)) == 4


def test_more_of_the_same_costs_more():
    def cost(body: bytes) -> float:
        return KINDS["backtest"].cost_seconds(decode_parameters("backtest", body))

    short = b'{"start": "2024-01-02", "end": "2024-06-28"}'
    long = b'{"start": "2014-01-02", "end": "2024-06-28"}'
    three = b'{"start": "2024-01-02", "end": "2024-06-28", "profiles": ["balanced", "aggressive", "conservative"]}'
    assert cost(long) > cost(short)
    assert cost(three) == pytest.approx(3 * cost(short))


def test_a_job_that_alone_would_cost_too_much_is_refused():
    asked = b'{"start": "1970-01-01", "end": "2199-01-01"}'
    with pytest.raises(JobRefused, match=f"at most {MAX_COST_SECONDS:.0f} seconds of one core; got"):
        decode_parameters("train", asked)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_has_a_schema_an_example_and_a_description(kind: str):
    described = KINDS[kind]
    assert schemas()[kind]["$defs"]
    assert described.description.endswith(".")
    plain = canonical(described.example)
    assert decode_parameters(kind, plain) == described.example
    assert KINDS[kind].cost_seconds(described.example) > 0


def test_the_newest_quarter_alone_is_cheap():
    cost = KINDS["train"].cost_seconds(decode_parameters("train", b"{}"))
    assert cost < KINDS["train"].cost_seconds(decode_parameters("train", b'{"start":"2020-01-01","end":"2024-01-01"}'))
    assert dt.timedelta(seconds=cost) < dt.timedelta(minutes=5)
