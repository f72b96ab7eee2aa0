from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from warehouse.clock import clock_of, machine_clock
from warehouse.errors import SettingsError
from warehouse.settings import SECRETS, Settings, current_settings, read_settings, variables

KEYS = {"FACTORLOOM_SIGNING_KEYS": "a" * 64, "FACTORLOOM_ENCRYPTION_KEYS": "b" * 64}


@pytest.fixture
def problems(tmp_path):
    """What is wrong with an environment, as sentences."""

    def problems(environment: dict[str, str]) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            read_settings(environment, folder=tmp_path)
        return caught.value.problems

    return problems


def test_an_empty_environment_is_the_embedded_simulated_default(tmp_path):
    settings = read_settings({}, folder=tmp_path)
    assert settings == Settings()
    assert settings.is_embedded
    assert (settings.source, settings.simulated_instruments, settings.calendar) == ("simulated", 500, "XNYS")


def test_the_environment_goes_before_the_file(tmp_path):
    (tmp_path / ".env").write_text("FACTORLOOM_UI_PORT=3001\nFACTORLOOM_API_PORT=8001\n")
    settings = read_settings({"FACTORLOOM_UI_PORT": "3002"}, folder=tmp_path)
    assert (settings.ui_port, settings.api_port) == (3002, 8001)


def test_an_empty_value_means_the_default(tmp_path):
    assert read_settings({"FACTORLOOM_NOW": "", "FACTORLOOM_THREADS": ""}, folder=tmp_path) == Settings()


def test_values_are_typed(tmp_path):
    given = {
        "FACTORLOOM_NOW": "2026-06-30T22:00:00Z",
        "FACTORLOOM_SIMULATED_FIRST_SESSION": "2021-03-01",
        "FACTORLOOM_WEBHOOK_ALLOW": "127.0.0.1:9000, localhost:9001",
    }
    settings = read_settings(given, folder=tmp_path)
    assert settings.now == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert settings.simulated_first_session == date(2021, 3, 1)
    assert settings.webhook_allow == ("127.0.0.1:9000", "localhost:9001")


def test_all_problems_are_listed_at_once_those_of_single_values_and_those_between_values(problems):
    found = problems(
        {
            "FACTORLOOM_TYPO": "1",
            "FACTORLOOM_UI_PORT": "web",
            "FACTORLOOM_THREADS": "0",
            "FACTORLOOM_NOW": "2026-06-30T22:00:00",
            "FACTORLOOM_SOURCE": "files",
            "DATABASE_URL": "postgresql://h/w",
            "FACTORLOOM_SIMULATED_LAST_SESSION": "2020-11-30",
        }
    )
    expected = [
        "FACTORLOOM_TYPO is not a setting",
        "FACTORLOOM_UI_PORT: Input should be a valid integer",
        "FACTORLOOM_THREADS: Input should be greater than or equal to 1",
        "FACTORLOOM_NOW must carry a time zone",
        "FACTORLOOM_FILES_FOLDER must be set when FACTORLOOM_SOURCE=files",
        "DAGSTER_DATABASE_URL must be set when DATABASE_URL is",
        "FACTORLOOM_SIMULATED_LAST_SESSION must be after FACTORLOOM_SIMULATED_FIRST_SESSION; got 2020-11-30",
    ]
    assert len(found) == len(expected)
    assert all(any(sentence.startswith(start) for sentence in found) for start in expected)


def test_the_message_counts_the_problems_and_says_where_to_correct_them(tmp_path):
    with pytest.raises(SettingsError, match=r"2 do not:\n  - .*\n  - .*\nCorrect them in the environment or in .env"):
        read_settings({"FACTORLOOM_UI_PORT": "0", "FACTORLOOM_API_PORT": "0"}, folder=tmp_path)


def test_folders_and_files_must_be_there(problems, tmp_path):
    found = problems({"FACTORLOOM_FILES_FOLDER": str(tmp_path / "no"), "FACTORLOOM_FILES_MAPPING": str(tmp_path)})
    assert found == [
        f"FACTORLOOM_FILES_FOLDER must be a folder; got {tmp_path / 'no'}",
        f"FACTORLOOM_FILES_MAPPING must be a file; got {tmp_path}",
    ]


def test_a_folder_that_is_there_will_do(tmp_path):
    settings = read_settings({"FACTORLOOM_SOURCE": "files", "FACTORLOOM_FILES_FOLDER": str(tmp_path)}, folder=tmp_path)
    assert settings.files_folder == tmp_path


