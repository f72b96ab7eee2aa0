"""What is looked at before any handler: who asks, whether the question is well put, whether they have its answer."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response

from api import exchange, presentation, rates
from api.errors import (
    MediaTypeUnsupported,
    ParameterError,
    ParameterInvalid,
    ParameterRepeated,
    ParameterUnknown,
    RateLimited,
    TextInvalid,
)
from api.freshness import Freshness
from api.identity.errors import TokenInvalid
from api.identity.gate import Gate
from api.operations import LIVE
from api.published import VARY, Published, brotli_tag
from api.rates import Limiter
from api.tickers import path_of_ticker
from api.versions import Versions
from warehouse.records.questions import Question, content_hash

NOT_FILTERS = frozenset({"cursor", "limit"}) | presentation.NAMES
# Who asks whether the service lives is not to be told that he asks too often.
UNLIMITED = frozenset({"livez", "readyz", "health"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TAG = re.compile(r'"[^"]*"')

Hook = Callable[[Request[Any, Any, Any]], Awaitable[Response[Any] | None]]


def examine(
    gate: Gate,
    known: Mapping[str, frozenset[str]],
    defaults: Mapping[str, frozenset[tuple[str, str]]],
    values: Mapping[str, frozenset[str]],
    versions: Versions,
    published: Published,
    revision: str,
    freshness: Freshness,
    limiter: Limiter | None = None,
) -> Hook:
    """Return the hook that runs before each handler.

    Parameters
    ----------
    gate
        Who asks, and whether they may, comes before everything else.
    known, defaults
        Query parameters of each operation, and those that say what holds without them.
    values
        Query parameters of each operation that are more than a text.
    versions
        Versions of the tables, for the entity tag.
    published
        Answers that were made in advance.
    revision
        Changes when answers change their form, so that old tags stop to match.
    freshness
        Of quotes: their answers say what is stale, which time alone changes.
    limiter
        Who may ask how often; a 304 is free.
    """

    async def before_request(request: Request[Any, Any, Any]) -> Response[Any] | None:
        handler = request.route_handler
        operation_id = str(getattr(handler, "operation_id", None) or "")
        now = exchange.current.get()
        now.operation_id = operation_id
        try:
            now.principal = await gate.admit(request, handler)
        except TokenInvalid:
            _check_refusals(limiter, now)
            raise
        if request.method == "OPTIONS":
            return Response(None, status_code=204, headers={"Allow": _allowed(request)})
        media_types = handler.opt.get("media_types")
        if media_types and request.content_type[0] not in media_types:
            raise MediaTypeUnsupported(request.content_type[0], media_types)
        await _typed_as_documented(request, handler)
        documented = known.get(operation_id, handler.opt.get("parameters", frozenset()))
        pairs = _well_put(request, None if handler.opt.get("takes_any_parameter") else documented)
        _none_null(pairs, values.get(operation_id, frozenset()))
        now.target = (request.scope["path"], pairs)
        if "row" in handler.opt:
            now.row = handler.opt["row"]
            now.presentation = presentation.chosen(dict(pairs), request.headers.get("accept", ""), now.row)
        datasets = handler.opt.get("datasets", ())
        version = await versions.of(datasets) if datasets else None
        asked = sorted(set(pairs) - defaults.get(operation_id, frozenset()))
        if asked == [handler.opt.get("implied")]:
            asked = []
        filters = tuple(pair for pair in asked if pair[0] not in NOT_FILTERS)
        now.question = Question(operation_id, _canonical_path(request), filters, version)
        if version is None:
            _charge(limiter, now)
            return None
        cache_control: str = handler.opt["cache_control"]
        now.is_for_all = gate.is_open(handler)
        now.cache_control = cache_control if now.is_for_all else cache_control.replace("public", "private")
        period = freshness.period() if cache_control == LIVE else ""
        asked_texts = (text for pair in asked for text in pair)
        tag = content_hash(
            handler.opt.get("revision", revision),
            version,
            now.question.path,
            *asked_texts,
            now.presentation.format,
            period,
        )
        now.etag = f'"{tag}"'
        if held := {now.etag, brotli_tag(now.etag)} & set(_TAG.findall(request.headers.get("if-none-match", ""))):
            now.etag = held.pop()
            return Response(None, status_code=304, headers={"Vary": VARY} if now.row else None)
        _charge(limiter, now)
        if len(filters) < len(asked) or not now.presentation.is_plain:
            return None
        return await published.answer(now, request.headers.get("accept-encoding", ""))

    return before_request


def _allowed(request: Request[Any, Any, Any]) -> str:
    """Return the methods of an address; Litestar's own answer knows those of its first handler alone."""
    template = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == template for method in route.methods}
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


