"""Mail handed in at a real SMTP server, which aiosmtpd runs on the loopback interface."""

import datetime as dt
import email
import email.policy
import json
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from orchestration.delivery import mail
from orchestration.delivery.mail import MailSender, MailServer, mail_server
from orchestration.delivery.messages import Message, Outcome
from tests.orchestration.delivery.test_posting import certificate
from tests.ports import free_port

CREATED_AT = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
SENT_AT = dt.datetime(2026, 11, 20, 12, 0, 5, tzinfo=dt.UTC)
FACTS = '{"message":"AAA: price 101.5 is above 100 & rising.","ticker":"AAA","observed_value":101.5,"alert_id":"x"}'
RECEIVED = Outcome(250, None)


class Mailbox:
    """Takes mail, unless it was told what to answer to a recipient, to the mail itself, or to a sender."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.answers: dict[str, str] = {}
        self.was_encrypted: list[bool] = []

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.was_encrypted.append(session.ssl is not None)
        self.envelopes.append(envelope)
        content = envelope.content
        assert isinstance(content, bytes)
        self.received.append(email.message_from_bytes(content, policy=email.policy.default))  # type: ignore[arg-type]
        return self.answers.get("DATA", "250 OK")


@contextmanager
def running(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop(no_assert=True)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[MailServer]:
    with running(mailbox) as port:
        yield mail_server(f"smtp://127.0.0.1:{port}", "alerts@factorloom.example")


def links(channel_id: uuid.UUID, user_id: uuid.UUID, purpose: str) -> str:
    return f"https://api.example/mail/{purpose}/{channel_id.int}.{user_id.int}"


def message(payload: str = FACTS, *, address: str = "ann@example.com", type: str = "alert.triggered") -> Message:
    return Message("d1", uuid.UUID(int=7), uuid.UUID(int=8), address, type, CREATED_AT, payload)


def send(server: MailServer | None, given: Message | None = None, **options: Any) -> Outcome:
    return MailSender(server, links, timeout_seconds=5, **options).send(given or message(), sent_at=SENT_AT)


def test_a_mail_says_the_alert_as_text_and_as_html(mailbox: Mailbox, server: MailServer) -> None:
    assert send(server) == RECEIVED
    [received], [envelope] = mailbox.received, mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("alerts@factorloom.example", ["ann@example.com"])
    assert received["Subject"] == "AAA: price 101.5 is above 100 & rising."
    assert received["To"] == "ann@example.com"
    assert received["Date"].datetime == SENT_AT
    text = received.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = received.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "AAA: price 101.5 is above 100 & rising." in text
    assert "observed value: 101.5" in text
    assert "alert id" not in text
    assert "<strong>AAA: price 101.5 is above 100 &amp; rising.</strong>" in html


def test_a_mail_can_be_got_rid_of_with_one_click_and_says_that_no_person_wrote_it(
    mailbox: Mailbox, server: MailServer
) -> None:
    send(server)
    [received] = mailbox.received
    assert received["List-Unsubscribe"] == "<https://api.example/mail/unsubscribe/7.8>"
    assert received["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert received["Auto-Submitted"] == "auto-generated"


def test_a_repetition_has_the_same_message_id(mailbox: Mailbox, server: MailServer) -> None:
    send(server)
    send(server)
    assert [received["Message-ID"] for received in mailbox.received] == ["<d1@factorloom.example>"] * 2


def test_the_first_mail_asks_for_a_confirmation_and_says_nothing_else(mailbox: Mailbox, server: MailServer) -> None:
    send(server, message('{"message":"Are messages wanted here?"}', type="channel.verification"))
    [received] = mailbox.received
    assert received["Subject"] == "Confirm this address for Factorloom"
    for kind in ("plain", "html"):
        assert "https://api.example/mail/confirm/7.8" in received.get_body((kind,)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", ["421 busy", "450 mailbox busy", "451 greylisted", "452 too many"])
@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_4xx_is_tried_again(mailbox: Mailbox, server: MailServer, step: str, answer: str) -> None:
    mailbox.answers = {step: answer}
    status = int(answer[:3])
    assert send(server) == Outcome(status, f"smtp_{status}", is_gone=False)


@pytest.mark.parametrize("answer", ["550 no such user", "551 moved", "552 full", "553 bad name", "554 no"])
@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_5xx_is_the_end_of_the_address(mailbox: Mailbox, server: MailServer, step: str, answer: str) -> None:
    mailbox.answers = {step: answer}
    status = int(answer[:3])
    assert send(server) == Outcome(status, f"smtp_{status}", is_gone=True)


def test_what_the_server_has_against_us_is_no_fault_of_the_mailbox(mailbox: Mailbox, server: MailServer) -> None:
    mailbox.answers = {"MAIL": "550 who are you"}
    assert send(server) == Outcome(550, "mail_server_refuses_us")
    assert send(server._replace(port=1)) == Outcome(None, "mail_server_unreachable")
    assert send(None) == Outcome(None, "mail_not_configured")
    assert mailbox.received == []


# Each tries to end its header and to begin another one, or the mail.
INJECTIONS = [
    "A\r\nBcc: eve@example.com", "A\nBcc: eve@example.com", "A\rBcc: eve@example.com", "A\r\n\r\nhello",
    "A\r\n.\r\nMAIL FROM:<eve@example.com>", "A\x00B", "A\x0bBcc: eve", "A\x85Bcc: eve", "A\u2028Bcc: eve@example.com",
    "=?utf-8?q?A=0D=0ABcc=3A_eve=40example=2Ecom?=",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_becomes_a_header_or_a_recipient(mailbox: Mailbox, server: MailServer, text: str) -> None:
    payload = json.dumps({"message": text, "ticker": text})
    assert send(server, message(payload, type="alert.triggered")) == RECEIVED
    [received], [envelope] = mailbox.received, mailbox.envelopes
    assert envelope.rcpt_tos == ["ann@example.com"]
    assert received["Bcc"] is None
    assert received["Subject"].count("\n") == 0
    plain = send_and_names(server, mailbox)
    assert sorted(received.keys()) == plain


def send_and_names(server: MailServer, mailbox: Mailbox) -> list[str]:
    """Return the names of the headers of a harmless mail."""
    send(server)
    return sorted(mailbox.received.pop().keys())


@pytest.mark.parametrize(
    "address", ["ann@example.com\r\nBcc: eve@example.com", "ann@example.com, eve@example.com", "ann@exam ple.com", ""]
)
def test_an_address_that_is_none_is_never_sent_to(mailbox: Mailbox, server: MailServer, address: str) -> None:
    assert send(server, message(address=address)) == Outcome(None, "address_refused", is_gone=True)
    assert mailbox.received == []


def test_a_long_sentence_is_cut_in_the_subject_alone(mailbox: Mailbox, server: MailServer) -> None:
    send(server, message(json.dumps({"message": "word " * 100})))
    [received] = mailbox.received
    assert received["Subject"] == ("word " * 30)[:147] + "..."
    assert received.get_body(("plain",)).get_content().startswith("word " * 99)  # type: ignore[union-attr]


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server called mail.example, and for a client that trusts it."""
    path = certificate(tmp_path, "mail.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, ssl.create_default_context(cafile=str(path))


def at_another_machine(monkeypatch: pytest.MonkeyPatch, port: int, scheme: str = "smtp") -> MailServer:
    """Return a server whose name is not one of this machine, though its address is."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: real("127.0.0.1" if host == "mail.example" else host, *rest, **more),
    )
    return mail_server(f"{scheme}://ann:word@mail.example:{port}", "alerts@factorloom.example")


def test_another_machine_is_spoken_to_encrypted_and_then_logged_in_at(
    mailbox: Mailbox, contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, trusting = contexts
    logins: list[tuple[bytes, bytes]] = []

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"word", handled=False)

    with running(mailbox, tls_context=ours, authenticator=authenticate, auth_required=True) as port:
        server = at_another_machine(monkeypatch, port)
        assert send(server, ssl_context=trusting) == RECEIVED
        assert send(server._replace(password="wrong"), ssl_context=trusting).error == "mail_server_refuses_us"
        # A certificate that nobody vouches for: not a word is said.
        assert send(server) == Outcome(None, "mail_server_unreachable")
    assert mailbox.was_encrypted == [True]
    assert set(logins) == {(b"ann", b"word"), (b"ann", b"wrong")}


def test_another_machine_that_cannot_encrypt_gets_nothing(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(mailbox) as port:
        assert send(at_another_machine(monkeypatch, port)) == Outcome(None, "mail_server_unreachable")
    assert mailbox.received == []


def test_the_address_of_a_server_is_read_with_its_percent_signs() -> None:
    given = mail_server("smtps://ann%40x:w%2Frd@mail.example", "a@b.example")
    assert given[:5] == ("mail.example", 465, True, "ann@x", "w/rd")
    assert mail.mail_server("smtp://mail.example", "a@b.example")[:5] == ("mail.example", 587, False, "", "")
