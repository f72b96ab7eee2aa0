"""Traces of this process (OpenTelemetry): sent where the settings say, and free of charge where they say nothing.

Everything else asks OpenTelemetry's API for a tracer; without what is set up here its spans are no-ops.
"""

import hashlib
import logging

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.util.types import AttributeValue

from warehouse.settings import Settings

PATH = "/v1/traces"
EXPORT_TIMEOUT_SECONDS = 5


def configure(settings: Settings, *, service: str) -> bool:
    """Send the spans of this process to the collector of the settings; tells whether there is one.

    Repeated calls change nothing. What is not sent when the process ends, is sent then.

    Parameters
    ----------
    settings
        `otlp_endpoint`: the collector's address for OTLP over HTTP.
    service
        Name of this process: `factorloom-api`, `factorloom-runs`.
    """
    if settings.otlp_endpoint is None:
        return False
    # The libraries behind it cost a third of a second and 20 MB: only who wants traces pays.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return True
    # A collector that is away is no reason to fill our log.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    address = settings.otlp_endpoint.rstrip("/")
    exporter = OTLPSpanExporter(
        endpoint=address if address.endswith(PATH) else address + PATH, timeout=EXPORT_TIMEOUT_SECONDS
    )
    attributes: dict[str, AttributeValue] = {"service.name": service}
    provider = TracerProvider(resource=Resource.create(attributes))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return True


def flush() -> None:
    """Send what is waiting; where nothing is traced, there is nothing."""
    send = getattr(trace.get_tracer_provider(), "force_flush", None)
    if send is not None:
        send(EXPORT_TIMEOUT_SECONDS * 1_000)


def context_of_run(run_id: str) -> Context:
    """Return the context that everything in a run belongs to: its trace id is the run's id without hyphens.

    >>> span = trace.get_current_span(context_of_run("0fd0a8a4-0a4b-4d0c-8d8e-0c9d8a7b6c5d"))
    >>> f"{span.get_span_context().trace_id:032x}"
    '0fd0a8a40a4b4d0c8d8e0c9d8a7b6c5d'
    """
    parent = SpanContext(trace_id_of_run(run_id), span_id_of_run(run_id), is_remote=True, trace_flags=TraceFlags(1))
    return trace.set_span_in_context(NonRecordingSpan(parent), context.Context())


def trace_id_of_run(run_id: str) -> int:
    """Return the trace id of a run, 128 bits."""
    return int(run_id.replace("-", ""), 16)


def span_id_of_run(run_id: str) -> int:
    """Return the id of the span that stands for the whole run, 64 bits."""
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest())
