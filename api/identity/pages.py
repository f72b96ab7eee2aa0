"""The two pages of a sign-in: address and password, and the password that links an account."""

from html import escape
from urllib.parse import urlencode, urlsplit

from litestar import Response

from api.identity.grants import AuthorizationRequest

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:10vh auto;padding:0 1rem}"
    "label{display:block;margin:.75rem 0}input{width:100%;padding:.5rem;font:inherit;box-sizing:border-box}"
    "button{padding:.5rem 1rem;font:inherit}.wrong{border-left:3px solid currentColor;padding-left:.5rem}"
)
_HEAD = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Factorloom: sign in</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>{_STYLE}</style></head>
"""
EXAMPLE = f"{_HEAD}<body><main><h1>Sign in</h1></main></body>\n</html>\n"


def sign_in(
    asked: AuthorizationRequest, *, provider: str | None, wrong: str = "", status_code: int = 200
) -> Response[str]:
    """Return the page that asks for address and password, and offers the other issuer where there is one."""
    fields = {**_request(asked), "response_type": "code", "code_challenge_method": "S256"}
    link = f"/v1/auth/provider/login?{urlencode(fields)}"
    other = f'<p><a href="{escape(link)}">Sign in at {escape(provider)}</a></p>' if provider else ""
    email = '<label>E-mail<input name="email" type="email" autocomplete="username" required autofocus></label>'
    body = f"<p>for <b>{escape(asked.client_id)}</b></p>{_form('/v1/auth/authorize', fields, email)}{other}"
    return _page("Sign in", body, asked, wrong=wrong, status_code=status_code)


def link(asked: AuthorizationRequest, *, ticket: str) -> Response[str]:
    """Return the page that asks for the password of the account here with the same address."""
    text = "<p>There is an account with your address. Enter its password once, and from then on both lead to it.</p>"
    body = text + _form("/v1/auth/provider/link", {"ticket": ticket}, "")
    return _page("Link your account", body, asked, wrong="", status_code=200)


def _form(action: str, fields: dict[str, str], more: str) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    asking = '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
    return f'<form method="post" action="{action}">{hidden}{more}{asking}<button>Sign in</button></form>'


def _page(title: str, body: str, asked: AuthorizationRequest, *, wrong: str, status_code: int) -> Response[str]:
    complaint = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    text = f"{_HEAD}<body><main><h1>{title}</h1>{complaint}{body}</main></body>\n</html>\n"
    # Browsers hold the answer to a form to the same rule, so the client's address is among them.
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {_origin(asked.redirect_uri)};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy}
    return Response(text, media_type="text/html; charset=utf-8", status_code=status_code, headers=headers)


def _request(asked: AuthorizationRequest) -> dict[str, str]:
    return {name: value for name, value in asked._asdict().items() if value}


def _origin(address: str) -> str:
    """Return origin or scheme of a checked address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
