"""Sign-in through another issuer: OpenID Connect with code, PKCE and nonce, bound to the browser that began it."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx

from api.database import Database
from api.identity import tokens
from api.identity.accounts import Accounts, principal_of
from api.identity.audit import audit
from api.identity.bearers import join
from api.identity.errors import CredentialsWrong, GrantRefused
from api.identity.grants import AuthorizationRequest, challenge_of, hash_of
from api.identity.issuers import Issuer
from api.identity.tokens import ID_TYPES, Rules
from warehouse.queries import accounts, sign_in
from warehouse.queries.accounts import Account
from warehouse.settings import Settings

LOGIN_LIFETIME = dt.timedelta(minutes=10)
ID_TOKEN_LIFETIME = dt.timedelta(hours=24)
CALLBACK_PATH = "/v1/auth/provider/callback"


class Departure(NamedTuple):
    """Where the browser goes, and what it keeps meanwhile."""

    address: str
    browser: str


class Arrival(NamedTuple):
    """Who came back, and what their client had asked for; without an account, the ticket for linking one."""

    found: Account | None
    asked: AuthorizationRequest
    ticket: str


class Provider:
    """The other issuer, as a place to sign in at.

    Parameters
    ----------
    callback
        Our address that it sends people back to.
    """

    def __init__(
        self, database: Database, issuer: Issuer, *, client_id: str, client_secret: str | None, callback: str
    ) -> None:
        self._database = database
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._callback = callback

    @property
    def name(self) -> str:
        """Name to show on the way there."""
        return httpx.URL(self._issuer.address).host

    async def depart(self, asked: AuthorizationRequest) -> Departure:
        """Return where to send the browser of a person whose client's request was checked."""
        endpoint = await self._issuer.endpoint("authorization_endpoint")
        state, browser, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        async with self._database.as_identity() as transaction:
            await sign_in.forget_ended(transaction, now=transaction.now)
            await sign_in.add_provider_login(
                transaction,
                hash_of(state),
                browser_hash=hash_of(browser),
                nonce=nonce,
                code_verifier=verifier,
                request=asked._asdict(),
                expires_at=transaction.now + LOGIN_LIFETIME,
            )
        question = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._callback,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return Departure(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(question)}", browser)

    async def arrive(self, *, state: str, browser: str, code: str, issuer: str | None) -> Arrival:
        """Return who came back with a code.

        Raises
        ------
        GrantRefused, TokenInvalid, IssuerUnreachable
            When the state is not of this browser, the code buys nothing, or the ID token does not hold.
        """
        known = await self._take(state, browser)
        if issuer not in (None, self._issuer.address):
            raise GrantRefused("invalid_request", "iss: must be the issuer that was asked; it is another. Begin again.")
        claims = await self._identity(code, known.code_verifier, known.nonce)
        asked = AuthorizationRequest(**known.request)
        subject, email = str(claims["sub"]), _verified_email(claims)
        async with self._database.as_identity() as transaction:
            found = await accounts.by_identity(transaction, self._issuer.address, subject)
            is_linked = await accounts.is_linked(transaction, self._issuer.address, subject)
            namesake = await accounts.by_email(transaction, email) if email else None
        if is_linked and found is None:
            raise CredentialsWrong
        if found is None and namesake is not None:
            return Arrival(None, asked, await self._await_password(asked, browser, subject, str(email)))
        if found is None:
            name = str(claims.get("name") or email or "")
            found = await join(self._database, issuer=self._issuer.address, subject=subject, email=email, name=name)
        return Arrival(found, asked, "")

    async def link(self, local: Accounts, *, ticket: str, browser: str, password: str) -> Arrival:
        """Let a person stand for the account here that has their address, once they show its password.

        Raises
        ------
        GrantRefused, CredentialsWrong, LoginLocked
            When the ticket is not of this browser, or the password not of the account: then the sign-in begins again.
        """
        known = await self._take(ticket, browser)
        if known.issuer is None or known.subject is None or known.email is None:
            raise _state_unknown()
        found = await local.signed_in(known.email, password)
        async with self._database.as_identity() as transaction:
            await accounts.link(
                transaction,
                issuer=known.issuer,
                subject=known.subject,
                user_id=found.user_id,
                email=known.email,
                now=transaction.now,
            )
            await audit(transaction, principal_of(found), "identity.linked", known.issuer)
        return Arrival(found, AuthorizationRequest(**known.request), "")

    async def _take(self, state: str, browser: str) -> sign_in.ProviderLogin:
        async with self._database.as_identity() as transaction:
            known = await sign_in.take_provider_login(
                transaction, hash_of(state), browser_hash=hash_of(browser), now=transaction.now
            )
        if known is None:
            raise _state_unknown()
        return known

    async def _identity(self, code: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
            "client_id": self._client_id,
        }
        authentication = None
        if self._client_secret is not None:
            # Both are encoded before they are joined (RFC 6749, section 2.3.1).
            authentication = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
        answer = await self._issuer.redeem(form, authentication)
        rules = Rules(self._issuer.address, self._client_id, ID_TYPES, ID_TOKEN_LIFETIME)
        claims = await tokens.verified(str(answer.get("id_token", "")), self._issuer, rules, self._database.now)
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise GrantRefused("invalid_grant", "nonce: must be the one of this sign-in; it is another. Begin again.")
        if claims.get("azp", self._client_id) != self._client_id:
            raise GrantRefused("invalid_grant", "azp: must be this client; it is another. Begin again.")
        return claims

    async def _await_password(self, asked: AuthorizationRequest, browser: str, subject: str, email: str) -> str:
        ticket = secrets.token_urlsafe(32)
        async with self._database.as_identity() as transaction:
            await sign_in.add_pending_link(
                transaction,
                hash_of(ticket),
                browser_hash=hash_of(browser),
                request=asked._asdict(),
                expires_at=transaction.now + LOGIN_LIFETIME,
                issuer=self._issuer.address,
                subject=subject,
                email=email,
            )
        return ticket


def provider_of(settings: Settings, database: Database, issuer: Issuer | None) -> Provider | None:
    """Return the place to sign in at that the settings name, None where they name none."""
    if issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    return Provider(
        database,
        issuer,
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        callback=settings.public_address + CALLBACK_PATH,
    )


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    is_one = isinstance(email, str) and claims.get("email_verified") is True and email.isprintable() and "@" in email
    return email.strip().lower()[:254] if isinstance(email, str) and is_one else None


def _state_unknown() -> GrantRefused:
    return GrantRefused(
        "invalid_request",
        "state: must be of a sign-in that this browser began within ten minutes; it is not. Begin again.",
    )
