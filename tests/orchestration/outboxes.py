"""A warehouse whose outbox is filled by hand, and a clock that is moved by hand."""

import datetime as dt
import uuid
from typing import Any

import psycopg

from orchestration.delivery.posting import Poster
from orchestration.delivery.webhooks import WebhookSender
from orchestration.outbox import Delivered, deliver_due
from warehouse.queries.channels import create_channel
from warehouse.queries.events import write_event
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing

KEYS = KeyRing({"k": bytes(range(32))})


class Time:
    """A clock that stands until it is moved; it begins now, since receivers refuse old signatures."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_(self, **duration: float) -> None:
        self.now += dt.timedelta(**duration)


class Outbox:
    """A warehouse with a channel at a receiver, whose events are written by hand."""

    def __init__(self, connection: psycopg.Connection, receiver: Any) -> None:
        self.connection = connection
        self.receiver = receiver
        self.clock = Time()
        self.sender = WebhookSender(Poster(allow=[receiver.address], timeout_seconds=5))
        self.secret = self.add_endpoint(receiver.url)

    def add_endpoint(self, url: str) -> str:
        made = create_channel(
            self.connection, "webhook", url, user_id=LOCAL_OWNER_ID, keys=KEYS, now=self.clock(),
            allow=[self.receiver.address], is_verified=True,
        )  # fmt: skip
        assert made.secret is not None
        return made.secret

    def put(self, n: int = 1) -> None:
        """Write so many events of an alert."""
        for _ in range(n):
            self.write("alert.triggered", {"episode": 1, "level": 1.0})

    def write(self, type: str, payload: dict[str, Any], *, user_id: str = LOCAL_OWNER_ID) -> None:
        """Write an event, which makes its deliveries."""
        write_event(self.connection, type, payload, dedup_key=uuid.uuid4().hex, now=self.clock(), user_id=user_id)

    def deliver(self, **options: Any) -> Delivered:
        return deliver_due(self.connection, {"webhook": self.sender}, KEYS, clock=self.clock, **options)

    def rows(self, columns: str) -> list[Any]:
        return self.connection.execute(f"select {columns} from app.deliveries order by delivery_id").fetchall()

    def row(self, columns: str) -> Any:
        [row] = self.rows(columns)
        return row
