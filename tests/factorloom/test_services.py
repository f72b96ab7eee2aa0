import http.server
import json
import threading
from concurrent import futures

import pytest
import yaml

from factorloom.services import (
    DaemonCheck,
    EmbeddedPostgres,
    grpc_answers,
    http_answers,
    local_ports,
    local_services,
    reachable_host,
    write_workspace,
)
from warehouse.connect import embedded_server
from warehouse.settings import Settings


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "dagster").mkdir()
    return Settings(home=tmp_path, ui_port=3001, api_port=8001, code_server_port=4001)


@pytest.fixture
def webserver():
    """A server that answers as told; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        status, body = 200, b""

        def answer(self) -> None:
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *arguments: object) -> None:
            pass

        do_GET = do_POST = answer

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, Handler
        server.shutdown()
        thread.join()


def health(**daemons: bool) -> bytes:
    statuses = [
        {"daemonType": name, "required": name != "optional", "healthy": is_well} for name, is_well in daemons.items()
    ]
    return json.dumps({"data": {"instance": {"daemonHealth": {"allDaemonStatuses": statuses}}}}).encode()


def test_the_services_of_a_machine_start_postgres_then_code_and_api_then_dagster(settings):
    stages = {service.name: service.stage for service in local_services(settings, {})}
    assert stages == {"postgres": 0, "code-server": 1, "api": 1, "webserver": 2, "daemon": 2}


def test_an_external_server_is_not_supervised(settings):
    external = Settings(home=settings.home, database_url="postgresql://h/w", dagster_database_url="postgresql://h/d")
    assert next(iter(local_services(external, {}))).name == "code-server"


def test_no_secret_is_on_a_command_line(settings):
    url = "postgresql://u:hunter2@h/w"
    external = Settings(home=settings.home, database_url=url, dagster_database_url=url)
    for service in local_services(external, {"DATABASE_URL": url}):
        assert not any("hunter2" in word for word in service.child.command)


def test_ports_are_those_of_the_settings_each_with_its_variable(settings):
    assert {(port.service, port.number, port.variable) for port in local_ports(settings)} == {
        ("webserver", 3001, "FACTORLOOM_UI_PORT"),
        ("api", 8001, "FACTORLOOM_API_PORT"),
        ("code-server", 4001, "FACTORLOOM_CODE_SERVER_PORT"),
    }


def test_the_ui_has_no_authentication_and_listens_on_loopback_whatever_the_api_does(settings):
    open_api = settings.model_copy(update={"api_host": "0.0.0.0"})
    assert {port.service: port.host for port in local_ports(open_api)} == {
        "webserver": "127.0.0.1", "api": "0.0.0.0", "code-server": "127.0.0.1",
    }  # fmt: skip


def test_the_workspace_leads_to_the_code_server_and_is_written_once(settings):
    path = write_workspace(settings)
    server = {"host": "127.0.0.1", "port": 4001, "location_name": "factorloom"}
    assert yaml.safe_load(path.read_text()) == {"load_from": [{"grpc_server": server}]}
    before = path.stat().st_mtime_ns
    assert write_workspace(settings).stat().st_mtime_ns == before
    assert "code-server" in write_workspace(settings, host="code-server").read_text()


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("10.1.2.3", "10.1.2.3"),
    ],
)
def test_a_service_that_listens_everywhere_is_asked_on_loopback(listens, reached):
    assert reachable_host(listens) == reached


def test_an_http_service_answers_by_a_success(webserver):
    port, handler = webserver
    assert http_answers("127.0.0.1", port, "/livez")
    handler.status = 503
    assert not http_answers("127.0.0.1", port, "/livez")


def test_daemons_are_well_when_each_that_is_needed_is(webserver):
    port, handler = webserver
    check = DaemonCheck("127.0.0.1", port)
    handler.body = health(sensor=True, optional=False)
    assert check()
    handler.body = health(sensor=True, schedule=False)
    assert not check()


def test_while_the_webserver_is_away_the_last_answer_about_the_daemons_stands(webserver):
    port, handler = webserver
    check = DaemonCheck("127.0.0.1", port)
    handler.body = b"<html>starting</html>"
    assert not check()
    handler.body = health(sensor=True)
    assert check()
    handler.body = b""
    assert check()


@pytest.mark.parametrize(
    "body",
    [b'{"data": null, "errors": [{"message": "the database is in recovery"}]}', b'{"errors": []}', b"null",
     b'{"data": {"instance": null}}'],
)  # fmt: skip
def test_while_the_database_of_the_webserver_is_away_the_last_answer_about_the_daemons_stands(webserver, body):
    port, handler = webserver
    check = DaemonCheck("127.0.0.1", port)
    handler.body = body
    assert not check()
    handler.body = health(sensor=True)
    assert check()
    handler.body = body
    assert check()


def test_a_code_server_answers_when_it_says_that_it_serves():
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server, servicer = grpc.server(futures.ThreadPoolExecutor(2)), health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert not grpc_answers("127.0.0.1", port)
    servicer.set("DagsterApi", health_pb2.HealthCheckResponse.SERVING)
    assert grpc_answers("127.0.0.1", port)
    servicer.set("DagsterApi", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert not grpc_answers("127.0.0.1", port)
    server.stop(None).wait()
    assert not grpc_answers("127.0.0.1", port)


def test_postgres_is_stopped_by_who_started_it_alone(tmp_path):
    settings = Settings(home=tmp_path)
    ours, theirs = EmbeddedPostgres(settings), EmbeddedPostgres(settings)
    try:
        assert (ours.pid, ours.is_alive()) == (None, False)
        ours.start()
        theirs.start()
        assert ours.is_alive()
        assert ours.answers()
        assert ours.pid == theirs.pid
        theirs.stop(timeout_seconds=1)
        ours.kill()
        assert ours.is_alive()
        ours.stop(timeout_seconds=1)
        assert not ours.is_alive()
    finally:
        embedded_server(settings).stop()
