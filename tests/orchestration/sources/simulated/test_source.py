import datetime as dt

import numpy as np
import pandas as pd
import pytest

from orchestration.calendars import HomeCalendar

FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 6, 30)
ENTITIES = ["daily_bars", "benchmark_bars", "dividends", "splits", "fundamentals", "news_articles", "fx_rates"]


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_same_settings_give_the_same_feed(make_source, read, entity):
    options = {"defect_rate": 0.02}
    one, other = (read(make_source(**options), entity) for _ in range(2))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_another_seed_is_another_market(make_source, read):
    one, other = (read(make_source(seed=seed), "daily_bars") for seed in (1, 2))
    assert not np.array_equal(one["close"][:1000], other["close"][:1000])


@pytest.mark.parametrize("entity", ENTITIES)
def test_cutting_the_horizon_changes_no_record_before_it(make_source, read, entity):
    cut = dt.date(2022, 11, 15)
    longer = read(make_source(defect_rate=0.02), entity, last=cut)
    shorter = read(make_source(defect_rate=0.02, today=cut), entity, last=cut)
    pd.testing.assert_frame_equal(_sorted(longer), _sorted(shorter), check_exact=True, check_like=True)


@pytest.mark.parametrize("entity", ["daily_bars", "dividends", "splits", "fundamentals"])
def test_a_company_does_not_depend_on_how_many_others_there_are(make_source, read, entity):
    few = read(make_source(n_instruments=25, defect_rate=0.02), entity)
    many = read(make_source(n_instruments=60, defect_rate=0.02), entity)
    shared = many[many["source_symbol"].isin(few["source_symbol"])]
    kept = few[few["source_symbol"].isin(shared["source_symbol"])]
    assert len(kept) > 0
    pd.testing.assert_frame_equal(_sorted(shared), _sorted(kept), check_exact=True)


@pytest.mark.parametrize("entity", ENTITIES)
def test_windows_of_a_day_or_two_add_up_to_the_whole(make_source, read, entity):
    source = make_source(defect_rate=0.02)
    middle = dt.date(2022, 8, 12)
    parts = [read(source, entity, last=middle), read(source, entity, first=dt.date(2022, 8, 15))]
    whole = read(source, entity)
    pd.testing.assert_frame_equal(_sorted(pd.concat(parts)), _sorted(whole), check_exact=True)


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in rows.columns if rows[name].dtype != "float64"]
    keys += [name for name in ("close", "amount", "revenue") if name in rows]
    return rows.sort_values(keys).reset_index(drop=True)


def test_bars_are_consistent_and_traded_in_cents(make_source, read):
    bars = read(make_source(), "daily_bars")
    prices = bars[["open", "high", "low", "close"]]
    assert (bars["low"] == prices.min(axis=1)).all()
    assert (bars["high"] == prices.max(axis=1)).all()
    assert (prices > 0).all(axis=None)
    assert (prices.round(2) == prices).all(axis=None)
    assert (bars["volume"] > 0).all()
    assert set(bars["adjustment"]) == {"none"}
    assert not bars.duplicated(["source_symbol", "trade_date"]).any()


def test_every_bar_lies_on_a_session_of_the_calendar(make_source, read):
    bars = read(make_source(), "daily_bars")
    assert sorted(set(bars["trade_date"])) == HomeCalendar("XNYS").sessions(FIRST, LAST)


def test_a_bar_exists_once_its_session_has_closed(make_source, read):
    source = make_source(today=dt.date(2023, 6, 29))
    assert read(source, "daily_bars")["trade_date"].max() == dt.date(2023, 6, 29)
    # Nothing before the market begins, and nothing of a window that lies ahead.
    assert read(make_source(today=dt.date(2021, 6, 1)), "daily_bars").empty
    assert list(make_source(today=dt.date(2021, 6, 1)).instruments()) == []
    assert read(source, "fundamentals", first=dt.date(2023, 6, 30)).empty
    assert read(source, "splits", first=dt.date(2023, 6, 30)).empty
    assert read(source, "benchmark_bars", first=dt.date(2023, 6, 30)).empty


@pytest.mark.parametrize(("calendar", "currency"), [("XASX", "AUD"), ("XSTO", "SEK")])
def test_a_market_follows_its_home_calendar(make_source, read, calendar, currency):
    bars = read(make_source(calendar=calendar, n_instruments=3), "daily_bars")
    assert sorted(set(bars["trade_date"])) == HomeCalendar(calendar).sessions(FIRST, LAST)
    assert set(bars["currency_code"]) == {currency}


