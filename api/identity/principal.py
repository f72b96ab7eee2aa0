"""Whoever asks, as handlers see them."""

from typing import Literal, get_args
from uuid import UUID

import msgspec

Scope = Literal["read:market", "write:alerts", "write:portfolio", "run:jobs", "admin"]
Role = Literal["user", "admin"]
Kind = Literal["anonymous", "user", "api_key"]
# What a handler may ask for besides a scope: nothing at all, or that the caller is somebody, whatever their scopes.
Access = Scope | Literal["open", "signed-in"]
OPEN: Literal["open"] = "open"
SIGNED_IN: Literal["signed-in"] = "signed-in"

SCOPES: frozenset[Scope] = frozenset(get_args(Scope))


class Principal(msgspec.Struct, frozen=True):
    """Whoever asks.

    Parameters
    ----------
    user_id
        Whose rows they see; None for somebody unknown.
    role
        What the account is; None for somebody unknown.
    scopes
        What they may do. `admin` is never among the scopes of an account that is none.
    kind
        How they showed who they are.
    """

    user_id: UUID | None
    role: Role | None
    scopes: frozenset[Scope]
    kind: Kind

    @property
    def owner_id(self) -> UUID:
        """Whose rows they see, where the handler's scope has seen to it that it is known who asks."""
        if self.user_id is None:
            raise ValueError("principal: a handler of people's rows must be somebody's; got nobody. Give it a scope.")
        return self.user_id

    @property
    def actor(self) -> str:
        """Name of the principal in the audit log."""
        return str(self.user_id or "anonymous")

    def may(self, access: Access) -> bool:
        """Tell whether a handler that asks for this is theirs to call."""
        if access == OPEN:
            return True
        if access == SIGNED_IN:
            return self.user_id is not None
        return access in self.scopes


def nobody(*, reads_market: bool) -> Principal:
    """Return the principal of a request that says nothing about who asks."""
    return Principal(None, None, frozenset({"read:market"} if reads_market else ()), "anonymous")


def account(user_id: UUID, role: Role, scopes: frozenset[Scope], kind: Kind) -> Principal:
    """Return the principal of an account; `admin` counts only where the account is an administrator's."""
    return Principal(user_id, role, scopes if role == "admin" else scopes - {"admin"}, kind)
