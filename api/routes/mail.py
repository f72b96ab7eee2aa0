"""/mail/...: the pages that mails link to. To look at one changes nothing: mail programs look at links on their own."""

from html import escape

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.database import Database
from api.identity.principal import OPEN, account
from api.refusals import LinkUnknown
from warehouse.links import Links, Mailbox
from warehouse.queries import channels

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Factorloom</title><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><h1>Factorloom</h1><p>{text}</p>{form}</body>
</html>
"""
FORM = '<form method="post"><button>{label}</button></form>'
CONTENT_SECURITY_POLICY = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
    async with database.as_user(account(mailbox.user_id, "user", frozenset(), "user")) as transaction:
        await transaction.execute(channels.CONFIRM, {"channel_id": mailbox.channel_id, "now": transaction.now})
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
    async with database.as_user(account(mailbox.user_id, "user", frozenset(), "user")) as transaction:
        reason = "its reader wants no more"
        await transaction.execute(channels.CLOSE, {"channel_id": mailbox.channel_id, "reason": reason})
        await transaction.execute(channels.CANCEL_OF_CLOSED, {"now": transaction.now})
    return _page("No more alerts come to this address.")


def _mailbox(found: Mailbox | None) -> Mailbox:
    if found is None:
        raise LinkUnknown
    return found


def _page(text: str, label: str | None = None) -> Response[str]:
    form = FORM.format(label=escape(label)) if label else ""
    return Response(PAGE.format(text=escape(text), form=form), media_type="text/html", headers=HEADERS)
