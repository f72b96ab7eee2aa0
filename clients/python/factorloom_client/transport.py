"""Requests that are sent again where that helps, and problems where it does not."""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from factorloom_client.problems import problem_of

TRIES = 5
WORTH_ANOTHER = frozenset({429, 503})
MAX_WAIT_SECONDS = 30.0
_SAFE = frozenset({"GET", "HEAD"})


class Transport:
    """One server, reached over a pool of connections."""

    def __init__(self, base_url: str, *, key: str | None, timeout_seconds: float) -> None:
        headers = {"User-Agent": "factorloom-client/0.1"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self.http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_seconds, follow_redirects=True)

    def get(self, path: str, query: Mapping[str, object], *, accept: str = "application/json") -> httpx.Response:
        """Read. Parameters that are None are left out."""
        # An empty query would take away the one that the address has.
        return self.send("GET", path, params=given(query) or None, headers={"Accept": accept})

    def send(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **rest: Any) -> httpx.Response:
        """Send a request and return its answer.

        Raises
        ------
        Problem
            When the server says that it cannot answer, also after waiting.
        httpx.TransportError
            When there is no server.
        """
        may_repeat = method in _SAFE or "Idempotency-Key" in (headers or {})
        for left in range(TRIES - 1, -1, -1):
            answer = self.http.request(method, path, headers=headers, **rest)
            if not (answer.status_code in WORTH_ANOTHER and may_repeat and left):
                break
            time.sleep(min(_wait_of(answer), MAX_WAIT_SECONDS))
        if answer.status_code >= 400:
            raise problem_of(answer.status_code, answer.content)
        return answer


def given(query: Mapping[str, object]) -> dict[str, str]:
    """Return a query as text, without what is None."""
    return {name: as_text(value) for name, value in query.items() if value is not None}


def as_text(value: object) -> str:
    """Return a value as it stands in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def _wait_of(answer: httpx.Response) -> float:
    try:
        return max(float(answer.headers.get("Retry-After", "1")), 0.0)
    except ValueError:
        return 1.0
