"""Where the dbt project lies, and its manifest: parsed once per change of the project, never at import."""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_dbt import DbtProject

from orchestration.errors import DbtFailed

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

PROJECT_FOLDER = Path(__file__).resolve().parent.parent / "dbt_project"
SOURCES = ("*.sql", "*.yml", "*.md")
# What dbt says goes to dbt.log in DBT_LOG_PATH, but for its debug lines, which are most of it.
QUIETLY = ("--log-level", "none", "--log-level-file", "info")


@lru_cache(maxsize=1)
def dbt_project() -> DbtProject:
    """Return the project; its target folder is DBT_TARGET_PATH."""
    return DbtProject(project_dir=PROJECT_FOLDER, target_path=Path(os.environ.get("DBT_TARGET_PATH", "target")))


def manifest() -> Path:
    """Return the path of the manifest.

    Raises
    ------
    FileNotFoundError
        Before `prepare_manifest` has run.
    """
    path = dbt_project().manifest_path
    if not path.exists():
        raise FileNotFoundError(
            f"dbt: the manifest must be there before definitions are loaded; got no {path}. Run `make manifest`."
        )
    return path


@lru_cache(maxsize=1)
def parsed_manifest() -> dict[str, Any]:
    """Return what the manifest says."""
    content: dict[str, Any] = json.loads(manifest().read_bytes())
    return content


def prepare_manifest() -> None:
    """Parse the project unless the manifest stands for its present files."""
    path = dbt_project().manifest_path
    stamp, digest = path.with_name("manifest.digest"), f"{project_digest()} dbt {version('dbt-core')}"
    if path.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    parse_project()
    stamp.write_text(digest)


@lru_cache(maxsize=1)
def parsed_project() -> "Manifest":
    """Return the project as dbt holds it, from what the last parse left where that fits.

    dbt itself would parse anew for another address of the same database, as that of a container's image is.
    """
    return _left_by_the_last_parse() or parse_project("--no-write-json")


def _left_by_the_last_parse() -> "Manifest | None":
    """Return what another release of dbt, or a parse for another database, has not left, and no parse is writing."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        left = dbt_project().manifest_path.with_name("partial_parse.msgpack").read_bytes()
        project = Manifest.from_msgpack(left, decoder=extended_mashumuro_decoder)
    # What half a file, or one of another form, gives is the library's own affair.
    except Exception:
        return None
    database = os.environ.get("FACTORLOOM_DBT_DATABASE", "factorloom")
    fits = project.metadata.dbt_version == version("dbt-core") and all(
        node.database == database for node in project.nodes.values()
    )
    return project if fits else None


def parse_project(*options: str) -> "Manifest":
    """Parse the project.

    Raises
    ------
    DbtFailed
        With what dbt says of it.
    """
    from dbt.contracts.graph.manifest import Manifest

    done = invoke(["parse", "--quiet", *options])
    if not isinstance(done.result, Manifest):
        raise DbtFailed([str(done.exception)])
    return done.result


def invoke(
    arguments: Sequence[str], *, manifest: "Manifest | None" = None, callbacks: Sequence[Callable[..., None]] = (),
    folder: Path = PROJECT_FOLDER,
) -> "dbtRunnerResult":  # fmt: skip
    """Run a dbt command in this process, on the project in a folder."""
    # Imported here: loading the definitions needs no dbt command.
    from dbt.cli.main import dbtRunner

    try:
        with contextlib.chdir(folder):
            where = ("--project-dir", str(folder), "--profiles-dir", str(folder))
            return dbtRunner(manifest, [*callbacks]).invoke([*arguments, *where, *QUIETLY])
    finally:
        # dbt opens its log anew for each command, and leaves it open.
        for handler in logging.getLogger("file_log").handlers:
            handler.close()


@lru_cache(maxsize=1)
def project_digest() -> str:
    """Return a content hash of the project's files: the code version of every dbt table."""
    digest = hashlib.blake2b(digest_size=16)
    files = [
        path
        for pattern in SOURCES
        for path in PROJECT_FOLDER.rglob(pattern)
        if not {"target", "logs"} & set(path.relative_to(PROJECT_FOLDER).parts)
    ]
    for path in sorted(files):
        digest.update(str(path.relative_to(PROJECT_FOLDER)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
