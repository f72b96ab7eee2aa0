"""Log files of each day, and how long they are kept."""

import datetime as dt
import enum
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from api.logs import DailyFile, _as_line

ROOT = Path(__file__).parents[2]


def test_a_new_day_begins_a_new_file_and_thirty_days_stay(tmp_path):
    now = [dt.datetime(2024, 6, 30, 23, 59, tzinfo=dt.UTC)]
    file = DailyFile(tmp_path, lambda: now[0])
    file.write("one")
    now[0] += dt.timedelta(minutes=2)
    file.write("two")
    file.write("three \udcff")
    assert (tmp_path / "api-2024-06-30.jsonl").read_text() == "one\n"
    assert (tmp_path / "api-2024-07-01.jsonl").read_text() == "two\nthree \\udcff\n"
    (tmp_path / "notes.txt").write_text("not ours")
    now[0] = dt.datetime(2024, 7, 30, 0, 1, tzinfo=dt.UTC)
    file.write("four")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "api-2024-06-30.jsonl",
        "api-2024-07-01.jsonl",
        "api-2024-07-30.jsonl",
        "notes.txt",
    ]
    now[0] += dt.timedelta(days=1)
    file.write("five")
    file.close()
    assert not (tmp_path / "api-2024-06-30.jsonl").exists()
    assert (tmp_path / "api-2024-07-01.jsonl").exists()


def test_a_folder_that_cannot_be_written_costs_lines_and_is_said_once(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file, no folder")
    file = DailyFile(tmp_path / "taken", lambda: dt.datetime(2024, 6, 30, tzinfo=dt.UTC))
    file.write("one")
    file.write("two")
    assert capsys.readouterr().err.count("must be writable") == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize(
    "path", ["/mail/confirm/{}", "/mail/unsubscribe/{}/", "/mail//confirm/{}", "/MAIL/confirm/{}/x"]
)
def test_the_secret_that_links_in_mails_end_with_stands_in_no_line(client, method, path):
    with structlog.testing.capture_logs() as lines:
        client.request(method, path.format("5ecre7"))
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["path"].lower().startswith(path.split("{")[0].lower())
    assert "5ecre7" not in str(lines)


def test_lines_are_json_in_the_file_and_on_a_pipe(tmp_path):
    code = (
        "import datetime as dt, pathlib, sys, structlog; from api import logs;"
        "clock = lambda: dt.datetime(2024, 6, 30, 12, tzinfo=dt.UTC);"
        "logs.configure(level='INFO', clock=clock, folder=pathlib.Path(sys.argv[1]));"
        "structlog.get_logger().info('request', status=200); structlog.get_logger().debug('unseen')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    written = (tmp_path / "api-2024-06-30.jsonl").read_text()
    assert written == done.stderr
    assert json.loads(written) == {
        "at": "2024-06-30T12:00:00.000+00:00",
        "level": "info",
        "event": "request",
        "status": 200,
    }


def test_a_line_is_ascii_whatever_is_logged(tmp_path):
    code = (
        "import datetime as dt, pathlib, sys, structlog; from api import logs;"
        "clock = lambda: dt.datetime(2024, 6, 30, 12, tzinfo=dt.UTC);"
        "logs.configure(level='INFO', clock=clock, folder=pathlib.Path(sys.argv[1]));"
        "structlog.get_logger().info('request', path='/\\u2028\\x9b\\x7f\\udcff\\n', odd=object, seconds=0.25)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (tmp_path / "api-2024-06-30.jsonl").read_bytes().splitlines()
    assert re.fullmatch(rb"[ -~]+", line)
    told = json.loads(line)
    assert (told["path"], told["odd"], told["seconds"]) == ("/\u2028\x9b\x7f\udcff\n", "<class 'object'>", 0.25)


class Side(enum.Enum):
    LONG = "long"


class Sealed:
    def __repr__(self) -> str:
        raise ValueError("not to be shown")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (math.nan, None),
        ({"a": [math.inf, 1.5]}, {"a": [None, 1.5]}),
        (dt.datetime(2024, 6, 30, tzinfo=dt.UTC), "2024-06-30T00:00:00Z"),
        (Side.LONG, "long"),
        ((1, 2), [1, 2]),
    ],
)
def test_a_value_reads_the_same_whatever_text_stands_beside_it(value, told):
    for text in ("plain", "caf\u00e9", "\x7f", "\udcff"):
        line = _as_line({"event": text, "value": value}, default=repr)
        assert line.isascii()
        assert json.loads(line, parse_constant=pytest.fail) == {"event": text, "value": told}


def test_no_event_stops_whoever_logs_it():
    round_and_round: list[object] = []
    round_and_round.append(round_and_round)
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    for value in (round_and_round, deep, Sealed(), {(1, 2): 3}, {"\udcff": 1}, 10**5_000, {None: 1}):
        line = _as_line({"event": "x", "value": value, "path": "/\u00e9"}, default=repr)
        told = json.loads(line, parse_constant=pytest.fail)
        assert (told["event"], told["path"], line.isascii()) == ("x", "/\u00e9", True)
