"""What becomes of channels: confirmed, paused, rotated, told of, switched off."""

import datetime as dt
import json
import threading
import uuid
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from orchestration.delivery.messages import Message, Outcome
from orchestration.delivery.posting import Poster
from orchestration.delivery.slack import SlackSender
from orchestration.outbox import Delivered, deliver_due
from tests.orchestration.conftest import Receiver, running_receiver
from tests.orchestration.outboxes import KEYS, Outbox
from warehouse.queries import channels
from warehouse.queries.channels import NewChannel, create_channel, read_channels, rotate_secret, send_test
from warehouse.queries.deliveries import next_due_at, read_counts, read_deliveries, read_overdue, replay
from warehouse.queries.platform import DELETE_OLD_EVENTS
from warehouse.secrets import LOCAL_OWNER_ID

OTHER_ID = "00000000-0000-7000-8000-000000000002"


class Mail:
    """Takes mail, and answers with what it was told."""

    def __init__(self) -> None:
        self.outcome = Outcome(250, None)
        self.received: list[Message] = []

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        self.received.append(message)
        return self.outcome


def add(outbox: Outbox, kind: str, address: str, **options: Any) -> NewChannel:
    given = {"user_id": LOCAL_OWNER_ID, **options}
    return create_channel(
        outbox.connection, kind, address, keys=KEYS, now=outbox.clock(), allow=[outbox.receiver.address], **given
    )


def add_user(outbox: Outbox, user_id: str = OTHER_ID) -> None:
    outbox.connection.execute(
        "insert into app.users (user_id, display_name, role) values (%s, 'Another', 'user')", [user_id]
    )


def types(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["type"] for request in receiver.received]


def of(outbox: Outbox, user_id: str = LOCAL_OWNER_ID) -> Any:
    [channel] = read_channels(outbox.connection, user_id=user_id)
    return channel


def test_a_new_webhook_is_asked_and_gets_alerts_only_once_it_has_answered(outbox: Outbox) -> None:
    outbox.connection.execute("delete from app.channels")
    add(outbox, "webhook", outbox.receiver.url)
    outbox.receiver.answers = [(500, {})]
    outbox.deliver()
    outbox.put()
    assert of(outbox).verified_at is None
    outbox.clock.pass_(seconds=7)
    outbox.deliver()
    assert of(outbox).verified_at == outbox.clock()
    outbox.put()
    outbox.deliver()
    assert types(outbox.receiver) == ["channel.verification"] * 2 + ["alert.triggered"]


def test_a_mailbox_is_confirmed_by_its_link_alone(outbox: Outbox) -> None:
    outbox.connection.execute("delete from app.channels")
    made, mail = add(outbox, "email", "ann@example.com"), Mail()
    outbox.put()
    assert deliver_due(outbox.connection, {"email": mail}, KEYS, clock=outbox.clock).n_done == 1
    assert of(outbox).verified_at is None
    assert channels.confirm(outbox.connection, made.channel_id, now=outbox.clock())
    assert not channels.confirm(outbox.connection, made.channel_id, now=outbox.clock())
    outbox.put()
    assert deliver_due(outbox.connection, {"email": mail}, KEYS, clock=outbox.clock).n_done == 1
    assert [message.type for message in mail.received] == ["channel.verification", "alert.triggered"]


def test_a_mailbox_that_is_refused_for_good_is_suppressed_for_everybody(outbox: Outbox) -> None:
    add_user(outbox)
    mail = Mail()
    for user_id, address in ((LOCAL_OWNER_ID, "ann@example.com"), (OTHER_ID, "ANN@example.com")):
        add(outbox, "email", address, user_id=user_id, is_verified=True)
    mail.outcome = Outcome(550, "smtp_550", is_gone=True)
    outbox.write("alert.triggered", {}, user_id=OTHER_ID)
    senders = {"email": mail, "webhook": outbox.sender}
    assert deliver_due(outbox.connection, senders, KEYS, clock=outbox.clock) == Delivered(1, 0, 1, 0)
    reasons = outbox.connection.execute("select disabled_reason from app.channels where kind = 'email'").fetchall()
    assert reasons == [("the mail server refused the address for good (550)",)] * 2
    # The owner has another channel, which says so.
    assert types(outbox.receiver) == ["channel.disabled"]