def test_instruments_are_labelled_simulated(make_source):
    (batch,) = make_source().instruments()
    rows = batch.rows.to_pandas()
    assert rows["name"].str.startswith("Simulated ").all()
    assert set(rows["exchange_code"]) == {"XNYS"}
    assert rows["ticker"].is_unique
    assert make_source().is_simulated
    assert "invented" in make_source().label


def test_a_delisted_company_has_its_last_bar_on_the_day_it_leaves(make_source, read):
    source = make_source(n_instruments=200)
    (batch,) = source.instruments()
    instruments = batch.rows.to_pandas().set_index("source_symbol")
    gone = instruments[~instruments["is_active"]]
    last_bars = read(source, "daily_bars").groupby("source_symbol")["trade_date"].max()
    assert 1 <= len(gone) <= 12
    assert (last_bars[gone.index] == gone["delisted_date"]).all()


def test_a_company_listed_later_has_its_first_bar_then(make_source, read):
    source = make_source(n_instruments=200)
    (batch,) = source.instruments()
    instruments = batch.rows.to_pandas().set_index("source_symbol")
    new = instruments[instruments["listed_date"] > FIRST]
    first_bars = read(source, "daily_bars").groupby("source_symbol")["trade_date"].min()
    assert 1 <= len(new) <= 15
    assert (first_bars[new.index] == new["listed_date"]).all()


def test_a_split_divides_the_price_as_traded(make_source, read):
    source = make_source(n_instruments=200)
    splits = read(source, "splits")
    closes = read(source, "daily_bars").set_index(["source_symbol", "trade_date"])["close"]
    assert len(splits) >= 5
    calendar = HomeCalendar("XNYS")
    for row in splits.itertuples():
        before = closes[row.source_symbol, calendar.previous_session(row.ex_date)]
        ratio = row.shares_new / row.shares_old
        # What is left after the split is taken out is a day's move.
        assert abs(closes[row.source_symbol, row.ex_date] * ratio / before - 1) < 0.25


def test_dividends_are_declared_before_they_are_paid(make_source, read):
    dividends = read(make_source(), "dividends")
    assert len(dividends) > 30
    assert (dividends["declared_date"] < dividends["ex_date"]).all()
    assert (dividends["ex_date"] < dividends["pay_date"]).all()
    assert (dividends["amount"] >= 0.01).all()


def test_a_market_with_an_end_is_finite(make_source, read):
    # 4 June 2023 is a Sunday.
    source = make_source(last_session=dt.date(2023, 6, 4))
    assert source.last_session == dt.date(2023, 6, 2)
    assert read(source, "daily_bars")["trade_date"].max() == dt.date(2023, 6, 2)
    assert make_source().last_session is None


def test_a_market_asked_to_begin_on_a_holiday_begins_on_the_next_session(make_source):
    assert make_source(first_session=dt.date(2022, 1, 1)).first_session == dt.date(2022, 1, 3)


def test_returns_cluster_in_volatility_and_have_fat_tails(make_source, read):
    bars = read(make_source(n_instruments=60), "daily_bars")
    close = bars.pivot_table(index="trade_date", columns="source_symbol", values="close")
    returns = np.log(close).diff().iloc[1:]
    returns = returns.where(returns.abs() < 0.4).dropna(axis=1)
    normed = (returns - returns.mean()) / returns.std()
    assert (normed**4).mean().mean() > 4.0
    squares = normed**2
    echoes = [squares[name].autocorr(1) for name in squares]
    # Independent returns would give -1/n here, give or take 1/sqrt(380 x 60).
    assert np.mean(echoes) > 0.03


def test_companies_of_one_sector_move_together(make_source, read):
    source = make_source(n_instruments=120)
    (batch,) = source.instruments()
    sector = batch.rows.to_pandas().set_index("source_symbol")["sector"]
    close = read(source, "daily_bars").pivot_table(index="trade_date", columns="source_symbol", values="close")
    returns = np.log(close).diff().clip(-0.2, 0.2)
    apart = returns.sub(returns.mean(axis=1), axis=0).corr().to_numpy().copy()
    members = sector[close.columns].to_numpy()
    same = np.equal.outer(members, members)
    np.fill_diagonal(apart, np.nan)
    assert np.nanmean(apart[same]) > np.nanmean(apart[~same]) + 0.04


def test_a_market_so_young_that_nobody_has_reported_yet_has_bars(make_source, read):
    first, last = dt.date(2014, 12, 1), dt.date(2014, 12, 12)
    source = make_source(first_session=first, today=last, seed=1099511627787, n_instruments=30)
    assert len(read(source, "daily_bars", first, last)) == 10 * 30
