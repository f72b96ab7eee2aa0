"""Spans of requests and of their queries. Where nothing is traced, they are one that records nothing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from litestar.types import HTTPScope
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import INVALID_SPAN, ProxyTracerProvider, Span, SpanKind, Status, StatusCode

from api.exchange import Exchange, current, told_path

_tracer = trace.get_tracer("factorloom.api")
_NOTHING = nullcontext(INVALID_SPAN)


def request(scope: HTTPScope, now: Exchange) -> AbstractContextManager[Span]:
    """Trace one request, as part of the client's trace where `traceparent` names one."""
    now.is_traced = _is_on()
    return _traced(scope, now) if now.is_traced else _NOTHING


@contextmanager
def _traced(scope: HTTPScope, now: Exchange) -> Iterator[Span]:
    carrier = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }
    attributes = {
        "http.request.method": scope["method"],
        "url.path": told_path(scope["path"]),
        "client.address": now.peer,
        "factorloom.request_id": now.request_id,
    }
    context = extract(carrier) if carrier else None
    with _tracer.start_as_current_span(
        scope["method"], context=context, kind=SpanKind.SERVER, attributes=attributes
    ) as span:
        yield span


def finish(span: Span, now: Exchange, status: int | None) -> None:
    """Say how a request ended."""
    if not span.is_recording():
        return
    if now.operation_id:
        span.update_name(now.operation_id)
        span.set_attribute("http.route", now.operation_id)
    span.set_attribute("http.response.status_code", status or 0)
    if status is None or status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def query(sql: str) -> Any:
    """Trace one query: a context manager. The text is a constant of ours; its values are not told."""
    now = current.get(None)
    if not (_is_on() if now is None else now.is_traced):
        return _NOTHING
    return _tracer.start_as_current_span(
        "query", kind=SpanKind.CLIENT, attributes={"db.system.name": "postgresql", "db.query.text": sql}
    )


def _is_on() -> bool:
    """Tell whether anybody takes spans: until somebody does, OpenTelemetry's provider is a stand-in."""
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
