"""The key that this installation signs cursors with: the API at each request, pipelines in answers made in advance."""

import hmac
import secrets
from pathlib import Path

from warehouse.owner_files import not_as_written, read_or_write_once
from warehouse.settings import Settings

KEY_BYTES = 32
CURSOR_KEY_FILE = "cursor_key"


def cursor_key(settings: Settings) -> bytes:
    """Return the key: derived from the first encryption key where one is set, else of a file that the first call makes.

    Safe when two processes call at once; with the same settings several installations read each other's cursors.

    Raises
    ------
    SecretError
        If the file is open to others or not as it was written.
    """
    if settings.encryption_keys is not None:
        seed = bytes.fromhex(settings.encryption_keys.get_secret_value().split(",")[0])
        return hmac.digest(seed, b"factorloom cursors", "sha256")
    path = Path(settings.home) / "keys" / CURSOR_KEY_FILE
    text = read_or_write_once(path, lambda: secrets.token_hex(KEY_BYTES))
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise not_as_written(path) from error
    if len(key) != KEY_BYTES:
        raise not_as_written(path)
    return key
