import datetime as dt

import numpy as np

FIRST, LAST = dt.date(2022, 1, 3), dt.date(2023, 6, 30)


def test_the_index_begins_at_1000_and_keeps_its_bars_consistent(make_source, read):
    bars = read(make_source(), "benchmark_bars")
    assert bars["close"].iloc[0] == 1000.0
    assert set(bars["source_symbol"]) == {make_source().benchmark_symbol}
    prices = bars[["open", "high", "low", "close"]]
    assert (bars["low"] == prices.min(axis=1)).all()
    assert (bars["high"] == prices.max(axis=1)).all()


def test_the_index_moves_with_the_market_value_of_its_members(make_source, read):
    """Market value is rebuilt here from closes, splits and the shares of the statements."""
    source = make_source(n_instruments=12)
    closes = read(source, "daily_bars").pivot_table(index="trade_date", columns="source_symbol", values="close")
    shares = closes * np.nan
    statements = read(source, "fundamentals", first=FIRST)
    old = statements[statements["period_end_date"] < FIRST].sort_values("period_end_date")
    for symbol, group in old.groupby("source_symbol"):
        shares[symbol] = group["shares_outstanding"].iloc[-1]
    for split in read(source, "splits").itertuples():
        shares.loc[shares.index >= split.ex_date, split.source_symbol] *= split.shares_new / split.shares_old
    is_old = shares.notna().all()
    value = (closes * shares).loc[:, is_old]
    both = value.notna() & value.shift().notna()
    change = (value.where(both).sum(axis=1) / value.shift().where(both).sum(axis=1)).iloc[1:]
    level = read(source, "benchmark_bars").set_index("trade_date")["close"]
    # Levels are rounded to a hundredth of a point of about 1000.
    days = level.index[level.index < _first_new_listing(source)][1:]
    assert len(days) > 100
    assert np.allclose(change[days], (level / level.shift())[days], atol=3e-5)


def _first_new_listing(source) -> dt.date:
    (batch,) = source.instruments()
    listed = [day for day in batch.rows.column("listed_date").to_pylist() if day > FIRST]
    return min(listed, default=dt.date.max)
