"""The keys that this installation signs tokens with: Ed25519, the first signs, all of them verify."""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.identity.jwk import VerifyingKey
from warehouse.owner_files import not_as_written, read_or_write_once
from warehouse.settings import Settings

SIGNING_KEYS_FILE = "signing_keys"
ALGORITHM = "EdDSA"
_SEED = re.compile(r"[0-9a-f]{64}")


class SigningKeys:
    """Keys by their id, the one to sign with first.

    Parameters
    ----------
    seeds
        32 bytes each.
    """

    def __init__(self, seeds: list[bytes]) -> None:
        keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        self._by_id = {_thumbprint(key): key for key in keys}
        self.key_id, self.private = next(iter(self._by_id.items()))

    async def get(self, key_id: str) -> VerifyingKey | None:
        """Return the key with this id."""
        key = self._by_id.get(key_id)
        return VerifyingKey(ALGORITHM, key.public_key()) if key else None

    def published(self) -> Mapping[str, object]:
        """Return the public keys as a JSON Web Key Set (RFC 7517)."""
        keys = [{**_public(key), "kid": key_id, "use": "sig", "alg": ALGORITHM} for key_id, key in self._by_id.items()]
        return {"keys": keys}


def signing_keys(settings: Settings) -> SigningKeys:
    """Return the keys of the settings, else those below the home; the first call makes one.

    Raises
    ------
    SecretError
        If the file is open to others or not as it was written.
    """
    if settings.signing_keys is not None:
        return SigningKeys([bytes.fromhex(text) for text in settings.signing_keys.get_secret_value().split(",")])
    path = Path(settings.home) / "keys" / SIGNING_KEYS_FILE
    lines = read_or_write_once(path, lambda: secrets.token_hex(32)).split()
    if not lines or not all(_SEED.fullmatch(line) for line in lines):
        raise not_as_written(path)
    return SigningKeys([bytes.fromhex(line) for line in lines])


def _public(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}


def _thumbprint(key: Ed25519PrivateKey) -> str:
    """Return the id of a key: the hash of its public part (RFC 7638)."""
    digest = hashlib.sha256(msgspec.json.encode(_public(key), order="sorted")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
