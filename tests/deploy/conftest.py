"""The files that containers are made from, read as data."""

import shlex
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import pytest
import typer
import yaml
from msgspec import Meta

from factorloom.cli import commands

ROOT = Path(__file__).resolve().parents[2]

Duration = Annotated[str, Meta(pattern=r"^(\d+(us|ms|s|m|h))+$")]
Memory = Annotated[str, Meta(pattern=r"^\d+(b|k|kb|m|mb|g|gb)$")]
Words = Annotated[list[str], Meta(min_length=1)]


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """What the compose specification allows, as far as we use it; a key that is not here is a mistake."""


class Build(Part):
    context: str


class EnvironmentFile(Part):
    path: str
    required: bool = True


class Dependency(Part):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Healthcheck(Part):
    test: Words
    interval: Duration
    timeout: Duration
    retries: int
    start_period: Duration


class Limits(Part):
    memory: Memory


class Resources(Part):
    limits: Limits


class Deployment(Part):
    resources: Resources


class Service(Part):
    image: str
    restart: Literal["no", "always", "on-failure", "unless-stopped"]
    deploy: Deployment
    build: Build | None = None
    command: list[str] = []
    init: bool = False
    security_opt: list[str] = []
    cap_drop: list[str] = []
    env_file: list[EnvironmentFile] = []
    environment: dict[str, str] = {}
    secrets: list[str] = []
    volumes: list[str] = []
    ports: list[str] = []
    shm_size: Memory = "64m"
    depends_on: dict[str, Dependency] = {}
    healthcheck: Healthcheck | None = None


class Secret(Part):
    file: str


class Compose(Part):
    name: str
    services: dict[str, Service]
    volumes: dict[str, None]
    secrets: dict[str, Secret]

    @property
    def ours(self) -> dict[str, Service]:
        """The services that run our image."""
        return {name: service for name, service in self.services.items() if service.build}


class Instruction(NamedTuple):
    """A line of a Dockerfile, continued ones joined."""

    word: str
    rest: str


@pytest.fixture(scope="session")
def compose() -> Compose:
    return read_compose()


def read_compose() -> Compose:
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return msgspec.convert({key: value for key, value in content.items() if not key.startswith("x-")}, Compose)


@pytest.fixture(scope="session")
def dockerfile() -> list[Instruction]:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def last_stage(dockerfile: list[Instruction]) -> list[Instruction]:
    begin = max(number for number, instruction in enumerate(dockerfile) if instruction.word == "FROM")
    return dockerfile[begin:]


def refusal(words: list[str]) -> str | None:
    """What our command line would say to the words, without running them; None where it understands them."""
    if words[0] != "factorloom":
        return f"{words[0]} is not ours"
    command, context, rest = typer.main.get_command(commands), None, words[1:]
    try:
        while hasattr(command, "resolve_command"):
            # A group reads what is its own and leaves the rest.
            context = command.make_context(command.name, rest, parent=context)
            _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(command.name, rest, parent=context)
    except Exception as error:
        return f"{shlex.join(words)}: {error}"
    return None
