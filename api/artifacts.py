"""The store of artifacts, FACTORLOOM_ARTIFACTS, as the API reads it: what lies within it, and nothing beside it."""

from pathlib import PurePosixPath

from upath import UPath


class Artifacts:
    """Reads files of a folder or an object store.

    Parameters
    ----------
    uri
        Where it lies.
    """

    def __init__(self, uri: str) -> None:
        self._root = UPath(uri)

    def read(self, name: str) -> bytes | None:
        """Return a file by its place within the store; None where there is none, or the place lies outside."""
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts or "\\" in name or "\0" in name or "://" in name:
            return None
        path = self._root.joinpath(*parts)
        # A link within a folder may lead out of it.
        if not path.resolve().is_relative_to(self._root.resolve()):
            return None
        try:
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
