"""Clients that may sign people in: public ones, known by name and by the exact addresses that codes go to."""

import re
from collections.abc import Sequence

from api.errors import shown
from api.identity.errors import GrantRefused

# A program on the person's own machine listens on whichever port is free (RFC 8252, section 7.3).
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(/.*)?")


class Clients:
    """The clients of an installation.

    Parameters
    ----------
    listed
        `name=address` each; several for the same name are several addresses.
    """

    def __init__(self, listed: Sequence[str]) -> None:
        self._addresses: dict[str, set[str]] = {}
        for entry in listed:
            name, _, address = entry.partition("=")
            self._addresses.setdefault(name, set()).add(_without_port(address))

    def check(self, client_id: str, redirect_uri: str) -> None:
        """See to it that a code for this client may go to this address.

        Raises
        ------
        GrantRefused
            When it may not; the answer stays here, since nobody knows whose address it is.
        """
        known = self._addresses.get(client_id)
        if known is None:
            raise GrantRefused(
                "invalid_client",
                f"client_id: must be among FACTORLOOM_OAUTH_CLIENTS; got {shown(client_id)}. Ask the operator.",
            )
        if _without_port(redirect_uri) not in known:
            raise GrantRefused(
                "invalid_request",
                "redirect_uri: must be an address of the client, to the letter; this one is not. Ask the operator.",
            )


def _without_port(address: str) -> str:
    local = _LOOPBACK.fullmatch(address)
    return f"{local[1]}{local[2] or ''}" if local else address
