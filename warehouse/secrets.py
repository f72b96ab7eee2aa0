"""Secrets that an installation makes for itself, in files below `<home>/keys` that only its user can read.

The key that webhook secrets are encrypted with stays out of the database, so a copy of the database gives none of them
away; the local owner's API key stands in its file and nowhere else, the database holds its hash.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse.clock import clock_of
from warehouse.connect import connect, writer_url
from warehouse.owner_files import SecretError, not_as_written, read_or_write_once
from warehouse.queries.api_keys import INSERT_API_KEY
from warehouse.settings import Settings

LOCAL_OWNER_ID = "00000000-0000-7000-8000-000000000001"
OWNER_SCOPES = ("read:market", "write:alerts", "write:portfolio", "run:jobs", "admin")
WEBHOOK_KEYS_FILE = "webhook_secrets"
OWNER_KEY_FILE = "owner_api_key"
_NONCE_BYTES = 12


class Sealed(NamedTuple):
    """Something encrypted: which key did it, and nonce and ciphertext."""

    key_id: str
    content: bytes


class KeyRing:
    """Keys for AES-256-GCM by their id; the first one encrypts, all of them decrypt.

    Parameters
    ----------
    keys
        32 bytes each, the one to encrypt with first.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    def seal(self, text: str, *, bound_to: str) -> Sealed:
        """Encrypt a text; `bound_to` is the id of the row it belongs to, so that in another row it does not decrypt."""
        key_id, key = next(iter(self._keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(key_id, nonce + AESGCM(key).encrypt(nonce, text.encode(), bound_to.encode()))

    def open(self, sealed: Sealed, *, bound_to: str) -> str:
        """Decrypt a text.

        Raises
        ------
        SecretError
            If the key is not there, or the content was not made with it for this row.
        """
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise SecretError(
                f"secrets: the key {sealed.key_id!r} must be in keys/{WEBHOOK_KEYS_FILE}; found {sorted(self._keys)}. "
                "Bring the file back from a copy of the home folder (or the key into FACTORLOOM_ENCRYPTION_KEYS), "
                "or rotate the secret of the endpoint."
            )
        nonce, ciphertext = sealed.content[:_NONCE_BYTES], sealed.content[_NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, bound_to.encode()).decode()
        except (InvalidTag, ValueError) as exc:
            raise SecretError(
                f"secrets: what key {sealed.key_id!r} encrypted for {bound_to} must decrypt; it does not. "
                "Rotate the secret of the endpoint."
            ) from exc


def webhook_keys(settings: Settings) -> KeyRing:
    """Return the keys that webhook secrets are encrypted with: those of the settings, else those below the home.

    The first call on an installation without either makes one.

    Raises
    ------
    SecretError
        If the file is open to others or not as it was written.
    """
    path = _folder(settings) / WEBHOOK_KEYS_FILE
    if settings.encryption_keys is None:
        return KeyRing(_keys_in(path))
    given = [bytes.fromhex(text) for text in settings.encryption_keys.get_secret_value().split(",")]
    # Named by what they are, so that every process names them alike. What the file's keys encrypted stays readable.
    named = {hashlib.sha256(key).hexdigest()[:8]: key for key in given}
    return KeyRing({**named, **(_keys_in(path) if path.exists() else {})})


def _keys_in(path: Path) -> dict[str, bytes]:
    lines = read_or_write_once(path, lambda: f"{secrets.token_hex(4)} {_text_of(os.urandom(32))}").splitlines()
    try:
        keys = {key_id: base64.b64decode(text, validate=True) for key_id, text in (line.split() for line in lines)}
    except ValueError as exc:
        raise not_as_written(path) from exc
    if not keys or any(len(key) != 32 for key in keys.values()):
        raise not_as_written(path)
    return keys


def ensure_owner_key(settings: Settings) -> Path:
    """Make the local owner's API key if there is none, and see to it that the database knows its hash.

    Returns
    -------
    Path
        The file that holds the key, `fl_<api_key_id>_<secret>`; only the user of this installation can read it.

    Raises
    ------
    SecretError
        If the file is open to others or not as it was written.
    """
    path = _folder(settings) / OWNER_KEY_FILE
    # The file comes first: after a crash in between, the next start finds it and adds the row.
    key = read_or_write_once(path, lambda: f"fl_{secrets.token_hex(6)}_{secrets.token_hex(32)}")
    prefix, _, rest = key.partition("_")
    api_key_id, _, secret = rest.partition("_")
    if prefix != "fl" or not api_key_id or not secret:
        raise not_as_written(path)
    row = {
        "api_key_id": api_key_id,
        "user_id": LOCAL_OWNER_ID,
        "key_hash": hash_of(secret),
        "scopes": list(OWNER_SCOPES),
        "label": "local owner",
        "now": clock_of(settings)(),
    }
    with connect(writer_url(settings)) as connection:
        connection.execute(INSERT_API_KEY, row)
    return path


def hash_of(secret: str) -> str:
    """Return the hash that the database keeps of the secret part of an API key: SHA-256, hexadecimal.

    A plain hash is enough: the secret is 32 random bytes, which nobody guesses.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def new_webhook_secret() -> str:
    """Return a fresh signing secret in the form of Standard Webhooks: `whsec_` and base64 of 32 random bytes."""
    return f"whsec_{_text_of(os.urandom(32))}"


def _folder(settings: Settings) -> Path:
    return Path(settings.home) / "keys"


def _text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()
