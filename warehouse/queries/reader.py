"""How the API reaches Postgres: the door is passed in, so that SQL stays here and connections stay there."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


class Reader(ABC):
    """Something that answers a query with rows."""

    @abstractmethod
    async def rows(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return the rows of a query, each as `shape`, whose fields stand in the order of the selected columns."""


class Writer(Reader):
    """Something that also carries out statements; what it does commits together or not at all."""

    @abstractmethod
    async def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> int:
        """Carry out a statement; returns how many rows it touched."""
