"""What our processes find in their environment: folders of Dagster and dbt, addresses of databases, numbers of threads.

Secrets travel here and never on a command line, which every account of the machine can read.
"""

import os
import shutil
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from factorloom.errors import FrontError, InstallationError
from warehouse.connect import WRITER, dagster_url, owner_url
from warehouse.settings import Settings

PROJECT_FOLDER = Path(__file__).resolve().parent.parent


def prepare_environment(settings: Settings) -> dict[str, str]:
    """Make the folders below home and return the variables for our own process and for its children.

    Raises
    ------
    FrontError
        When home cannot be written to, or dagster.yaml is missing.
    """
    home = settings.home.resolve()
    try:
        for folder in (dagster_home(settings), compute_logs(settings), logs(settings), home / "dbt"):
            folder.mkdir(parents=True, exist_ok=True)
        _copy_where_different(PROJECT_FOLDER / "dagster.yaml", dagster_home(settings) / "dagster.yaml")
    except OSError as error:
        raise FrontError(
            f"environment: {home} must be a folder that we may write to; {error.strerror or error}. "
            "Set FACTORLOOM_HOME to one, or free some space."
        ) from error
    return {
        "FACTORLOOM_HOME": str(home),
        **_dagster(settings),
        **_dbt(settings),
        **thread_variables(settings.threads),
    }


def apply_environment(settings: Settings) -> dict[str, str]:
    """Do the same, put the variables into our own process too, and return them."""
    variables = prepare_environment(settings)
    os.environ.update(variables)
    return variables


def dagster_home(settings: Settings) -> Path:
    """Folder of the Dagster instance."""
    return settings.home.resolve() / "dagster"


def compute_logs(settings: Settings) -> Path:
    """Folder of what the steps of runs print."""
    return settings.home.resolve() / "dagster" / "compute_logs"


def logs(settings: Settings) -> Path:
    """Folder of what our services print."""
    return settings.home.resolve() / "logs"


def _dagster(settings: Settings) -> dict[str, str]:
    return {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "FACTORLOOM_DAGSTER_URL": dagster_url(settings),
        "FACTORLOOM_DAGSTER_COMPUTE_LOGS": str(compute_logs(settings)),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "120",
        "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS": "120",
        # A run of a whole range writes an event per table and session: single inserts took 8 minutes for 900.
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        # Dagster's default of 5 runs per tick falls behind when each minute has a quote run and each run a few sensors.
        "DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT": "25",
        # What automation remembers names the same partitions a thousand times. Written once, they make 0.2 instead of
        # 52 MB of JSON, which is written and read every half minute.
        "DAGSTER_WRITE_COMPRESSED_ASSET_DAEMON_CURSOR": "1",
    }


def _dbt(settings: Settings) -> dict[str, str]:
    """Return what dbt_project/profiles.yml reads: the parts of the warehouse's address, and who builds tables."""
    home = settings.home.resolve()
    try:
        parts = conninfo_to_dict(owner_url(settings))
    except psycopg.ProgrammingError as error:
        # Its text may quote the address, and with it the password.
        raise FrontError(
            "environment: DATABASE_URL must be an address that PostgreSQL understands (the value is not shown). "
            "Write it as postgresql://user:password@host:port/database, special characters percent-encoded."
        ) from error
    return {
        "FACTORLOOM_DBT_HOST": str(parts.get("host", "localhost")),
        "FACTORLOOM_DBT_PORT": str(parts.get("port", "5432")),
        "FACTORLOOM_DBT_USER": str(parts.get("user", "")),
        "FACTORLOOM_DBT_PASSWORD": str(parts.get("password", "")),
        "FACTORLOOM_DBT_DATABASE": str(parts.get("dbname", "")),
        "FACTORLOOM_DBT_SSLMODE": str(parts.get("sslmode", "prefer")),
        "FACTORLOOM_DBT_ROLE": WRITER,
        "FACTORLOOM_DBT_THREADS": str(settings.threads),
        # An image brings its manifest along and says where.
        "DBT_TARGET_PATH": os.environ.get("DBT_TARGET_PATH") or str(home / "dbt" / "target"),
        "DBT_LOG_PATH": os.environ.get("DBT_LOG_PATH") or str(home / "dbt" / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def thread_variables(threads: int) -> dict[str, str]:
    """Return the thread counts that let Dagster, PostgreSQL and a model step share a few cores.

    Threads that spin while they wait are what hurts: 72 s against 1.4 s for the same LightGBM training beside two busy
    neighbours.
    """
    return {
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "NUMBA_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _copy_where_different(source: Path, target: Path) -> None:
    if not source.is_file():
        raise InstallationError(source)
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return
    # Beside the target, then renamed: another process of ours may be reading it.
    fresh = target.with_suffix(f".{os.getpid()}")
    shutil.copyfile(source, fresh)
    fresh.replace(target)
