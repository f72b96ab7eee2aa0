"""How an operation is declared: id, summary, the tables it reads and an example stand beside its handler."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from litestar import get, post, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from api.answers import One, Page
from api.identity.principal import OPEN, Access

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])

# A day's data change a few times; a quote each minute. Where not everybody may ask, `public` becomes `private`.
DAILY = "public, max-age=60, stale-while-revalidate=600"
LIVE = "public, max-age=2"
UNCACHED = "no-store"
# A thousand options with all their terms are a quarter of this.
MAX_BODY_BYTES = 1_000_000
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HTML = "text/html"


def read(
    path: str | list[str],
    *,
    operation_id: str,
    summary: str,
    tag: str,
    scope: Access,
    example: object,
    datasets: Sequence[str] = (),
    cache_control: str = UNCACHED,
    implied: tuple[str, str] | None = None,
    problems: Sequence[int] = (),
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a read.

    Parameters
    ----------
    path, operation_id, summary, tag
        As in OpenAPI; the description is the handler's docstring.
    scope
        What the caller must carry; `OPEN` and `SIGNED_IN` ask for no scope.
    example
        An answer, shown in the documentation.
    datasets
        Tables whose versions together are the version of the answer; none = never answered by 304.
    cache_control
        Sent with an answer that has an entity tag.
    implied
        Parameter and value that hold where nothing is asked, and are no default: with others something else holds.
    problems
        Statuses that the operation can answer with, beyond those that every operation can.
    """

    def declare(function: AnyHandler) -> HTTPRouteHandler:
        row, is_data = _row_of(function)
        own = {*problems, 406, 422} if row else {*problems, 406} if is_data else set(problems)
        opt = {
            "scope": scope,
            "datasets": tuple(datasets),
            "cache_control": cache_control,
            "implied": implied,
            "example": msgspec.to_builtins(example),
            "problems": tuple(sorted(own)),
        }
        if is_data:
            opt["row"] = row
        return get(path, operation_id=operation_id, summary=summary, tags=[tag], opt=opt)(function)

    return declare


def _row_of(function: Callable[..., Any]) -> tuple[type[msgspec.Struct] | None, bool]:
    """Return the type of a list's rows by the handler's annotation, and whether it answers in the envelope at all."""
    answer = inspect.get_annotations(function)["return"]
    kind: object = get_origin(answer)
    return (get_args(answer)[0] if kind is Page else None), kind is Page or kind is One


def page(
    path: str,
    *,
    operation_id: str,
    summary: str,
    tag: str,
    example: str | None = None,
    status_code: int = 200,
    takes_any_parameter: bool = False,
    scope: Access = OPEN,
    problems: Sequence[int] = (),
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a page for a browser, by default open to everybody. Parameters as in `read`, and these.

    Parameters
    ----------
    status_code
        200 for a page, 303 where it leads elsewhere.
    takes_any_parameter
        Whether parameters that are not documented are let pass, as standards for sign-in ask for.
    """
    return get(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        status_code=status_code,
        media_type=HTML,
        opt={
            "scope": scope,
            "example": example,
            "problems": tuple(problems),
            "takes_any_parameter": takes_any_parameter,
        },
    )


def calculation(
    path: str,
    *,
    operation_id: str,
    summary: str,
    tag: str,
    scope: Access,
    example: object,
    problems: Sequence[int] = (),
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a calculation: a question in the body, an answer at once, nothing kept. Parameters as in `read`."""
    return post(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        status_code=200,
        request_max_body_size=MAX_BODY_BYTES,
        opt={
            "scope": scope,
            "media_types": (JSON,),
            "example": msgspec.to_builtins(example),
            "problems": (408, 413, 415, *problems),
        },
    )


def write(
    method: Literal["POST", "PUT", "PATCH", "DELETE"],
    path: str,
    *,
    operation_id: str,
    summary: str,
    tag: str,
    scope: Access,
    status_code: int,
    example: object = None,
    media_types: Sequence[str] = (JSON,),
    bodies: Mapping[str, Mapping[str, Any]] | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    problems: Sequence[int] = (),
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a write. Parameters as in `read`, and these.

    Parameters
    ----------
    status_code
        Of success: 200, 201, 202, or 204 without an answer and an example.
    media_types
        Of the body; none where there is no body.
    bodies
        For handlers that read the body themselves: by media type its `shape` (a struct) or `schema`, and an `example`
        where text can show one.
    max_body_bytes
        A larger body is refused.
    """
    return route(
        path,
        http_method=[HttpMethod(method)],
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        status_code=status_code,
        request_max_body_size=max_body_bytes,
        opt={
            "scope": scope,
            "media_types": tuple(media_types),
            "bodies": bodies or {},
            "example": msgspec.to_builtins(example),
            "problems": (*((408, 413, 415) if media_types else ()), *problems),
        },
    )
