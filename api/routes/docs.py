"""GET /docs and /openapi.json: the documentation, from files that lie beside the code."""

from functools import lru_cache
from pathlib import Path

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.errors import NotFound
from api.identity.principal import OPEN

STATIC = Path(__file__).parent.parent / "static"
ASSETS = {
    "swagger-ui-bundle.js": (STATIC / "vendor" / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": (STATIC / "vendor" / "swagger-ui.css", "text/css; charset=utf-8"),
    "theme.css": (STATIC / "docs" / "theme.css", "text/css; charset=utf-8"),
    "start.js": (STATIC / "docs" / "start.js", "text/javascript; charset=utf-8"),
}
# No address but our own: the browser itself sees to it that the page asks nobody else.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Document(msgspec.Struct, frozen=True):
    """The OpenAPI document, ready to be sent."""

    body: bytes


@get("/openapi.json", include_in_schema=False, opt={"scope": OPEN})
async def openapi(document: NamedDependency[Document]) -> Response[bytes]:
    """The OpenAPI 3.1 document."""
    return Response(document.body, media_type="application/json")


@get("/docs", include_in_schema=False, opt={"scope": OPEN})
async def docs() -> Response[bytes]:
    """The documentation as a page."""
    return Response(
        _content(STATIC / "docs" / "page.html"),
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )


@get("/docs/assets/{name:str}", include_in_schema=False, opt={"scope": OPEN})
async def docs_asset(name: FromPath[str]) -> Response[bytes]:
    """A file of that page."""
    if name not in ASSETS:
        raise NotFound("path: must be one that /docs uses; this one is not. See /docs.")
    path, media_type = ASSETS[name]
    return Response(_content(path), media_type=media_type, headers={"Cache-Control": "public, max-age=3600"})


@lru_cache(maxsize=8)
def _content(path: Path) -> bytes:
    return path.read_bytes()
