"""The gate before every handler: who asks, and whether this handler is theirs to call."""

from typing import Any

from litestar import Request
from litestar.handlers import BaseRouteHandler

from api.database import Database
from api.identity import api_keys
from api.identity.bearers import Bearers
from api.identity.errors import IssuerUnreachable, NotAllowed, TokenInvalid, Unauthenticated
from api.identity.principal import OPEN, Access, Principal, nobody


class Gate:
    """Lets through what may pass, and notes in the request who asks.

    Parameters
    ----------
    database, bearers
        Where keys, and people by their tokens, are looked up.
    reads_market
        Whether market data are open to everybody.
    """

    def __init__(self, database: Database, bearers: Bearers, *, reads_market: bool) -> None:
        self._database = database
        self._bearers = bearers
        self._nobody = nobody(reads_market=reads_market)

    async def admit(self, request: Request[Any, Any, Any], access: Access, header: str | None) -> str | None:
        """Let a request through to its handler; returns who asks, None for somebody unknown.

        Parameters
        ----------
        access, header
            What the handler asks for, and what the client shows: its `Authorization`, None without one.

        Raises
        ------
        Unauthenticated, TokenInvalid, NotAllowed, IssuerUnreachable
            When it must be known who asks, when what they show does not hold, when they may not do this, when the
            issuer of a token cannot be asked for its keys.
        """
        # Whether the service lives must not depend on what a monitor sends along.
        known = self._nobody if header is None or access == OPEN else await self._authenticate(header)
        request.scope["user"] = known
        if known.may(access):
            return None if known.user_id is None else str(known.user_id)
        raise NotAllowed(access) if known.user_id is not None else Unauthenticated()

    def is_open(self, access: Access) -> bool:
        """Tell whether such a handler answers everybody the same, and anybody may keep its answers for others."""
        return self._nobody.may(access)

    async def still_admits(self, known: Principal, header: str | None, access: Access) -> bool:
        """Tell whether what let somebody in still would: the key or token holds, the account is open and may do this.

        Raises
        ------
        ApiProblem
            When that cannot be found out now.
        """
        if known.user_id is None or header is None:
            return True
        try:
            again = await self._authenticate(header)
        except (TokenInvalid, IssuerUnreachable):
            return False
        return again.user_id == known.user_id and again.may(access)

    async def _authenticate(self, header: str) -> Principal:
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() != "bearer" or not credentials:
            raise TokenInvalid("its scheme is not Bearer")
        if credentials.startswith(api_keys.PREFIX):
            return await api_keys.principal_of(self._database, credentials)
        return await self._bearers.principal_of(credentials)


def access_of(handler: BaseRouteHandler) -> Access:
    """Return what a handler asks for; answers to OPTIONS, which Litestar makes by itself, are open."""
    if getattr(handler, "http_methods", None) == {"OPTIONS"}:
        return OPEN
    access: Access = handler.opt["scope"]
    return access


def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Hand the principal to handlers that ask for `principal`."""
    known: Principal = request.scope["user"]
    return known
