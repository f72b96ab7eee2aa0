"""What was sent to webhooks, seen and steered by their owner alone, and the pages that mails link to."""

import datetime as dt
import uuid
from pathlib import Path

import pytest

from tests.api.conftest import ALICE, BOB, NOW
from warehouse.links import Links, Mailbox
from warehouse.queries.channels import create_channel
from warehouse.queries.events import write_event
from warehouse.secrets import KeyRing

KEYS = KeyRing({"k": bytes(range(32))})


@pytest.fixture
def endpoint(site):
    """An endpoint of Alice's with three deliveries, two of them given up."""
    site.connection.execute("delete from app.channels")
    made = create_channel(
        site.connection, "webhook", "https://example.com/hook", user_id=ALICE.user_id, keys=KEYS, now=NOW,
        is_verified=True,
    )  # fmt: skip
    for number in range(3):
        moment = NOW + dt.timedelta(hours=number)
        payload = {"message": f"number {number}"}
        write_event(
            site.connection, "alert.triggered", payload, dedup_key=uuid.uuid4().hex, now=moment, user_id=ALICE.user_id
        )
    site.connection.execute(
        "update app.deliveries set state = 'dead', attempts = 10, last_error = 'timeout', finished_at = now()"
        " where created_at < %s",
        [NOW + dt.timedelta(hours=2)],
    )
    return made


def ask(site, method, endpoint, tail, person=ALICE, **rest):
    return site.ask(method, f"/v1/webhook-endpoints/{endpoint.channel_id}/{tail}", person, **rest)


def test_deliveries_are_listed_newest_first_page_by_page(site, endpoint):
    first = ask(site, "GET", endpoint, "deliveries?limit=2").json()
    assert [one["message"] for one in first["data"]] == ["number 2", "number 1"]
    second = ask(site, "GET", endpoint, f"deliveries?limit=2&cursor={first['next']}").json()
    assert [one["message"] for one in second["data"]] == ["number 0"]
    assert second["next"] is None
    dead = ask(site, "GET", endpoint, "deliveries?state=dead").json()["data"]
    assert [(one["state"], one["attempts"], one["last_error"]) for one in dead] == [("dead", 10, "timeout")] * 2


def test_dead_letters_are_sent_again_one_or_a_range(site, endpoint):
    oldest = ask(site, "GET", endpoint, "deliveries").json()["data"][2]
    answer = ask(site, "POST", endpoint, "replay", json={"delivery_id": oldest["delivery_id"]})
    assert (answer.status_code, answer.json()["data"]["n_deliveries"]) == (202, 1)
    assert ask(site, "POST", endpoint, "replay", json={"until": NOW.isoformat()}).json()["data"]["n_deliveries"] == 0
    assert ask(site, "POST", endpoint, "replay", json={}).json()["data"]["n_deliveries"] == 1
    assert {one["state"] for one in ask(site, "GET", endpoint, "deliveries").json()["data"]} == {"pending"}
    [(action,)] = site.rows("select action from app.audit order by audit_id desc limit 1")
    assert action == "deliveries.replayed"


def test_a_replay_with_a_key_is_carried_out_once(site, endpoint):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (ask(site, "POST", endpoint, "replay", json={}, headers=headers) for _ in range(2))
    assert first.json()["data"]["n_deliveries"] == second.json()["data"]["n_deliveries"] == 2


def test_a_rotated_secret_is_shown_once_and_the_former_one_goes_on_for_a_day(site, endpoint):
    answer = ask(site, "POST", endpoint, "rotate")
    assert answer.status_code == 200
    rotated = answer.json()["data"]
    assert rotated["previous_secret_until"] == "2024-06-28T12:00:00Z"
    [(current, former)] = site.rows("select secret_key_id, previous_secret_key_id from app.channels")
    assert former == "k"
    assert current != former
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] not in str(site.rows("select payload, detail from app.events, app.audit"))


def test_a_test_message_is_on_its_way(site, endpoint):
    assert ask(site, "POST", endpoint, "test").status_code == 202
    newest = ask(site, "GET", endpoint, "deliveries").json()["data"]
    assert "channel.test" in {one["type"] for one in newest}
    site.connection.execute("update app.channels set verified_at = null")
    ask(site, "POST", endpoint, "test")
    assert site.rows("select count(*) from app.events where type = 'channel.verification'") == [(1,)]


