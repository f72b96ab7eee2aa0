"""/mail/...: the pages that mails link to. To look at one changes nothing: mail programs look at links on their own."""

from html import escape

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api import exchange
from api.database import Database
from api.identity.audit import audit
from api.identity.principal import OPEN, account
from api.refusals import LinkUnknown
from warehouse.links import Links, Mailbox
from warehouse.queries import channel_requests, channels, event_log

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Factorloom</title><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><h1>Factorloom</h1><p>{text}</p>{form}</body>
</html>
"""
FORM = '<form method="post"><button>{label}</button></form>'
CONTENT_SECURITY_POLICY = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
READER_LEFT = "its reader wants no more"
# The address holds a secret: nobody is told where somebody came from.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
}  # fmt: skip


@get("/mail/confirm/{token:str}", include_in_schema=False, opt={"scope": OPEN})
async def ask_to_confirm(links: NamedDependency[Links], token: FromPath[str]) -> Response[str]:
    """A page with the one button that confirms a mailbox."""
    _mailbox(links.mailbox_of(token, "confirm"))
    return _page("Alerts are to come to this address.", "Confirm")


@post("/mail/confirm/{token:str}", include_in_schema=False, status_code=200, opt={"scope": OPEN})
async def confirm(
    links: NamedDependency[Links], database: NamedDependency[Database], token: FromPath[str]
) -> Response[str]:
    """Confirm a mailbox: from now on alerts come."""
    mailbox = _mailbox(links.mailbox_of(token, "confirm"))
    owner = account(mailbox.user_id, "user", frozenset(), "user")
    async with database.as_user(owner) as transaction:
        about = {"channel_id": mailbox.channel_id, "now": transaction.now}
        if await transaction.execute(channels.CONFIRM, about):
            await audit(transaction, owner, "mailbox.confirmed", str(mailbox.channel_id))
    return _page("Confirmed: alerts come to this address.")


@get("/mail/unsubscribe/{token:str}", include_in_schema=False, opt={"scope": OPEN})
async def ask_to_unsubscribe(links: NamedDependency[Links], token: FromPath[str]) -> Response[str]:
    """A page with the one button that ends the mails."""
    _mailbox(links.mailbox_of(token, "unsubscribe"))
    return _page("No more alerts are to come to this address.", "Unsubscribe")


@post("/mail/unsubscribe/{token:str}", include_in_schema=False, status_code=200, opt={"scope": OPEN})
async def unsubscribe(
    links: NamedDependency[Links], database: NamedDependency[Database], token: FromPath[str]
) -> Response[str]:
    """End the mails at once, as one click in a mail program does (RFC 8058)."""
    mailbox = _mailbox(links.mailbox_of(token, "unsubscribe"))
    owner, channel_id = account(mailbox.user_id, "user", frozenset(), "user"), mailbox.channel_id
    async with database.as_user(owner) as transaction:
        closed = await channel_requests.close(transaction, channel_id, reason=READER_LEFT, now=transaction.now)
        if closed is not None:
            await event_log.append(
                transaction, "channel.disabled",
                channels.disabled(channel_id, closed.kind, closed.address, reason=READER_LEFT),
                user_id=mailbox.user_id, subject=str(channel_id),
                correlation_id=exchange.current.get().request_id, now=transaction.now,
            )  # fmt: skip
            await audit(transaction, owner, "mailbox.unsubscribed", str(channel_id))
    return _page("No more alerts come to this address.")


def _mailbox(found: Mailbox | None) -> Mailbox:
    if found is None:
        raise LinkUnknown
    return found


def _page(text: str, label: str | None = None) -> Response[str]:
    form = FORM.format(label=escape(label)) if label else ""
    return Response(PAGE.format(text=escape(text), form=form), media_type="text/html", headers=HEADERS)
