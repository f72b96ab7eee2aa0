"""A question to the API as both halves know it: what cursors and entity tags are bound to, what names its answer."""

import hashlib
from typing import NamedTuple
from urllib.parse import urlencode


def content_hash(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for these texts."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


class Question(NamedTuple):
    """What is asked.

    Attributes
    ----------
    operation_id, path
        Of the API.
    filters
        Query, without what stands at its default, where the page begins and ends, and how the answer is put; by name.
    version
        Of the tables that answer; None where they have none.
    """

    operation_id: str = ""
    path: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    version: str | None = None

    @property
    def filter_hash(self) -> str:
        """Stand for path and filters."""
        return content_hash(self.path.rstrip("/"), *(text for pair in self.filters for text in pair))

    @property
    def key(self) -> str:
        """Name the answer: path and filters, for example /v1/rankings?profile=aggressive."""
        return f"{self.path}?{urlencode(self.filters)}" if self.filters else self.path