async def _typed_as_documented(request: Request[Any, Any, Any], handler: Any) -> None:
    """Refuse a body whose values Litestar would turn into other types: 0 is no false, and "0.1" no number.

    What is wrong in any other way is left to the handler's own reading of it.
    """
    field = getattr(handler, "parsed_data_field", None)
    if field is None or not field.is_subclass_of(msgspec.Struct) or not (body := await request.body()):
        return
    try:
        msgspec.json.decode(body, type=field.annotation)
    except msgspec.ValidationError as strict:
        try:
            msgspec.json.decode(body, type=field.annotation, strict=False)
        except msgspec.ValidationError:
            return
        message, _, place = str(strict).partition(" - at `$.")
        pointer = f"/{place.rstrip('`').replace('.', '/')}"
        raise ParameterInvalid([ParameterError(code="invalid", message=f"{message}.", pointer=pointer)]) from strict
    except msgspec.DecodeError:
        return


def _charge(limiter: Limiter | None, now: exchange.Exchange) -> None:
    """Take a token of whoever asks: the principal where one is known, else the peer."""
    if limiter is None or not limiter.is_on or now.operation_id in UNLIMITED:
        return
    now.leave = limiter.take(("principal", now.principal) if now.principal else rates.of_peer(now.peer))
    if not now.leave.is_given:
        raise RateLimited(limiter.per_minute, now.leave.next_in_seconds)


def _check_refusals(limiter: Limiter | None, now: exchange.Exchange) -> None:
    """Refuse to say any more of credentials to an address from which too many came that do not hold.

    Those that hold are let through all the same: who shares the address is not to be locked out by others.
    """
    if limiter is None or not limiter.is_on:
        return
    leave = limiter.look(rates.of_peer(now.peer, is_refused=True))
    if not leave.is_given:
        now.leave = leave
        raise RateLimited(limiter.per_minute, leave.next_in_seconds)


def _canonical_path(request: Request[Any, Any, Any]) -> str:
    """Return the path as the question's name has it: a ticker in lower case asks the same."""
    ticker = request.path_params.get("ticker")
    return request.scope["path"].rstrip("/") if ticker is None else path_of_ticker(request, ticker.upper())


def _none_null(pairs: list[tuple[str, str]], values: frozenset[str]) -> None:
    """Refuse the word null, which would be read as if nothing were given; a text may say it."""
    if nulls := [(name, value) for name, value in pairs if name in values and value.lower() == "null"]:
        message = "must have a value, or be left out; got {}"
        raise ParameterInvalid([ParameterError(name, "invalid", message.format(value)) for name, value in nulls])


def _well_put(request: Request[Any, Any, Any], known: frozenset[str] | None) -> list[tuple[str, str]]:
    """Return the query's pairs, each parameter known (where it must be) and given once, each text a text."""
    raw: bytes = request.scope["query_string"]
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise TextInvalid("query") from error
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise TextInvalid("query")
    if _CONTROL.search(request.scope["path"]):
        raise TextInvalid("path")
    names = [name for name, _ in pairs]
    if known is not None and (unknown := sorted(set(names) - known)):
        raise ParameterUnknown(unknown, sorted(known))
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ParameterRepeated(repeated)
    return pairs
