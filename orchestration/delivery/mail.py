"""Messages as mail: text and HTML, one connection for each, to one mailbox.

SMTP cannot be exactly-once: a mail whose acceptance was not heard goes out again, under the same Message-ID.
"""

import datetime as dt
import smtplib
import ssl
from collections.abc import Callable
from contextlib import closing
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

import jinja2

from orchestration.delivery.messages import Message, Outcome

TIMEOUT_SECONDS = 15.0
MAX_SUBJECT = 150
CONFIRMATION = "channel.verification"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORTS = {"smtp": 587, "smtps": 465}

Purpose = Literal["confirm", "unsubscribe"]
# The channel, whose it is, and what for.
Links = Callable[[UUID, UUID, Purpose], str]

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=jinja2.select_autoescape(("html",)),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class MailServer(NamedTuple):
    """Where mail is handed in, and in whose name."""

    host: str
    port: int
    is_tls_from_the_start: bool
    user: str
    password: str
    sender: Address


class MailSender:
    """Sends mail by SMTP; always encrypted, except to a server on this machine.

    Parameters
    ----------
    server
        Takes the mail; None where the installation names none.
    links
        Address of the page by which a mailbox is confirmed, or by which it wants no more.
    timeout_seconds
        For each step of the exchange.
    ssl_context
        Tests pass their own. Certificates are always verified.
    """

    def __init__(
        self,
        server: MailServer | None,
        links: Links,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._links = links
        self._timeout_seconds = timeout_seconds
        self._ssl_context = ssl_context

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        """Send a mail once.

        A mailbox that the server refuses for good (5xx to the recipient or to the mail) is gone; what the server has
        against us (no connection, no encryption, log-in, sender) is no fault of the mailbox.
        """
        if self._server is None:
            return Outcome(None, "mail_not_configured")
        try:
            mail = mail_of(message, self._server.sender, self._links, sent_at=sent_at)
        except (HeaderParseError, ValueError, IndexError):
            return Outcome(None, "address_refused", is_gone=True)
        try:
            with closing(self._connected(self._server)) as session:
                session.send_message(mail, self._server.sender.addr_spec, [message.address])
        except smtplib.SMTPRecipientsRefused as exc:
            [(status, _)] = exc.recipients.values()
            return _refused(status)
        except smtplib.SMTPDataError as exc:
            return _refused(exc.smtp_code)
        except smtplib.SMTPResponseException as exc:  # greeting, log-in, sender
            return Outcome(exc.smtp_code, "mail_server_refuses_us")
        except (smtplib.SMTPException, OSError):
            return Outcome(None, "mail_server_unreachable")
        return Outcome(250, None)

    def _connected(self, server: MailServer) -> smtplib.SMTP:
        # The name to greet with is given: to look up our own can take as long as a name server likes.
        name, timeout = server.sender.domain, self._timeout_seconds
        if server.is_tls_from_the_start:
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, name, timeout=timeout, context=self._context()
            )
        else:
            session = smtplib.SMTP(server.host, server.port, name, timeout=timeout)
        try:
            if not server.is_tls_from_the_start and server.host not in LOOPBACK:
                session.starttls(context=self._context())
            if server.user:
                session.login(server.user, server.password)
        except BaseException:
            session.close()
            raise
        return session

    def _context(self) -> ssl.SSLContext:
        return self._ssl_context or ssl.create_default_context()


def mail_server(url: str, sender: str) -> MailServer:
    """Read where mail is handed in.

    Parameters
    ----------
    url
        ``smtp://user:password@host:587`` for STARTTLS, ``smtps://...`` for TLS from the start; percent-encoded.
    sender
        Mail address that the mails come from.
    """
    parts = urlsplit(url)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        is_tls_from_the_start=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=Address("Factorloom", addr_spec=sender),
    )


def mail_of(message: Message, sender: Address, links: Links, *, sent_at: dt.datetime) -> EmailMessage:
    """Return the mail; only its Date differs from one try to the next.

    Headers cannot be injected: the library refuses a line break in any of them, and the subject has none, nor anything
    that is read as one.
    """
    is_confirmation = message.type == CONFIRMATION
    unsubscribe = links(message.channel_id, message.user_id, "unsubscribe")
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = Address(addr_spec=message.address)
    mail["Subject"] = "Confirm this address for Factorloom" if is_confirmation else subject_of(message)
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = f"<{message.message_id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    # One click, no page to look at: RFC 8058.
    mail["List-Unsubscribe"] = f"<{unsubscribe}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    given = {
        "sentence": message.sentence,
        "type": message.type,
        "created_at": f"{message.created_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "facts": _shown(message),
        "confirm": links(message.channel_id, message.user_id, "confirm") if is_confirmation else None,
        "unsubscribe": unsubscribe,
    }
    mail.set_content(_TEMPLATES.get_template("message.txt").render(given))
    mail.add_alternative(_TEMPLATES.get_template("message.html").render(given), subtype="html")
    return mail


def subject_of(message: Message) -> str:
    """Return the event's sentence as a subject: printable, on one line, not longer than a list of mails shows."""
    text = "".join(character for character in message.sentence if character.isprintable())
    # Some versions of Python write what an encoded word holds without encoding it again, line breaks and all.
    text = text.replace("=?", "= ?")
    return text if len(text) <= MAX_SUBJECT else f"{text[: MAX_SUBJECT - 3]}..."


def _shown(message: Message) -> list[tuple[str, str]]:
    """Return the facts that a person can read: what is a plain value, ids and the sentence itself left out."""
    return [
        (name.replace("_", " "), str(value))
        for name, value in message.facts.items()
        if isinstance(value, str | int | float) and name != "message" and not name.endswith("_id")
    ]


def _refused(status: int) -> Outcome:
    return Outcome(status, f"smtp_{status}", is_gone=status >= 500)
