"""The machine: Python, disk, home, ports, keys."""

import ctypes
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from factorloom.examinations.findings import Finding, fail, ok, warn
from factorloom.home_lock import noted_services, running_supervisor
from factorloom.ports import Port, holder_of, is_free
from factorloom.services import local_ports
from warehouse.embedded import MIN_FREE_BYTES
from warehouse.settings import Settings

OLDEST_PYTHON = (3, 11)
OPENMP = "libgomp.so.1"
# The default market, its factors and Dagster's events take about 3 GB in the first year, PostgreSQL's log up to 4.
COMFORTABLE_FREE_BYTES = 8 * 1024**3


def python() -> Iterator[Finding]:
    """Look at the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield fail("Python", version, "Install Python 3.11 or newer, then `make install`.")
    else:
        yield ok("Python", version)


def libraries() -> Iterator[Finding]:
    """Look for the one library of the system that no package brings: LightGBM is compiled for it."""
    try:
        ctypes.CDLL(OPENMP)
    except OSError:
        what_to_do = "Install it: Debian's package `libgomp1`, Fedora's `libgomp`; it comes with gcc as well."
        yield fail("libraries", f"{OPENMP} is not there: no model can be trained", what_to_do)
    else:
        yield ok("libraries", OPENMP)


def home(settings: Settings) -> Iterator[Finding]:
    """Look at the home folder: is it there, may we write to it."""
    folder = settings.home.resolve()
    existing = nearest_existing(folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        what_to_do = f"Give your account the right to write to {existing}, or set FACTORLOOM_HOME to another folder."
        yield fail("home", f"{folder}: we may not write there", what_to_do)
    elif folder.exists():
        yield ok("home", str(folder))
    else:
        yield ok("home", f"{folder} (made by the first `factorloom refresh`)")


def disk(settings: Settings) -> Iterator[Finding]:
    """Look at the free space where home is."""
    folder = nearest_existing(settings.home.resolve())
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GB free at {folder}"
    if free < MIN_FREE_BYTES:
        yield fail(
            "disk", detail, f"Free at least {MIN_FREE_BYTES // 1024**2} MB: PostgreSQL does not start below that."
        )
    elif free < COMFORTABLE_FREE_BYTES:
        yield warn("disk", detail, f"Have {COMFORTABLE_FREE_BYTES // 1024**3} GB free for a year of runs.")
    else:
        yield ok("disk", detail)


def ports(settings: Settings) -> Iterator[Finding]:
    """Look at who listens where our services want to."""
    home_folder = settings.home.resolve()
    supervisor, services = running_supervisor(home_folder), noted_services(home_folder)
    for port in local_ports(settings):
        yield _port(port, supervisor, services.get(port.service))


def keys(settings: Settings) -> Iterator[Finding]:
    """Look at who may read the keys of this installation."""
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (settings.home.resolve() / "keys").glob("*")}
    shared = {path: mode for path, mode in modes.items() if mode & (stat.S_IRWXG | stat.S_IRWXO)}
    for path, mode in sorted(shared.items()):
        what_to_do = f"chmod 600 '{path}'; if others use this machine, remove it: a new one is made."
        yield fail("keys", f"{path} may be read by others (mode {mode:o})", what_to_do)
    if not shared:
        yield ok("keys", f"{len(modes)}, readable by their owner alone" if modes else "none yet")


def nearest_existing(folder: Path) -> Path:
    """Return the folder or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _port(port: Port, supervisor: int | None, service: int | None) -> Finding:
    subject = f"port {port.number}"
    if is_free(port.host, port.number):
        return ok(subject, f"free for {port.service}")
    holder = holder_of(port.number)
    if supervisor is not None and holder.pid is not None and _is_or_descends_from(holder.pid, service):
        return ok(subject, f"{port.service} of `factorloom up` (process {supervisor})")
    return fail(subject, f"wanted by {port.service}, held by {holder}", f"Stop that, or set {port.variable}.")


def _is_or_descends_from(pid: int, ancestor: int | None) -> bool:
    try:
        return ancestor in (pid, *(parent.pid for parent in psutil.Process(pid).parents()))
    except psutil.Error:
        return False