def test_the_url_of_a_slack_channel_is_a_secret_that_only_the_sender_reads(outbox: Outbox) -> None:
    outbox.connection.execute("delete from app.channels")
    add(outbox, "slack", f"{outbox.receiver.url}/T000/B000/XXXX")
    assert of(outbox).address == f"http://{outbox.receiver.address}/..."
    stored = outbox.connection.execute("select c::text from app.channels as c").fetchone()
    assert stored is not None
    assert "XXXX" not in stored[0]
    senders = {"slack": SlackSender(Poster(allow=[outbox.receiver.address]))}
    assert deliver_due(outbox.connection, senders, KEYS, clock=outbox.clock).n_done == 1
    assert of(outbox).verified_at is not None
    outbox.write("alert.triggered", {"message": "A & B <!channel> rose"})
    deliver_due(outbox.connection, senders, KEYS, clock=outbox.clock)
    request = outbox.receiver.received[-1]
    assert request.path == "/hook/T000/B000/XXXX"
    assert "webhook-signature" not in request.headers
    assert json.loads(request.body)["text"] == "A &amp; B &lt;!channel&gt; rose"
    outbox.put()
    outbox.receiver.answers = [(404, {})]
    deliver_due(outbox.connection, senders, KEYS, clock=outbox.clock)
    assert of(outbox).disabled_reason == "the receiver answered 404"


def test_for_a_day_after_a_rotation_both_secrets_verify(outbox: Outbox) -> None:
    channel_id = of(outbox).channel_id
    assert rotate_secret(outbox.connection, channel_id, user_id=OTHER_ID, keys=KEYS, now=outbox.clock()) is None
    new = rotate_secret(outbox.connection, channel_id, user_id=LOCAL_OWNER_ID, keys=KEYS, now=outbox.clock())
    assert new is not None
    assert new != outbox.secret
    outbox.put()
    outbox.deliver()
    [request] = outbox.receiver.received
    for secret in (new, outbox.secret):
        assert Webhook(secret).verify(request.body, request.headers)
    outbox.clock.pass_(hours=24)
    outbox.put()
    outbox.deliver()
    headers = outbox.receiver.received[1].headers
    # The library would refuse the instant first: the signatures are counted.
    assert len(headers["webhook-signature"].split()) == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(outbox.secret).verify(outbox.receiver.received[1].body, headers)


def test_events_go_where_they_are_wanted(outbox: Outbox) -> None:
    outbox.connection.execute("update app.channels set event_types = '{alert.resolved,job.*}'")
    for type in ("alert.triggered", "alert.resolved", "job.completed", "incident.opened"):
        outbox.write(type, {})
    outbox.deliver()
    assert sorted(types(outbox.receiver)) == ["alert.resolved", "job.completed"]


def test_incidents_go_to_the_channels_of_their_owners(outbox: Outbox) -> None:
    outbox.connection.execute("update app.channels set owners = '{team:quant}'")
    outbox.write("incident.opened", {"owners": ["team:data"]})
    outbox.write("incident.opened", {"owners": ["team:quant", "team:data"]})
    outbox.deliver()
    assert len(outbox.receiver.received) == 1
    outbox.connection.execute("update app.channels set owners = '{}'")
    outbox.write("incident.opened", {"owners": ["team:data"]})
    outbox.deliver()
    assert len(outbox.receiver.received) == 2


def test_a_test_message_goes_to_its_channel_alone(outbox: Outbox) -> None:
    channel_id = of(outbox).channel_id
    outbox.add_endpoint("https://other.example/")
    send_test(outbox.connection, channel_id, user_id=LOCAL_OWNER_ID, now=outbox.clock())
    assert outbox.deliver().n_done == 1
    assert types(outbox.receiver) == ["channel.test"]


def test_a_receiver_that_keeps_failing_is_left_alone_then_asked_by_one_delivery(outbox: Outbox) -> None:
    outbox.receiver.answers = [(500, {})] * 5
    for _ in range(5):
        outbox.put()
        outbox.deliver()
    assert of(outbox).n_failures == 5
    assert of(outbox).paused_until == outbox.clock() + dt.timedelta(seconds=60)
    outbox.put(10)
    assert outbox.deliver().n_tried == 0
    # Paused is not late: the check of the outbox stays silent.
    assert read_overdue(outbox.connection, before=outbox.clock(), limit=10) == []
    outbox.clock.pass_(seconds=60)
    assert next_due_at(outbox.connection) == outbox.clock()
    outbox.receiver.answers = [(500, {})]
    assert outbox.deliver().n_tried == 1
    outbox.clock.pass_(seconds=119)
    assert outbox.deliver().n_tried == 0
    outbox.clock.pass_(seconds=1)
    # It answers: everything goes out, those whose retry is not due yet later.
    assert outbox.deliver().n_done >= 10
    assert (of(outbox).n_failures, of(outbox).failing_since, of(outbox).paused_until) == (0, None, None)


