"""Problems of identity: what is missing, what does not hold, and what is not allowed (RFC 6750, section 3)."""

from api.errors import ApiProblem
from api.identity.principal import Access


class Unauthenticated(ApiProblem):
    """Who asks must be known."""

    status = 401
    code = "unauthenticated"
    title = "Who asks must be known"

    def __init__(self, detail: str = "", *, challenge: str = "Bearer") -> None:
        super().__init__(
            detail or "Authorization: must be Bearer and a key or token; it is missing. See /docs for how to get one."
        )
        self.headers["WWW-Authenticate"] = challenge


class TokenInvalid(Unauthenticated):
    """The key or token does not hold: unknown, altered, expired, revoked, or not for this service."""

    code = "token-invalid"
    title = "The key or token does not hold"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Authorization: must carry a key or token that holds here; {reason}. Get a new one.",
            challenge='Bearer error="invalid_token"',
        )


class NotAllowed(ApiProblem):
    """The caller is known, but may not do this."""

    status = 403
    code = "not-allowed"
    title = "The caller may not do this"

    def __init__(self, access: Access) -> None:
        super().__init__(f"Authorization: must carry the scope {access}; it does not. Use a key or token that has it.")
        self.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{access}"'
