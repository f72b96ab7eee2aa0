"""The features that tests/skill computes in memory are those that the tables give: the same market takes both ways."""

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import pytest

from models.features import EXPOSURE_COLUMNS, INDICATOR_COLUMNS, technical_panel
from models.labels import forward_returns, label_panel
from orchestration.sources.simulated.source import SimulatedSource
from tests.skill.simulated_panel import CALENDAR, clean_options, simulated_panel
from transforms.indicators import indicators
from transforms.market_risk import rolling_market_risk_rows

# Nearly all of it is the work of dbt.
pytestmark = pytest.mark.unwatched

FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 6, 30)
OPTIONS = clean_options(21, 1.0, n_instruments=30, first_session=FIRST)


def load(store) -> None:
    """Fill schema raw from the source; the symbol serves as id."""
    evening = dt.datetime.combine(LAST, dt.time(23, 30), dt.UTC)
    source = SimulatedSource(OPTIONS, calendar=CALENDAR, now=lambda: evening)
    for name in ("instruments", "daily_bars", "dividends", "splits", "fundamentals", "benchmark_bars"):
        window = () if name == "instruments" else (FIRST, LAST)
        rows = pd.concat([batch.rows.to_pandas() for batch in getattr(source, name)(*window)], ignore_index=True)
        rows = rows.assign(source="simulated")
        if name == "instruments":
            rows = rows.drop(columns="stable_id").assign(instrument_id=rows["source_symbol"])
            aliases = rows[["source", "source_symbol", "instrument_id", "ticker"]]
            store.insert("raw.instrument_aliases", aliases.assign(valid_from_date=FIRST))
        if name == "fundamentals":
            rows = rows.drop(columns="filed_date").assign(published_at_basis="published")
        store.insert(f"raw.{name}", rows)


def frame(store, sql: str) -> pd.DataFrame:
    rows = store.read(sql)
    return rows.assign(**{name: pd.to_datetime(rows[name]) for name in rows if name.endswith("_date")})


def panel_of_tables(store) -> pd.DataFrame:
    """Features as the pipeline reads them: prices, then regressions, then factors."""
    store.dbt.run("run", "--select", "path:models/staging", "path:models/intermediate", "path:models/marts")
    prices = frame(store, "select * from marts.fct_daily_prices order by instrument_id, trade_date")
    benchmark = frame(store, "select trade_date, return_1d from marts.dim_benchmark_prices")
    measures = rolling_market_risk_rows(prices, benchmark, first_date=FIRST)
    store.insert("research.rolling_measures", measures.astype({"beta_252d": float}))
    store.dbt.run("run", "--select", "path:models/factors")
    exposures = frame(
        store, f"select instrument_id, as_of_date, {', '.join(EXPOSURE_COLUMNS)} from factors.fct_factor_exposures"
    )
    found = indicators(prices)[["instrument_id", "as_of_date", *INDICATOR_COLUMNS]]
    return technical_panel(exposures, found, prices), prices


def test_the_panel_in_memory_is_that_of_the_tables(new_store):
    store = new_store("panel")
    load(store)
    expected, prices = panel_of_tables(store)
    panel = simulated_panel(OPTIONS, LAST)
    assert len(expected) > 2_500
    assert list(panel.features.index) == list(expected.index)
    apart = (panel.features.isna() != expected.isna()).sum()
    assert apart[apart > 0].to_dict() == {}
    # Centred ranks as single-precision numbers: one step of 30 companies is 0.03.
    np.testing.assert_allclose(panel.features, expected, atol=1e-6)
    labels = label_panel(forward_returns(prices, panel.sessions), expected.index)
    np.testing.assert_allclose(panel.labels, labels, rtol=1e-9, atol=1e-12)
    assert labels["label_return"].notna().sum() > 2_000


def test_the_market_has_splits_and_dividends():
    evening = dt.datetime.combine(LAST, dt.time(23, 30), dt.UTC)
    source = SimulatedSource(OPTIONS, calendar=CALENDAR, now=lambda: evening)
    events = itertools.chain(source.splits(FIRST, LAST), source.dividends(FIRST, LAST))
    assert sum(batch.rows.num_rows for batch in events) > 50
    assert sum(batch.rows.num_rows for batch in source.splits(FIRST, LAST)) > 0
