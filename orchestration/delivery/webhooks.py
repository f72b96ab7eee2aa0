"""Messages as signed webhooks, by the Standard Webhooks specification 1.0.0."""

import datetime as dt

import msgspec

from orchestration.delivery.messages import Message, Outcome
from orchestration.delivery.posting import Poster
from orchestration.delivery.signing import signed_headers

MAX_BODY_BYTES = 20_000


class WebhookSender:
    """Sends messages signed.

    Parameters
    ----------
    poster
        Does the posting, and guards where it goes.
    """

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        """Send a message once.

        Raises
        ------
        SecretMalformed
            If the message cannot be signed.
        """
        body = body_of(message)
        if len(body) > MAX_BODY_BYTES:
            return Outcome(None, "body_too_large")
        headers = signed_headers(body, message_id=message.message_id, sent_at=sent_at, secrets=message.secrets)
        return self._poster.post(message.address, body, headers, sent_at=sent_at)


def body_of(message: Message) -> bytes:
    """Return the body of a message, the same bytes at each try: `{type, timestamp, data}`."""
    body = {
        "type": message.type,
        "timestamp": message.created_at.astimezone(dt.UTC),
        "data": msgspec.Raw(message.payload.encode()),
    }
    return msgspec.json.encode(body)
