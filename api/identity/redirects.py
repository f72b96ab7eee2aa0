"""Where a browser goes next, and what it keeps on the way to another issuer and back."""

from urllib.parse import urlencode

from litestar import Response
from litestar.datastructures import Cookie

from api.identity.grants import AuthorizationRequest

# Sent over encrypted lines alone, and by no other host or path; browsers see to both for this prefix.
SECURE_NAME = "__Host-factorloom-sign-in"
LOCAL_NAME = "factorloom-sign-in"
COOKIE_SECONDS = 600


def to_client(asked: AuthorizationRequest, *, code: str, issuer: str) -> Response[str]:
    """Lead the browser back to the client of a checked request, with a code for it (RFC 9207 for `iss`)."""
    answer = {"code": code, **({"state": asked.state} if asked.state else {}), "iss": issuer}
    joined = "&" if "?" in asked.redirect_uri else "?"
    return away(f"{asked.redirect_uri}{joined}{urlencode(answer)}")


def away(address: str) -> Response[str]:
    """Lead the browser to another address; it gets there by GET, whatever it came by."""
    return Response("", status_code=303, headers={"Location": address}, media_type="text/plain")


def cookie_name(issuer: str) -> str:
    """Return the name of the cookie of a sign-in under way."""
    return SECURE_NAME if issuer.startswith("https:") else LOCAL_NAME


def remembered(browser: str, issuer: str) -> Cookie:
    """Return the cookie that ties a sign-in under way to the browser that began it."""
    return Cookie(
        key=cookie_name(issuer),
        value=browser,
        max_age=COOKIE_SECONDS,
        path="/",
        secure=issuer.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
