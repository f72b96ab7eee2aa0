"""Messages into a Slack channel, by its incoming webhook: the URL is the only secret, so nothing is signed."""

import datetime as dt

import msgspec

from orchestration.delivery.messages import Message, Outcome
from orchestration.delivery.posting import Poster

# The webhook was revoked, or its channel deleted or archived: asking again does not help.
GONE = (403, 404, 410)
MAX_TEXT = 3_000


class SlackSender:
    """Sends messages as one section of text with a line of context.

    Parameters
    ----------
    poster
        Does the posting, and guards where it goes.
    """

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        """Send a message once."""
        outcome = self._poster.post(message.address, body_of(message), {}, sent_at=sent_at)
        return outcome._replace(is_gone=outcome.status in GONE)


def body_of(message: Message) -> bytes:
    """Return the body that Slack shows: what happened, and below it in grey its type and when."""
    text = _escaped(message.sentence)[:MAX_TEXT]
    context = f"{message.type} \N{MIDDLE DOT} {message.created_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {"type": "context", "elements": [{"type": "plain_text", "text": context}]},
    ]
    return msgspec.json.encode({"text": text, "blocks": blocks})


def _escaped(text: str) -> str:
    """Take from the three characters that Slack reads as markup their meaning: nobody is mentioned, nothing linked."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
