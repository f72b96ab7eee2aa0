"""What is looked at before any handler: who asks, whether the question is well put, whether they have its answer."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response
from litestar.handlers import BaseRouteHandler

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
from api.identity.gate import Gate, access_of
from api.identity.principal import Access
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

    @lru_cache(maxsize=1024)
    def looked_up(handler: BaseRouteHandler) -> _Operation:
        return _operation(handler, known, defaults, values, gate, revision)

    async def before_request(request: Request[Any, Any, Any]) -> Response[Any] | None:
        operation = looked_up(request.route_handler)
        now = exchange.current.get()
        now.operation_id = operation.id
        try:
            now.principal = await gate.admit(request, operation.access, _authorization(now))
        except TokenInvalid:
            _check_refusals(limiter, now)
            raise
        if request.method == "OPTIONS":
            return Response(None, status_code=204, headers={"Allow": _allowed(request)})
        if operation.media_types and request.content_type[0] not in operation.media_types:
            raise MediaTypeUnsupported(request.content_type[0], operation.media_types)
        if operation.body is not None:
            await _typed_as_documented(request, operation.body)
        pairs = _well_put(request, operation.parameters)
        _none_null(pairs, operation.values)
        now.target = (request.scope["path"], pairs)
        if operation.is_data:
            now.row = operation.row
            now.presentation = presentation.chosen(dict(pairs), now.header(b"accept"), now.row)
        version = await versions.of(operation.datasets) if operation.datasets else None
        asked = sorted(set(pairs) - operation.defaults) if pairs else []
        if asked == operation.implied:
            asked = []
        filters = tuple([pair for pair in asked if pair[0] not in NOT_FILTERS])
        now.question = Question(operation.id, _canonical_path(request), filters, version)
        if version is None:
            _charge(limiter, now)
            return None
        now.is_for_all = operation.is_open
        now.cache_control = operation.cache_control
        period = freshness.period() if operation.is_live else ""
        asked_texts = (text for pair in asked for text in pair)
        tag = content_hash(
            operation.revision, version, now.question.path, *asked_texts, now.presentation.format, period
        )
        now.etag = f'"{tag}"'
        held_tags = now.header(b"if-none-match")
        if held_tags:
            now.holds_any = held_tags.strip() == "*"
            if held := {now.etag, brotli_tag(now.etag)} & set(_TAG.findall(held_tags)):
                now.etag = held.pop()
                return Response(None, status_code=304, headers={"Vary": VARY} if now.row else None)
        _charge(limiter, now)
        if len(filters) < len(asked) or not now.presentation.is_plain:
            return None
        return await published.answer(now, now.header(b"accept-encoding"))

    return before_request


class _Operation(NamedTuple):
    """What is known of an operation before anybody asks it."""

    id: str
    access: Access
    is_open: bool
    media_types: Sequence[str]
    body: Any
    """Type of its body where that is a struct."""
    parameters: frozenset[str] | None
    """Names of its query parameters; None where any may be given."""
    values: frozenset[str]
    defaults: frozenset[tuple[str, str]]
    implied: list[tuple[str, str] | None]
    is_data: bool
    row: type[msgspec.Struct] | None
    datasets: Sequence[str]
    revision: str
    cache_control: str
    is_live: bool


def _operation(
    handler: BaseRouteHandler,
    known: Mapping[str, frozenset[str]],
    defaults: Mapping[str, frozenset[tuple[str, str]]],
    values: Mapping[str, frozenset[str]],
    gate: Gate,
    revision: str,
) -> _Operation:
    name = str(getattr(handler, "operation_id", None) or "")
    opt = handler.opt
    access = access_of(handler)
    is_open = gate.is_open(access)
    field = getattr(handler, "parsed_data_field", None)
    cache_control = opt.get("cache_control", "no-store")
    return _Operation(
        id=name,
        access=access,
        is_open=is_open,
        media_types=opt.get("media_types", ()),
        body=field.annotation if field is not None and field.is_subclass_of(msgspec.Struct) else None,
        parameters=None if opt.get("takes_any_parameter") else known.get(name, opt.get("parameters", frozenset())),
        values=values.get(name, frozenset()),
        defaults=defaults.get(name, frozenset()),
        implied=[opt.get("implied")],
        is_data="row" in opt,
        row=opt.get("row"),
        datasets=opt.get("datasets", ()),
        revision=opt.get("revision", revision),
        cache_control=cache_control if is_open else cache_control.replace("public", "private"),
        is_live=cache_control == LIVE,
    )


def _allowed(request: Request[Any, Any, Any]) -> str:
    """Return the methods of an address; Litestar's own answer knows those of its first handler alone."""
    template = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == template for method in route.methods}
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


async def _typed_as_documented(request: Request[Any, Any, Any], kind: Any) -> None:
    """Refuse a body whose values Litestar would turn into other types: 0 is no false, and "0.1" no number.

    What is wrong in any other way is left to the handler's own reading of it.
    """
    if not (body := await request.body()):
        return
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as strict:
        try:
            msgspec.json.decode(body, type=kind, strict=False)
        except msgspec.ValidationError:
            return
        message, _, place = str(strict).partition(" - at `$.")
        pointer = f"/{place.rstrip('`').replace('.', '/')}"
        raise ParameterInvalid([ParameterError(code="invalid", message=f"{message}.", pointer=pointer)]) from strict
    except msgspec.DecodeError:
        return


def _authorization(now: exchange.Exchange) -> str | None:
    return now.header(b"authorization") if b"authorization" in now.headers else None


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
    if _CONTROL.search(request.scope["path"]):
        raise TextInvalid("path")
    raw: bytes = request.scope["query_string"]
    if not raw:
        return []
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise TextInvalid("query") from error
    if _CONTROL.search("".join([text for pair in pairs for text in pair])):
        raise TextInvalid("query")
    names = [name for name, _ in pairs]
    if known is not None and (unknown := sorted(set(names) - known)):
        raise ParameterUnknown(unknown, sorted(known))
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ParameterRepeated(repeated)
    return pairs
