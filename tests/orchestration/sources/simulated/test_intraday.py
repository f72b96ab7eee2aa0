import datetime as dt

import numpy as np
import pytest

from orchestration.sources.simulated.intraday import session_so_far

# In winter New York trades from 14:30 to 21:00 UTC: 390 minutes.
OPEN = dt.datetime(2023, 2, 14, 14, 30, tzinfo=dt.UTC)
DAY = dt.date(2023, 2, 14)


@pytest.fixture
def day(make_source, read):
    """The day's bars, and a source on the evening before."""
    bars = read(make_source(), "daily_bars", first=DAY, last=DAY)
    return bars.set_index("source_symbol"), make_source(today=dt.date(2023, 2, 13))


@pytest.mark.parametrize("minute", [0, 1, 200, 389, 390, 600])
def test_quotes_stay_inside_the_bar_that_the_day_will_have(day, minute):
    bars, source = day
    quotes = source.quotes(None, OPEN + dt.timedelta(minutes=minute))
    assert {quote.source_symbol for quote in quotes} == set(bars.index)
    for quote in quotes:
        bar = bars.loc[quote.source_symbol]
        assert bar["low"] <= quote.low <= quote.price <= quote.high <= bar["high"]
        assert quote.open == bar["open"]
        assert 0 < quote.volume <= bar["volume"]


def test_the_first_quote_is_the_open_and_the_last_one_the_close(day):
    bars, source = day
    first, after = (source.quotes(None, OPEN + dt.timedelta(minutes=m)) for m in (0, 391))
    assert all(quote.price == bars.loc[quote.source_symbol, "open"] for quote in first)
    for quote in after:
        bar = bars.loc[quote.source_symbol]
        assert [quote.price, quote.high, quote.low] == [bar["close"], bar["high"], bar["low"]]
        assert quote.volume == bar["volume"]
        assert quote.quoted_at == OPEN + dt.timedelta(minutes=390)


def test_quotes_move_during_the_day(day):
    _, source = day
    one, other = (source.quotes(["XBABA"], OPEN + dt.timedelta(minutes=m)) for m in (100, 130))
    assert one[0].price != other[0].price


def test_a_quote_depends_on_seed_company_and_minute_alone(day, make_source):
    _, source = day
    at = OPEN + dt.timedelta(minutes=77, seconds=31)
    symbol = source.quotes(None, at)[3].source_symbol
    alone = make_source(n_instruments=50).quotes([symbol], at)
    assert alone == [quote for quote in source.quotes(None, at) if quote.source_symbol == symbol]
    assert alone[0].quoted_at == OPEN + dt.timedelta(minutes=77)


def test_before_the_open_the_price_is_the_last_close(day, make_source, read):
    _, source = day
    bars = read(make_source(), "daily_bars", last=dt.date(2023, 2, 13))
    closes = bars[bars["trade_date"] == dt.date(2023, 2, 13)].set_index("source_symbol")["close"]
    quotes = source.quotes(None, OPEN - dt.timedelta(minutes=1))
    assert {q.source_symbol: q.price for q in quotes} == closes.to_dict()
    during = source.quotes(None, OPEN)
    assert {q.source_symbol: q.previous_close for q in during} == closes.to_dict()


def test_there_are_no_quotes_before_the_market_begins_nor_after_it_ends(make_source):
    assert make_source().quotes(None, dt.datetime(2021, 12, 31, 15, tzinfo=dt.UTC)) == []
    ended = make_source(last_session=dt.date(2023, 2, 10))
    quotes = ended.quotes(None, OPEN + dt.timedelta(minutes=60))
    assert {q.quoted_at for q in quotes} == {dt.datetime(2023, 2, 10, 21, tzinfo=dt.UTC)}


def test_the_path_so_far_never_changes_later():
    bar = {
        "open": np.array([10.0]),
        "high": np.array([10.6]),
        "low": np.array([9.7]),
        "close": np.array([10.2]),
        "volume": np.array([1000.0]),
    }
    states = [session_so_far(1, np.array([8]), 5, bar=bar, minute=m, n_minutes=390) for m in range(391)]
    prices = np.array([state.price[0] for state in states])
    assert (np.diff([state.high[0] for state in states]) >= 0).all()
    assert (np.diff([state.low[0] for state in states]) <= 0).all()
    assert states[200].high[0] == prices[:201].max()
    assert states[200].low[0] == prices[:201].min()
    assert (np.diff([state.volume[0] for state in states]) >= 0).all()
