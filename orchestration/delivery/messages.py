"""What is sent and what comes of it, the same for each kind of channel."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec


class Message(NamedTuple):
    """An event on its way to a channel; `message_id` and all else but the secrets stay the same at each try.

    `address` is a URL or a mail address, `payload` the event's facts as JSON, `secrets` what a webhook is signed with.
    """

    message_id: str
    channel_id: UUID
    user_id: UUID
    address: str
    type: str
    created_at: dt.datetime
    payload: str
    secrets: Sequence[str] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """The payload, read."""
        facts: dict[str, Any] = msgspec.json.decode(self.payload)
        return facts

    @property
    def sentence(self) -> str:
        """The event in a sentence on one line; the type where it says none."""
        return " ".join(str(self.facts.get("message") or self.type).split())


class Outcome(NamedTuple):
    """How a try went: the receiver's status, or the class of what kept it from answering.

    `error` is a class, never what the receiver said: its words could carry what only the inside of a network may see.
    `is_gone` says that nothing will ever be received at that address again.
    """

    status: int | None
    error: str | None
    retry_after_seconds: float | None = None
    is_gone: bool = False

    @property
    def is_received(self) -> bool:
        """Whether the receiver took it."""
        return self.error is None and self.status is not None and 200 <= self.status < 300


class Sender(Protocol):
    """Sends messages to channels of one kind; safe to share between threads."""

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        """Send a message once; whatever happens on the way is in the outcome."""
        ...
