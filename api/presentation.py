"""How an answer is put: format, shape and fields of every list, by `Accept` or the query. The one place for it."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast, get_args

import msgspec
from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from api import exchange, formats
from api.answers import Page
from api.errors import NotAcceptable, ParameterConflict, ParameterError, ParameterInvalid, shown
from api.exchange import PLAIN, Presentation, Shape

Encode = Callable[[formats.Rows, type[msgspec.Struct], bytes], bytes]
Json = dict[str, Any]

JSON = "application/json"
MEDIA_TYPES = {
    "json": JSON,
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
_MEDIA_TYPES = {
    name: (f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type).encode()
    for name, media_type in MEDIA_TYPES.items()
}
ENCODERS: Mapping[str, Encode] = {
    "ndjson": formats.as_ndjson,
    "csv": formats.as_csv,
    "arrow": formats.as_arrow,
    "parquet": formats.as_parquet,
}
# What a list is under `fields` or `shape=columns`, for the OpenAPI document.
CHOSEN: Json = {
    "type": "object",
    "description": "A list of which some fields were asked for, or columns: rows with these fields, or lists by field.",
    "properties": {
        "data": {
            "description": "Rows, or columns.",
            "anyOf": [
                {"type": "array", "items": {"type": "object"}},
                {"type": "object", "additionalProperties": {"type": "array"}},
            ],
        },
        "meta": {"$ref": "#/components/schemas/Meta"},
        "next": {"description": "Cursor of the next page, null on the last.", "type": ["string", "null"]},
    },
    "required": ["data", "meta", "next"],
}
NAMES = frozenset({"format", "shape", "fields"})
# From here on an encoder holds everybody else up for longer than a thread costs.
ROWS_FOR_A_THREAD = 2_000
_ENCODER = msgspec.json.Encoder()


def chosen(query: Mapping[str, str], accept: str, row: type[msgspec.Struct] | None) -> Presentation:
    """Return how an answer is to be put.

    Parameters
    ----------
    query, accept
        Of the request; `format` counts before `Accept`.
    row
        Type of a list's rows; None for a single thing, which is JSON.

    Raises
    ------
    NotAcceptable, ParameterInvalid, ParameterConflict
        When there is no such format, shape or field.
    """
    if row is None:
        if accepted(accept, (JSON,)) is None:
            raise NotAcceptable(accept, [JSON])
        return PLAIN
    name = query.get("format")
    if name is None:
        name = accepted(accept, tuple(MEDIA_TYPES.values()))
        if name is None:
            raise NotAcceptable(accept, list(MEDIA_TYPES.values()))
    elif name not in MEDIA_TYPES:
        raise _unknown("format", name, MEDIA_TYPES)
    shape = query.get("shape", "rows")
    if shape not in get_args(Shape):
        raise _unknown("shape", shape, get_args(Shape))
    if shape == "columns" and name != "json":
        raise ParameterConflict(f"shape: must be rows unless the format is json; got columns and {name}. Leave it out.")
    return Presentation(name, cast("Shape", shape), _fields(query.get("fields"), row))


@lru_cache(256)
def accepted(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return the name of the format that an `Accept` header likes best, the first of equals; None where it takes none.

    >>> accepted("text/csv;q=0.5, application/x-ndjson", tuple(MEDIA_TYPES.values()))
    'ndjson'
    """
    if not accept.strip():
        return "json"
    ranges = _ranges(accept)
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        return None
    return next(name for name, media_type in MEDIA_TYPES.items() if media_type == best)


def prefers_html(accept: str) -> bool:
    """Tell whether an `Accept` header likes a page better than JSON, as those of browsers do.

    >>> prefers_html("text/html,*/*;q=0.8"), prefers_html("application/json, text/html;q=0"), prefers_html("*/*")
    (True, False, False)
    """
    ranges = _ranges(accept)
    return _quality("text/html", ranges) > _quality(JSON, ranges)


class Made(Response[Any]):
    """What a handler gave, on its way to `present`; has nothing of its own to look through."""

    def __init__(self, content: Any, *, status_code: int | None = None, **rest: Any) -> None:
        if not isinstance(content, Page):
            super().__init__(content, status_code=status_code, **rest)
            return
        self.content = content
        self.status_code = status_code
        self.headers = {}


