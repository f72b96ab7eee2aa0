"""Cursors of the exchange of now: made for it, and refused where they belong to another."""

from typing import TypeVar

import msgspec

from api import exchange
from api.errors import CursorExpired, CursorInvalid, CursorMismatch
from warehouse.records.cursors import Asked, Signer

Key = TypeVar("Key")


class Cursors:
    """Makes and reads cursors with one installation's key."""

    def __init__(self, key: bytes) -> None:
        self.signer = Signer(key)

    def asked(self) -> Asked:
        """Return the question of the exchange of now."""
        return Asked(exchange.current.get().question, self.signer)

    def after(self, *key: object) -> str:
        """Return the cursor that goes on behind this sort key, in the exchange of now."""
        return self.asked().after(*key)

    def read(self, cursor: str, shape: type[Key]) -> Key:
        """Return the sort key in a cursor.

        Raises
        ------
        CursorInvalid, CursorMismatch, CursorExpired
            When it is not ours, belongs to other filters, or to data that has changed since.
        """
        question = exchange.current.get().question
        try:
            place = self.signer.open(cursor)
        except ValueError as error:
            raise CursorInvalid from error
        if (place.operation_id, place.filter_hash) != (question.operation_id, question.filter_hash):
            raise CursorMismatch
        if place.version != question.version:
            raise CursorExpired
        return msgspec.convert(place.key, shape)
