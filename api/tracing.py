"""Spans of requests and of their queries. Without a tracer that records, they cost nothing worth measuring."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar.types import HTTPScope
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from api.exchange import Exchange

_tracer = trace.get_tracer("factorloom.api")


@contextmanager
def request(scope: HTTPScope, now: Exchange) -> Iterator[Span]:
    """Trace one request, as part of the client's trace where `traceparent` names one."""
    carrier = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }
    attributes = {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
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
    return _tracer.start_as_current_span(
        "query", kind=SpanKind.CLIENT, attributes={"db.system.name": "postgresql", "db.query.text": sql}
    )
