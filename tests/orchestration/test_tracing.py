"""A run, its statements and its vendor calls are one trace, which carries the run's id and no secret."""

import dagster as dg
import httpx
import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from factorloom.fake_vendors.server import FakeVendor, Reply
from orchestration.installation import current_installation
from orchestration.resources import Warehouse
from orchestration.sources.credentials import Credential
from orchestration.sources.errors import VendorUnavailable
from orchestration.sources.ledger import MemoryLedger, Plan
from orchestration.sources.transport import Call, Limits, Transport, Vendor
from warehouse.settings import current_settings

KEY = "marker-key-91c2"


@pytest.fixture
def spans():
    """Spans of this test; a provider can be set once a process, so it is kept for the next."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield exporter.get_finished_spans
    processor.shutdown()


@pytest.fixture
def installation(database, monkeypatch, tmp_path):
    """An installation whose settings name a collector; nothing listens there."""
    settings = {
        "FACTORLOOM_HOME": str(tmp_path),
        "DATABASE_URL": database.owner_url,
        "DAGSTER_DATABASE_URL": database.owner_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for cached in (current_settings, current_installation):
        cached.cache_clear()
    yield
    for cached in (current_settings, current_installation):
        cached.cache_clear()


def vendor(server, *, answer_seconds=1.0):
    credential = Credential(KEY, header="x-key")
    limits = Limits(max_attempts=1, n_workers=2, read_seconds=answer_seconds)
    return Transport(Vendor("someone", server.url, credential, Plan("any")), MemoryLedger(), limits=limits)


def decode(body):
    return msgspec.json.decode(body)


def test_a_run_is_one_trace_with_the_id_of_the_run(spans, installation):
    with FakeVendor(lambda asked: Reply(200, b"{}")) as server:
        asking = vendor(server)

        @dg.asset
        def asked(warehouse: Warehouse) -> None:
            warehouse.read("select 1 as one")
            list(asking.each([Call("/a", decode, parameters={"api_token": KEY}), Call("/b", decode)]))

        result = dg.materialize([asked], resources={"warehouse": Warehouse()})
        asking.close()
    assert result.success
    of_run = [span for span in spans() if f"{span.context.trace_id:032x}" == result.run_id.replace("-", "")]
    run = next(span for span in of_run if span.attributes.get("dagster.run_id") == result.run_id)
    below = [span for span in of_run if span is not run]
    assert sorted(span.name for span in below) == ["query", "someone", "someone"]
    assert {span.parent.span_id for span in below} == {run.context.span_id}
    assert all(run.start_time <= span.start_time <= span.end_time <= run.end_time for span in below)
    calls = [span for span in below if span.name == "someone"]
    assert {span.attributes["http.response.status_code"] for span in calls} == {200}
    assert KEY not in "".join(span.to_json() for span in of_run)


def test_a_call_that_fails_is_told_by_its_class_alone(spans):
    with FakeVendor(lambda asked: Reply(500, KEY.encode())) as server:
        asking = vendor(server)
        with pytest.raises(VendorUnavailable):
            asking.fetch(Call("/a", decode))
        asking.close()
    client = httpx.Client(transport=httpx.MockTransport(_broken))
    asking = Transport(
        Vendor("someone", server.url, Credential(KEY, header="x-key"), Plan("any")),
        MemoryLedger(),
        limits=Limits(max_attempts=1),
        client=client,
    )
    with pytest.raises(VendorUnavailable):
        asking.fetch(Call("/b", decode))
    told, failed = [span for span in spans() if span.name == "someone"]
    assert told.attributes["http.response.status_code"] == 500
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "VendorUnavailable")
    assert failed.events == ()
    assert KEY not in told.to_json() + failed.to_json()


def test_without_a_collector_a_run_is_not_traced(spans, installation, monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")

    @dg.asset
    def quiet(warehouse: Warehouse) -> None:
        assert warehouse.read("select 1 as one").num_rows == 1

    assert dg.materialize([quiet], resources={"warehouse": Warehouse()}).success
    assert not [span for span in spans() if "dagster.run_id" in span.attributes]


def _broken(request):
    raise httpx.ConnectError(f"{request.url} with {KEY}")
