"""GET /: what this is and where to go."""

from html import escape
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from msgspec import Meta

from api import operations
from api.identity.principal import OPEN


class Welcome(msgspec.Struct, frozen=True):
    """What this is and where to go."""

    name: Annotated[str, Meta(description="Name of the service.")]
    description: Annotated[str, Meta(description="What it does.")]
    links: Annotated[dict[str, str], Meta(description="Where to go, by what is there.")]


WELCOME = Welcome(
    "Factorloom",
    "Equity research data: prices, point-in-time statements, indicators, rankings and backtests. Read-only.",
    {
        "documentation": "/docs",
        "openapi": "/openapi.json",
        "ready": "/readyz",
        "datasets": "/v1/datasets",
        "instruments": "/v1/instruments",
        "quotes": "/v1/quotes",
        "rankings": "/v1/rankings",
        "signals": "/v1/signals/live",
        "models": "/v1/models",
        "backtests": "/v1/backtests",
        "problems": "/problems",
    },
)
_ITEMS = "".join(
    f'<li><a href="{escape(path)}">{escape(what)}</a> <code>{escape(path)}</code></li>'
    for what, path in WELCOME.links.items()
)
PAGE = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{WELCOME.name}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><h1>{WELCOME.name}</h1><p>{WELCOME.description}</p><ul>{_ITEMS}</ul></body>
</html>
"""


@operations.read("/", operation_id="welcome", summary="What this is", tag="Service", scope=OPEN, example=WELCOME)
async def welcome(request: Request[Any, Any, Any]) -> Response[Welcome]:
    """Name, purpose and links; a small page for a browser."""
    if "text/html" in request.headers.get("accept", ""):
        return Response(PAGE, media_type="text/html", headers={"Vary": "Accept"})  # type: ignore[arg-type]
    return Response(WELCOME, headers={"Vary": "Accept"})
