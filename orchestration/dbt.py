"""Where the dbt project lies, and its manifest: parsed once per change of the project, never at import."""

import hashlib
import os
import sys
from functools import lru_cache
from pathlib import Path

from dagster_dbt import DbtCliResource, DbtProject

PROJECT_FOLDER = Path(__file__).resolve().parent.parent / "dbt_project"
SOURCES = ("*.sql", "*.yml", "*.md")


@lru_cache(maxsize=1)
def dbt_project() -> DbtProject:
    """Return the project; its target folder is DBT_TARGET_PATH."""
    return DbtProject(project_dir=PROJECT_FOLDER, target_path=Path(os.environ.get("DBT_TARGET_PATH", "target")))


def dbt_resource() -> DbtCliResource:
    """Return the resource that runs dbt."""
    # Named, not looked for: a service's PATH need not hold our environment.
    executable = Path(sys.executable).with_name("dbt")
    return DbtCliResource(project_dir=dbt_project(), profiles_dir=str(PROJECT_FOLDER), dbt_executable=str(executable))


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


def prepare_manifest() -> None:
    """Parse the project unless the manifest stands for its present files."""
    path = dbt_project().manifest_path
    stamp, digest = path.with_name("manifest.digest"), project_digest()
    if path.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    dbt_resource().cli(["parse", "--quiet"], target_path=path.parent).wait()
    stamp.write_text(digest)


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
