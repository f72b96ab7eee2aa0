"""What a person sees of a run, and what is kept of it for the summary."""

import io
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from rich.console import Console

from factorloom.errors import RefreshFailed
from factorloom.refresh import _run
from factorloom.stages import Intake, Stage, StageResult
from factorloom.summary import print_summary
from warehouse.connect import connect
from warehouse.settings import Settings

PROJECT = Path(__file__).parents[2]


@dg.asset(key=["raw", "daily_bars"])
def bars() -> dg.MaterializeResult:
    """Five records: two are new, one has changed, one is refused, one stays as it was."""
    return dg.MaterializeResult(metadata={"received": 5, "inserted": 2, "updated": 1, "unchanged": 1, "quarantined": 1})


@dg.asset(deps=[bars])
def ranking() -> dg.MaterializeResult:
    """A table that receives nothing."""
    return dg.MaterializeResult(metadata={"inserted": 3})


@dg.asset
def broken() -> None:
    """An asset that fails for a reason."""
    try:
        {}["volume"]
    except KeyError as error:
        raise ValueError("bars: a column is missing") from error


@pytest.fixture
def run():
    definitions = dg.Definitions(
        assets=[bars, ranking, broken],
        jobs=[dg.define_asset_job("good", selection=[bars, ranking]), dg.define_asset_job("bad", selection=[broken])],
    )
    shown = io.StringIO()
    console = Console(file=shown, width=120)

    def run(job: str) -> tuple[StageResult, str]:
        with dg.DagsterInstance.ephemeral() as instance:
            result, _ = _run(instance, make_new_run_id(), definitions, Stage(job, "the stage"), console)
            return result, shown.getvalue()

    return run


def test_a_run_shows_one_line_and_none_of_dagsters(run, capfd):
    _, shown = run("good")
    assert "the stage" in shown
    assert "2/2" in shown
    assert "STEP_START" not in "".join(capfd.readouterr())


def test_progress_stays_on_the_terminal_while_a_step_writes_into_its_log():
    code = (
        "import os, sys; from factorloom.progress import console_on_own_copy; console = console_on_own_copy();"
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1); print('of the step'); console.print('of the display')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "of the display\n"


def test_what_came_in_is_kept_by_table(run):
    result, _ = run("good")
    assert result.intake == {"raw.daily_bars": Intake(received=5, inserted=2, updated=1, quarantined=1)}
    assert set(result.seconds_by_step) == {"raw__daily_bars", "ranking"}


def test_a_failed_run_says_which_step_failed_and_the_innermost_reason(run):
    with pytest.raises(RefreshFailed, match=r"every step of bad must succeed; run \S+ did not: broken: .*volume"):
        run("bad")


def test_the_end_says_what_came_in_and_where_to_go_also_before_there_is_a_ranking(server, database, tmp_path):
    with connect(database.url) as connection:
        connection.execute("create table marts.dim_instruments (instrument_id text, ticker text, name text)")
        connection.execute(
            "insert into raw.daily_bars (source, source_symbol, trade_date, close, volume, currency_code, adjustment)"
            " select 'simulated', 'A', date '2024-01-01' + n, 1, 1, 'USD', 'none' from generate_series(1, 1234) as n"
        )
    settings = Settings(home=tmp_path, database_url=database.owner_url, dagster_database_url=database.owner_url)
    result = StageResult(
        Stage("job", "label"), "run", 2.5, {"raw__daily_bars": 1.5}, {"raw.daily_bars": Intake(5, 2, 1, 1)}
    )
    shown = io.StringIO()
    label = "A simulated market of 2 [invented] companies."
    print_summary(settings, [result], Console(file=shown, width=120), label=label, sources=["simulated"])
    lines = [line.split() for line in shown.getvalue().replace("│", " ").splitlines()]
    assert ["A", "simulated", "market", "of", "2", "[invented]", "companies."] in lines
    assert ["raw.daily_bars", "5", "2", "1", "1", "1,234"] in lines
    assert ["raw.splits", "0", "0", "0", "0", "0"] in lines
    assert ["raw.daily_bars", "1.5"] in lines
    assert "No backtest yet" in shown.getvalue()
    assert "FACTORLOOM_SOURCE=files" in shown.getvalue()
    assert "curl 'http://127.0.0.1:8000/v1/rankings?profile=balanced&limit=5'" in shown.getvalue()
