"""The door to another issuer: its metadata and keys over HTTPS, held for an hour, asked again for a key not known."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import structlog

from api.identity.errors import GrantRefused, IssuerUnreachable
from api.identity.jwk import VerifyingKey, read_key

HELD_SECONDS = 3_600
# An unknown key id is a new key or an invention: whoever invents them makes us ask once a minute, not more.
ASK_AGAIN_SECONDS = 60
# An issuer that is away for longer than this vouches for nobody.
KEPT_SECONDS = 24 * 3_600
TIMEOUT_SECONDS = 5
MAX_BYTES = 512_000
METADATA_PATH = "/.well-known/openid-configuration"


class Issuer:
    """One OpenID Connect issuer.

    Parameters
    ----------
    address
        Its identifier, an address.
    monotonic
        Seconds that only grow; tests turn it.
    """

    def __init__(self, address: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self._monotonic = monotonic
        self._keys: dict[str, VerifyingKey] = {}
        self._metadata: Mapping[str, Any] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._lock = asyncio.Lock()
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def get(self, key_id: str) -> VerifyingKey | None:
        """Return the key with this id, None where the issuer has none.

        Raises
        ------
        IssuerUnreachable
            When its keys are not known, and it does not tell.
        """
        if self._age() > HELD_SECONDS or key_id not in self._keys:
            await self._ask(key_id)
        if self._age() > KEPT_SECONDS:
            raise IssuerUnreachable(self.address)
        return self._keys.get(key_id)

    async def endpoint(self, name: str) -> str:
        """Return an address of its metadata, such as `token_endpoint`."""
        if self._age() > HELD_SECONDS:
            await self._ask(None)
        address = self._metadata.get(name)
        if not isinstance(address, str) or not _is_safe(address):
            raise IssuerUnreachable(self.address)
        return address

    async def redeem(self, form: Mapping[str, str], authentication: httpx.Auth | None) -> Mapping[str, Any]:
        """Send a form to its token endpoint and return the answer.

        Raises
        ------
        GrantRefused, IssuerUnreachable
            When it refuses; when it does not answer, or not with what a token endpoint answers.
        """
        address = await self.endpoint("token_endpoint")
        try:
            request = self._http.build_request("POST", address, data=dict(form), headers={"Accept": "application/json"})
            return await self._read(request, authentication)
        except httpx.HTTPStatusError as error:
            if error.response.is_client_error:
                raise GrantRefused(
                    "invalid_grant", "code: the issuer must take it; it does not. Begin again."
                ) from error
            raise IssuerUnreachable(self.address) from error
        except (httpx.HTTPError, ValueError) as error:
            raise IssuerUnreachable(self.address) from error

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._monotonic() - self._fetched_at

    async def _ask(self, key_id: str | None) -> None:
        """Fetch metadata and keys, unless that was done or tried within the last minute."""
        async with self._lock:
            now = self._monotonic()
            if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_SECONDS:
                return
            self._asked_at = now
            try:
                metadata = await self._read(self._http.build_request("GET", self.address.rstrip("/") + METADATA_PATH))
                if metadata.get("issuer") != self.address:
                    raise ValueError(f"issuer: must name itself {self.address}; got {metadata.get('issuer')!r}.")
                address = str(metadata.get("jwks_uri"))
                if not _is_safe(address):
                    raise ValueError(f"issuer: jwks_uri must be https; got {address}.")
                listed = await self._read(self._http.build_request("GET", address))
            except (httpx.HTTPError, ValueError) as error:
                structlog.get_logger().warning("issuer_unreachable", issuer=self.address, key=key_id, reason=str(error))
                return
            found = [read_key(key) for key in listed.get("keys", ()) if isinstance(key, dict)]
            # All of them: a key that the issuer no longer lists does not verify any more.
            self._keys = dict(entry for entry in found if entry is not None)
            self._metadata, self._fetched_at = metadata, now

    async def _read(self, request: httpx.Request, authentication: httpx.Auth | None = None) -> Mapping[str, Any]:
        """Return a JSON object, read no further than it may be long."""
        response = await self._http.send(request, auth=authentication, stream=True)
        try:
            response.raise_for_status()
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise ValueError(f"issuer: an answer must be at most {MAX_BYTES} bytes; it is longer.")
        finally:
            await response.aclose()
        content = json.loads(body)
        if not isinstance(content, dict):
            raise ValueError("issuer: an answer must be a JSON object; it is not.")
        return content


def _is_safe(address: str) -> bool:
    """Tell whether an address is encrypted, or does not leave this machine."""
    url = httpx.URL(address)
    return url.scheme == "https" or (url.scheme == "http" and url.host in ("127.0.0.1", "localhost", "::1"))
