"""Problem documents (RFC 9457): every error leaves through here, with a title that is constant per type."""

import datetime as dt
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from msgspec import Meta

from api import exchange
from api.errors import ApiProblem, BodyNested, NotFound, ParameterError, ParameterInvalid, TextInvalid, shown
from api.operations import FORM

MEDIA_TYPE = "application/problem+json"
# As Litestar words it; it gives no list of errors then.
_MISSING = re.compile(r"Missing required \w+ parameter '([\w-]+)'")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, told in one way everywhere (RFC 9457)."""

    type: Annotated[str, Meta(description="Address of the page that explains this kind of problem.")]
    title: Annotated[str, Meta(description="The kind of problem, the same words each time.")]
    status: Annotated[int, Meta(description="HTTP status. Unit none.")]
    detail: Annotated[str, Meta(description="What must hold, what was found, what to do next.")]
    instance: Annotated[str, Meta(description="This occurrence: the request's id.")]
    code: Annotated[str, Meta(description="The kind of problem, for programs.")]
    errors: Annotated[list[ParameterError] | None, Meta(description="Each parameter that is wrong.")] = None
    known: Annotated[list[str] | None, Meta(description="Values that the parameter takes.")] = None
    successor: Annotated[str | None, Meta(description="Ticker that the instrument has now.")] = None
    error: Annotated[str | None, Meta(description="The same in the words of RFC 6749, where a sign-in is refused.")] = (
        None
    )
    first_date: Annotated[dt.date | None, Meta(description="First day that can be asked for.")] = None


class Kind(msgspec.Struct, frozen=True):
    """One kind of problem."""

    code: Annotated[str, Meta(description="Last part of the problem's type.")]
    status: Annotated[int, Meta(description="HTTP status that it comes with. Unit none.")]
    title: Annotated[str, Meta(description="Title of every such problem.")]
    meaning: Annotated[str, Meta(description="What it means.")]


class MethodNotAllowed(ApiProblem):
    """The address exists, but not for this method."""

    status = 405
    code = "method-not-allowed"
    title = "The address does not take this method"


class Internal(ApiProblem):
    """Something broke here; the request's id finds it in the log."""

    status = 500
    code = "internal"
    title = "Something broke on our side"

    def __init__(self) -> None:
        super().__init__("server: must not fail; it did. Report the instance: it finds the failure in the log.")


class Refused(ApiProblem):
    """The request was refused before an operation saw it."""

    status = 400
    code = "request-refused"
    title = "The request was refused"


class RequestMalformed(Refused):
    """What arrived is no HTTP request, or its head is longer than 64 kB."""

    code = "request-malformed"
    title = "What arrived is no HTTP request"

    def __init__(self) -> None:
        super().__init__(
            "request: must be HTTP/1.1 with a head of at most 64 kB; it is not. Correct it and send it again."
        )


def kinds() -> list[Kind]:
    """Return every kind of problem, by code."""
    return sorted(
        (Kind(kind.code, kind.status, kind.title, (kind.__doc__ or "").strip()) for kind in _descendants(ApiProblem)),
        key=lambda kind: kind.code,
    )


def document(problem: ApiProblem, *, status: int | None = None) -> Problem:
    """Return the document of a problem in the exchange of now."""
    return Problem(
        type=f"/problems/{problem.code}",
        title=problem.title,
        status=status or problem.status,
        detail=problem.detail,
        instance=exchange.current.get().instance,
        code=problem.code,
        errors=problem.errors or None,
        **problem.members,
    )


def respond(problem: ApiProblem, *, status: int | None = None) -> Response[bytes]:
    """Return the answer for a problem."""
    body = document(problem, status=status)
    return Response(msgspec.json.encode(body), status_code=body.status, media_type=MEDIA_TYPE, headers=problem.headers)


def on_api_problem(request: Request[Any, Any, Any], problem: ApiProblem) -> Response[bytes]:
    """Answer with a problem that was raised as one; to a form, which only a sign-in sends, in the words of RFC 6749."""
    is_of_form = FORM in request.route_handler.opt.get("media_types", ())
    if is_of_form and problem.status == HTTPStatus.BAD_REQUEST:
        problem.members.setdefault("error", "invalid_request")
    return respond(problem)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """Answer for parameters that Litestar could not convert."""
    return on_api_problem(request, ParameterInvalid(list(_parameter_errors(request, error))))


def on_unreadable_body(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for a body that the decoder broke on; where there is no body it is a defect of ours."""
    if request.method not in ("POST", "PUT", "PATCH"):
        return on_failure(request, error)
    return on_api_problem(request, TextInvalid("body") if isinstance(error, UnicodeDecodeError) else BodyNested())


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer for what Litestar refuses by itself: an unknown address, a method, a malformed header."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return on_failure(request, error)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return respond(_no_such_address())
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        problem = MethodNotAllowed(f"method: must be among those in Allow; got {shown(request.method)}. Choose one.")
        problem.headers["Allow"] = _allowed(error)
        return respond(problem)
    refused = Refused(f"request: must be well formed; got {shown(error.detail)}. Correct it, then send it again.")
    return respond(refused, status=error.status_code)


def on_failure(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for a defect of ours: nothing of it is shown, all of it is logged."""
    structlog.get_logger().error("request_failed", request_id=exchange.current.get().request_id, exc_info=error)
    return respond(Internal())


def _no_such_address() -> ApiProblem:
    return NotFound("path: must be one that /openapi.json lists; this one is not. See / for where to go.")


def _allowed(error: HTTPException) -> str:
    methods = {method.strip() for method in (error.headers or {}).get("allow", "").split(",") if method.strip()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _parameter_errors(request: Request[Any, Any, Any], error: ValidationException) -> Iterator[ParameterError]:
    if missing := _MISSING.match(str(error.detail)):
        yield ParameterError(missing[1], "missing", "must be given; got nothing")
    for entry in error.extra if isinstance(error.extra, list) else []:
        name = str(entry.get("key", "request"))
        given = request.query_params.get(name, request.path_params.get(name))
        got = "" if given is None else f"; got {shown(str(given))}"
        yield ParameterError(name, "invalid", f"{entry['message']}{got}")


def _descendants(kind: type[ApiProblem]) -> Iterator[type[ApiProblem]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)
