"""The key that this installation signs cursors with: the API at each request, pipelines in answers made in advance."""

import secrets
from pathlib import Path

from warehouse.owner_files import not_as_written, read_or_write_once

KEY_BYTES = 32
CURSOR_KEY_FILE = "cursor_key"


def cursor_key(home: Path) -> bytes:
    """Return the key below a home; the first call makes it. Safe when two processes call at once.

    Raises
    ------
    SecretError
        If the file is open to others or not as it was written.
    """
    path = home / "keys" / CURSOR_KEY_FILE
    text = read_or_write_once(path, lambda: secrets.token_hex(KEY_BYTES))
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise not_as_written(path) from error
    if len(key) != KEY_BYTES:
        raise not_as_written(path)
    return key
