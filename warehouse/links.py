"""Links in mails that confirm a mailbox or want no more: whoever holds one has read that mailbox."""

import base64
import binascii
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import UUID

from warehouse.owner_files import not_as_written, read_or_write_once
from warehouse.settings import Settings

Purpose = Literal["confirm", "unsubscribe"]
LINK_KEY_FILE = "link_key"
_KEY_BYTES = 32
_SEAL_BYTES = 16


class Mailbox(NamedTuple):
    """A channel that leads to a mailbox, and whose channel it is."""

    channel_id: UUID
    user_id: UUID


class Links:
    """Makes and reads links; a token names its mailbox and is good for one purpose.

    Parameters
    ----------
    key
        32 bytes that only this installation knows.
    public_url
        Address under which people reach the API.
    """

    def __init__(self, key: bytes, public_url: str) -> None:
        self._key = key
        self._public_url = public_url.rstrip("/")

    def url(self, mailbox: Mailbox, purpose: Purpose) -> str:
        """Return the page for a purpose."""
        return f"{self._public_url}/mail/{purpose}/{self.token(mailbox, purpose)}"

    def token(self, mailbox: Mailbox, purpose: Purpose) -> str:
        """Return what proves that its holder has read the channel's mail."""
        content = mailbox.channel_id.bytes + mailbox.user_id.bytes + self._seal(mailbox, purpose)
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    def mailbox_of(self, token: str, purpose: Purpose) -> Mailbox | None:
        """Return what a token is good for, None for one that we have not made for this purpose."""
        try:
            content = base64.b64decode(f"{token}==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(content) != 32 + _SEAL_BYTES:
            return None
        mailbox = Mailbox(UUID(bytes=content[:16]), UUID(bytes=content[16:32]))
        return mailbox if hmac.compare_digest(content[32:], self._seal(mailbox, purpose)) else None

    def _seal(self, mailbox: Mailbox, purpose: Purpose) -> bytes:
        text = f"{purpose}:{mailbox.channel_id}:{mailbox.user_id}"
        return hmac.digest(self._key, text.encode(), hashlib.sha256)[:_SEAL_BYTES]


def links_of(settings: Settings) -> Links:
    """Return the links of an installation; the first call makes its key.

    Raises
    ------
    SecretError
        If the file is open to others or not as it was written.
    """
    path = Path(settings.home) / "keys" / LINK_KEY_FILE
    text = read_or_write_once(path, lambda: secrets.token_hex(_KEY_BYTES))
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise not_as_written(path) from error
    if len(key) != _KEY_BYTES:
        raise not_as_written(path)
    return Links(key, settings.public_address)