def test_webhooks_into_the_own_network_need_an_api_that_only_this_machine_reaches(problems):
    found = problems({"FACTORLOOM_WEBHOOK_ALLOW": "10.0.0.5:80", "FACTORLOOM_API_HOST": "0.0.0.0", **KEYS})
    assert found == [
        "FACTORLOOM_WEBHOOK_ALLOW may be set only while FACTORLOOM_API_HOST is a loopback address; got 0.0.0.0"
    ]


def test_an_address_given_later_is_held_to_the_same_rule(tmp_path):
    settings = read_settings({"FACTORLOOM_WEBHOOK_ALLOW": "127.0.0.1:9000"}, folder=tmp_path)
    assert settings.listening_on("localhost").api_host == "localhost"
    with pytest.raises(SettingsError, match=r"only while FACTORLOOM_API_HOST is a loopback address; got 0\.0\.0\.0"):
        settings.listening_on("0.0.0.0")
    assert read_settings(KEYS, folder=tmp_path).listening_on("0.0.0.0").api_host == "0.0.0.0"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "api.example"])
@pytest.mark.parametrize("missing", KEYS)
def test_an_api_beyond_this_machine_needs_keys_that_were_set(tmp_path, host, missing):
    given = {name: value for name, value in KEYS.items() if name != missing}
    settings = read_settings(given, folder=tmp_path)
    with pytest.raises(SettingsError, match=rf"{missing} must be set while FACTORLOOM_API_HOST is not a loopback"):
        settings.listening_on(host)
    for here in ("127.0.0.1", "localhost", "::1"):
        assert settings.listening_on(here).api_host == here


@pytest.mark.parametrize("keys", ["short", "A" * 64, "a" * 63, "a" * 64 + ",", f"{'a' * 64} {'b' * 64}"])
def test_keys_that_are_none_are_refused_and_never_shown(problems, keys):
    for name in KEYS:
        (found,) = problems({name: keys})
        assert found.startswith(f"{name} must be 64 hexadecimal digits")
        assert keys not in found


def test_another_issuer_is_asked_over_an_encrypted_line_and_for_something(problems):
    some = {"FACTORLOOM_OIDC_CLIENT_ID": "factorloom"}
    for address in ("http://login.example", "https://login.example?x=1", "https://user@login.example", "login.example"):
        (found,) = problems({"FACTORLOOM_OIDC_ISSUER": address, **some})
        assert found.startswith("FACTORLOOM_OIDC_ISSUER must be an https address")
    assert problems({"FACTORLOOM_OIDC_ISSUER": "https://login.example"}) == [
        "FACTORLOOM_OIDC_AUDIENCE or FACTORLOOM_OIDC_CLIENT_ID must be set when FACTORLOOM_OIDC_ISSUER is"
    ]
    assert problems(some) == ["FACTORLOOM_OIDC_ISSUER must be set when FACTORLOOM_OIDC_CLIENT_ID is"]
    (found,) = problems({"FACTORLOOM_OIDC_ISSUER": "http://127.0.0.1:8000", **some})
    assert found.startswith("FACTORLOOM_OIDC_ISSUER must be another issuer")


@pytest.mark.parametrize(
    "entry",
    ["desktop", "desktop=", "Desk=https://a.example/", "a=https://a.example/#f", "a=/cb", "a=https://*.example"],
)
def test_clients_name_whole_addresses(problems, entry):
    (found,) = problems({"FACTORLOOM_OAUTH_CLIENTS": entry})
    assert found.startswith("FACTORLOOM_OAUTH_CLIENTS must list name=address")


@pytest.mark.parametrize("entry", ["127.0.0.1", ":80", "localhost:http"])
def test_an_allowed_receiver_is_host_and_port(problems, entry):
    assert problems({"FACTORLOOM_WEBHOOK_ALLOW": entry}) == [
        f"FACTORLOOM_WEBHOOK_ALLOW must list host:port; got {entry!r}"
    ]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_a_file_and_the_environment_stays_as_it_is(tmp_path, name):
    text = {"FACTORLOOM_SMTP_URL": "smtp://u:p@mail.example:587", **KEYS}.get(name, "postgresql://u:p@h/d")
    (tmp_path / "secret").write_text(f"{text}\n")
    given = {"DATABASE_URL": "postgresql://h/w", "DAGSTER_DATABASE_URL": "postgresql://h/d"}
    if name == "FACTORLOOM_SMTP_URL":
        given["FACTORLOOM_MAIL_FROM"] = "alerts@mail.example"
    given.pop(name, None)
    given[f"{name}_FILE"] = str(tmp_path / "secret")
    settings = read_settings(given, folder=tmp_path)
    secret = getattr(settings, variables()[name])
    assert secret.get_secret_value() == text
    assert name not in given
    assert read_settings(given, folder=tmp_path) == settings


