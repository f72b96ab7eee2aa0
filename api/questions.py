"""What is looked at before any handler: who asks, whether the question is well put, whether they have its answer."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response

from api import exchange
from api.errors import MediaTypeUnsupported, ParameterRepeated, ParameterUnknown, RateLimited, TextInvalid
from api.freshness import Freshness
from api.identity.gate import Gate
from api.operations import LIVE
from api.rates import Limiter
from api.versions import Versions

NOT_FILTERS = frozenset({"cursor", "limit"})
# Who asks whether the service lives is not to be told that he asks too often.
UNLIMITED = frozenset({"livez", "readyz", "health"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TAG = re.compile(r'"[^"]*"')

Hook = Callable[[Request[Any, Any, Any]], Awaitable[Response[None] | None]]


def examine(
    gate: Gate,
    known: Mapping[str, frozenset[str]],
    versions: Versions,
    revision: str,
    freshness: Freshness,
    limiter: Limiter | None = None,
) -> Hook:
    """Return the hook that runs before each handler.

    Parameters
    ----------
    gate
        Who asks, and whether they may, comes before everything else.
    known
        Query parameters of each operation.
    versions
        Versions of the tables, for the entity tag.
    revision
        Changes when answers change their form, so that old tags stop to match.
    freshness
        Of quotes: their answers say what is stale, which time alone changes.
    limiter
        Who may ask how often; a 304 is free.
    """

    async def before_request(request: Request[Any, Any, Any]) -> Response[None] | None:
        handler = request.route_handler
        operation_id = str(getattr(handler, "operation_id", None) or "")
        now = exchange.current.get()
        now.operation_id = operation_id
        now.principal = await gate.admit(request, handler)
        media_types = handler.opt.get("media_types")
        if media_types and request.content_type[0] not in media_types:
            raise MediaTypeUnsupported(request.content_type[0], media_types)
        pairs = _well_put(request, known.get(operation_id, handler.opt.get("parameters", frozenset())))
        now.filter_hash = _hash(request.scope["path"], [pair for pair in pairs if pair[0] not in NOT_FILTERS])
        datasets = handler.opt.get("datasets", ())
        now.version = await versions.of(datasets) if datasets else None
        if now.version is None:
            _charge(limiter, now)
            return None
        now.cache_control = handler.opt["cache_control"]
        period = freshness.period() if now.cache_control == LIVE else ""
        now.etag = f'"{exchange.content_hash(revision, now.version, _hash(request.scope["path"], pairs), period)}"'
        if now.etag in _TAG.findall(request.headers.get("if-none-match", "")):
            return Response(None, status_code=304)
        _charge(limiter, now)
        return None

    return before_request


def _charge(limiter: Limiter | None, now: exchange.Exchange) -> None:
    """Take a token of whoever asks: the principal where one is known, else the peer."""
    if limiter is None or not limiter.is_on or now.operation_id in UNLIMITED:
        return
    now.leave = limiter.take(("principal", now.principal) if now.principal else ("peer", now.peer))
    if not now.leave.is_given:
        raise RateLimited(limiter.per_minute, now.leave.next_in_seconds)


def _well_put(request: Request[Any, Any, Any], known: frozenset[str]) -> list[tuple[str, str]]:
    """Return the query's pairs, each parameter known and given once, each text a text."""
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
    if unknown := sorted(set(names) - known):
        raise ParameterUnknown(unknown, sorted(known))
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ParameterRepeated(repeated)
    return pairs


def _hash(path: str, pairs: list[tuple[str, str]]) -> str:
    return exchange.content_hash(path.rstrip("/"), *(text for pair in sorted(pairs) for text in pair))
