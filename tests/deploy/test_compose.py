"""The compose file can be read without a Docker engine: its structure, its limits, what it names."""

import os
import shutil
import stat
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT, Compose, refusal
from warehouse.settings import SECRETS, read_settings, variables

SETTINGS = {*variables(), *(f"{name}_FILE" for name in SECRETS)}
OF_POSTGRES_IMAGE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"}


def test_the_services_are_those_of_the_architecture(compose: Compose):
    assert list(compose.services) == ["postgres", "migrate", "code-server", "webserver", "daemon", "api"]


def test_only_the_migration_ends(compose: Compose):
    one_shot = [name for name, service in compose.services.items() if service.restart == "no"]
    assert one_shot == ["migrate"]


def test_every_service_that_stays_can_be_asked_for_its_health(compose: Compose):
    asked = [name for name, service in compose.services.items() if service.healthcheck]
    assert asked == [name for name in compose.services if name != "migrate"]


def test_ports_are_published_on_this_machine_alone(compose: Compose):
    published = {name: service.ports for name, service in compose.services.items() if service.ports}
    assert published == {"webserver": ["127.0.0.1:3000:3000"], "api": ["127.0.0.1:8000:8000"]}


def test_published_ports_are_those_that_the_services_listen_on(compose: Compose):
    ports = {"webserver": "FACTORLOOM_UI_PORT", "api": "FACTORLOOM_API_PORT"}
    for name, variable in ports.items():
        _, _, inside = compose.services[name].ports[0].split(":")
        assert compose.services[name].environment[variable] == inside


def test_no_container_can_reach_the_engine_or_gain_rights(compose: Compose):
    assert "docker.sock" not in (ROOT / "docker-compose.yml").read_text()
    for name, service in compose.ours.items():
        assert service.cap_drop == ["ALL"], name
        assert service.security_opt == ["no-new-privileges:true"], name


@pytest.mark.parametrize("name", ["migrate", "code-server", "webserver", "daemon", "api"])
def test_every_variable_of_a_service_is_a_setting(compose: Compose, name: str):
    assert set(compose.services[name].environment) <= SETTINGS


def test_the_variables_of_postgres_are_those_of_its_image_and_of_our_script(compose: Compose):
    script = (ROOT / "deploy" / "postgres" / "init.sh").read_text()
    ours = {name for name in compose.services["postgres"].environment if name in script} - OF_POSTGRES_IMAGE
    assert set(compose.services["postgres"].environment) == OF_POSTGRES_IMAGE | ours


def test_every_command_and_every_question_for_health_exists(compose: Compose):
    for service in compose.ours.values():
        assert refusal(service.command) is None
        if service.healthcheck:
            assert service.healthcheck.test[0] == "CMD"
            assert refusal(service.healthcheck.test[1:]) is None


def test_a_command_that_does_not_exist_is_noticed():
    assert "No such command" in refusal(["factorloom", "served", "api"])
    assert "No such option" in refusal(["factorloom", "serve", "api", "--hosts", "0.0.0.0"])


def test_hosts_in_commands_are_services(compose: Compose):
    for service in compose.ours.values():
        words = [*service.command, *(service.healthcheck.test if service.healthcheck else [])]
        named = [after for word, after in pairwise(words) if word.endswith("host")]
        assert set(named) <= {*compose.services, "0.0.0.0"}


def test_services_wait_for_what_can_be_waited_for(compose: Compose):
    for service in compose.services.values():
        for name, dependency in service.depends_on.items():
            awaited = compose.services[name]
            if dependency.condition == "service_healthy":
                assert awaited.healthcheck is not None
            else:
                assert awaited.restart == "no"


def test_volumes_and_secrets_are_declared(compose: Compose):
    for service in compose.services.values():
        assert set(service.secrets) <= set(compose.secrets)
        for volume in service.volumes:
            source = volume.split(":")[0]
            assert source in compose.volumes or (ROOT / source).is_file(), volume


def test_a_service_reads_no_secret_that_it_is_not_given(compose: Compose):
    for service in compose.services.values():
        read = {Path(value).name for value in service.environment.values() if value.startswith("/run/secrets/")}
        assert read == set(service.secrets)


def test_the_api_is_not_given_the_owners_address(compose: Compose):
    assert compose.services["api"].secrets == ["api_database_url", "signing_keys", "encryption_keys"]


def test_the_api_is_given_the_keys_that_it_needs_beyond_this_machine_and_whoever_opens_what_it_encrypts(
    compose: Compose, tmp_path: Path
):
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True)
    given = {
        name: value.replace("/run/secrets", str(tmp_path / "secrets"))
        for name, value in compose.services["api"].environment.items()
    }
    assert read_settings(given, folder=tmp_path).listening_on("0.0.0.0").signing_keys is not None
    variable = "FACTORLOOM_ENCRYPTION_KEYS_FILE"
    assert compose.services["code-server"].environment[variable] == compose.services["api"].environment[variable]


def test_the_secrets_are_made_once_and_only_their_maker_can_look_into_the_folder(compose: Compose, tmp_path: Path):
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True)
    folder = tmp_path / "secrets"
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert {f"./deploy/secrets/{name}" for name in made} == {secret.file for secret in compose.secrets.values()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert made["owner_password"] != made["api_password"]
    assert len(made["owner_password"].strip()) == 48
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_the_secrets_are_settings_that_hold_together(tmp_path: Path):
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True)
    names = {"DATABASE_URL_FILE": "database_url", "DAGSTER_DATABASE_URL_FILE": "dagster_database_url"}
    given = {variable: str(tmp_path / "secrets" / name) for variable, name in names.items()}
    settings = read_settings({**given}, folder=tmp_path)
    password = (tmp_path / "secrets" / "owner_password").read_text().strip()
    address = f"postgresql://factorloom:{password}@postgres:5432/factorloom"
    assert settings.database_url.get_secret_value() == address


def test_scripts_can_be_executed():
    for script in ("deploy/make-secrets.sh", "deploy/postgres/init.sh"):
        assert os.access(ROOT / script, os.X_OK), script


def test_secrets_are_in_no_commit():
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"deploy/secrets/", ".env", ".factorloom/"} <= set(ignored)
