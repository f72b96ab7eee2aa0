"""The page docs/your-own-data.md holds what it promises: its samples are read, its commands lead to a ranking."""

import datetime as dt
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.source import FilesSource
from tests.ports import free_port
from warehouse.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "your-own-data.md").read_text()
FOLDER = "~/my-market/"
# What is under test is the page, so the market is as small as a universe allows: a year, and a few days to rank.
FIRST, LAST = dt.date(2023, 1, 3), dt.date(2024, 1, 31)
N_COMPANIES = 24


class Walker:
    """Runs the page's commands one after the other, as somebody at a terminal would, in a home folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.exports = ""
        self.programs = Path(sys.executable).parent
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "COLUMNS": "200",
            **{
                name: str(free_port())
                for name in ("FACTORLOOM_UI_PORT", "FACTORLOOM_API_PORT", "FACTORLOOM_CODE_SERVER_PORT")
            },
        }

    def script(self, commands: str) -> list[str]:
        # `make` as it is, but without a look whether the environment that the tests run in is up to date.
        make = f'make() {{ command make --old-file=.venv/.installed BIN={shlex.quote(str(self.programs))} "$@"; }}'
        commands = commands.replace(".venv/bin/", f"{shlex.quote(str(self.programs))}/")
        return ["bash", "-euc", f"{make}\n{self.exports}\n{commands}"]

    def run(self, commands: str) -> str:
        """Run a block; what it exports stays for those after it. The test fails with what it printed."""
        if commands.startswith("export "):
            self.exports += commands
            return ""
        done = subprocess.run(
            self.script(commands), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @contextmanager
    def running(self, commands: str) -> Iterator[None]:
        """Keep a block running until its API answers and for as long as the test needs it, then press Ctrl-C."""
        process = subprocess.Popen(
            self.script(commands), cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            while not self.answers("/readyz"):
                assert process.poll() is None, commands
                time.sleep(0.5)
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=120)

    def answers(self, path: str) -> bool:
        try:
            self.get(f"http://127.0.0.1:8000{path}")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def get(self, address: str) -> dict:
        """Ask as the page's curl does, at the port of this test."""
        own = address.replace(":8000", f":{self.environment['FACTORLOOM_API_PORT']}")
        with urllib.request.urlopen(own) as answer:
            return json.load(answer)


class Block(NamedTuple):
    """A block of the page; a file where the line before it names one."""

    file: str | None
    language: str
    text: str


def blocks() -> list[Block]:
    found = re.findall(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [Block(file or None, language, text) for file, language, text in found]


def sample(name: str) -> str:
    return next(block.text for block in blocks() if block.file == FOLDER + name)


def commands(beginning: str) -> str:
    return next(block.text for block in blocks() if block.language == "bash" and block.text.startswith(beginning))


@pytest.fixture
def sampled(tmp_path: Path) -> FilesSource:
    """A folder with the page's samples and nothing else."""
    for block in blocks():
        if block.file:
            (tmp_path / Path(block.file).name).write_text(block.text)
    return FilesSource(
        FilesOptions(folder=tmp_path),
        calendar=HomeCalendar("XNYS"),
        now=lambda: dt.datetime(2023, 2, 1, tzinfo=dt.UTC),
    )


def test_the_pages_prices_are_read_as_the_page_means_them(sampled: FilesSource):
    (batch,) = sampled.daily_bars(dt.date(2023, 1, 3), dt.date(2023, 1, 4))
    assert batch.refused == []
    assert batch.rows.to_pylist()[0] == {
        "source_symbol": "ACME",
        "trade_date": dt.date(2023, 1, 3),
        "open": 40.12,
        "high": 40.90,
        "low": 39.71,
        "close": 40.55,
        "volume": 512_300,
        "currency_code": "USD",
        "adjustment": "none",
        "vendor_close_adj": None,
    }


def test_the_pages_companies_and_index_are_read(sampled: FilesSource):
    (companies,) = sampled.instruments()
    named = [(row["ticker"], row["name"], row["sector"]) for row in companies.rows.to_pylist()]
    assert named == [("ACME", "Acme Rockets", "Industrials"), ("BOLT", "Bolt & Nut", "Materials")]
    (index,) = sampled.benchmark_bars(dt.date(2023, 1, 3), dt.date(2023, 1, 4))
    assert [row["close"] for row in index.rows.to_pylist()] == [3824.14, 3852.97]
    assert (sampled.label, sampled.benchmark_symbol) == ("Prices of my broker", "INDEX")


def test_every_rule_that_the_page_names_is_one_that_refuses():
    sources = "".join(
        path.read_text()
        for folder in ("transforms", "orchestration/sources/files")
        for path in (ROOT / folder).glob("*.py")
    )
    table = PAGE.partition("| rule | refuses |")[2].partition("\n\n")[0]
    named = re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:]))
    assert len(named) >= 12
    assert [rule for rule in named if f'"{rule}"' not in sources and f"missing_{rule[8:]}" not in sources] == []


