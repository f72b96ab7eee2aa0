"""A real receiver of webhooks on the loopback interface, and a small market to hold rules against."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.orchestration.outboxes import Outbox

MARTS = Path(__file__).parents[1] / "marts.sql"


class Received(NamedTuple):
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers each POST with the next of `answers` (status and headers), or with 204, and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.received: list[Received] = []
        self.delay_seconds = 0.0
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one after that."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler_of(self))
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """Listen no more: whoever connects is refused."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """`host:port`, as the list of allowed receivers has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http://{self.address}/hook"

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of each request, in order."""
        return [request.headers["webhook-id"] for request in self.received]


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            time.sleep(receiver.delay_seconds)
            status, extra = receiver.answers.pop(0) if receiver.answers else (204, {})
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    return Handler


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running receiver."""
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def outbox(database: Any, receiver: Receiver) -> Iterator[Outbox]:
    """An outbox with a channel at a running receiver."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield Outbox(connection, receiver)


class Market:
    """Prices, quotes and rankings of a few instruments, written as the pipelines would; the ids are a, b and c."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        connection.execute(MARTS.read_text())
        for name in ("a", "b", "c"):
            connection.execute(
                "insert into marts.dim_instruments (instrument_id, ticker) values (%s, %s)", [name, name.upper() * 3]
            )
            connection.execute(
                "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
                " values ('test', %s, '2020-01-01', %s, %s)",
                [f"{name}.X", name, name.upper() * 3],
            )

    def close(
        self,
        instrument_id: str,
        trade_date: str,
        price: float,
        *,
        is_suspect: bool = False,
        split_factor: float = 1.0,
        volume: int | None = None,
    ) -> None:
        """Write a closing price as traded; the adjusted one is another, so that mixing them up shows."""
        factor = 3 * split_factor
        self.connection.execute(
            "insert into marts.fct_daily_prices (instrument_id, trade_date, close_raw, close_adj, adjustment_factor,"
            " split_factor, is_suspect, volume_shares) values (%s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (instrument_id, trade_date) do update set close_raw = excluded.close_raw,"
            " close_adj = excluded.close_adj",
            [instrument_id, trade_date, price, price * factor, factor, split_factor, is_suspect, volume],
        )

    def quote(self, instrument_id: str, quoted_at: str, price: float) -> None:
        """Write a quote."""
        self.connection.execute(
            "insert into raw.quotes (source, source_symbol, quoted_at, price, currency_code)"
            " values ('test', %s, %s, %s, 'USD')",
            [f"{instrument_id}.X", quoted_at, price],
        )

    def rank(self, instrument_id: str, as_of_date: str, rank: int | None, *, is_intraday: bool = False) -> None:
        """Write a place in the balanced profile's ranking."""
        self.connection.execute(
            "insert into research.rankings (profile, as_of_date, is_intraday, instrument_id, rank, score, signal,"
            " contribution_forecast, contribution_momentum, contribution_value, contribution_quality,"
            " contribution_growth, contribution_low_risk, contribution_liquidity)"
            " values ('balanced', %s, %s, %s, %s, 50, 'hold', 0, 0, 0, 0, 0, 0, 0)",
            [as_of_date, is_intraday, instrument_id, rank],
        )


@pytest.fixture
def market(database: Any) -> Iterator[Market]:
    """A market in a database of this test's own; its connection commits each statement."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield Market(connection)
