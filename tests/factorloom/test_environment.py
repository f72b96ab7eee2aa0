import os
from pathlib import Path

import pytest
import yaml
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._daemon.asset_daemon import (
    asset_daemon_cursor_from_instigator_serialized_cursor,
    asset_daemon_cursor_to_instigator_serialized_cursor,
)
from pydantic import SecretStr

from factorloom.environment import apply_environment, compute_logs, dagster_home, logs, prepare_environment
from factorloom.errors import FrontError, InstallationError
from warehouse.embedded import EmbeddedServer
from warehouse.settings import Settings

PROJECT = Path(__file__).parents[2]
EXTERNAL = "postgresql://loader:p%40ss@db.example:5433/research?sslmode=require"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", threads=3)


def test_the_folders_are_made_and_dagster_finds_its_settings(settings):
    variables = prepare_environment(settings)
    assert variables["FACTORLOOM_HOME"] == str(settings.home)
    assert variables["DAGSTER_HOME"] == str(dagster_home(settings))
    assert all(folder.is_dir() for folder in (dagster_home(settings), compute_logs(settings), logs(settings)))
    assert (dagster_home(settings) / "dagster.yaml").read_text() == (PROJECT / "dagster.yaml").read_text()


def test_every_variable_that_dagsters_settings_and_dbts_profile_ask_for_is_there(settings):
    variables = prepare_environment(settings)
    text = (PROJECT / "dagster.yaml").read_text()
    asked = [line.split("env:")[1].strip() for line in text.splitlines() if line.strip().startswith("env:")]
    profile = (PROJECT / "dbt_project" / "profiles.yml").read_text()
    asked += [part.split("'")[0] for part in profile.split("env_var('")[1:]]
    assert len(asked) > 5
    assert [name for name in asked if name not in variables] == []


def test_an_older_copy_of_the_settings_is_replaced_and_an_equal_one_left_alone(settings):
    prepare_environment(settings)
    copy = dagster_home(settings) / "dagster.yaml"
    before = copy.stat().st_mtime_ns
    prepare_environment(settings)
    assert copy.stat().st_mtime_ns == before
    copy.write_text("storage: {}")
    prepare_environment(settings)
    assert "FACTORLOOM_DAGSTER_URL" in copy.read_text()
    assert sorted(path.name for path in dagster_home(settings).iterdir()) == ["compute_logs", "dagster.yaml"]


def test_automation_remembers_in_the_format_that_says_nothing_twice_and_reads_the_older_one(settings, monkeypatch):
    cursor = AssetDaemonCursor.empty(7)
    older = asset_daemon_cursor_to_instigator_serialized_cursor(cursor)
    name = "DAGSTER_WRITE_COMPRESSED_ASSET_DAEMON_CURSOR"
    monkeypatch.setenv(name, prepare_environment(settings)[name])
    newer = asset_daemon_cursor_to_instigator_serialized_cursor(cursor)
    assert [older[0], newer[0]] == ["0", "1"]
    read = [asset_daemon_cursor_from_instigator_serialized_cursor(one, None) for one in (older, newer)]
    assert read == [cursor, cursor]


def test_dbt_is_given_the_parts_of_an_external_address(settings):
    settings = settings.model_copy(
        update={"database_url": SecretStr(EXTERNAL), "dagster_database_url": SecretStr(EXTERNAL)}
    )
    variables = prepare_environment(settings)
    parts = {name.removeprefix("FACTORLOOM_DBT_"): variables[name] for name in variables if "_DBT_" in name}
    assert parts == {
        "HOST": "db.example", "PORT": "5433", "USER": "loader", "PASSWORD": "p@ss", "DATABASE": "research",
        "SSLMODE": "require", "ROLE": "factorloom_writer", "THREADS": "3",
    }  # fmt: skip
    assert variables["FACTORLOOM_DAGSTER_URL"] == EXTERNAL.replace("postgresql://", "postgresql+psycopg2://")


def test_dbt_is_given_the_socket_of_the_embedded_server(settings):
    variables = prepare_environment(settings)
    assert variables["FACTORLOOM_DBT_HOST"] == str(EmbeddedServer(settings.home / "postgres").socket_folder)
    assert (variables["FACTORLOOM_DBT_USER"], variables["FACTORLOOM_DBT_PASSWORD"]) == ("postgres", "")


def test_an_address_that_cannot_be_read_is_not_shown(settings):
    settings = settings.model_copy(update={"database_url": SecretStr("postgresql://u:hunter2@h/%zz")})
    with pytest.raises(FrontError, match=r"DATABASE_URL must be an address") as caught:
        prepare_environment(settings)
    assert "hunter2" not in str(caught.value)


def test_threads_share_the_machine(settings):
    variables = prepare_environment(settings)
    expected = {
        "OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0",
    }  # fmt: skip
    assert {name: variables[name] for name in expected} == expected


def test_an_image_may_say_where_its_manifest_is(settings, monkeypatch):
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    assert prepare_environment(settings)["DBT_TARGET_PATH"] == str(settings.home / "dbt" / "target")
    monkeypatch.setenv("DBT_TARGET_PATH", "/app/target")
    assert prepare_environment(settings)["DBT_TARGET_PATH"] == "/app/target"


def test_our_own_process_gets_them_too(settings, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    variables = apply_environment(settings)
    assert {name: os.environ[name] for name in variables} == variables


def test_a_home_that_cannot_be_written_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FrontError, match=r"must be a folder that we may write to; .*Set FACTORLOOM_HOME"):
        prepare_environment(Settings(home=tmp_path / "file"))


def test_an_installation_without_its_files_says_so(settings, monkeypatch, tmp_path):
    monkeypatch.setattr("factorloom.environment.PROJECT_FOLDER", tmp_path)
    with pytest.raises(InstallationError, match=r"dagster.yaml must exist; it does not"):
        prepare_environment(settings)


def test_dagsters_settings_say_what_the_architecture_says():
    said = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    assert said["run_queue"]["dequeue_interval_seconds"] == 1
    assert said["run_monitoring"]["enabled"]
    assert said["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert said["sensors"]["use_threads"]
    assert said["schedules"]["use_threads"]
    assert said["retention"]["sensor"]["purge_after_days"]["skipped"] == 1
    assert said["telemetry"]["enabled"] is False
