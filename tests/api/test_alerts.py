"""Alerts, webhook endpoints and events over HTTP: made, changed, told, theirs alone; hostile bodies refused."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import ALICE, BOB
from tests.api.waiting import wait_for_waiting
from warehouse.connect import connect

RULE = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["ACME"]}


@pytest.fixture(autouse=True)
def nothing_waited_for(site):
    site.connection.execute("delete from app.alerts")
    site.connection.execute("delete from app.channels")


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    return answer.json()


def create(site, name="ACME above 100", rule=RULE, person=ALICE, **rest):
    return site.ask("POST", "/v1/alerts", person, json={"name": name, "rule": rule}, **rest)


def test_an_alert_is_made_changed_switched_and_deleted_with_events_and_audit(site):
    n_audited = site.rows("select count(*) from app.audit")[0][0]
    made = create(site)
    assert made.status_code == 201, made.text
    path, alert = made.headers["location"], made.json()["data"]
    assert (alert["rule"]["instruments"], alert["rule_version"], alert["is_active"]) == (["i_acme"], 1, True)
    refused(create(site), 409, "name-taken")
    renamed = site.ask("PATCH", path, json={"name": "Above a hundred"}).json()["data"]
    assert (renamed["name"], renamed["rule_version"]) == ("Above a hundred", 1)
    raised = site.ask("PATCH", path, json={"rule": {**RULE, "level": 110}}, headers={"If-Match": '"1"'}).json()["data"]
    assert (raised["rule"]["level"], raised["rule_version"]) == (110, 2)
    refused(site.ask("PATCH", path, json={"is_active": False}, headers={"If-Match": '"1"'}), 412, "precondition-failed")
    assert site.ask("PATCH", path, json={"is_active": False}).json()["data"]["is_active"] is False
    listed = site.ask("GET", "/v1/alerts", params={"is_active": "false"}).json()["data"]
    assert [one["alert_id"] for one in listed] == [alert["alert_id"]]
    assert site.ask("GET", path).json()["data"]["rule_version"] == 2
    assert site.ask("DELETE", path).status_code == 204
    refused(site.ask("DELETE", path), 404, "alert-unknown")
    told = site.rows(
        "select payload->>'change' from app.events where type = 'alert.changed' and subject = %s order by event_id",
        alert["alert_id"],
    )
    assert told == [("created",), ("changed",), ("changed",), ("changed",), ("deleted",)]
    noted = site.rows("select action from app.audit order by audit_id offset %s", n_audited)
    assert [action for (action,) in noted] == ["alert.created", *["alert.changed"] * 3, "alert.deleted"]
    said = site.rows(
        "select payload->>'message' from app.events where type = 'alert.changed' and subject = %s order by event_id",
        alert["alert_id"],
    )
    assert [sentence for (sentence,) in said] == [
        "The alert ACME above 100 was created.", *["The alert Above a hundred was changed."] * 2,
        "The alert Above a hundred was changed and is switched off.", "An alert was deleted.",
    ]  # fmt: skip


def test_a_rule_that_is_over_before_it_begins_is_refused(site):
    rule = {
        "version": 2, "scope": {"kind": "universe"}, "expires_at": "2001-01-01T00:00:00Z",
        "when": {"operator": "at_or_above", "metric": "price", "level": 100},
    }  # fmt: skip
    answer = refused(create(site, rule=rule), 422, "rule-invalid")
    assert "`expires_at` must be later than now; got 2001-01-01T00:00:00+00:00" in answer["detail"]
    assert site.rows("select count(*) from app.alerts") == [(0,)]


def test_an_alert_says_its_rule_in_words(site):
    made = create(site)
    assert made.json()["data"]["sentence"] == "Fires when price is at or above 100, for ACME."
    rule = {
        "version": 2, "when": {"operator": "at_or_above", "metric": "price", "level": 5},
        "scope": {"kind": "instruments", "instruments": ["ZETA", "ACME"]},
    }  # fmt: skip
    changed = site.ask("PATCH", made.headers["location"], json={"rule": rule}).json()["data"]
    assert (
        changed["sentence"] == "Fires when price is at or above 5, for each of ZETA and ACME; not anew within 24 hours."
    )
    assert [one["sentence"] for one in site.ask("GET", "/v1/alerts").json()["data"]] == [changed["sentence"]]
    # A rule of a version that is no more is said to be so, and stops nobody from seeing the others.
    site.connection.execute("update app.alerts set rule = '{\"version\": 9}'")
    assert "version" in site.ask("GET", made.headers["location"]).json()["data"]["sentence"]


def test_an_alert_is_muted_until_an_instant_and_unmuted_by_null(site):
    path = create(site).headers["location"]

    def mute(until, status=200):
        answer = site.ask("PATCH", path, json={"muted_until": until})
        assert answer.status_code == status, answer.text
        return answer

    assert mute("2024-07-01T02:00:00+02:00").json()["data"]["muted_until"] == "2024-07-01T00:00:00Z"
    # What does not speak of it leaves it as it is; the rule stays the same one.
    renamed = site.ask("PATCH", path, json={"name": "Quiet"}).json()["data"]
    assert (renamed["muted_until"], renamed["rule_version"]) == ("2024-07-01T00:00:00Z", 1)
    refused(mute(1, 400), 400, "parameter-invalid")
    for until in ("2024-06-27T12:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        refused(mute(until, 422), 422, "mute-invalid")
    for until in ("2024-07-01T00:00:00", "tomorrow", "2024-07-01"):
        refused(mute(until, 400), 400, "parameter-invalid")
    assert site.ask("GET", path).json()["data"]["muted_until"] == "2024-07-01T00:00:00Z"
    assert mute(None).json()["data"]["muted_until"] is None


def test_alerts_are_listed_by_name_and_by_pages(site):
    for name in ("c", "a", "b"):
        assert create(site, name).status_code == 201
    first = site.ask("GET", "/v1/alerts", params={"limit": 2}).json()
    second = site.ask("GET", "/v1/alerts", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["name"] for one in first["data"] + second["data"]] == ["a", "b", "c"]
    assert second["next"] is None


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"version": 99}, {**RULE, "level": -1}, {**RULE, "level": "100"}, {**RULE, "instruments": []},
        {**RULE, "instruments": ["NOPE"]}, {**RULE, "instruments": ["ACME", "ACME"]}, {**RULE, "user_id": "x"},
        {**RULE, "metric": "price'; drop table app.users; --"}, {**RULE, "operator": "at_or_above\x00"},
        {**RULE, "instruments": ["AC\x00ME"]}, {"version": 2, "condition": {}}, {"a": {"a": {"a": {"a": {}}}}},
    ],
)  # fmt: skip
def test_a_rule_that_does_not_hold_is_refused_and_nothing_is_stored(site, rule):
    answer = create(site, rule=rule)
    refused(answer, 422, "rule-invalid") if answer.status_code == 422 else refused(answer, 400, answer.json()["code"])
    assert site.rows("select count(*) from app.alerts") == [(0,)]


@pytest.mark.parametrize("name", ["", " a", "a\x00b", "a\nb", "a\x1b[2J", "x" * 121, "\u2028"])
def test_a_hostile_name_is_refused(site, name):
    refused(create(site, name), 400, "parameter-invalid")


@pytest.mark.parametrize(
    "body", [b'{"name": "\\ud800", "rule": {}}', b"[" * 100_000, b'{"name": "a", "rule": ' + b'{"a":' * 50_000]
)
def test_bodies_that_are_no_text_or_nested_deeply_are_refused(site, body):
    answer = site.ask("POST", "/v1/alerts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert site.rows("select count(*) from app.alerts") == [(0,)]


def test_a_stranger_meets_neither_alert_nor_endpoint(site):
    alert = create(site).headers["location"]
    endpoint = site.ask("POST", "/v1/webhook-endpoints", json={"url": "https://example.com/hook"}).json()["data"]
    for method, rest in (("GET", {}), ("PATCH", {"json": {"is_active": False}}), ("DELETE", {})):
        refused(site.ask(method, alert, BOB, **rest), 404, "alert-unknown")
    refused(
        site.ask("DELETE", f"/v1/webhook-endpoints/{endpoint['endpoint_id']}", BOB), 404, "webhook-endpoint-unknown"
    )
    assert site.ask("GET", "/v1/alerts", BOB).json()["data"] == []
    assert site.ask("GET", "/v1/webhook-endpoints", BOB).json()["data"] == []


def test_an_endpoint_shows_its_secret_once_and_asks_its_receiver(site):
    made = site.ask("POST", "/v1/webhook-endpoints", json={"url": "https://example.com/hook", "event_types": ["job.*"]})
    assert made.status_code == 201, made.text
    endpoint = made.json()["data"]
    assert endpoint["secret"].startswith("whsec_")
    [listed] = site.ask("GET", "/v1/webhook-endpoints").json()["data"]
    assert (listed["url"], listed["event_types"], listed["verified_at"]) == (
        "https://example.com/hook",
        ["job.*"],
        None,
    )
    assert endpoint["secret"] not in site.ask("GET", "/v1/webhook-endpoints").text
    [(stored,)] = site.rows("select secret_encrypted from app.channels")
    assert endpoint["secret"].encode() not in bytes(stored)
    asked = site.rows("select type from app.events where subject = %s order by event_id", endpoint["endpoint_id"])
    assert asked == [("channel.verification",), ("webhook_endpoint.changed",)]
    assert site.rows("select count(*) from app.deliveries") == [(1,)]
    assert site.ask("DELETE", f"/v1/webhook-endpoints/{endpoint['endpoint_id']}").status_code == 204
    assert site.rows("select count(*) from app.deliveries") == [(0,)]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook", "https://127.0.0.1/hook", "https://[::1]/", "https://169.254.169.254/latest",
        "https://user:word@example.com/", "https://example.com:8443/", "file:///etc/passwd", "javascript:alert(1)",
        "https://0x7f.1/", "https://2130706433/", "https://.example.com/",
        "https://localhost/", "https://exa mple.com/", "https://example.com/\r\nX: y", "gopher://example.com", "x",
    ],
)  # fmt: skip
def test_an_address_that_nothing_may_be_sent_to_is_refused(site, url):
    refused(site.ask("POST", "/v1/webhook-endpoints", json={"url": url}), 422, "address-refused")
    assert site.rows("select count(*) from app.channels") == [(0,)]


def test_events_are_those_of_everybody_and_the_callers_own(site):
    alert_id = create(site).json()["data"]["alert_id"]
    public = [one["type"] for one in site.ask("GET", "/v1/events", None).json()["data"]]
    assert "price.updated" in public
    assert "alert.changed" not in public
    own = site.ask("GET", "/v1/events", params={"subject": alert_id}).json()["data"]
    assert [(one["type"], one["is_own"]) for one in own] == [("alert.changed", True)]
    assert site.ask("GET", "/v1/events", BOB, params={"subject": alert_id}).json()["data"] == []
    by_request = site.ask("GET", "/v1/events", params={"correlation_id": own[0]["correlation_id"]}).json()["data"]
    assert [one["event_id"] for one in by_request] == [own[0]["event_id"]]
    seen, cursor = [], None
    while True:
        page = site.ask("GET", "/v1/events", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["event_id"] for one in page["data"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) >= 2
    refused(site.ask("GET", "/v1/events", params={"type": "price.updated' or 1=1"}), 400, "parameter-invalid")
    assert site.ask("GET", "/v1/events", params={"subject": str(uuid.uuid4())}).json()["data"] == []


def test_what_is_refused_gives_its_connection_back_without_a_warning(site, caplog):
    create(site)
    refused(create(site), 409, "name-taken")
    refused(site.ask("DELETE", f"/v1/alerts/{uuid.uuid4()}"), 404, "alert-unknown")
    assert not [record for record in caplog.records if record.name.startswith("psycopg")]
    assert len(site.rows("select from app.alerts")) == 1


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}], ids=["any", "that_version"])
def test_a_change_of_an_alert_that_is_being_deleted_is_404(site, headers):
    path = create(site).headers["location"]
    with ThreadPoolExecutor(1) as pool, connect(site.owner_url, autocommit=True) as owner:
        with owner.transaction():
            owner.execute("delete from app.alerts")
            changing = pool.submit(site.ask, "PATCH", path, json={"is_active": False}, headers=headers)
            wait_for_waiting(owner, 1)
        refused(changing.result(), 404, "alert-unknown")
