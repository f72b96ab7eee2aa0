import datetime as dt
from collections import Counter

import pandas as pd
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.truth import read_defects

FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 6, 30)
RATE = 0.01
KEY = ["source_symbol", "trade_date"]
FIELDS = ["open", "high", "low", "close", "volume"]


def defects_of(rate: float = RATE):
    options = SimulatedOptions(n_instruments=40, first_session=FIRST, defect_rate=rate)
    return read_defects(options, HomeCalendar("XNYS"), LAST)


@pytest.fixture(scope="module")
def defects():
    return defects_of()


@pytest.fixture
def spoilt(make_source, read) -> pd.DataFrame:
    return read(make_source(n_instruments=40, defect_rate=RATE), "daily_bars")


@pytest.fixture
def clean(make_source, read) -> pd.DataFrame:
    return read(make_source(n_instruments=40), "daily_bars").set_index(KEY)


def hits(defects, kind: str) -> dict[tuple[str, dt.date], dt.date | None]:
    return {
        (d.source_symbol, d.day): dt.date.fromisoformat(d.other) if d.other else None for d in defects if d.kind == kind
    }


def test_a_clean_feed_has_none():
    assert defects_of(0.0) == []


def test_all_kinds_happen_at_about_the_rate_asked_for(defects, spoilt):
    kinds = Counter(d.kind for d in defects if d.entity == "daily_bars")
    assert len(kinds) == 9
    assert 0.8 * RATE < sum(kinds.values()) / len(spoilt) < 1.2 * RATE
    assert {d.kind for d in defects if d.entity != "daily_bars"} == {"lost_split", "another_company"}


def test_only_the_bars_told_differ_from_the_clean_ones(defects, spoilt, clean):
    told = {(d.source_symbol, d.day) for d in defects if d.entity == "daily_bars"}
    untold = spoilt[[key not in told for key in zip(*(spoilt[k] for k in KEY), strict=True)]]
    kept = clean[[key not in told for key in clean.index]]
    pd.testing.assert_frame_equal(untold.set_index(KEY).sort_index(), kept.sort_index(), check_exact=True)


def test_spoilt_prices_are_null_reversed_negative_or_zero(defects, spoilt):
    bars = spoilt.drop_duplicates(KEY).set_index(KEY)
    prices = ["open", "high", "low", "close"]
    assert bars.loc[list(hits(defects, "null_price")), prices].isna().all(axis=None)
    reversed_bars = bars.loc[list(hits(defects, "high_below_low"))]
    assert (reversed_bars["high"] < reversed_bars["low"]).all()
    assert (bars.loc[list(hits(defects, "negative_price")), "low"] < 0).all()
    assert (bars.loc[list(hits(defects, "zero_price")), "close"] == 0).all()


@pytest.mark.parametrize(("kind", "sign"), [("repeated_from_earlier", -1), ("repeated_from_later", 1)])
def test_a_repeated_bar_is_that_of_another_day_of_the_same_company(defects, spoilt, clean, kind, sign):
    bars = spoilt.drop_duplicates(KEY).set_index(KEY)
    found = hits(defects, kind)
    assert len(found) > 5
    for (symbol, day), other in found.items():
        assert (other - day).days * sign > 0
        if other <= LAST:
            assert (bars.loc[(symbol, day), FIELDS] == clean.loc[(symbol, other), FIELDS]).all()


def test_missing_sessions_are_missing_and_duplicates_come_twice(defects, spoilt):
    counts = spoilt.groupby(KEY).size()
    missing = hits(defects, "missing_session")
    assert not counts.index.isin(list(missing)).any()
    assert (counts[list(hits(defects, "exact_duplicate"))] == 2).all()
    assert (counts[list(hits(defects, "conflicting_duplicate"))] == 2).all()
    distinct = spoilt.drop_duplicates().groupby(KEY).size()
    assert (distinct[list(hits(defects, "exact_duplicate"))] == 1).all()
    assert (distinct[list(hits(defects, "conflicting_duplicate"))] == 2).all()


def test_a_lost_split_leaves_the_jump_without_its_record(defects, make_source, read):
    feed = read(make_source(n_instruments=40, defect_rate=RATE), "splits")
    whole = read(make_source(n_instruments=40), "splits")
    lost = set(hits_of_splits(defects))
    all_of_them = set(zip(whole["source_symbol"], whole["ex_date"], strict=True))
    given = set(zip(feed["source_symbol"], feed["ex_date"], strict=True)) if len(feed) else set()
    assert lost
    assert lost == all_of_them - given


def hits_of_splits(defects) -> list[tuple[str, dt.date]]:
    return [(d.source_symbol, d.day) for d in defects if d.kind == "lost_split"]


def test_another_companys_statement_has_that_companys_figures(defects, make_source, read):
    feed = read(make_source(n_instruments=40, defect_rate=RATE), "fundamentals")
    true = read(make_source(n_instruments=40), "fundamentals")
    key = ["source_symbol", "statement", "period_end_date"]
    feed, true = (f.drop_duplicates(key).set_index(key).sort_index() for f in (feed, true))
    wrong = [d for d in defects if d.kind == "another_company"]
    assert len(wrong) > 10
    for d in wrong:
        spoilt, owners = (
            frame.loc[(symbol, "quarterly", d.day), ["revenue", "total_assets", "eps"]]
            for frame, symbol in ((feed, d.source_symbol), (true, d.other))
        )
        assert (spoilt == owners).all()
