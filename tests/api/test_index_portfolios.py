"""Rules of an index and other versions of them, money put into it, its members, and the benchmark beside it."""

import msgspec
import pytest

from tests.api.conftest import BOB
from transforms.index_rules import IndexRules as Rules
from warehouse.records.index_rules import IndexRules

EQUAL = {"weighting": {"equal": 1.0}, "n_names": 30}


def test_rules_are_shown_with_their_versions(client):
    found = client.get("/v1/strategy/config").json()["data"]
    assert found["in_force"] == found["versions"][0]
    assert (found["in_force"]["version"], found["in_force"]["rules"]["weighting"]) == (1, {"equal": 1.0})


def test_the_api_takes_the_rules_that_the_maths_know():
    ours, theirs = IndexRules(weighting={"equal": 1.0}), Rules(weighting={"equal": 1.0})
    assert msgspec.to_builtins(ours) == {name: getattr(theirs, name) for name in ours.__struct_fields__}
    assert set(ours.__struct_fields__) == set(theirs.__dataclass_fields__)


def test_an_administrator_writes_other_rules_that_count_from_the_next_session_on(site):
    answer = site.ask("PUT", "/v1/strategy/config", json={"rules": EQUAL})
    assert answer.status_code == 200, answer.text
    version = answer.json()["data"]
    assert (version["version"], version["effective_date"], version["rules"]["n_names"]) == (2, "2024-06-27", 30)
    again = site.ask("PUT", "/v1/strategy/config", json={"rules": EQUAL, "effective_date": "2024-07-01"}).json()
    assert again["data"]["version"] == 3
    early = site.ask("PUT", "/v1/strategy/config", json={"rules": EQUAL, "effective_date": "2024-06-30"})
    assert (early.status_code, early.json()["code"]) == (422, "parameter-conflict")
    [(action, target)] = site.rows("select action, target from app.audit order by audit_id desc limit 1")
    assert (action, target) == ("index.rules_written", "main")
    now = site.ask("GET", "/v1/strategy/config").json()["data"]
    assert (now["in_force"]["version"], len(now["versions"])) == (1, 3)


@pytest.mark.parametrize(
    "rules",
    [
        {"weighting": {"equal": 0.5}},
        {"weighting": {}},
        {"weighting": {"moon": 1.0}},
        {"weighting": {"equal": 1.0}, "n_names": 10, "max_weight": 0.05},
        {"weighting": {"equal": 1.0}, "max_turnover": 0},
        {"weighting": {"equal": 1.0}, "moon": 1},
        {"weighting": {"equal": -1.0, "momentum": 2.0}},
        {"weighting": {"equal": 1e308, "momentum": 1e308}},
        {"weighting": {"equal": None}},
        {"weighting": [["equal", 1.0]]},
        {},
        *({"weighting": {"equal": 1.0}, "n_names": value} for value in (0, 1001, 1.5, "50", True, None)),
        *({"weighting": {"equal": 1.0}, "max_weight": value} for value in (0, -1, 1.1, "1")),
        *({"weighting": {"equal": 1.0}, "max_sector_weight": value} for value in (0, 2, None)),
        *({"weighting": {"equal": 1.0}, "drift_threshold": value} for value in (0, -0.1, 3)),
        *({"weighting": {"equal": 1.0}, "cost_bps": value} for value in (-1, 1001)),
        {"weighting": {"equal": 1.0}, "rebalance": "hourly"},
        {"weighting": {"equal": 1.0}, "profile": "x'; drop table app.users --"},
    ],
)
def test_rules_that_cannot_be_are_refused(site, rules):
    answer = site.ask("PUT", "/v1/strategy/config", json={"rules": rules})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_index_of_some_sectors_names_those_that_there_are(site):
    def written(*sectors):
        rules = {"weighting": {"equal": 1.0}, "sectors": list(sectors)}
        return site.ask("PUT", "/v1/strategy/config", json={"rules": rules})

    answer = written("Technology")
    assert (answer.status_code, answer.json()["data"]["rules"]["sectors"]) == (200, ["Technology"])
    unknown = written("Technology", "Moon")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "parameter-conflict")
    assert unknown.json()["detail"].startswith("rules.sectors: must be among ")
    assert "got Moon. " in unknown.json()["detail"]
    assert written().status_code in (400, 422)


def test_a_limit_of_one_over_the_names_is_enough_for_them(site):
    rules = {"weighting": {"equal": 1.0}, "n_names": 49, "max_weight": 1 / 49}
    assert site.ask("PUT", "/v1/strategy/config", json={"rules": rules}).status_code == 200


