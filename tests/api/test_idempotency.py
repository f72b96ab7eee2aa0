"""Idempotency-Key: every write heeds it or refuses it, so that nothing is done twice behind somebody's back."""

import pytest

from tests.api.test_strategies import BASE as STRATEGY

RULE = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100.0, "instruments": ["ACME"]}
ALERT = {"name": "ACME above 100", "rule": RULE}


@pytest.fixture(autouse=True)
def nothing_there(site):
    for table in ("app.portfolios", "app.alerts", "app.channels", "app.idempotency_keys"):
        site.connection.execute(f"delete from {table}")


def twice(site, method, path, body=None):
    """Send the same request two times under one key."""
    rest = {"headers": {"Idempotency-Key": "once"}} | ({} if body is None else {"json": body})
    return [site.ask(method, path, **rest) for _ in range(2)]


def test_a_portfolio_is_changed_once(site):
    path = site.ask("POST", "/v1/portfolios", json={"name": "Pension"}).headers["location"]
    first, second = twice(site, "PATCH", path, {"name": "Savings"})
    assert (first.status_code, first.content) == (200, second.content)
    told = "select count(*) from app.events where subject = %s and payload->>'change' = 'described'"
    assert site.rows(told, path.rpartition("/")[2]) == [(1,)]


def test_an_alert_is_changed_once(site):
    path = site.ask("POST", "/v1/alerts", json=ALERT).headers["location"]
    first, second = twice(site, "PATCH", path, {"rule": {**RULE, "level": 50.0}})
    assert (first.status_code, first.content) == (200, second.content)
    assert site.ask("GET", path).json()["data"]["rule_version"] == 2


def test_one_version_of_settings_and_of_rules_is_written(site):
    counted = "select (select count(*) from app.strategy_versions), (select count(*) from app.index_definitions)"
    [(n_settings, n_rules)] = site.rows(counted)
    for method, path, body in (
        ("PATCH", STRATEGY, {"is_active": False}),
        ("PUT", "/v1/strategy/config?index=main", {"rules": {"weighting": {"equal": 1.0}, "n_names": 30}}),
    ):
        first, second = twice(site, method, path, body)
        assert (first.status_code, first.content) == (200, second.content)
    assert site.rows(counted) == [(n_settings + 1, n_rules + 1)]


def test_one_test_message_is_sent(site):
    made = site.ask("POST", "/v1/webhook-endpoints", json={"url": "https://example.com/hook"})
    path = made.headers["location"].removesuffix("/deliveries")
    first, second = twice(site, "POST", f"{path}/test")
    assert (first.status_code, first.content) == (202, second.content)
    assert site.rows("select count(*) from app.audit where action = 'webhook_endpoint.tested'") == [(1,)]


def test_what_shows_a_secret_once_refuses_a_key_and_does_nothing(site):
    made = site.ask("POST", "/v1/webhook-endpoints", json={"url": "https://example.com/hook"})
    rotate = made.headers["location"].replace("/deliveries", "/rotate")
    counted = (
        "select (select count(*) from app.channels), (select count(*) from app.api_keys), max(audit_id) from app.audit"
    )
    before = site.rows(counted)
    for path, body in (
        ("/v1/webhook-endpoints", {"url": "https://example.com/other"}),
        (rotate, None),
        ("/v1/api-keys", {"label": "script", "scopes": ["read:market"]}),
    ):
        for answer in twice(site, "POST", path, body):
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (400, "parameter-invalid")
            assert problem["errors"][0]["parameter"] == "Idempotency-Key"
    assert site.rows(counted) == before


def test_a_delete_may_carry_a_key(site):
    path = site.ask("POST", "/v1/portfolios", json={"name": "Pension"}).headers["location"]
    assert [answer.status_code for answer in twice(site, "DELETE", path)] == [204, 404]
