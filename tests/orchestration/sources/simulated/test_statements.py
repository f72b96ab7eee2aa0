import datetime as dt

import numpy as np
import pandas as pd
import pytest

from orchestration.calendars import HomeCalendar

FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 6, 30)


@pytest.fixture
def statements(make_source, read) -> pd.DataFrame:
    return read(make_source(n_instruments=120), "fundamentals")


def test_statements_appear_weeks_after_their_period_and_after_a_close(statements):
    listed = statements[statements["published_at"] >= pd.Timestamp("2022-01-04", tz="UTC")]
    late = listed.groupby(["source_symbol", "statement", "period_end_date"])["published_at"].min()
    ended = pd.to_datetime(late.index.get_level_values("period_end_date")).tz_localize("UTC")
    waited = (late - ended).dt.days
    assert (waited[late.index.get_level_values(1) == "quarterly"] >= 25).all()
    assert (waited[late.index.get_level_values(1) == "annual"] >= 45).all()
    calendar = HomeCalendar("XNYS")
    for instant in listed["published_at"].head(200):
        day = instant.tz_convert("America/New_York").date()
        after = instant - calendar.close_at(day)
        assert pd.Timedelta(minutes=5) <= after <= pd.Timedelta(minutes=100)


def test_nothing_is_handed_over_before_it_is_published(make_source, read):
    today = dt.date(2023, 3, 15)
    statements = read(make_source(today=today), "fundamentals", last=today)
    assert statements["published_at"].max() <= pd.Timestamp("2023-03-15 22:00", tz="UTC")


def test_five_years_of_the_past_come_with_the_first_session(make_source, read):
    past = read(make_source(), "fundamentals", last=FIRST)
    annual = past[past["statement"] == "annual"].groupby("source_symbol").size()
    assert (annual >= 5).all()
    assert len(annual) == 30


def test_an_annual_statement_sums_its_four_quarters(statements):
    flows = ["revenue", "net_income", "operating_cash_flow", "capex", "depreciation"]
    first = statements.sort_values("published_at").drop_duplicates(["source_symbol", "statement", "period_end_date"])
    symbol = first["source_symbol"].iloc[0]
    own = first[first["source_symbol"] == symbol].sort_values("period_end_date")
    quarterly = own[own["statement"] == "quarterly"].set_index("period_end_date")[flows]
    annual = own[own["statement"] == "annual"].set_index("period_end_date")[flows]
    summed = quarterly.rolling(4).sum().loc[annual.index]
    # Every figure is rounded to thousands by itself.
    assert len(annual) >= 5
    assert np.allclose(summed, annual, atol=2_500, rtol=0)


def test_the_books_hang_together(statements):
    rows = statements
    close = {"atol": 2_500, "rtol": 0}
    assert np.allclose(rows["revenue"] - rows["cost_of_revenue"], rows["gross_profit"], **close)
    both = rows["total_liabilities"] + rows["total_equity"]
    assert np.allclose(both, rows["total_assets"], **close)
    assert np.allclose(rows["eps"], rows["net_income"] / rows["shares_outstanding"], atol=0.006)
    assert (rows["capex"] < 0).all()
    assert (rows["gross_profit"] > rows["operating_income"]).all()


def test_some_annual_statements_are_restated_as_new_rows(statements):
    key = ["source_symbol", "statement", "period_end_date"]
    first = statements.groupby(key)["published_at"].agg(["min", "size"]).reset_index()
    # Restatements follow within 200 days; those of before the market are not told apart.
    in_time = first["min"].between("2022-01-04", "2022-12-10", inclusive="left")
    annual = first[in_time & (first["statement"] == "annual")]
    assert first["size"].max() == 2
    assert len(annual) > 100
    assert 0.01 < (annual["size"] == 2).mean() < 0.08
    assert not statements.duplicated([*key, "published_at"]).any()
    again = statements[statements.duplicated(key, keep=False)].sort_values("published_at")
    change = again.groupby(key)["net_income"].agg(lambda x: abs(x.iloc[-1] / x.iloc[0] - 1))
    assert ((change > 0.015) & (change < 0.13)).all()
