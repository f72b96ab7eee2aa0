"""Server-sent events: read as they come, and gone on with after a break from where they were."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec

from factorloom_client.problems import problem_of
from factorloom_client.transport import WORTH_ANOTHER, Transport, given

# A comment comes every 15 to 20 seconds: a connection that is silent for longer is gone.
SILENCE_SECONDS = 45.0
RETRY_SECONDS = 2.0


class Event(msgspec.Struct, frozen=True):
    """Something that happened. After a break one may come twice, with the same `event_id`."""

    event_id: int = 0
    type: str = "reset"
    is_own: bool = False
    subject: str | None = None
    payload: dict[str, Any] = {}
    correlation_id: str | None = None
    created_at: dt.datetime | None = None


def follow(transport: Transport, topics: Sequence[str] | None, last_event_id: str | None) -> Iterator[Event]:
    """Give events for ever; a connection that breaks is made anew behind the last event that came.

    Raises
    ------
    Problem
        When the server refuses the stream for good.
    """
    place = last_event_id
    while True:
        try:
            for event_id, event in _once(transport, topics, place):
                place = event_id
                yield event
        except httpx.TransportError:
            pass
        time.sleep(RETRY_SECONDS)


def _once(transport: Transport, topics: Sequence[str] | None, place: str | None) -> Iterator[tuple[str, Event]]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": place} if place else {})
    timeout = httpx.Timeout(10.0, read=SILENCE_SECONDS)
    query = given({"topics": topics})
    with transport.http.stream("GET", "/v1/stream", params=query, headers=headers, timeout=timeout) as answer:
        if answer.status_code in WORTH_ANOTHER:
            return
        if answer.status_code >= 400:
            raise problem_of(answer.status_code, answer.read())
        yield from parse(answer.iter_lines())


def parse(lines: Iterator[str]) -> Iterator[tuple[str, Event]]:
    """Give each event of a stream with its id; comments, and an event that was cut off, are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            event = msgspec.json.decode(fields["data"], type=Event)
            yield fields["id"], event
            fields = {}
        else:
            fields = {}
