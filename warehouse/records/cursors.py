"""Cursors: where the next page begins, signed, and bound to the question and the version of the data."""

import base64
import binascii
import hmac
from typing import Any, NamedTuple

import msgspec

from warehouse.records.questions import Question

_SIGNATURE_BYTES = 16


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: behind a sort key, in the answer to a question."""

    operation_id: str
    filter_hash: str
    version: str | None
    key: list[Any]


class Signer:
    """Makes and opens cursors with one installation's key."""

    def __init__(self, key: bytes) -> None:
        # The key is mixed in once; each signature goes on from a copy.
        self._keyed = hmac.new(key, digestmod="sha256")

    @property
    def fingerprint(self) -> str:
        """Tell keys apart without telling them."""
        return self._sign(b"fingerprint").hex()

    def cursor(self, question: Question, *key: object) -> str:
        """Return the cursor that goes on behind this sort key."""
        place = msgspec.json.encode(Place(question.operation_id, question.filter_hash, question.version, list(key)))
        return base64.urlsafe_b64encode(self._sign(place) + place).rstrip(b"=").decode()

    def open(self, cursor: str) -> Place:
        """Return what a cursor holds.

        Raises
        ------
        ValueError
            When it was not signed with this key.
        """
        try:
            signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise ValueError("cursor: must be base64; it is not.") from error
        signature, place = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(place)):
            raise ValueError("cursor: must be signed with this installation's key; it is not.")
        return msgspec.json.decode(place, type=Place)

    def _sign(self, place: bytes) -> bytes:
        signature = self._keyed.copy()
        signature.update(place)
        return signature.digest()[:_SIGNATURE_BYTES]


class Asked(NamedTuple):
    """A question, and the means to say where its answer goes on."""

    question: Question
    signer: Signer

    @property
    def version(self) -> str | None:
        """Version of the tables that answer."""
        return self.question.version

    def after(self, *key: object) -> str:
        """Return the cursor that goes on behind this sort key."""
        return self.signer.cursor(self.question, *key)