def test_a_new_name_is_an_index_and_its_currency_stays(site):
    def written(currency, index="in_euros"):
        rules = EQUAL | {"currency": currency}
        return site.ask("PUT", "/v1/strategy/config", json={"rules": rules}, params={"index": index})

    first = written("EUR")
    assert first.status_code == 200, first.text
    version = first.json()["data"]
    assert (version["version"], version["effective_date"], version["rules"]["currency"]) == (1, "1970-01-01", "EUR")
    assert site.ask("GET", "/v1/strategy/config", params={"index": "in_euros"}).json()["data"]["in_force"] == version
    assert written("EUR").json()["data"]["version"] == 2
    for currency, index in ((None, "in_euros"), ("USD", "in_euros"), ("EUR", "main")):
        refused = written(currency, index)
        assert (refused.status_code, refused.json()["code"]) == (422, "parameter-conflict"), (currency, index)
        assert refused.json()["detail"].startswith(f"rules.currency: must be that of all versions of {index}, ")
    assert written("XXX", "another").json()["known"] == ["EUR", "USD"]
    later = {"rules": EQUAL, "effective_date": "2024-07-01"}
    assert site.ask("PUT", "/v1/strategy/config", json=later, params={"index": "another"}).status_code == 422
    assert written("eur", "another").status_code in (400, 422)
    more = "select 'more_' || n, 1, '1970-01-01', '{}' from generate_series(1, 50) as n"
    site.rows(f"insert into app.index_definitions {more} returning 1")
    full = written("EUR", "one_too_many")
    assert (full.status_code, full.json()["code"]) == (422, "parameter-conflict")
    site.rows("delete from app.index_definitions where index_id not in ('main', 'empty') returning 1")


