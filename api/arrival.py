"""How a request's body arrives: neither too slowly nor for ever.

Who sends at less than `BYTES_PER_SECOND` after the first `GRACE_SECONDS` is cut off with 408. Sizes are bounded where a
handler is declared. Heads that dribble in are cut off below HTTP, see `api.protocol`.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from litestar.types import Receive

if TYPE_CHECKING:
    from litestar.types.asgi_types import ReceiveMessage

from api.errors import BodyTooSlow

GRACE_SECONDS = 10.0
BYTES_PER_SECOND = 16_384


class Arrival:
    """Receives one body; passes on what comes, and raises when it comes too slowly.

    Parameters
    ----------
    receive
        As the server gives it.
    on_wait, on_piece
        Called before each piece that is awaited, and after it.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        on_wait: Callable[[], None] = lambda: None,
        on_piece: Callable[[], None] = lambda: None,
    ) -> None:
        self._receive = receive
        self._on_wait = on_wait
        self._on_piece = on_piece
        self._n_bytes = 0
        self._started: float | None = None
        self._is_complete = False

    async def receive(self) -> "ReceiveMessage":
        """Return the next message.

        Raises
        ------
        BodyTooSlow
            When the body's time is over before its end.
        """
        if self._is_complete:  # What is awaited now is the end of the connection, which may take its time.
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._started = loop.time() if self._started is None else self._started
        self._on_wait()
        deadline = self._started + GRACE_SECONDS + self._n_bytes / BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise BodyTooSlow(self._n_bytes) from error
        if message["type"] == "http.request":
            self._n_bytes += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
        self._on_piece()
        return message
