"""The Dockerfile can be read without a Docker engine: what it copies is there, nothing secret gets in."""

import json
import shlex
from fnmatch import fnmatch

from tests.deploy.conftest import ROOT, Instruction, last_stage, refusal
from warehouse.settings import variables

OF_PYTHON_AND_DBT = {"PATH", "PYTHONUNBUFFERED", "DBT_TARGET_PATH", "DBT_LOG_PATH"}


def test_there_are_two_stages_and_the_compilers_stay_in_the_first(dockerfile: list[Instruction]):
    assert sum(instruction.word == "FROM" for instruction in dockerfile) == 2
    installed = [i.rest for i in last_stage(dockerfile) if i.word == "RUN" and "apt-get install" in i.rest]
    assert len(installed) == 1
    assert "libgomp1" in installed[0]
    assert "pip" not in " ".join(i.rest for i in last_stage(dockerfile) if i.word == "RUN")


def test_dependencies_are_installed_by_their_hashes_alone(dockerfile: list[Instruction]):
    installs = [i.rest for i in dockerfile if i.word == "RUN" and "pip install" in i.rest]
    assert len(installs) == 2
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]


def test_everything_that_is_copied_exists_and_is_let_through(dockerfile: list[Instruction]):
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for instruction in dockerfile:
        if instruction.word != "COPY" or instruction.rest.startswith("--from"):
            continue
        for source in instruction.rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert not is_ignored(source, patterns), source


def test_keys_data_and_settings_do_not_get_in():
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for path in (".env", ".factorloom", ".git", ".venv", "deploy", "tests", "dbt_project/target"):
        assert is_ignored(path, patterns), path


def test_it_runs_as_a_user_without_rights(dockerfile: list[Instruction]):
    users = [instruction.rest for instruction in last_stage(dockerfile) if instruction.word == "USER"]
    assert users == ["factorloom"]
    made = next(i.rest for i in last_stage(dockerfile) if "useradd" in i.rest)
    assert "--uid 10001" in made


def test_the_dbt_project_is_parsed_when_the_image_is_made(dockerfile: list[Instruction]):
    stage = last_stage(dockerfile)
    parsed = [number for number, i in enumerate(stage) if i.word == "RUN" and i.rest.startswith("factorloom manifest")]
    user = next(number for number, i in enumerate(stage) if i.word == "USER")
    assert len(parsed) == 1
    assert parsed[0] > user, "what the service must overwrite later belongs to its account"


def test_command_and_health_check_exist(dockerfile: list[Instruction]):
    stage = last_stage(dockerfile)
    command = next(json.loads(i.rest) for i in stage if i.word == "CMD")
    health = next(json.loads(i.rest.partition(" CMD ")[2]) for i in stage if i.word == "HEALTHCHECK")
    assert refusal(command) is None
    assert refusal(health) is None
    assert refusal(["factorloom", "manifest"]) is None


def test_variables_are_settings_and_none_is_a_secret(dockerfile: list[Instruction]):
    pairs = [pair for i in last_stage(dockerfile) if i.word == "ENV" for pair in shlex.split(i.rest)]
    names = {pair.partition("=")[0] for pair in pairs}
    assert names <= {*variables(), *OF_PYTHON_AND_DBT}
    assert not [name for name in names if "DATABASE_URL" in name or "PASSWORD" in name]


def is_ignored(path: str, patterns: list[str]) -> bool:
    """As Docker reads the file: the last pattern that fits a path or a folder above it decides."""
    parts = path.split("/")
    ignored = False
    for pattern in patterns:
        plain = pattern.removeprefix("!").removeprefix("**/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if any(fnmatch(each, plain) for each in above):
            ignored = not pattern.startswith("!")
    return ignored
