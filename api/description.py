"""The OpenAPI document: what Litestar derives from handlers, and what it leaves out: problems, headers, examples."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Contact, License, SecurityScheme, Tag
from litestar.types import ControllerRouterHandler
from msgspec import json

from api import presentation
from api.identity.gate import access_of
from api.identity.principal import OPEN, SIGNED_IN
from api.problems import MEDIA_TYPE, Problem
from api.routes.root import WELCOME

API_VERSION = "1.0.0"
METHODS = ("get", "post", "put", "patch", "delete")
EVERYWHERE = (400, 405, 429, 500, 503)
MEANINGS = {
    303: "Whoever prefers a page is led to one; Location says where.",
    307: "The ticker has a successor; Location leads there.",
    400: "The request cannot be read: a parameter is unknown, repeated or malformed, or the cursor is not for it.",
    401: "It must be known who asks, and what they showed does not hold; WWW-Authenticate says why.",
    403: "The caller may not do this; WWW-Authenticate names the scope.",
    404: "There is no such thing, or not on that day.",
    405: "The address does not take this method.",
    406: "There is no format of it that `Accept` takes.",
    408: "The body arrived too slowly.",
    409: "It does not go with how things stand; the answer says with what.",
    410: "The data has changed since the cursor was handed out.",
    412: "It has changed since the version that If-Match names.",
    413: "The body is larger than it may be.",
    415: "The body is in a format that is not read here.",
    422: "Each part can be read, but together they ask for nothing.",
    429: "The client asks for more, or more often, than it may; Retry-After says when to ask again.",
    500: "Something broke on our side.",
    503: "It cannot be answered now; Retry-After says when to try again.",
}
HEADERS = {
    "X-Request-Id": "Id of this request; send one of 8 to 64 letters, digits and hyphens to set it.",
    "Server-Timing": "Milliseconds in the database (db) and elsewhere (app).",
    "X-Process-Time": "Seconds that the answer took.",
    "RateLimit-Policy": "Where requests are limited: how many (q) in how many seconds (w).",
    "RateLimit": "Where requests are limited: how many are left (r), and in how many seconds all are back (t).",
}
LIST_HEADERS = {
    "Link": 'Address of the next page, `rel="next"`; left out on the last.',
    "X-Meta": "What the rows are (`meta`), as JSON; for formats other than JSON.",
}
DESCRIPTION = f"""{WELCOME.description}

