"""The senders of an installation, put together from its settings."""

from collections.abc import Mapping
from functools import lru_cache

from orchestration.delivery.mail import MailSender, mail_server
from orchestration.delivery.messages import Sender
from orchestration.delivery.posting import Poster
from orchestration.delivery.slack import SlackSender
from orchestration.delivery.webhooks import WebhookSender
from warehouse.links import Mailbox, links_of
from warehouse.settings import Settings


def senders_of(settings: Settings) -> Mapping[str, Sender]:
    """Return who sends, by kind of channel."""
    links = links_of(settings)
    poster = _poster(settings.webhook_allow)
    server = None
    if settings.smtp_url is not None and settings.mail_from is not None:
        server = mail_server(settings.smtp_url.get_secret_value(), settings.mail_from)
    return {
        "webhook": WebhookSender(poster),
        "slack": SlackSender(poster),
        "email": MailSender(server, lambda channel, user, purpose: links.url(Mailbox(channel, user), purpose)),
    }


@lru_cache(maxsize=4)
def _poster(allow: tuple[str, ...]) -> Poster:
    # Reading the certificates of all authorities takes longer than most ticks.
    return Poster(allow=allow)
