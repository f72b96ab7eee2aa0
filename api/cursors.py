"""Cursors: where the next page begins, signed, and bound to the filters and the version of the data."""

import base64
import binascii
import hashlib
import hmac
from typing import Any, TypeVar

import msgspec

from api import exchange
from api.errors import CursorExpired, CursorInvalid, CursorMismatch

_SIGNATURE_BYTES = 16
Key = TypeVar("Key")


class _Place(msgspec.Struct, frozen=True, array_like=True):
    operation_id: str
    filter_hash: str
    version: str | None
    key: list[Any]


class Cursors:
    """Makes and reads cursors with one installation's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def after(self, *key: object) -> str:
        """Return the cursor that goes on behind this sort key, in the exchange of now."""
        now = exchange.current.get()
        place = msgspec.json.encode(_Place(now.operation_id or "", now.filter_hash, now.version, list(key)))
        return base64.urlsafe_b64encode(self._sign(place) + place).rstrip(b"=").decode()

    def read(self, cursor: str, shape: type[Key]) -> Key:
        """Return the sort key in a cursor.

        Raises
        ------
        CursorInvalid, CursorMismatch, CursorExpired
            When it is not ours, belongs to other filters, or to data that has changed since.
        """
        now = exchange.current.get()
        place = self._open(cursor)
        if (place.operation_id, place.filter_hash) != (now.operation_id, now.filter_hash):
            raise CursorMismatch
        if place.version != now.version:
            raise CursorExpired
        return msgspec.convert(place.key, shape)

    def _open(self, cursor: str) -> _Place:
        try:
            signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise CursorInvalid from error
        signature, place = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(place)):
            raise CursorInvalid
        return msgspec.json.decode(place, type=_Place)

    def _sign(self, place: bytes) -> bytes:
        return hmac.new(self._key, place, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
