"""`factorloom alerts sink`: a receiver on this machine that verifies what it gets, as any should, and shows it."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from factorloom.errors import SinkRefused
from factorloom.up import stop_signals
from orchestration.delivery.signing import is_signed
from orchestration.delivery.webhooks import MAX_BODY_BYTES
from warehouse.clock import machine_clock
from warehouse.queries.channels import create_channel, read_channels, read_secrets
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing, webhook_keys
from warehouse.settings import Settings

HOST = "127.0.0.1"


class Arrival(NamedTuple):
    """A message as it came in; `is_genuine` says that one of our secrets signed it, lately."""

    message_id: str
    type: str
    message: str
    is_genuine: bool
    is_repeated: bool


def run(settings: Settings, connection: psycopg.Connection, *, port: int, console: Console) -> None:
    """Receive until a signal comes; the channel that leads here is made at the first start.

    Parameters
    ----------
    settings
        Whose FACTORLOOM_WEBHOOK_ALLOW must list the address.
    connection
        As the pipelines connect.
    port
        On 127.0.0.1.
    console
        Shows what arrives.

    Raises
    ------
    SinkRefused
        When nothing may be sent here.
    """
    address = f"{HOST}:{port}"
    if address not in settings.webhook_allow:
        raise SinkRefused(address, settings.webhook_allow)
    keys, clock = webhook_keys(settings), machine_clock
    channel_id = ensure_channel(connection, address, keys=keys, now=clock())
    secrets = read_secrets(connection, channel_id, keys=keys)
    with stop_signals() as stop, receiving(port, secrets, clock, lambda arrival: show(console, arrival, clock())):
        connection.commit()  # from here on a new channel is asked whether it wants messages
        console.print(
            f"Receiving at http://{address}/ what goes to channel {channel_id}. Ctrl-C ends it.", soft_wrap=True
        )
        stop.event.wait()


def ensure_channel(connection: psycopg.Connection, address: str, *, keys: KeyRing, now: dt.datetime) -> UUID:
    """Return the local owner's channel that leads to an address; make it if there is none that is on."""
    url = f"http://{address}/"
    known = read_channels(connection, user_id=LOCAL_OWNER_ID)
    for channel in known:
        if channel.kind == "webhook" and channel.address == url and channel.is_active:
            return channel.channel_id
    made = create_channel(connection, "webhook", url, user_id=LOCAL_OWNER_ID, keys=keys, now=now, allow=[address])
    return made.channel_id


@contextmanager
def receiving(
    port: int,
    secrets: Sequence[str],
    clock: Callable[[], dt.datetime],
    pass_on: Callable[[Arrival], None],
) -> Iterator[None]:
    """Answer on a port while this is entered, and pass on what arrives.

    Parameters
    ----------
    port
        On 127.0.0.1.
    secrets
        What genuine messages are signed with; others are answered with a 400.
    clock
        Tells old messages from new ones.
    pass_on
        Is given each arrival, one at a time.
    """
    seen: set[str] = set()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = self.headers.get("content-length", "")
            body = self.rfile.read(min(int(size), MAX_BODY_BYTES)) if size.isdecimal() else b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                arrival = read(headers, body, secrets, clock(), seen)
                pass_on(arrival)
            self.send_response(204 if arrival.is_genuine else 400)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent: what arrives is shown."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def read(headers: dict[str, str], body: bytes, secrets: Sequence[str], now: dt.datetime, seen: set[str]) -> Arrival:
    """Read a message: nothing in it is believed unless its signature holds."""
    message_id = headers.get("webhook-id", "")
    if not is_signed(headers, body, secrets=secrets, now=now):
        return Arrival(message_id, "", "", is_genuine=False, is_repeated=False)
    facts = msgspec.json.decode(body)
    is_repeated = message_id in seen
    seen.add(message_id)
    type_ = str(facts.get("type", ""))
    return Arrival(message_id, type_, str(facts.get("data", {}).get("message") or type_), True, is_repeated)


def show(console: Console, arrival: Arrival, now: dt.datetime) -> None:
    """Show an arrival as a line."""
    line = Table.grid(padding=(0, 2))
    if not arrival.is_genuine:
        line.add_row(f"{now:%H:%M:%S}", "[red]not ours[/]", "a message whose signature does not hold")
    else:
        mark = "[yellow]again[/]" if arrival.is_repeated else "[green]verified[/]"
        line.add_row(f"{now:%H:%M:%S}", mark, f"[bold]{escape(arrival.message)}[/]", f"[dim]{escape(arrival.type)}[/]")
    console.print(line)
