"""Traces of runs: one span for each run in this process, and below it what it reads, writes and asks vendors.

The trace's id is the run's, so either finds the other. Without a collector in the settings nothing is traced.
"""

from contextlib import AbstractContextManager

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind

from orchestration.installation import current_installation
from warehouse import traces

_tracer = trace.get_tracer("factorloom.runs")


class RunTrace:
    """The span of one run, from its first resource to its last."""

    def __init__(self, run_id: str, job: str) -> None:
        attributes = {"dagster.run_id": run_id, "dagster.job": job}
        self._span = _tracer.start_span(job, context=traces.context_of_run(run_id), attributes=attributes)
        # Not detached by its token: Dagster may end a resource in another context than it began in.
        context.attach(trace.set_span_in_context(self._span))

    def end(self) -> None:
        """End the span and send it: the process may end before the next batch would go."""
        self._span.end()
        context.attach(context.Context())
        traces.flush()


def trace_of(run_id: str, job: str) -> RunTrace | None:
    """Begin the trace of a run, where the settings name a collector."""
    if not traces.configure(current_installation().settings, service="factorloom-runs"):
        return None
    return RunTrace(run_id, job)


def statement(name: str, text: str) -> AbstractContextManager[Span]:
    """Trace one statement, or the merge into one table."""
    attributes = {"db.system.name": "postgresql", "db.query.text": text}
    return _tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes)
