"""Small files below the home that only its user can read, made at the first look."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from warehouse.errors import WarehouseError


class SecretError(WarehouseError):
    """A file of secrets, or something encrypted, is not as it was left."""


def read_or_write_once(path: Path, make: Callable[[], str]) -> str:
    """Read a file that only its owner may read; make it if it is not there. Of two that make it at once, one wins.

    Raises
    ------
    SecretError
        If the file is open to others.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 600
        fresh = Path(name)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{make()}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link either appears with the whole content or finds that another start was first.
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SecretError(
            f"secrets: {path} must be readable by its owner only; its mode is {mode:o}. Run chmod 600 on it."
        )
    return path.read_text(encoding="ascii").strip()


def not_as_written(path: Path) -> SecretError:
    """Return the error of a file that holds something else than what was written into it."""
    return SecretError(
        f"secrets: {path} must hold what was written into it; it does not (the content is not shown). "
        "Bring the file back from a copy of the home folder, or move it away to get new keys."
    )