@pytest.fixture
def walker() -> Iterator[Walker]:
    home = Path(tempfile.mkdtemp(prefix="fl-"))
    yield Walker(home)
    EmbeddedServer(home / "my-market-home" / "postgres").stop()
    shutil.rmtree(home)


@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_the_page_leads_from_files_to_a_ranking(walker: Walker):
    n_sessions = write_market(walker.home / "my-market")
    walker.run(commands("export "))
    assert "Prices of my broker" in walker.run(commands("make doctor"))
    printed = walker.run(commands("make run"))
    assert f"{N_COMPANIES * n_sessions - 1:,}" in printed, "one price was no number"
    table = walker.run(commands('.venv/bin/factorloom db psql -c "select r.rank'))
    assert "(10 rows)" in table
    refused = walker.run(commands('.venv/bin/factorloom db psql -c "select rule'))
    assert re.findall(r"(unreadable_cell|not_a_session) +\| +(\d+)", refused) == [
        ("not_a_session", "1"),
        ("unreadable_cell", "1"),
    ]
    assert "prices.csv, row" in refused
    with walker.running(commands("make up")):
        answer = walker.get(shlex.split(commands("curl"))[1])
    assert [row["rank"] for row in answer["data"]] == [1, 2, 3]
    assert answer["meta"]["as_of_date"] == LAST.isoformat()
    best = answer["data"][0]
    assert best["ticker"] == table.splitlines()[2].split("|")[1].strip()
    contributions = sum(value for name, value in best.items() if name.startswith("contribution_"))
    assert best["score"] == pytest.approx(50 + contributions, abs=1e-9)
    assert "forecast" in best["missing_groups"], "a year is too short for one, as the page says"


def write_market(folder: Path) -> int:
    """Write files with the columns of the page's samples, two of their rows unfit; return the sessions."""
    folder.mkdir()
    days = HomeCalendar("XNYS").sessions(FIRST, LAST)
    random = np.random.default_rng(7)
    market = random.normal(0.0004, 0.008, len(days))
    symbols = [f"CO{number:02d}" for number in range(N_COMPANIES)]
    bars = [line for symbol in symbols for line in bar_lines(symbol, days, market, random)]
    bars[3] = bars[3].rpartition(",")[0] + ",many"
    bars.append(f"{symbols[0]},2023-07-04,10,11,9,10,1000000")
    levels = 3800 * np.exp(np.cumsum(market))
    (folder / "mapping.yaml").write_text(sample("mapping.yaml"))
    write_csv(folder / "prices.csv", bars)
    write_csv(folder / "index.csv", [f"{day},{level:.2f}" for day, level in zip(days, levels, strict=True)])
    write_csv(folder / "companies.csv", [f"{symbol},Company {symbol},Sector {symbol[-1]}" for symbol in symbols])
    return len(days)


def bar_lines(symbol: str, days: list[dt.date], market: np.ndarray, random: np.random.Generator) -> list[str]:
    close = random.uniform(20, 90) * np.exp(np.cumsum(market + random.normal(0, 0.01, len(days))))
    opened = close * np.exp(random.normal(0, 0.004, len(days)))
    high, low = np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996
    volume = random.integers(200_000, 900_000, len(days))
    rows = zip(days, opened, high, low, close, volume, strict=True)
    return [f"{symbol},{day},{o:.4f},{h:.4f},{lo:.4f},{c:.4f},{v}" for day, o, h, lo, c, v in rows]


def write_csv(path: Path, lines: list[str]) -> None:
    header = sample(path.name).splitlines()[0]
    path.write_text("\n".join([header, *lines, ""]))
