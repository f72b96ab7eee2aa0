"""Keys that this installation makes for itself, below its home, readable by nobody else."""

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def read_or_make_key(folder: Path, name: str) -> bytes:
    """Return the key `name`; the first call makes it. Safe when two processes call at once.

    Raises
    ------
    OSError
        When the folder cannot be written or the key not be read.
    ValueError
        When the file does not hold a key.
    """
    path = folder / f"{name}.key"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{name}.{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(draft, path)  # whole or not at all, and never over another's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path}: a key must be {KEY_BYTES} bytes; got {len(key)}. Remove it: a new one is made.")
    return key
