"""Keys of issuers: each verifies with the one algorithm that its type has, whatever a token says of itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
MIN_RSA_BITS = 2048


class VerifyingKey(NamedTuple):
    """A public key and the algorithm that it is for."""

    algorithm: str
    key: PublicKey


class Keys(Protocol):
    """Where an issuer's keys are found."""

    async def get(self, key_id: str) -> VerifyingKey | None:
        """Return the key with this id, None where the issuer has none."""
        ...


def read_key(given: Mapping[str, Any]) -> tuple[str, VerifyingKey] | None:
    """Return id and key of a JSON Web Key; None without an id, or where it is not for signatures that count here."""
    key_id = given.get("kid")
    if not isinstance(key_id, str) or given.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(dict(given)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    algorithm = _algorithm_of(key)
    if algorithm is None or given.get("alg", algorithm) != algorithm:
        return None
    return key_id, VerifyingKey(algorithm, cast("PublicKey", key))


def _algorithm_of(key: object) -> str | None:
    """Return the algorithm that a key is for; secrets, private keys and weak ones are for none."""
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "RS256"
    return None
