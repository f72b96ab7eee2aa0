"""News, exchange rates and holidays of the simulated market."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from orchestration.calendars import HomeCalendar

FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 6, 30)


def future_returns(bars, sessions=21):
    closes = bars.pivot_table(index="trade_date", columns="source_symbol", values="close")
    return closes.shift(-sessions - 1) / closes.shift(-1) - 1


def test_articles_are_few_and_about_companies_that_trade(make_source, read):
    source = make_source(n_instruments=60)
    news, bars = read(source, "news_articles"), read(source, "daily_bars")
    # At most one per company and quarter; a market begins with five or six quarters here.
    assert 0.15 < len(news) / (60 * 6) < 0.4
    assert news["source_article_id"].is_unique
    traded = set(zip(bars["source_symbol"], bars["trade_date"], strict=True))
    days = news["published_at"].dt.tz_convert("America/New_York").dt.date
    first_named = [json.loads(text)[0] for text in news["source_symbols"]]
    assert set(zip(first_named, days, strict=True)) <= traded


def test_what_is_written_of_a_company_does_not_depend_on_how_many_others_there_are(make_source, read):
    few = read(make_source(n_instruments=24), "news_articles").set_index("source_article_id")
    many = read(make_source(n_instruments=60), "news_articles").set_index("source_article_id")
    assert len(few) > 20
    pd.testing.assert_frame_equal(many.loc[few.index], few)


def test_the_sources_own_tone_is_the_headlines(make_source, read):
    news = read(make_source(n_instruments=200), "news_articles").dropna(subset=["sentiment"])
    assert set(news["sentiment_by"]) == {"simulated_wire"}
    good = news[news["title"].str.contains("beats|Strong demand|large contract")]
    bad = news[news["title"].str.contains("misses|warns|Lawsuit")]
    assert len(good) > 10
    assert len(bad) > 10
    assert (good["sentiment"] > np.tanh(0.49)).all()
    assert (bad["sentiment"] < -np.tanh(0.49)).all()


def test_nothing_is_published_after_now(make_source, read):
    news = read(make_source(n_instruments=200, today=dt.date(2022, 9, 1)), "news_articles")
    assert news["published_at"].max() <= dt.datetime(2022, 9, 1, 22, tzinfo=dt.UTC)


def test_where_nothing_is_planted_the_tone_says_nothing_about_the_future(make_source, read):
    source = make_source(n_instruments=250, planted_alpha=0.0)
    news = read(source, "news_articles").dropna(subset=["sentiment"])
    future = future_returns(read(source, "daily_bars"))
    excess = future.sub(future.mean(axis=1), axis=0)
    days = news["published_at"].dt.tz_convert("America/New_York").dt.date
    symbols = [json.loads(text)[0] for text in news["source_symbols"]]
    pairs = [
        (tone, excess.loc[day, symbol])
        for tone, day, symbol in zip(news["sentiment"], days, symbols, strict=True)
        if day in excess.index
    ]
    tones, returns = np.array(pairs).T
    seen = ~np.isnan(returns)
    correlation = np.corrcoef(tones[seen], returns[seen])[0, 1]
    # Two standard errors and a half of a correlation that is 0.
    assert abs(correlation) < 2.5 / np.sqrt(seen.sum())


def test_rates_are_of_each_session_and_move_by_half_a_per_cent_a_day(make_source, read):
    rates = read(make_source(), "fx_rates")
    sessions = HomeCalendar("XNYS").sessions(FIRST, LAST)
    wide = rates.pivot_table(index="rate_date", columns="base_currency_code", values="rate")
    assert list(wide.index) == sessions
    assert set(rates["quote_currency_code"]) == {"USD"}
    moves = np.log(wide).diff().std()
    assert moves.to_numpy() == pytest.approx(0.005, rel=0.15)


def test_holidays_are_those_of_the_calendar_and_reach_a_year_ahead(make_source):
    (batch,) = make_source(today=dt.date(2023, 6, 30)).market_holidays()
    rows = {row["holiday_date"]: row for row in batch.rows.to_pylist()}
    assert rows[dt.date(2022, 7, 4)]["status"] == "closed"
    # The day after Thanksgiving ends at 13:00 in New York.
    early = rows[dt.date(2023, 11, 24)]
    assert (early["status"], early["closes_at"]) == ("early_close", dt.datetime(2023, 11, 24, 18, tzinfo=dt.UTC))
    assert dt.date(2024, 6, 19) in rows
    assert max(rows) <= dt.date(2024, 6, 29)
    assert not any(day.isoweekday() > 5 for day in rows)