class Ready:
    """An answer whose bytes are made, and that goes out as it is: what Litestar's own does for it costs a tenth more.

    Stands for a `Response` behind `after_request`.
    """

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, status: int | None, media_type: bytes, headers: Mapping[str, str]) -> None:
        self._body = body
        self._status = status or 0
        self._headers = [
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
        ]

    def to_asgi_response(self, *, status_code: int | None = None, **_: object) -> ASGIApp:
        """Return what answers; with the handler's status where it has none of its own."""
        self._status = self._status or status_code or 200
        return self._answer

    async def _answer(self, _: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


async def present(response: Response[Any]) -> Response[Any]:
    """Put a list as its request wants it; every other answer passes as it is. Runs after each handler."""
    page = response.content
    if not isinstance(page, Page):
        return response
    now = exchange.current.get()
    headers = {"Vary": "Accept"} | ({"Link": now.link(page.next)} if page.next else {})
    format_ = now.presentation.format if now.row is not None else "json"
    encoding = _encoded(page, now.presentation, now.row)
    body = await asyncio.to_thread(encoding) if len(page.data) > ROWS_FOR_A_THREAD else encoding()
    if format_ != "json":
        headers["X-Meta"] = _ascii(page)
    ready = Ready(body, response.status_code, _MEDIA_TYPES[format_], {**response.headers, **headers})
    return cast("Response[Any]", ready)


def parameters(row: type[msgspec.Struct]) -> list[Json]:
    """Return the parameters of every list, for the OpenAPI document."""
    names = [column.name for column in formats.columns_of(row)]
    one = f"({'|'.join(names)})"
    return [
        _documented("format", "Format of the answer; counts before `Accept`.", {"enum": list(MEDIA_TYPES)}),
        _documented(
            "shape", "JSON alone: objects row by row, or one list per column.", {"enum": list(get_args(Shape))}
        ),
        _documented(
            "fields",
            f"Only these fields, in this order, between commas. Known: {', '.join(names)}.",
            {"pattern": f"^{one}(,{one})*$"},
        ),
    ]


def contents() -> Json:
    """Return what a list may come as besides JSON, for the OpenAPI document."""
    texts = {"ndjson", "csv"}
    return {
        MEDIA_TYPES[name]: {"schema": {"type": "string"} | ({} if name in texts else {"format": "binary"})}
        for name in ENCODERS
    }


def _encoded(page: Page[Any], wanted: Presentation, row: type[msgspec.Struct] | None) -> Callable[[], bytes]:
    if wanted.is_plain or row is None:
        return lambda: _ENCODER.encode(page)

    def encode() -> bytes:
        rows, kind = formats.project(page.data, row, wanted.fields) if wanted.fields else (page.data, row)
        if wanted.format == "json":
            data = formats.as_columns(rows, kind) if wanted.shape == "columns" else rows
            return _ENCODER.encode({"data": data, "meta": page.meta, "next": page.next})
        return ENCODERS[wanted.format](rows, kind, _ENCODER.encode(page.meta))

    return encode


def _fields(text: str | None, row: type[msgspec.Struct]) -> tuple[str, ...] | None:
    if text is None:
        return None
    known = [column.name for column in formats.columns_of(row)]
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise _unknown("fields", unknown[0], known)
    if len(set(names)) < len(names):
        message = f"each may be named once; got {shown(text)}"
        raise ParameterInvalid([ParameterError("fields", "repeated", message)])
    return names


def _unknown(parameter: str, value: str, known: Sequence[str] | Mapping[str, str]) -> ParameterInvalid:
    message = f"must be among {', '.join(known)}; got {shown(value)}"
    return ParameterInvalid([ParameterError(parameter, "invalid", message)])


def _ranges(accept: str) -> list[tuple[str, float]]:
    return [weighed(part) for part in accept.split(",") if part.strip()]


def weighed(part: str) -> tuple[str, float]:
    """Return one choice of a header like `Accept` and its quality; one that cannot be read counts nothing."""
    media_type, *parameters = [piece.strip().lower() for piece in part.split(";")]
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return media_type, quality if 0 <= quality <= 1 else 0.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return how welcome a media type is: the most specific range that covers it counts (RFC 9110, 12.5.1)."""
    kind = media_type.partition("/")[0]
    for wanted in (media_type, f"{kind}/*", "*/*"):
        found = [quality for name, quality in ranges if name == wanted]
        if found:
            return max(found)
    return 0.0


def _ascii(page: Page[Any]) -> str:
    """Return what the rows are as JSON in ASCII, which is all that a header may hold."""
    return json.dumps(msgspec.to_builtins(page.meta), separators=(",", ":"))


def _documented(name: str, description: str, schema: Json) -> Json:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "required": False,
        "schema": {"type": "string"} | schema,
    }
