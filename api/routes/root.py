"""GET /: what this is and where to go."""

from typing import Annotated

import msgspec
from litestar import Response
from litestar.response import Redirect
from msgspec import Meta

from api import exchange, operations, presentation
from api.identity.principal import OPEN


class Welcome(msgspec.Struct, frozen=True):
    """What this is and where to go."""

    name: Annotated[str, Meta(description="Name of the service.")]
    description: Annotated[str, Meta(description="What it does.")]
    links: Annotated[dict[str, str], Meta(description="Where to go, by what is there.")]


WELCOME = Welcome(
    "Factorloom",
    "Equity research: prices, point-in-time statements, factors, rankings, backtests, portfolios, alerts and jobs.",
    {
        "pages": "/ui/rankings",
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


@operations.read(
    "/", operation_id="welcome", summary="What this is", tag="Service", scope=OPEN, problems=[303], example=WELCOME
)
async def welcome() -> Response[Welcome] | Redirect:
    """Name, purpose and links; a browser is led to the pages."""
    if presentation.prefers_html(exchange.current.get().header(b"accept")):
        return Redirect("/ui/rankings", status_code=303, headers={"Vary": "Accept"})
    return Response(WELCOME, headers={"Vary": "Accept"})