@pytest.mark.parametrize(
    ("method", "tail", "rest"),
    [("GET", "deliveries", {}), ("POST", "replay", {"json": {}}), ("POST", "rotate", {}), ("POST", "test", {})],
)
def test_a_stranger_sees_nothing_there(site, endpoint, method, tail, rest):
    answer = ask(site, method, endpoint, tail, BOB, **rest)
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook-endpoint-unknown")
    assert ask(site, method, endpoint, tail, None, **rest).status_code == 401


@pytest.fixture
def mailbox(own):
    """A mailbox of Alice's that has not been confirmed, and the links of its installation."""
    client, connection = own
    made = create_channel(connection, "email", "ann@example.com", user_id=ALICE.user_id, keys=KEYS, now=NOW)
    return client, connection, Mailbox(made.channel_id, uuid.UUID(ALICE.user_id))


def test_a_mailbox_is_confirmed_by_the_button_and_not_by_a_look(mailbox, tmp_path: Path):
    client, connection, box = mailbox
    links = Links(bytes.fromhex((tmp_path / "keys" / "link_key").read_text().strip()), "http://127.0.0.1:8000")
    path = links.url(box, "confirm").removeprefix("http://127.0.0.1:8000")
    page = client.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<button>Confirm</button>" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    stands = "select verified_at is not null, is_active from app.channels where kind = 'email'"
    assert connection.execute(stands).fetchone() == (False, True)
    assert client.post(path).status_code == 200
    assert connection.execute(stands).fetchone() == (True, True)

    # One click in a mail program: a form that nobody reads.
    path = links.url(box, "unsubscribe").removeprefix("http://127.0.0.1:8000")
    assert client.get(path).status_code == 200
    assert connection.execute(stands).fetchone() == (True, True)
    one_click = {"List-Unsubscribe": "One-Click"}
    assert client.post(path, data=one_click).status_code == 200
    ended = "select is_active, disabled_reason from app.channels where kind = 'email'"
    assert connection.execute(ended).fetchone() == (False, "its reader wants no more")


def test_what_a_link_in_a_mail_changes_is_audited_once_and_its_owner_is_told(mailbox, tmp_path: Path):
    client, connection, box = mailbox
    links = Links(bytes.fromhex((tmp_path / "keys" / "link_key").read_text().strip()), "")
    for purpose in ("confirm", "confirm", "unsubscribe", "unsubscribe"):
        assert client.post(f"/mail/{purpose}/{links.token(box, purpose)}").status_code == 200
    noted = "select actor, action, target from app.audit where action like 'mailbox.%' order by audit_id"
    assert connection.execute(noted).fetchall() == [
        (ALICE.user_id, "mailbox.confirmed", str(box.channel_id)),
        (ALICE.user_id, "mailbox.unsubscribed", str(box.channel_id)),
    ]
    told = "select user_id::text, subject, payload from app.events where type = 'channel.disabled'"
    [(owner, subject, payload)] = connection.execute(told).fetchall()
    assert (owner, subject) == (ALICE.user_id, str(box.channel_id))
    assert payload == {
        "channel_id": str(box.channel_id), "kind": "email", "address": "ann@example.com",
        "reason": "its reader wants no more",
        "message": "Nothing is sent to ann@example.com any more: its reader wants no more.",
    }  # fmt: skip


def test_a_link_that_is_none_of_ours_leads_nowhere(mailbox, tmp_path: Path):
    client, connection, box = mailbox
    links = Links(bytes.fromhex((tmp_path / "keys" / "link_key").read_text().strip()), "")
    confirm, unsubscribe = links.token(box, "confirm"), links.token(box, "unsubscribe")
    others = Links(bytes(32), "").token(box, "confirm")
    for token in (unsubscribe, others, confirm[:-2], confirm[:-1] + "!", "A" * len(confirm), "x", "%C3%A9"):
        for answer in (client.get(f"/mail/confirm/{token}"), client.post(f"/mail/confirm/{token}")):
            assert (answer.status_code, answer.json()["code"]) == (404, "link-unknown"), token
    assert connection.execute("select verified_at from app.channels where kind = 'email'").fetchone() == (None,)