def test_an_index_in_euros_is_shown_and_converted_from_there(site):
    site.rows("insert into app.index_definitions values ('in_euros', 1, '1970-01-01',"
              " '{\"weighting\": {\"equal\": 1}, \"currency\": \"EUR\"}') returning 1")  # fmt: skip
    site.rows(
        "insert into research.index_values (index_id, as_of_date, value, value_net, return_1d, benchmark_return_1d,"
        " divisor, n_constituents, definition_version, currency_code) values"
        " ('in_euros', '2024-06-24', 100, 100, null, 0, 1, 1, 1, 'EUR'),"
        " ('in_euros', '2024-06-26', 90, 90, -0.1, -0.05, 1, 1, 1, 'EUR') returning 1"
    )
    site.rows(
        "insert into research.index_allocations values"
        " ('in_euros', '2024-06-24', 'i_acme', 'base', 0, 1, 1, 1, 94.5, 0) returning 1"
    )

    def asked(path, **parameters):
        answer = site.ask("GET", f"/v1/{path}", params={"index": "in_euros", **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    own = asked("index/simulate", amount=1000)
    assert (own["currency_code"], own["value"]) == ("EUR", pytest.approx(900))
    # A euro cost 1.10 dollars at the first close, and 1.20 at the last.
    assert asked("index/simulate", amount=1000, currency="USD")["value"] == pytest.approx(900 * 1.2 / 1.1)
    assert [row["index"] for row in asked("benchmark/sp500")] == pytest.approx([100, 90])
    in_dollars = asked("benchmark/sp500", currency="USD")
    assert [row["index"] for row in in_dollars] == pytest.approx([100, 90 * 1.2 / 1.1])
    assert [row["benchmark"] for row in in_dollars] == pytest.approx([100, 95 * 1.2 / 1.1])
    # A close without a rate counts where none is needed.
    site.rows(
        "insert into research.index_values (index_id, as_of_date, value, value_net, divisor, n_constituents,"
        " definition_version, currency_code) values ('in_euros', '2024-06-27', 95, 95, 1, 1, 1, 'EUR') returning 1"
    )
    assert asked("index/simulate", amount=1000)["value"] == pytest.approx(950)
    assert asked("index/simulate", amount=1000, currency="EUR")["value"] == pytest.approx(950)
    assert asked("index/simulate", amount=1000, currency="USD")["value"] == pytest.approx(900 * 1.2 / 1.1)
    assert len(asked("benchmark/sp500", currency="EUR")) == len(asked("benchmark/sp500")) == 3
    assert len(asked("benchmark/sp500", currency="USD")) == 2
    site.rows("delete from research.index_values where as_of_date = '2024-06-27' returning 1")
    assert asked("index/history")[0]["currency_code"] == "EUR"
    # ACME's adjusted close of the 26th is 106 dollars.
    assert asked("index/current")["constituents"][0]["close_adj"] == pytest.approx(106 / 1.2)
    assert [row["close_adj"] for row in asked("index/assets/ACME/history")] == pytest.approx([94.5, 106 / 1.2])
    site.rows("delete from app.index_definitions where index_id = 'in_euros' returning 1")


def test_others_must_not_write_rules_or_rebalance(site):
    assert site.ask("PUT", "/v1/strategy/config", BOB, json={"rules": EQUAL}).status_code == 403
    assert site.ask("POST", "/v1/strategy/rebalance", BOB, json={}).status_code == 403
    job = {"kind": "rebalance", "parameters": {}}
    assert site.ask("POST", "/v1/jobs", BOB, json=job, headers={"Idempotency-Key": "mine"}).status_code == 403


def test_money_grows_with_the_index_after_costs_and_by_each_days_rate(client):
    in_dollars = client.get("/v1/index/simulate", params={"amount": 1000}).json()["data"]
    assert in_dollars["currency_code"] == "USD"
    # After costs the index went from 99 over 98 to 103.
    assert [day["value"] for day in in_dollars["path"]] == pytest.approx([1000, 1000 * 98 / 99, 1000 * 103 / 99])
    assert in_dollars["return_total"] == pytest.approx(103 / 99 - 1)
    in_euros = client.get("/v1/index/simulate", params={"amount": 1000, "currency": "EUR"}).json()["data"]
    # A euro costs 1.10, 1.00 and 1.20 dollars.
    expected = [1000, 1000 * 98 / 99 * 1.1 / 1.0, 1000 * 103 / 99 * 1.1 / 1.2]
    assert [day["value"] for day in in_euros["path"]] == pytest.approx(expected)
    assert in_euros["path"][2]["value_before_costs"] == pytest.approx(1000 * 1.05 * 1.1 / 1.2)


def test_an_unknown_currency_or_an_empty_range_is_said(client):
    answer = client.get("/v1/index/simulate", params={"currency": "XXX"})
    assert (answer.status_code, answer.json()["known"]) == (422, ["EUR", "USD"])
    assert client.get("/v1/index/simulate", params={"start": "2025-01-01"}).json()["code"] == "nothing-in-range"


def test_currencies_have_their_rate_of_the_newest_session(client):
    rows = client.get("/v1/index/currencies").json()["data"]
    assert [(row["currency_code"], row["exchange_rate"]) for row in rows] == [("EUR", 1.2), ("USD", 1)]


def test_a_member_is_followed_through_the_index(client):
    rows = client.get("/v1/index/assets/acme/history").json()["data"]
    assert [(row["as_of_date"], row["units"], row["close_adj"]) for row in rows] == [
        ("2024-06-24", 1, 104), ("2024-06-25", 0.5, 104), ("2024-06-26", 0.5, 106),
    ]  # fmt: skip
    assert [row["weight"] for row in rows] == pytest.approx([1, 0.5, 53 / 1.04 / 105])
    assert client.get("/v1/index/assets/META/history").json()["code"] == "nothing-in-range"


def test_index_and_benchmark_begin_at_100(client):
    rows = client.get("/v1/benchmark/sp500").json()["data"]
    assert [row["index"] for row in rows] == [100, 100, 105]
    assert [row["benchmark"] for row in rows] == pytest.approx([100, 100, 102])
    assert rows[2]["index_after_costs"] == pytest.approx(100 * 103 / 99)


def test_both_are_in_another_currency_by_each_days_rate(client):
    rows = client.get("/v1/benchmark/sp500", params={"currency": "EUR"}).json()["data"]
    # A euro costs 1.10, 1.00 and 1.20 dollars.
    assert [row["index"] for row in rows] == pytest.approx([100, 100 * 1.1 / 1.0, 105 * 1.1 / 1.2])
    assert [row["benchmark"] for row in rows] == pytest.approx([100, 100 * 1.1 / 1.0, 102 * 1.1 / 1.2])
    assert rows == client.get("/v1/benchmark/sp500", params={"currency": "EUR", "start": "2024-06-24"}).json()["data"]
    assert client.get("/v1/benchmark/sp500", params={"currency": "XXX"}).json()["code"] == "value-unknown"


def test_a_rebalancing_on_request_is_a_job_and_a_session_that_decides(site):
    answer = site.ask("POST", "/v1/strategy/rebalance", json={"index": "main"})
    assert (answer.status_code, answer.json()["data"]["kind"]) == (202, "rebalance")
    assert [str(day) for (day,) in site.rows("select decided_date from app.index_rebalances")] == ["2024-06-26"]
    assert site.ask("POST", "/v1/strategy/rebalance", json={"index": "nope"}).status_code == 422
    assert site.ask("POST", "/v1/strategy/rebalance", json={"index": "empty"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("montecarlo", "monte_carlo", {"tickers": ["ACME", "ZETA"], "n_paths": 1000}),
        ("markowitz", "markowitz", {"tickers": ["ACME", "ZETA"]}),
    ],
)
def test_quant_questions_become_jobs(site, path, kind, body):
    answer = site.ask("POST", f"/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["data"]["kind"]) == (202, kind), answer.text
    assert site.ask("POST", f"/v1/{path}", json=body | {"tickers": ["ACME", "acme"]}).status_code in (400, 422)