* Rates, returns and weights are fractions: 0.05 is five per cent. `_date` is a calendar day, `_at` an instant in UTC.
* Lists come as `data`, `meta` and `next`; send `next` back as `cursor` for the page after.
* A list is JSON by rows or columns, NDJSON, CSV, Arrow or Parquet, by `Accept` or `format`; `fields` chooses columns.
* Nothing is ignored: an unknown parameter, ticker or value is refused, and the answer says what is known.
* Errors are `application/problem+json`; `/problems` lists their kinds.
* Answers with an `ETag` can be asked for again with `If-None-Match`.
"""

Json = dict[str, Any]
# One scheme for keys and tokens alike; the scopes of an operation stand in its description.
BEARER = SecurityScheme(
    type="http",
    scheme="bearer",
    description="An API key (`fl_...`) or an access token (JWT). Market data may be open to everybody.",
)
_GENERIC = re.compile(r"\b(Page|One)_[\w.]*?(\w+)_(?![\w.])")

_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Entity tags that the client has; a match is answered by 304 without a body.",
    "required": False,
    "schema": {"type": "string"},
}


def describe(routes: Sequence[ControllerRouterHandler], dependencies: Mapping[str, Provide]) -> Json:
    """Return the OpenAPI document of these routes; of the dependencies only their parameters count."""
    config = OpenAPIConfig(
        title="Factorloom API",
        version=API_VERSION,
        description=DESCRIPTION,
        use_handler_docstrings=True,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        contact=Contact(name="The operator of this installation"),
        components=Components(security_schemes={"bearer": BEARER}),
        tags=[
            Tag(name="Market data", description="What the market did, and what companies reported."),
            Tag(name="Research", description="What was computed from it."),
            Tag(name="Calculations", description="Closed formulas, answered at once; nothing is kept."),
            Tag(name="Jobs", description="Work that is asked for here and done by the pipelines."),
            Tag(name="Portfolios", description="What somebody holds, and what is said of it."),
            Tag(name="Alerts", description="What somebody waits for, and where it is told."),
            Tag(name="Events", description="The one log of what happened."),
            Tag(name="Identity", description="Accounts, keys, and the built-in issuer."),
            Tag(name="Service", description="The service itself."),
        ],
    )
    app = Litestar(list(routes), openapi_config=config, logging_config=None, dependencies=dict(dependencies))
    schema = _with_plain_names(app.openapi_schema.to_schema())
    handlers = {handler.operation_id: handler for route in app.routes for handler in _handlers(route)}
    _drop_borrowed_descriptions(schema)
    _add_problem_schema(schema)
    for operation in _operations(schema):
        for parameter in _query_of(operation):
            parameter["schema"] = _without_null(parameter["schema"])
        handler = handlers[operation["operationId"]]
        _complete(operation, handler)
        if handler.opt.get("bodies"):
            operation["requestBody"] = _body(handler.opt["bodies"], schema)
    return schema


def query_parameters(schema: Json) -> dict[str, frozenset[str]]:
    """Return the query parameters of each operation, by its id: what is documented is what is taken."""
    return {
        operation["operationId"]: frozenset(parameter["name"] for parameter in _query_of(operation))
        for operation in _operations(schema)
    }


def query_defaults(schema: Json) -> dict[str, frozenset[tuple[str, str]]]:
    """Return the query parameters of each operation as they hold where they are left out, by its id."""
    return {
        operation["operationId"]: frozenset(
            (parameter["name"], _as_in_a_query(parameter["schema"]["default"]))
            for parameter in _query_of(operation)
            if parameter["schema"].get("default") is not None
        )
        for operation in _operations(schema)
    }


def query_values(schema: Json) -> dict[str, frozenset[str]]:
    """Return the query parameters of each operation, by its id, that are more than a text: a day, a word of a list."""
    return {
        operation["operationId"]: frozenset(
            parameter["name"]
            for parameter in _query_of(operation)
            if parameter["schema"].get("type") != "string" or {"format", "enum"} & parameter["schema"].keys()
        )
        for operation in _operations(schema)
    }


def _query_of(operation: Json) -> list[Json]:
    return [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]


def _without_null(schema: Json) -> Json:
    """Take null from what a query may say: there it is left out."""
    own = {name: value for name, value in schema.items() if name not in ("oneOf", "type", "enum")}
    if "oneOf" in schema:
        kinds = [kind for kind in schema["oneOf"] if kind != {"type": "null"}]
        return own | (kinds[0] if len(kinds) == 1 else {"oneOf": kinds})
    if isinstance(schema.get("type"), list):
        kinds = [kind for kind in schema["type"] if kind != "null"]
        own["type"] = kinds[0] if len(kinds) == 1 else kinds
    elif "type" in schema:
        own["type"] = schema["type"]
    return own | ({"enum": [value for value in schema["enum"] if value is not None]} if "enum" in schema else {})


def _as_in_a_query(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_plain_names(schema: Json) -> Json:
    """Call `Page_warehouse.queries.prices.Bar_` what a person would: `PageOfBar`."""
    text = _GENERIC.sub(r"\1Of\2", json.encode(schema).decode())
    return json.decode(text, type=Json)


def _complete(operation: Json, handler: HTTPRouteHandler) -> None:
    """Add to one operation what Litestar does not know of it."""
    status = str(handler.status_code)
    ok = operation["responses"][status]
    ok["description"] = operation["summary"]
    ok["headers"] = {name: _header(text) for name, text in HEADERS.items()}
    if handler.status_code in (201, 202):
        ok["headers"]["Location"] = _header("Address of what was made.")
    if handler.status_code == 202:
        ok["headers"]["Retry-After"] = _header("Seconds after which it is worth while to look.")
    if content := handler.opt.get("content"):
        ok["content"] = content
    for content in ok.get("content", {}).values() if handler.opt["example"] is not None else ():
        content["example"] = handler.opt["example"]
    if status == "303":
        ok["headers"]["Location"] = _header("Where the browser goes on to.")
    responses = {status: ok}
    operation["security"] = _security(handler)
    if row := handler.opt.get("row"):
        json_content = ok["content"]["application/json"]
        json_content["schema"] = {"anyOf": [json_content["schema"], {"$ref": "#/components/schemas/PageOfChosen"}]}
        ok["content"] |= presentation.contents()
        ok["headers"] |= {name: _header(text) for name, text in LIST_HEADERS.items()}
        operation.setdefault("parameters", []).extend(presentation.parameters(row))
    if handler.opt.get("datasets"):
        ok["headers"]["ETag"] = _header("Entity tag: changes with the version of the data, and with the question.")
        responses["304"] = {"description": "The client has this answer already (If-None-Match)."}
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
    refusals = () if access_of(handler) == OPEN else (401, 403)
    for refused in sorted({*EVERYWHERE, *refusals, *handler.opt["problems"]}):
        responses[str(refused)] = _problem_response(refused)
    operation["responses"] = responses


def _body(bodies: Mapping[str, Mapping[str, Any]], schema: Json) -> Json:
    """Return the request body of a handler that reads it by itself; its shapes join the document's components."""
    content = {}
    for media_type, body in bodies.items():
        described = body.get("schema")
        if described is None:
            (described,), components = json.schema_components(
                [body["shape"]], ref_template="#/components/schemas/{name}"
            )
            schema["components"]["schemas"].update(components)
        content[media_type] = {"schema": described, **({"example": body["example"]} if "example" in body else {})}
    return {"required": True, "content": content}


