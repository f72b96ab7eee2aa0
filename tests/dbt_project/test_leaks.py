"""Standing test: leaks put into the tables on purpose are caught by what the honest ones are held to.

The first two show when the future is cut off; `test_histories` holds the honest tables to that. Statements are held to
the check that looks at every new session as well. A bar of a wrong day is no bar of the future only, so it is held to
something else: what it says must not matter.
"""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from orchestration.defs.factors.checks import known_in_time_result, sessions_to_compare
from orchestration.installation import Installation
from orchestration.partitions import WINDOW_TAG
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of
from transforms.statement_factors import FACTORS

# Nearly all of it is the work of dbt.
pytestmark = pytest.mark.unwatched

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
DELISTED = "S04"

STATEMENTS_AT_PERIOD_END = (
    "models/intermediate/int_fundamentals_known.sql",
    "            annual.published_local::date\n",
    "            annual.period_end_date\n",
)
# The ranges of one table alone: a statement counts on the day before the session from which it may.
GROWTH_A_DAY_EARLY = tuple(
    ("models/factors/fct_growth.sql", f"prices.as_of_date {bound}", f"prices.as_of_date + 1 {bound}")
    for bound in (">= ratios.known_from_date", "<= ratios.known_to_date")
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

    def build(market, project: Path, *tables: str, **settings: str):
        store = new_store("leaks")
        market.load(store)
        selected = [argument for table in tables for argument in ("--select", f"+{table}")]
        store.dbt._replace(project=project).run("run", *selected, **settings)
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


@pytest.fixture(scope="module")
def installation(market) -> Installation:
    """Where the market's bars come from."""
    days = market.tables["raw.benchmark_bars"]["trade_date"]
    source = SimpleNamespace(
        name="made_up", fallback_names=("second",), first_session=days.min(), last_session=days.max()
    )
    return market_data_of(source, now=f"{days.max()}T23:30:00Z").installation


@pytest.mark.parametrize(
    ("leaks", "factors"),
    [
        ((), set()),
        ((STATEMENTS_AT_PERIOD_END,), {"return_on_equity", "profit_margin", "revenue_growth_1y"}),
        (GROWTH_A_DAY_EARLY, {"revenue_growth_1y"}),
    ],
)
def test_a_check_finds_statements_that_count_before_they_were_published(
    market, project, built, installation, leaks, factors
):
    store = built(market, project(*leaks), "fct_quality", "fct_growth")
    warehouse, sessions = WarehouseOfTest(address=store.url), installation.sessions()
    result = known_in_time_result(warehouse, installation, sessions)
    assert result.metadata["values"].value > 3 * 20 * len(sessions)
    n_wrong = result.metadata["values_of_other_statements"].value
    assert (result.passed, result.severity) == (not leaks, dg.AssetCheckSeverity.ERROR)
    assert (n_wrong > 0, "sample" in result.metadata) == (bool(leaks), bool(leaks))
    assert {name for name in FACTORS if name in str(result.metadata.get("sample", ""))} == factors
    # The ends of months of the whole history show what lasts for weeks.
    ends = sessions_to_compare(installation, {})
    assert len(ends) == len({(day.year, day.month) for day in sessions})
    if leaks != GROWTH_A_DAY_EARLY:
        assert known_in_time_result(warehouse, installation, ends).passed is not bool(leaks)


def test_the_check_finds_nothing_where_a_second_source_tells_the_same_periods(market, project, built, installation):
    # Earlier or later than the first, with other figures and other ends of years; a third one is not configured.
    rng, first = np.random.default_rng(8), market.tables["raw.fundamentals"]
    told = [first]
    for name in ("second", "third"):
        chosen = first.sample(frac=0.7, random_state=3)
        hours, days = rng.integers(-2400, 2400, len(chosen)), rng.choice([0, 0, 0, 8, -25], len(chosen))
        ends = [end + dt.timedelta(days=int(day)) for end, day in zip(chosen["period_end_date"], days, strict=True)]
        told.append(
            chosen.assign(
                source=name, period_end_date=ends, revenue=chosen["revenue"] * 1.01,
                published_at=chosen["published_at"] + pd.to_timedelta(hours, unit="h"),
            )
        )  # fmt: skip
    aliases = market.tables["raw.instrument_aliases"]
    tables = {
        **market.tables,
        "raw.fundamentals": pd.concat(told, ignore_index=True),
        "raw.instrument_aliases": pd.concat([aliases.assign(source=n) for n in ("made_up", "second", "third")]),
    }
    store = built(
        market._replace(tables=tables), project(), "fct_quality", "fct_growth",
        source_priority=",".join(installation.source_priority), session_timezone=installation.calendar.timezone.key,
    )  # fmt: skip
    counted = store.read("select distinct source from marts.fct_fundamentals")["source"]
    assert set(counted) == {"made_up", "second", "third"}
    result = known_in_time_result(WarehouseOfTest(address=store.url), installation, installation.sessions())
    assert result.passed, result.metadata["sample"].value


def test_the_check_looks_at_the_sessions_of_its_run(installation):
    days = installation.sessions()
    assert sessions_to_compare(installation, {"dagster/partition": f"{days[50]}"}) == [days[50]]
    assert sessions_to_compare(
        installation, {"dagster/partition": f"{days[50]}", WINDOW_TAG: f"{days[48]}"}
    ) == days[48:51]  # fmt: skip
    first, last = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))
    assert sessions_to_compare(installation, {first: f"{days[7]}", last: f"{days[9]}"}) == days[7:10]
    of_months = sessions_to_compare(installation, {"dagster/partition": f"{days[80]}", WINDOW_TAG: f"{days[0]}"})
    assert [day.isoformat() for day in of_months] == ["2022-01-31", "2022-02-28", "2022-03-31", f"{days[80]}"]


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
