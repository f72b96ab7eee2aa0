"""Access tokens and ID tokens: made as RFC 9068 says, and held against RFC 8725 before a word in them is believed."""

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import jwt

from api.identity.errors import TokenInvalid
from api.identity.jwk import Keys
from api.identity.principal import SCOPES, Scope
from api.identity.signing import ALGORITHM, SigningKeys
from warehouse.clock import Clock

MAX_BYTES = 8_192
MAX_TEXT = 255
LIFETIME = dt.timedelta(minutes=10)
SKEW_SECONDS = 60
ACCESS_TYPES = ("at+jwt", "application/at+jwt")
ID_TYPES = ("JWT", "")
# Names and instants are looked at below: all of them must be there, and time is told by the one clock.
_SIGNATURE_ALONE: Any = {f"verify_{claim}": False for claim in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")} | {
    "verify_signature": True
}
# What would have the key come from the token itself, or asks for more than is understood here.
_REFUSED_HEADERS = ("crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc")


class Issued(NamedTuple):
    """An access token and how long it holds."""

    text: str
    expires_in_seconds: int


class Rules(NamedTuple):
    """What a token must fulfil.

    Parameters
    ----------
    issuer, audience
        Exact.
    types
        Of the header, so that a token for one purpose does not serve another.
    max_lifetime
        From `iat` to `exp`.
    """

    issuer: str
    audience: str
    types: Sequence[str]
    max_lifetime: dt.timedelta


def issue(
    keys: SigningKeys, *, issuer: str, user_id: UUID, client_id: str, scopes: frozenset[Scope], now: dt.datetime
) -> Issued:
    """Return an access token of this installation for this installation."""
    seconds = int(LIFETIME.total_seconds())
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": str(user_id),
        "client_id": client_id,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + seconds,
        "jti": secrets.token_urlsafe(16),
        "scope": " ".join(sorted(scopes)),
    }
    headers = {"kid": keys.key_id, "typ": ACCESS_TYPES[0]}
    return Issued(jwt.encode(claims, keys.private, algorithm=ALGORITHM, headers=headers), seconds)


async def verified(token: str, keys: Keys, rules: Rules, clock: Clock) -> Mapping[str, Any]:
    """Return what a token claims, once all of it holds.

    Raises
    ------
    TokenInvalid
        Naming the first thing that does not hold.
    """
    key_id = _key_id(_header(token), rules.types)
    key = await keys.get(key_id)
    if key is None:
        raise TokenInvalid("its key is not one of the issuer's")
    try:
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            options=_SIGNATURE_ALONE,
        )
    except jwt.PyJWTError as error:
        raise TokenInvalid("its signature does not") from error
    _check_names(claims, rules)
    _check_times(claims, rules, clock())
    return claims


def issuer_of(token: str) -> str:
    """Return the issuer that a token names; not to be believed before the token is verified.

    Raises
    ------
    TokenInvalid
        When it is no token.
    """
    _header(token)
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenInvalid("this is none") from error
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def scopes_of(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """Return the scopes of ours that a token carries."""
    given = claims.get("scope", "")
    named = given.split(" ") if isinstance(given, str) else []
    return frozenset(scope for scope in SCOPES if scope in named)


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > MAX_BYTES:
        raise TokenInvalid("this one is too long")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenInvalid("this is none") from error


def _key_id(header: Mapping[str, Any], types: Sequence[str]) -> str:
    if any(name in header for name in _REFUSED_HEADERS):
        raise TokenInvalid("its header brings a key or an extension of its own")
    if str(header.get("typ", "")).lower() not in [kind.lower() for kind in types]:
        raise TokenInvalid(f"its type is not {types[0]}")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise TokenInvalid("it names no key")
    return key_id


def _check_names(claims: Mapping[str, Any], rules: Rules) -> None:
    if claims.get("iss") != rules.issuer:
        raise TokenInvalid("its issuer is another")
    audience = claims.get("aud")
    if rules.audience not in (audience if isinstance(audience, list) else [audience]):
        raise TokenInvalid("it is for somebody else")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_TEXT or not subject.isprintable():
        raise TokenInvalid("it names nobody")


def _check_times(claims: Mapping[str, Any], rules: Rules, now: dt.datetime) -> None:
    seconds = now.timestamp()
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires is None or issued is None:
        raise TokenInvalid("it does not say from when to when it is good")
    if seconds >= expires:
        raise TokenInvalid("it has expired")
    if max(issued, _instant(claims, "nbf") or issued) > seconds + SKEW_SECONDS:
        raise TokenInvalid("it is not good yet")
    if expires - issued > rules.max_lifetime.total_seconds():
        raise TokenInvalid("it is good for too long")


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim as seconds; None where it is missing.

    Raises
    ------
    TokenInvalid
        When it is something else than a number.
    """
    given = claims.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < 1e11:
        raise TokenInvalid(f"its {name} is no instant")
    return float(given)
