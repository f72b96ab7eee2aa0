"""Problems of identity: what is missing, what does not hold, and what is not allowed (RFC 6750, section 3)."""

from api.errors import ApiProblem, BadRequest, NotFound, Unavailable
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


class IssuerUnreachable(Unavailable):
    """The issuer that vouches for people does not answer."""

    code = "issuer-unreachable"
    title = "The issuer that vouches for people does not answer"
    retry_after_seconds = 10

    def __init__(self, issuer: str) -> None:
        super().__init__(f"issuer: {issuer} must answer with its metadata and keys; it does not. Try again later.")


class CredentialsWrong(Unauthenticated):
    """Address and password do not go together; which of them is wrong is not said."""

    code = "credentials-wrong"
    title = "Address and password do not go together"

    def __init__(self) -> None:
        super().__init__("password: must be the one of this address; it is not. Try again, or register.")


class LoginLocked(ApiProblem):
    """Too many attempts failed for this address; the pause doubles with each further one."""

    status = 429
    code = "login-locked"
    title = "Too many attempts failed for this address"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"login: a further attempt must wait {seconds} s, since earlier ones failed. Wait, then try again."
        )
        self.headers["Retry-After"] = str(seconds)


class EmailTaken(ApiProblem):
    """There is an account with this address."""

    status = 409
    code = "email-taken"
    title = "There is an account with this address"

    def __init__(self) -> None:
        super().__init__("email: must be new here; there is an account with it. Sign in, or take another address.")


class RegistrationClosed(ApiProblem):
    """Strangers get no account of this installation."""

    status = 403
    code = "registration-closed"
    title = "This installation makes no accounts for strangers"

    def __init__(self) -> None:
        super().__init__("registration: must be open; FACTORLOOM_API_REGISTRATION is false. Ask the operator.")


class GrantRefused(BadRequest):
    """What the client of the sign-in sent does not fit together (RFC 6749, sections 4.1.2.1 and 5.2)."""

    code = "grant-refused"
    title = "The sign-in cannot go on"

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail, error=error)


class ApiKeyUnknown(NotFound):
    """The caller has no key with this id that still holds."""

    code = "api-key-unknown"
    title = "There is no such key"

    def __init__(self) -> None:
        super().__init__("api_key_id: must be one of yours that still holds; it is not. See /v1/api-keys.")


class TooManyKeys(ApiProblem):
    """An account has so many keys at most."""

    status = 409
    code = "too-many-keys"
    title = "The account has as many keys as it may"

    def __init__(self, limit: int) -> None:
        super().__init__(f"api-keys: an account has {limit} at most, and this one has them. Revoke one first.")


class NoProvider(NotFound):
    """The settings name no other issuer to sign in at."""

    code = "no-provider"
    title = "There is no other issuer to sign in at"

    def __init__(self) -> None:
        super().__init__("provider: FACTORLOOM_OIDC_CLIENT_ID must be set; it is not. Sign in at /v1/auth/authorize.")
