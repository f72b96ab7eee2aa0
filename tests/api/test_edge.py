"""What stands between the API and the world: other origins, proxies, TLS, metrics, traces."""

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr

from api.metrics import Metrics
from tests.api.serving import serving, talk
from tests.ports import free_port
from warehouse import traces
from warehouse.connect import API, connect, read_url, with_role
from warehouse.errors import SettingsError
from warehouse.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
SERVE = "from warehouse.settings import read_settings; from api.server import run; run(read_settings())"
# What a page has to read of its answers besides their bodies.
EXPOSED = {"X-Request-Id", "ETag", "Link", "Retry-After", "X-Meta", "WWW-Authenticate", "Allow"}
DESK = "https://desk.example.com"


@pytest.fixture(scope="module")
def ports(seeded_url, tmp_path_factory):
    metrics_port = free_port()
    with serving(
        seeded_url,
        tmp_path_factory.mktemp("home"),
        api_cors_origins=(DESK,),
        api_trusted_proxies=("127.0.0.0/8",),
        api_metrics_port=metrics_port,
        api_rate_limit=600,
    ) as port:
        yield port, metrics_port


@pytest.fixture(scope="module")
def asked(ports):
    with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", trust_env=False) as client:
        yield client


def test_pages_of_listed_origins_may_ask(asked):
    for path in ("/v1/instruments", "/nowhere", "/v1/rankings?limit=0"):
        answer = asked.get(path, headers={"Origin": DESK})
        assert answer.headers["access-control-allow-origin"] == DESK
        assert set(answer.headers["access-control-expose-headers"].split(", ")) >= EXPOSED
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
    for origin in ("https://evil.example.com", "http://desk.example.com", "null", f"{DESK}.evil.com"):
        answer = asked.get("/v1/instruments", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_a_browser_that_asks_whether_it_may_ask_is_answered(asked):
    asking = {"Origin": DESK, "Access-Control-Request-Method": "POST"}
    answer = asked.options("/v1/blackscholes", headers=asking)
    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    stranger = asked.options("/v1/blackscholes", headers=asking | {"Origin": "https://evil.example.com"})
    assert stranger.status_code == 405 or "access-control-allow-origin" not in stranger.headers


def test_without_listed_origins_no_page_may_ask(client):
    answer = client.get("/v1/instruments", headers={"Origin": DESK})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_behind_a_trusted_proxy_the_client_and_its_tls_are_those_that_the_proxy_saw(asked, client):
    behind = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    answer = asked.get("/livez", headers=behind)
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert "strict-transport-security" not in asked.get("/livez").headers
    # Each client behind the proxy has a bucket of its own, whatever it writes before the proxy's own entry.
    first = asked.get("/v1/instruments", headers=behind).headers["ratelimit"]
    forged = behind | {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    assert first.startswith('"default";r=599;')
    assert not asked.get("/v1/instruments", headers=forged).headers["ratelimit"].startswith('"default";r=599;')
    # Nobody is trusted by default.
    assert "strict-transport-security" not in client.get("/livez", headers=behind).headers


def test_metrics_are_on_their_own_port_and_count_by_operation(ports, asked):
    for path in ("/v1/instruments", "/v1/history/ACME", "/v1/history/ZETA", "/v1/history/NOPE", "/nowhere"):
        asked.get(path)
    talk(ports[0], b"no HTTP\r\n\r\n")
    assert asked.get("/metrics").status_code == 404
    text = httpx.get(f"http://127.0.0.1:{ports[1]}/metrics", trust_env=False).text
    count = r'factorloom_http_requests_total\{{method="GET",operation="{}",status="{}"\}} (\d+)'
    assert int(re.search(count.format("list_history", 200), text)[1]) == 2
    assert int(re.search(count.format("list_history", 404), text)[1]) == 1
    assert int(re.search(count.format("none", 404), text)[1]) >= 1
    assert 'factorloom_http_requests_total{method="other",operation="none",status="400"} 1.0' in text
    assert re.search(r'factorloom_http_request_seconds_bucket\{le="0.001",operation="list_history"\}', text)
    assert re.search(r'factorloom_database_seconds_count\{operation="list_history"\} 3', text)
    assert re.search(r'factorloom_pool_connections\{pool="primary"\} [1-8]', text)
    assert 'pool="replica"' not in text
    day = re.search(r'newest_timestamp_seconds\{dataset="marts.fct_daily_prices"\} ([\d.e+]+)', text)
    assert float(day[1]) == 1719360000.0  # 2024-06-26
    assert "ACME" not in text


def test_alert_rules_ask_for_metrics_that_there_are():
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    metrics = Metrics()
    metrics.watch_pools({"primary": dict})
    metrics.watch_datasets(list)
    known = {
        name
        for family in metrics.registry.collect()
        for name in (family.name, *(f"{family.name}_{end}" for end in ("total", "bucket", "count", "sum")))
    } | {"up"}
    listed = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len(listed) >= 6
    for rule in listed:
        named = set(re.findall(r"\b(?:factorloom_\w+|process_\w+|up)\b", rule["expr"]))
        assert named, rule["alert"]
        assert named <= known, rule["alert"]
        assert {"severity"} <= rule["labels"].keys()
        assert {"summary", "description"} <= rule["annotations"].keys()


@pytest.fixture
def collector():
    """A collector of traces on loopback: what it was sent, span by span."""
    spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                name = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
                spans.extend((name, span) for scope in resource.scope_spans for span in scope.spans)
            assert self.path == "/v1/traces"
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_request_and_its_queries_are_one_trace_that_goes_on_from_the_clients(seeded_url, tmp_path, collector):
    """A process of its own: what traces are sent by is set once for each."""
    address, spans = collector
    port = free_port()
    environment = {
        **os.environ,
        "FACTORLOOM_HOME": str(tmp_path),
        "FACTORLOOM_API_DATABASE_URL": with_role(seeded_url, API),
        "FACTORLOOM_API_PORT": str(port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "PYTHONPATH": str(ROOT),
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE], cwd=tmp_path, env=environment, stderr=log)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=8), trust_env=False
    )
    try:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        client.get("/v1/history/ACME", headers={"traceparent": parent, "X-Request-Id": "traced-1"})
        client.get("/v1/history/NOPE")
        client.post("/mail/unsubscribe/5ecre7")
    finally:
        client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    assert {name for name, _ in spans} == {"factorloom-api"}
    ours = [span for _, span in spans if span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"]
    request = next(span for span in ours if span.name == "list_history")
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    said = {a.key: a.value.string_value or a.value.int_value for a in request.attributes}
    assert said["factorloom.request_id"] == "traced-1"
    assert said["http.response.status_code"] == 200
    queries = [span for span in ours if span.name == "query"]
    assert len(queries) >= 2
    assert {span.parent_span_id for span in queries} == {request.span_id}
    assert "5ecre7" not in "".join(a.value.string_value for _, span in spans for a in span.attributes)
    assert "ACME" not in "".join(a.value.string_value for span in queries for a in span.attributes)


def test_without_an_endpoint_nothing_is_traced():
    assert not traces.configure(Settings(), service="factorloom-api")


def test_reads_go_to_the_replica_where_one_is_named(seeded_url, database, tmp_path):
    """The primary here has no tables of dbt: what is answered can only come from the other one."""
    replica = SecretStr(with_role(seeded_url, API))
    with serving(database.owner_url, tmp_path, api_read_database_url=replica) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/history/ACME", trust_env=False)
    assert answer.json()["data"][-1]["close"] == 53
    primary = Settings(api_database_url=SecretStr("postgresql://a@h/d?sslmode=verify-full"))
    assert read_url(primary) == "postgresql://a@h/d?sslmode=verify-full"


def test_primary_and_replica_are_both_watched(seeded_url, database, tmp_path):
    replica, metrics_port = SecretStr(with_role(seeded_url, API)), free_port()
    given = {"api_read_database_url": replica, "api_metrics_port": metrics_port}
    with serving(database.owner_url, tmp_path, **given) as port:
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert ready.status_code == 200
        assert [check["name"] for check in ready.json()["checks"]] == ["database", "replica", "schema", "freshness"]
        assert "2024-06-26" in ready.json()["checks"][-1]["message"]  # the replica's
        text = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", trust_env=False).text
        for pool in ("primary", "replica"):
            assert re.search(rf'factorloom_pool_connections\{{pool="{pool}"\}} [1-8]', text)
        with connect(database.owner_url) as connection:
            connection.execute("lock table public.alembic_version in access exclusive mode")
            for path in ("/readyz", "/health"):
                failed = httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)
                assert (failed.status_code, failed.json()["errors"][0]["parameter"]) == (503, "database")


def test_settings_of_the_edge_say_what_is_wrong_with_them():
    with pytest.raises(SettingsError) as error:
        read_settings(
            {
                "FACTORLOOM_API_CORS_ORIGINS": "*, https://desk.example.com/page",
                "FACTORLOOM_API_TRUSTED_PROXIES": "10.0.0.0/8, proxy",
                "FACTORLOOM_API_METRICS_PORT": "8000",
            }
        )
    text = str(error.value)
    assert "FACTORLOOM_API_CORS_ORIGINS must list origins such as https://desk.example.com; got '*'" in text
    assert "got 'https://desk.example.com/page'" in text
    assert "FACTORLOOM_API_TRUSTED_PROXIES must list addresses or networks; got 'proxy'" in text
    assert "FACTORLOOM_API_METRICS_PORT must differ; got 3000, 8000, 4266, 8000" in text
