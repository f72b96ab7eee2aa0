"""Standing test: leaks put into the tables on purpose are caught by what the honest ones are held to.

The first two show when the future is cut off; `test_histories` holds the honest tables to that. A bar of a wrong day is
no bar of the future only, so it is held to something else: what it says must not matter.
"""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
DELISTED = "S04"

STATEMENTS_AT_PERIOD_END = (
    "models/intermediate/int_fundamentals_known.sql",
    "            annual.published_local::date\n",
    "            annual.period_end_date\n",
)
UNIVERSE_OF_SURVIVORS = (
    "models/factors/fct_universe_members.sql",
    "        and gathered.session_number >= 252\n",
    """        and gathered.session_number >= 252
        and gathered.instrument_id in (
            select alive.instrument_id from {{ ref('fct_daily_prices') }} as alive
            where alive.trade_date > (select max(ended.trade_date) - 7 from {{ ref('fct_daily_prices') }} as ended)
        )
""",
)
WRONG_DAYS_LET_THROUGH = (
    "models/intermediate/int_daily_bars_chosen.sql",
    "coalesce(verdicts.is_suspect, false) as is_suspect",
    "false as is_suspect",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Callable[..., Path]:
    """Copy the project and put leaks into it."""

    def make(*leaks: tuple[str, str, str]) -> Path:
        folder = tmp_path_factory.mktemp("leaking") / "dbt_project"
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
        for file, honest, leaking in leaks:
            text = (folder / file).read_text()
            assert text.count(honest) == 1, f"{file} has changed: put the leak where it belongs now"
            (folder / file).write_text(text.replace(honest, leaking))
        return folder

    return make


@pytest.fixture(scope="module")
def built(new_store) -> Callable:
    """Build a table and what it needs from a market, by a project."""

    def build(market, project: Path, *tables: str):
        store = new_store("leaks")
        market.load(store)
        selected = [argument for table in tables for argument in ("--select", f"+{table}")]
        store.dbt._replace(project=project).run("run", *selected)
        return store

    return build


@pytest.fixture(scope="module")
def market_with_an_end(market):
    """The market, one of whose instruments is delisted a month before the last day."""
    last = market.tables["raw.benchmark_bars"]["trade_date"].max() - dt.timedelta(days=30)
    bars = market.tables["raw.daily_bars"]
    kept = bars[(bars["source_symbol"] != DELISTED) | (bars["trade_date"] <= last)]
    return market._replace(tables={**market.tables, "raw.daily_bars": kept})


@pytest.fixture(scope="module")
def past(market_with_an_end, project, built) -> Callable[[str], list[pd.DataFrame]]:
    """What leaking tables said of the days up to a cut, with the future there and without it."""
    days = sorted(market_with_an_end.tables["raw.benchmark_bars"]["trade_date"])
    cut = days[-40]
    leaking = project(STATEMENTS_AT_PERIOD_END, UNIVERSE_OF_SURVIVORS)
    tables = ("fct_growth", "fct_universe_members")
    stores = [built(known, leaking, *tables) for known in (market_with_an_end, market_with_an_end.known_on(cut))]

    def read(table: str) -> list[pd.DataFrame]:
        sql = f"select * from factors.{table} where as_of_date <= '{cut}' order by instrument_id, as_of_date"
        return [store.read(sql) for store in stores]

    return read


def test_statements_that_count_from_the_end_of_their_period_are_caught(past):
    whole, cut_off = past("fct_growth")
    assert len(cut_off) > 0
    assert not whole.equals(cut_off)


def test_a_universe_that_knows_its_survivors_is_caught(past):
    whole, cut_off = past("fct_universe_members")
    assert f"id-{DELISTED}" in set(cut_off["instrument_id"])
    assert f"id-{DELISTED}" not in set(whole["instrument_id"])


@pytest.mark.parametrize(("leaks", "is_honest"), [((), True), ((WRONG_DAYS_LET_THROUGH,), False)])
def test_what_a_bar_of_a_wrong_day_says_matters_only_where_it_is_let_through(market, project, built, leaks, is_honest):
    bars, verdicts = market.tables["raw.daily_bars"], market.tables["raw.bar_verdicts"]
    wrong = verdicts[(verdicts["rule"] == "wrong_day") & (verdicts["verdict"] == "suspect")]
    keys = pd.MultiIndex.from_frame(wrong[["source_symbol", "trade_date"]])
    is_wrong = pd.MultiIndex.from_frame(bars[["source_symbol", "trade_date"]]).isin(keys)
    assert is_wrong.sum() > 20
    prices = ["open", "high", "low", "close"]
    other = bars.copy()
    other.loc[is_wrong, prices] = (other.loc[is_wrong, prices] * 1.5).round(2)
    folder = project(*leaks)
    said, said_otherwise = (
        built(
            market._replace(tables={**market.tables, "raw.daily_bars": rows}), folder, "fct_momentum", "fct_volatility"
        )
        for rows in (bars, other)
    )
    for table in ("factors.fct_momentum", "factors.fct_volatility"):
        first, second = (store.read(f"select * from {table} order by 1, 2") for store in (said, said_otherwise))
        assert first.equals(second) is is_honest, table
