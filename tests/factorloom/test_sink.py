"""The receiver on this machine, and the commands about channels, as people call them."""

import datetime as dt
import io
import re
import urllib.error
import urllib.request
import uuid
from typing import Any

import psycopg
import pytest
from rich.console import Console

from factorloom.channel_tables import channels_table, deliveries_table
from factorloom.errors import SinkRefused
from factorloom.sink import Arrival, ensure_channel, read, receiving, run, show
from orchestration.delivery.posting import Poster
from orchestration.delivery.signing import signed_headers
from orchestration.delivery.webhooks import WebhookSender
from orchestration.outbox import deliver_due
from tests.ports import free_port
from warehouse.queries.channels import read_channels, read_secrets
from warehouse.queries.deliveries import read_deliveries
from warehouse.queries.events import write_event
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing
from warehouse.settings import Settings

KEYS = KeyRing({"k": bytes(range(32))})
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"type":"alert.triggered","timestamp":"2026-11-20T12:00:00Z","data":{"message":"[red]A[/] fired"}}'
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def text_of(thing: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(thing)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def headers(sent_at: dt.datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    return signed_headers(body, message_id="m1", sent_at=sent_at, secrets=[SECRET])


def test_a_genuine_message_is_read_and_its_repetition_known() -> None:
    seen: set[str] = set()
    first = Arrival("m1", "alert.triggered", "[red]A[/] fired", is_genuine=True, is_repeated=False)
    assert read(headers(), BODY, [SECRET], NOW, seen) == first
    assert read(headers(), BODY, [SECRET], NOW, seen) == first._replace(is_repeated=True)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (headers(), BODY.replace(b"fired", b"sank!")),
        (headers(NOW - dt.timedelta(minutes=6)), BODY),
        (headers(NOW + dt.timedelta(minutes=6)), BODY),
        ({**headers(), "webhook-id": "m2"}, BODY),
        ({**headers(), "webhook-signature": "v1,AAAA"}, BODY),
        ({**headers(), "webhook-timestamp": "9" * 30}, BODY),
        ({}, BODY),
        ({}, b""),
    ],
)
def test_a_message_that_is_not_ours_or_not_of_now_is_not_believed(given: dict[str, str], body: bytes) -> None:
    assert not read(given, body, [SECRET], NOW, set()).is_genuine


def test_what_arrives_is_shown_as_it_is_written() -> None:
    console = Console(file=io.StringIO(), width=100)
    show(console, read(headers(), BODY, [SECRET], NOW, set()), NOW)
    show(console, Arrival("", "", "", is_genuine=False, is_repeated=False), NOW)
    shown = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert shown == (
        "12:00:00 verified [red]A[/] fired alert.triggered 12:00:00 not ours a message whose signature does not hold"
    )


def test_a_port_that_is_not_listed_is_refused_with_the_line_to_write(tmp_path: Any) -> None:
    settings = Settings(home=tmp_path, webhook_allow=("127.0.0.1:9000",))
    with pytest.raises(SinkRefused, match=re.escape("FACTORLOOM_WEBHOOK_ALLOW=127.0.0.1:9001 into .env")):
        run(settings, None, port=9001, console=Console())  # type: ignore[arg-type]


def test_a_sink_is_asked_confirms_and_gets_what_is_announced_from_then_on(database: Any) -> None:
    port = free_port()
    address, arrivals = f"127.0.0.1:{port}", list[Arrival]()
    senders = {"webhook": WebhookSender(Poster(allow=[address]))}
    with psycopg.connect(database.url, autocommit=True) as connection:
        channel_id = ensure_channel(connection, address, keys=KEYS, now=now())
        assert ensure_channel(connection, address, keys=KEYS, now=now()) == channel_id
        secrets = read_secrets(connection, channel_id, keys=KEYS)
        announce(connection, "too early")
        with receiving(port, secrets, now, arrivals.append):
            assert deliver_due(connection, senders, KEYS, clock=now).n_done == 1
            announce(connection, "A: price 1.5 is at or above 1.")
            assert deliver_due(connection, senders, KEYS, clock=now).n_done == 1
            with pytest.raises(urllib.error.HTTPError, match="400"):
                urllib.request.urlopen(f"http://{address}/", data=b"{}", timeout=10)
        assert [(arrival.type, arrival.is_genuine) for arrival in arrivals] == [
            ("channel.verification", True), ("alert.triggered", True), ("", False),
        ]  # fmt: skip
        shown = text_of(channels_table(read_channels(connection, user_id=LOCAL_OWNER_ID)))
        assert f"http://{address}/" in shown
        assert " on " in shown
        listed = text_of(deliveries_table(read_deliveries(connection)))
        assert "A: price 1.5 is at or above 1." in listed
        assert "too early" not in listed


def announce(connection: psycopg.Connection, message: str) -> None:
    write_event(
        connection, "alert.triggered", {"message": message}, dedup_key=uuid.uuid4().hex, now=now(),
        user_id=LOCAL_OWNER_ID,
    )  # fmt: skip