def _security(handler: HTTPRouteHandler) -> list[Json]:
    """Return what an operation asks for: nothing, or a key or token with a scope; market data come without one too."""
    access = access_of(handler)
    if access == OPEN:
        return []
    needed: Json = {"bearer": [] if access == SIGNED_IN else [access]}
    return [{}, needed] if access == "read:market" else [needed]


def _problem_response(status: int) -> Json:
    if status == 303:
        return {"description": MEANINGS[status], "headers": {"Location": _header("Address of the page.")}}
    response: Json = {
        "description": MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status == 307:
        response["headers"] = {"Location": _header("Address of the successor.")}
    if status in (401, 403):
        response["headers"] = {"WWW-Authenticate": _header("Scheme, and what is wrong (RFC 6750).")}
    if status == 405:
        response["headers"] = {"Allow": _header("Methods that the address takes.")}
    if status in (429, 503):
        response["headers"] = {"Retry-After": _header("Seconds to wait.")}
    return response


def _drop_borrowed_descriptions(schema: Json) -> None:
    """Take from shared shapes what Litestar writes into them: the description of some field that holds one of them."""
    for component in schema["components"]["schemas"].values():
        component.pop("description", None)


def _add_problem_schema(schema: Json) -> None:
    _, components = json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components | {"PageOfChosen": presentation.CHOSEN})


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}


def _operations(schema: Json) -> Iterator[Json]:
    for path in schema["paths"].values():
        yield from (operation for method, operation in path.items() if method in METHODS)


def _handlers(route: Any) -> Iterator[HTTPRouteHandler]:
    for handler, _ in getattr(route, "route_handler_map", {}).values():
        if handler.operation_id:
            yield handler
