"""Signatures that a receiver can check with any Standard Webhooks library.

Source: Standard Webhooks specification 1.0.0, symmetric signatures (v1).
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from orchestration.delivery.errors import SecretMalformed

PREFIX = "whsec_"
TOLERANCE = dt.timedelta(minutes=5)


def signed_headers(body: bytes, *, message_id: str, sent_at: dt.datetime, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers that make a body a signed message.

    Parameters
    ----------
    body
        Exactly the bytes that are sent.
    message_id
        The same at each try, so that a receiver can tell a repetition.
    sent_at
        Instant of this try; receivers refuse what is minutes old.
    secrets
        As shown to the owner of the endpoint, `whsec_...`; two while one is being replaced by the next.

    Raises
    ------
    SecretMalformed
        If a secret is none.
    """
    timestamp = str(int(sent_at.timestamp()))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(signed, secret) for secret in secrets),
    }


def is_signed(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: dt.datetime) -> bool:
    """Tell whether a message was signed with one of the secrets, lately; what a receiver does.

    Parameters
    ----------
    headers
        As they came, names in lower case.
    body
        Exactly the bytes that came.
    secrets
        As shown to the owner of the endpoint.
    now
        A message that was signed more than five minutes away from it may have been recorded and sent again.
    """
    try:
        sent_at = dt.datetime.fromtimestamp(int(headers["webhook-timestamp"]), dt.UTC)
        message_id, given = headers["webhook-id"], headers["webhook-signature"].split()
    except (KeyError, ValueError, OverflowError, OSError):
        return False
    wanted = signed_headers(body, message_id=message_id, sent_at=sent_at, secrets=secrets)["webhook-signature"].split()
    is_ours = any(hmac.compare_digest(one.encode(), other.encode()) for one in given for other in wanted)
    return is_ours and abs(now - sent_at) <= TOLERANCE


def _signature(signed: bytes, secret: str) -> str:
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise SecretMalformed from exc
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise SecretMalformed
    return key