def test_an_owner_hears_of_a_channel_that_fails_for_a_day_and_it_ends_after_five(outbox: Outbox) -> None:
    with running_receiver() as other:
        outbox.sender = type(outbox.sender)(Poster(allow=[outbox.receiver.address, other.address]))
        create_channel(
            outbox.connection, "webhook", other.url, user_id=LOCAL_OWNER_ID, keys=KEYS, now=outbox.clock(),
            allow=[other.address], event_types=["channel.*"], is_verified=True,
        )  # fmt: skip
        outbox.receiver.answers = [(500, {})] * 100
        for _ in range(12):
            outbox.put()
            outbox.deliver()
            outbox.clock.pass_(hours=12)
        first = next(
            one for one in read_channels(outbox.connection, user_id=LOCAL_OWNER_ID) if "alert.*" in one.event_types
        )
        assert (first.is_active, first.disabled_reason) == (False, "every try has failed for 5 days")
        assert types(other) == ["channel.failing", "channel.disabled"]
        assert "has taken no message since" in json.loads(other.received[0].body)["data"]["message"]
        assert read_counts(outbox.connection).n_waiting == 0


def test_users_take_turns(outbox: Outbox) -> None:
    add_user(outbox)
    outbox.put(100)
    with running_receiver() as other:
        create_channel(
            outbox.connection, "webhook", other.url, user_id=OTHER_ID, keys=KEYS, now=outbox.clock(),
            allow=[other.address], is_verified=True,
        )  # fmt: skip
        outbox.write("alert.triggered", {}, user_id=OTHER_ID)
        outbox.sender = type(outbox.sender)(Poster(allow=[outbox.receiver.address, other.address]))
        seconds = iter([0.0, 0.0, 100.0])
        # One round: the other user's only message is in it, though a hundred have waited longer.
        outbox.deliver(stopwatch=lambda: next(seconds))
        assert len(other.received) == 1
        assert len(outbox.receiver.received) < 100


def test_each_try_is_noted(outbox: Outbox) -> None:
    outbox.put()
    outbox.receiver.answers = [(500, {})]
    outbox.deliver()
    outbox.clock.pass_(seconds=7)
    outbox.deliver()
    noted = outbox.connection.execute(
        "select attempt, status, error, duration_seconds > 0 from app.delivery_attempts order by attempt_id"
    ).fetchall()
    assert noted == [(1, 500, "http_500", True), (2, 204, None, True)]


def dead_letters(outbox: Outbox, n: int) -> None:
    outbox.put(n)
    outbox.connection.execute(
        "update app.deliveries set state = 'dead', attempts = 10, finished_at = now() where state = 'pending'"
    )


def test_dead_letters_are_listed_and_sent_again_one_or_all_since_a_day(outbox: Outbox) -> None:
    dead_letters(outbox, 2)
    outbox.clock.pass_(days=1)
    dead_letters(outbox, 1)
    listed = read_deliveries(outbox.connection, state="dead")
    assert [(one.state, one.attempts, one.type) for one in listed] == [("dead", 10, "alert.triggered")] * 3
    assert replay(outbox.connection, now=outbox.clock(), delivery_id=listed[2].delivery_id) == 1
    assert outbox.deliver().n_done == 1
    assert outbox.receiver.ids == [str(listed[2].delivery_id)]
    since = outbox.clock() - dt.timedelta(hours=1)
    assert replay(outbox.connection, now=outbox.clock(), since=since) == 1
    assert replay(outbox.connection, now=outbox.clock(), user_id=OTHER_ID) == 0
    assert replay(outbox.connection, now=outbox.clock(), channel_id=uuid.uuid4()) == 0
    assert replay(outbox.connection, now=outbox.clock(), user_id=LOCAL_OWNER_ID) == 1
    assert outbox.deliver().n_done == 2
    assert read_counts(outbox.connection) == (0, 3, 0, 0)
    # What was received is sent again only where somebody says so, under the id that it had.
    assert replay(outbox.connection, now=outbox.clock(), delivery_id=listed[0].delivery_id) == 0
    assert replay(outbox.connection, now=outbox.clock(), delivery_id=listed[0].delivery_id, states=["done"]) == 1
    outbox.deliver()
    assert outbox.receiver.ids.count(str(listed[0].delivery_id)) == 2


def test_a_dead_letter_that_two_replay_at_once_goes_out_once(outbox: Outbox, database: Any) -> None:
    dead_letters(outbox, 1)
    outbox.receiver.received.clear()
    counts: list[int] = []

    def replay_it() -> None:
        with database.connect() as connection:
            counts.append(replay(connection, now=outbox.clock()))

    with database.connect() as first:
        counts.append(replay(first, now=outbox.clock()))
        second = threading.Thread(target=replay_it)  # waits for the first to commit, and finds nothing dead then
        second.start()
    second.join()
    assert counts == [1, 0]
    outbox.deliver()
    assert len(outbox.receiver.received) == 1


def test_what_leaves_the_log_takes_its_deliveries_along(outbox: Outbox) -> None:
    outbox.put()
    outbox.deliver()
    outbox.clock.pass_(days=31)
    outbox.put()
    before = outbox.clock() - dt.timedelta(days=30)
    outbox.connection.execute(DELETE_OLD_EVENTS, {"before": before})
    assert outbox.rows("state") == [("pending",)]
    assert outbox.connection.execute("select count(*) from app.delivery_attempts").fetchone() == (0,)