def test_a_secret_file_may_be_named_in_the_env_file_too(tmp_path):
    (tmp_path / "secret").write_text("postgresql://api@h/d")
    (tmp_path / ".env").write_text(f"FACTORLOOM_API_DATABASE_URL_FILE={tmp_path / 'secret'}\n")
    assert read_settings({}, folder=tmp_path).api_database_url is not None


def test_a_secret_is_given_once_and_its_file_must_be_readable(problems, tmp_path):
    found = problems(
        {
            "DATABASE_URL": "postgresql://h/w",
            "DATABASE_URL_FILE": str(tmp_path / "a"),
            "DAGSTER_DATABASE_URL_FILE": str(tmp_path / "b"),
        }
    )
    assert "DATABASE_URL and DATABASE_URL_FILE must not both be set" in found
    assert (
        f"DAGSTER_DATABASE_URL_FILE must name a readable file; got {tmp_path / 'b'} (No such file or directory)"
        in found
    )


def test_a_secret_file_that_holds_no_text_is_refused(problems, tmp_path):
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    given = {"DATABASE_URL_FILE": str(tmp_path / "secret"), "DAGSTER_DATABASE_URL": "postgresql://h/d"}
    assert problems(given) == [
        f"DATABASE_URL_FILE must name a readable file; got {tmp_path / 'secret'} (it holds no text)"
    ]


def test_no_message_ever_shows_a_secret(problems):
    found = problems({"DATABASE_URL": "mysql://u:hunter2@h/w", "DAGSTER_DATABASE_URL": "postgresql://h/d"})
    assert found == [
        "DATABASE_URL must be postgresql://user:password@host:port/database, special characters percent-encoded "
        "(the value is not shown)"
    ]
    assert "hunter2" not in repr(
        Settings(database_url="postgresql://u:hunter2@h/w", dagster_database_url="postgresql://h/d")
    )


@pytest.mark.parametrize(
    "address", ["postgresql://h", "postgresql://h/", "postgresql://h:port/w", "postgresql://[::1/w", "h/w"]
)
def test_an_address_that_no_tool_could_read_is_refused_before_anything_connects(problems, address):
    (found,) = problems({"DATABASE_URL": address, "DAGSTER_DATABASE_URL": "postgresql://h/d"})
    assert found.startswith("DATABASE_URL must be postgresql://user:password@host:port/database")


@pytest.mark.parametrize("address", ["postgresql:///w?host=/run/postgresql", "postgres://u:p%40ss@[::1]:5433/w"])
def test_addresses_of_sockets_and_of_the_older_form_will_do(tmp_path, address):
    settings = read_settings({"DATABASE_URL": address, "DAGSTER_DATABASE_URL": address}, folder=tmp_path)
    assert settings.database_url.get_secret_value() == address


def test_services_cannot_share_a_port(problems):
    assert problems({"FACTORLOOM_UI_PORT": "8000"}) == [
        "FACTORLOOM_UI_PORT, FACTORLOOM_API_PORT and FACTORLOOM_CODE_SERVER_PORT must differ; got 8000, 8000, 4266"
    ]


def test_a_secret_of_the_wrong_kind_is_not_shown_either():
    from pydantic import ValidationError

    from warehouse.settings import _sentences

    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"database_url": ["hunter2"]})
    assert _sentences(caught.value) == ["DATABASE_URL: Input should be a valid string"]


def test_internal_variables_are_no_settings_and_no_mistakes(tmp_path):
    given = {"FACTORLOOM_DBT_HOST": "h", "FACTORLOOM_DAGSTER_URL": "u", "FACTORLOOM_TEST_KILLS": "3"}
    assert read_settings(given, folder=tmp_path) == Settings()


def test_artifacts_go_below_home_unless_told_otherwise(tmp_path):
    assert Settings(home=tmp_path).artifacts_uri == str(tmp_path / "artifacts")
    assert Settings(artifacts="s3://bucket/x").artifacts_uri == "s3://bucket/x"


def test_the_settings_of_a_process_are_read_once(monkeypatch, tmp_path):
    current_settings.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACTORLOOM_UI_PORT", "3456")
    first = current_settings()
    monkeypatch.setenv("FACTORLOOM_UI_PORT", "3457")
    assert current_settings() is first
    assert first.ui_port == 3456
    current_settings.cache_clear()


def test_a_frozen_clock_stands_still_in_utc_and_the_machines_does_not():
    frozen = clock_of(Settings(now=datetime.fromisoformat("2026-06-30T18:00:00-04:00")))
    assert frozen() == frozen() == datetime(2026, 6, 30, 22, tzinfo=UTC)
    before = machine_clock()
    assert before <= clock_of(Settings())() <= machine_clock()
    assert before.tzinfo is UTC


def test_home_is_a_path():
    assert Settings().home == Path(".factorloom")
