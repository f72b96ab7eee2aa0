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
    with pytest.raises(JobRefused, match="`kind` must be one of backtest, sweep, train, tune"):
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


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("backtest", b'{"start": "2024-06-28", "end": "2024-06-28"}', "`start` must be before `end`"),
        ("backtest", b'{"fill": "noon"}', "Invalid enum value 'noon'"),
        ("backtest", b'{"max_weight": 0}', "> 0"),
        ("backtest", b'{"impact_coefficient": 11}', "<= 10"),
        ("sweep", b'{"quantiles": [0.1, 0.6]}', "<= 0.5"),
        ("sweep", b'{"costs_bps": [5, 5]}', "each list must name a value once"),
        ("sweep", b'{"quantiles": [0.1], "rebalances": ["weekly"], "costs_bps": [1], "long_only": [true]}', "got 1"),
        ("sweep", b'{"costs_bps": [%s]}' % b",".join(b"%d" % n for n in range(300)), "got 10800"),
        ("sweep", b'{"profiles": ["balanced"]}', "unknown field `profiles`"),
        ("tune", b'{"quarter": "2024-08-01"}', "first day of one"),
        ("tune", b'{"n_folds": 41}', "<= 40"),
        ("tune", b'{"grid": {"n_leaves": []}}', "length >= 1"),
        ("tune", b'{"grid": {"n_leaves": 4}}', "Expected `array`"),
        ("tune", b'{"grid": {"drop table": [4]}}', "matching regex"),
        ("tune", b'{"grid": {"a": [%s], "b": [1, 2, 3, 4, 5]}}' % b",".join([b"1"] * 13), "at most; got 65"),
        ("tune", b'{"n_folds": 40, "grid": {"a": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]}}',
         "seconds of one core; got 15260"),
    ],
)  # fmt: skip
def test_what_research_cannot_be_asked_is_refused_with_the_reason(kind: str, body: bytes, reason: str):
    with pytest.raises(JobRefused) as refused:
        decode_parameters(kind, body)
    assert reason in str(refused.value)


def test_a_sweep_costs_by_its_books_and_a_choice_by_its_candidates_and_quarters():
    def cost(kind: str, body: bytes) -> float:
        return KINDS[kind].cost_seconds(decode_parameters(kind, body))

    year = b'"start": "2023-01-03", "end": "2024-01-03"'
    # Prices once, 36 books that differ in more than costs, 144 in all.
    assert cost("sweep", b"{%s}" % year) == pytest.approx(10 + 365 / 365.25 * 6.04)
    assert cost("sweep", b'{"costs_bps": [1, 2], %s}' % year) < cost("sweep", b"{%s}" % year)
    assert cost("tune", b"{}") == 60 + 20 * 9 * 4
    assert cost("tune", b'{"n_folds": 2, "grid": {"a": [1, 2.5], "b": [true, false]}}') == 60 + 20 * 4 * 2


def test_the_newest_quarter_alone_is_cheap():
    cost = KINDS["train"].cost_seconds(decode_parameters("train", b"{}"))
    assert cost < KINDS["train"].cost_seconds(decode_parameters("train", b'{"start":"2020-01-01","end":"2024-01-01"}'))
    assert dt.timedelta(seconds=cost) < dt.timedelta(minutes=5)
