"""Posts bytes to receivers, one connection for each, guarded, and says how that went."""

import datetime as dt
import email.utils
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import httpcore
import httpx

from orchestration.delivery.addresses import allow_list, target_of
from orchestration.delivery.errors import AddressRefused
from orchestration.delivery.guarded_network import GuardedNetwork, Resolver, Stopwatch, resolve
from orchestration.delivery.messages import Outcome

TIMEOUT_SECONDS = 15.0
MAX_ANSWER_BYTES = 65_536
GONE = 410
USER_AGENT = "Factorloom-Webhooks/1"


class Poster:
    """Posts to receivers; safe to share between threads.

    Parameters
    ----------
    allow
        `host:port` entries that may be spoken to although they are not public, also in plain HTTP.
    timeout_seconds
        For a whole exchange, from the look-up of the name on.
    resolver, stopwatch, ssl_context
        As `GuardedNetwork` and httpcore want them; tests pass their own. Certificates are always verified.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolver: Resolver = resolve,
        stopwatch: Stopwatch = time.monotonic,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow_list(allow)
        self._network = GuardedNetwork(
            allow=self._allow, timeout_seconds=timeout_seconds, resolver=resolver, stopwatch=stopwatch
        )
        # Proxies and certificate stores named in the environment are left alone: they would lead round the guard.
        self._ssl_context = ssl_context or httpx.create_ssl_context(trust_env=False)

    def post(self, address: str, body: bytes, headers: Mapping[str, str], *, sent_at: dt.datetime) -> Outcome:
        """Post JSON to a URL once; whatever happens on the way is in the outcome. Redirects are not followed."""
        try:
            return self._exchange(address, body, headers, sent_at)
        except AddressRefused:
            return Outcome(None, "address_refused")
        except httpcore.TimeoutException:
            return Outcome(None, "timeout")
        except httpcore.ConnectError as exc:
            return Outcome(None, "tls_failed" if isinstance(exc.__context__, ssl.SSLError) else "connection_failed")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return Outcome(None, "connection_broken")

    def _exchange(self, address: str, body: bytes, headers: Mapping[str, str], sent_at: dt.datetime) -> Outcome:
        target = target_of(address, allow=self._allow)
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        all_headers = {
            "host": _host_header(target.host, target.port),
            "user-agent": USER_AGENT,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **headers,
        }
        # A connection per message: a kept one would outlive the vetting of its address.
        with (
            httpcore.HTTPConnection(url.origin, self._ssl_context, network_backend=self._network) as connection,
            connection.stream("POST", url, headers=list(all_headers.items()), content=body) as answer,
        ):
            _read_some(answer)
            return _outcome(answer, sent_at)


def _read_some(answer: httpcore.Response) -> None:
    """Read the answer up to a limit and drop it: only its status counts, even if the rest never comes."""
    size = 0
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        for chunk in answer.iter_stream():
            size += len(chunk)
            if size >= MAX_ANSWER_BYTES:
                return


def _outcome(answer: httpcore.Response, sent_at: dt.datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status, None)
    error = "redirected" if 300 <= status < 400 else f"http_{status}"
    return Outcome(status, error, _retry_after(answer, sent_at), is_gone=status == GONE)


def _retry_after(answer: httpcore.Response, sent_at: dt.datetime) -> float | None:
    """Seconds that the receiver asks to be left alone; it may say so in seconds or as a date (RFC 9110, 10.2.3)."""
    given = dict(answer.headers)
    value = next((text.decode("latin-1") for name, text in given.items() if name.lower() == b"retry-after"), None)
    if value is None:
        return None
    if value.strip().isdecimal() and value.isascii():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a receiver may write any number there
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - sent_at).total_seconds())


def _host_header(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port in (80, 443) else f"{name}:{port}"
