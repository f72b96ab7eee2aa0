"""Every factor against a computation of its own, in pandas, from the rows of `raw`."""

import numpy as np
import pandas as pd
import pytest

from warehouse.queries.agreement import DIVIDENDS_WITHOUT_RATE

# Nearly all of it is the work of dbt.
pytestmark = pytest.mark.unwatched

RELATIVE = 1e-10


@pytest.fixture(scope="module")
def store(new_store, market):
    store = new_store("factors")
    market.load(store)
    store.dbt.run("run")
    return store


def bars_of(market, symbol: str) -> pd.DataFrame:
    """One instrument's bars with flags, cumulative factors and segments, by a plain loop over its days."""
    bars = (
        market.tables["raw.daily_bars"]
        .query("source_symbol == @symbol")
        .sort_values("trade_date")
        .reset_index(drop=True)
    )
    verdicts = market.tables["raw.bar_verdicts"].query("source_symbol == @symbol and verdict == 'suspect'")
    suspect = set(verdicts.query("rule == 'wrong_day'")["trade_date"])
    breaks = set(verdicts.query("rule == 'unadjusted_split'")["trade_date"])
    splits = market.tables["raw.splits"].query("source_symbol == @symbol")
    dividends = market.tables["raw.dividends"].query("source_symbol == @symbol")
    factor = split_factor = 1.0
    segment = 0
    previous = None
    rows = []
    for bar in bars.itertuples():
        ratio, amount = 1.0, 0.0
        if previous is not None:
            new = splits[(splits["ex_date"] > previous.trade_date) & (splits["ex_date"] <= bar.trade_date)]
            ratio = float(np.prod(new["shares_new"] / new["shares_old"]))
            paid = dividends[(dividends["ex_date"] > previous.trade_date) & (dividends["ex_date"] <= bar.trade_date)]
            amount = float(paid["amount"].sum())
        else:
            amount = float(dividends[dividends["ex_date"] <= bar.trade_date]["amount"].sum())
        if previous is not None and bar.adjustment == "none":
            split_factor *= ratio
            factor *= ratio / (1 - amount / (previous.close / ratio))
        segment += bar.trade_date in breaks
        rows.append(
            (
                bar.trade_date,
                bar.close,
                bar.volume,
                factor,
                split_factor,
                segment,
                bar.trade_date in suspect,
                amount,
                bar.adjustment,
            )
        )
        previous = bar
    columns = ["day", "close", "volume", "factor", "split_factor", "segment", "is_suspect", "amount", "adjustment"]
    return pd.DataFrame(rows, columns=columns)


def price_factors_of(bars: pd.DataFrame) -> pd.DataFrame:
    """The price factors of one instrument on its unflagged bars, each segment for itself."""
    year_paid = (bars["amount"] * bars["split_factor"]).rolling(252, min_periods=1).sum()
    paid = pd.Series(
        np.where(bars["adjustment"] == "none", year_paid / bars["split_factor"] / bars["close"], np.nan),
        index=bars["day"],
    )
    parts = []
    for _, part in bars[~bars["is_suspect"]].groupby("segment"):
        part = part.set_index("day")
        adjusted = part["close"] * part["factor"]
        returns = adjusted.pct_change()
        traded = part["close"] * part["volume"]
        out = pd.DataFrame(
            {
                "return_1d": returns,
                "close_adj": adjusted,
                "momentum_252d_21d": adjusted.shift(21) / adjusted.shift(252) - 1,
                "momentum_126d_21d": adjusted.shift(21) / adjusted.shift(126) - 1,
                "reversal_21d": -(adjusted / adjusted.shift(21) - 1),
                "distance_to_high_252d": adjusted / adjusted.rolling(252).max() - 1,
                "amihud_21d": (returns.abs() / traded).rolling(21).apply(np.mean),
                "dollar_volume_21d": traded.rolling(21).apply(np.mean),
                "median_dollar_volume_21d": traded.rolling(21).median(),
                "mean_volume_adj": (part["volume"] / part["split_factor"]).rolling(21).apply(np.mean),
                "split_factor": part["split_factor"],
                "close": part["close"],
            }
        )
        for n in (21, 63, 252):
            # A plain deviation of each stretch; pandas' own rolling one carries rounding along.
            out[f"volatility_{n}d"] = returns.rolling(n).apply(lambda stretch: np.std(stretch, ddof=1)) * np.sqrt(252)
        parts.append(out)
    return pd.concat(parts).assign(dividend_yield=paid)


@pytest.fixture(scope="module")
def expected(market) -> pd.DataFrame:
    symbols = market.tables["raw.instruments"]["source_symbol"]
    frames = {f"id-{symbol}": price_factors_of(bars_of(market, symbol)) for symbol in symbols}
    return pd.concat(frames, names=["instrument_id", "as_of_date"])


def compare(store, expected: pd.DataFrame, table: str, columns: list[str], day: str = "as_of_date") -> None:
    got = store.read(f"select instrument_id, {day} as as_of_date, {', '.join(columns)} from {table}")
    got = got.set_index(["instrument_id", "as_of_date"]).sort_index().astype(float)
    wanted = expected[columns].sort_index()
    assert got.index.equals(wanted.index)
    assert got.notna().sum().min() > 500
    for column in columns:
        np.testing.assert_allclose(got[column], wanted[column], rtol=RELATIVE, atol=1e-12, err_msg=column)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("factors.fct_momentum", ["momentum_252d_21d", "momentum_126d_21d", "reversal_21d"]),
        ("factors.fct_volatility", ["volatility_21d", "volatility_63d", "volatility_252d"]),
        ("factors.fct_price_extremes", ["distance_to_high_252d"]),
        ("factors.fct_liquidity", ["amihud_21d", "dollar_volume_21d"]),
        ("factors.fct_value", ["dividend_yield"]),
    ],
)
def test_price_factors_agree_with_pandas(store, expected, market, table, columns):
    if table == "factors.fct_value":
        first = min(market.tables["raw.dividends"]["ex_date"])
        early = expected.index.get_level_values("as_of_date") < first
        expected = expected.assign(dividend_yield=expected["dividend_yield"].mask(early))
    compare(store, expected, table, columns)


def test_adjusted_prices_and_returns_agree_with_a_plain_loop(store, expected):
    trusted = "(select * from marts.fct_daily_prices where not is_suspect) as prices"
    compare(store, expected, trusted, ["close_adj", "return_1d", "split_factor"], day="trade_date")


def test_suspect_bars_are_kept_without_a_return(store, market):
    verdicts = market.tables["raw.bar_verdicts"].query("rule == 'wrong_day' and verdict == 'suspect'")
    suspects = store.read("select return_1d from marts.fct_daily_prices where is_suspect")
    assert len(suspects) == len(verdicts) > 30
    assert suspects["return_1d"].isna().all()
    assert len(store.read("select 1 from marts.fct_daily_prices")) == len(market.tables["raw.daily_bars"])


def statement_known(market, symbol: str, day) -> tuple[pd.Series | None, pd.DataFrame]:
    """The latest period of what was published before the close of a day, and everything published by then."""
    close = pd.Timestamp(f"{day} 16:00", tz="America/New_York")
    facts = market.tables["raw.fundamentals"]
    known = facts[(facts["source_symbol"] == symbol) & (facts["published_at"] < close)]
    if known.empty:
        return None, known
    return known.sort_values(["period_end_date", "published_at"]).iloc[-1], known


def years_before(known: pd.DataFrame, current: pd.Series, years: int, figure: str) -> float:
    wanted = current["period_end_date"].replace(year=current["period_end_date"].year - years)
    earlier = known[known["period_end_date"] == wanted].sort_values("published_at")
    return float(earlier[figure].iloc[-1]) if len(earlier) else np.nan


def company_factors(market, expected: pd.DataFrame, instrument_id: str, day) -> dict[str, float]:
    """Size, value, quality and growth of one instrument on one day, from the statement known at its close."""
    symbol = instrument_id.removeprefix("id-")
    price = expected.loc[(instrument_id, day)]
    fact, known = statement_known(market, symbol, day)
    if fact is None:
        return {}
    splits = market.tables["raw.splits"].query("source_symbol == @symbol")
    since = splits[(splits["ex_date"] > fact["period_end_date"]) & (splits["ex_date"] <= day)]
    before = splits[(splits["ex_date"] <= fact["period_end_date"])]
    shares = fact["shares_outstanding"] * float(np.prod(since["shares_new"] / since["shares_old"]))
    first_units = fact["shares_outstanding"] / float(np.prod(before["shares_new"] / before["shares_old"]))
    has_price = symbol != "S03"
    cap = shares * price["close"] if has_price else np.nan
    equity = fact["total_equity"]
    assets_before = years_before(known, fact, 1, "total_assets")
    assets = fact["total_assets"] if np.isnan(assets_before) else (fact["total_assets"] + assets_before) / 2
    revenue_1y, revenue_5y = (years_before(known, fact, years, "revenue") for years in (1, 5))
    income_1y = years_before(known, fact, 1, "net_income")
    return {
        "log_market_cap": np.log(cap),
        "turnover_21d": price["mean_volume_adj"] / first_units if has_price else np.nan,
        "earnings_to_price": fact["net_income"] / cap,
        "book_to_price": equity / cap,
        "sales_to_price": fact["revenue"] / cap,
        "free_cash_flow_to_price": (fact["operating_cash_flow"] + fact["capex"]) / cap,
        "return_on_equity": fact["net_income"] / equity,
        "gross_profitability": fact["gross_profit"] / fact["total_assets"],
        "profit_margin": fact["net_income"] / fact["revenue"],
        "accruals": (fact["net_income"] - fact["operating_cash_flow"]) / assets,
        "debt_to_equity": (fact["short_term_debt"] + fact["long_term_debt"]) / equity,
        "revenue_growth_1y": fact["revenue"] / revenue_1y - 1,
        "earnings_growth_1y": (fact["net_income"] - income_1y) / abs(income_1y),
        "revenue_growth_5y": (fact["revenue"] / revenue_5y) ** 0.2 - 1,
    }


def test_company_factors_agree_with_the_statement_known_at_the_close(store, market, expected):
    got = store.read(
        "select * from factors.fct_size full join factors.fct_value using (instrument_id, as_of_date) "
        "full join factors.fct_quality using (instrument_id, as_of_date) "
        "full join factors.fct_growth using (instrument_id, as_of_date) "
        "full join factors.fct_liquidity using (instrument_id, as_of_date)"
    ).set_index(["instrument_id", "as_of_date"])
    assert got.index.is_unique
    assert len(got) == len(expected)
    drawn = np.random.default_rng(5).choice(len(got), 600, replace=False)
    seen: dict[str, int] = {}
    for key, row in got.iloc[drawn].iterrows():
        for name, value in company_factors(market, expected, *key).items():
            seen[name] = seen.get(name, 0) + int(np.isfinite(value))
            np.testing.assert_allclose(
                np.nan if row[name] is None else row[name], value, rtol=RELATIVE, err_msg=f"{name} of {key}"
            )
    assert min(seen.values()) > 300


def test_missing_values_say_why(store):
    reasons = store.read("select instrument_id, missing_reason, market_cap from factors.fct_size").astype(
        {"market_cap": float}
    )
    assert set(reasons[reasons["instrument_id"] == "id-S03"]["missing_reason"]) == {"no_as_traded_price"}
    assert set(reasons[reasons["instrument_id"] == "id-S23"]["missing_reason"]) == {"no_fundamentals"}
    assert (reasons["missing_reason"].isna() == reasons["market_cap"].notna()).all()


def test_universe_holds_what_its_rules_say(store, market, expected):
    members = store.read("select * from factors.fct_universe_members").set_index(["instrument_id", "as_of_date"])
    rows = expected.copy()
    counts = {
        (f"id-{symbol}", day): n + 1
        for symbol, bars in market.tables["raw.daily_bars"].groupby("source_symbol")
        for n, day in enumerate(sorted(bars["trade_date"]))
    }
    rows["n_sessions"] = [counts[key] for key in rows.index]
    day = rows.index.get_level_values("as_of_date")
    left = (rows.index.get_level_values("instrument_id") == "id-S09") & (
        day > sorted(market.tables["raw.benchmark_bars"]["trade_date"])[300]
    )
    known_price = rows.index.get_level_values("instrument_id") != "id-S03"
    wanted = rows[
        (rows["n_sessions"] >= 252)
        & (rows["median_dollar_volume_21d"] >= 1e6)
        & ~left
        & ~(known_price & (rows["close"] < 1))
    ]
    assert set(members.index) == set(wanted.index)
    assert 500 < len(members) < len(rows)
    assert members["n_sessions"].astype(int).equals(wanted["n_sessions"].reindex(members.index).astype(int))
    medians = wanted["median_dollar_volume_21d"].reindex(members.index)
    np.testing.assert_allclose(members["median_dollar_volume_21d"].astype(float), medians, rtol=1e-12)


def z_scores(values: pd.Series) -> pd.Series:
    """Clip at the 1 % and 99 % by rank, then centre and scale, by the definition."""
    known = np.sort(values.dropna().to_numpy())
    if len(known) < 5:
        return values * np.nan
    cut = (len(known) - 1) // 100
    clipped = known.clip(known[cut], known[-1 - cut])
    if clipped[0] == clipped[-1]:
        return values * np.nan
    return (values.clip(clipped[0], clipped[-1]) - clipped.mean()) / clipped.std(ddof=1)


def percent_ranks(values: pd.Series) -> pd.Series:
    return (values.rank(method="min") - 1) / (values.notna().sum() - 1 or np.nan)


@pytest.mark.parametrize(("table", "infix"), [("fct_factor_exposures", ""), ("fct_sector_exposures", "_sector")])
def test_exposures_agree_with_pandas(store, table, infix):
    keys = ["as_of_date", "instrument_id"]
    values = store.read("select * from factors.fct_factor_values").set_index(keys).sort_index()
    sector = values.pop("sector")
    values = values.astype(float)
    got = store.read(f"select * from factors.{table}").set_index(keys).sort_index().astype(float)
    assert got.index.equals(values.index)
    by = ["as_of_date"] if not infix else [values.index.get_level_values("as_of_date"), sector]
    for factor in values:
        for form, compute in (("z", z_scores), ("rank", percent_ranks)):
            wanted = values[factor].groupby(by).transform(compute)
            np.testing.assert_allclose(got[f"{factor}{infix}_{form}"], wanted, rtol=2e-6, atol=1e-6, err_msg=factor)
    assert got.notna().any().mean() > 0.9


def test_winsorising_clips_at_the_hundredth_by_rank(new_store):
    """Of 201 values two are cut at each end: (201 - 1) / 100."""
    store = new_store("clip")
    store.dbt.run("run")
    days = pd.DataFrame({"instrument_id": [f"i{k:03d}" for k in range(201)], "as_of_date": "2024-01-02"})
    values = np.r_[-1e6, -1e5, np.arange(197.0), 1e5, 1e6]
    store.insert("factors.fct_factor_values", days.assign(sector="x", reversal_21d=values))
    store.dbt.run("run", "--select", "fct_factor_exposures", "fct_sector_exposures")
    got = store.read(
        "select reversal_21d_z::float8 as z, reversal_21d_sector_z::float8 as sector_z,"
        " reversal_21d_rank::float8 as rank"
        " from factors.fct_factor_exposures join factors.fct_sector_exposures using (instrument_id, as_of_date)"
        " order by instrument_id"
    )
    clipped = np.r_[0, 0, np.arange(197.0), 196, 196]
    np.testing.assert_allclose(got["z"], (clipped - clipped.mean()) / clipped.std(ddof=1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got["sector_z"], got["z"])
    np.testing.assert_allclose(got["rank"], np.arange(201) / 200, rtol=1e-6)


def test_a_dividend_in_another_currency_counts_by_the_rate_of_its_ex_date(new_store):
    """2 euros at 1.25 dollars are 2.50 of a close of 10; of 90 yen nobody knows the rate, and no price is adjusted."""
    store = new_store("paid")
    days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]).date
    named = {"source": "s", "source_symbol": "A"}
    store.insert("raw.instruments", pd.DataFrame([
        {**named, "ticker": "A", "instrument_id": "a", "currency_code": "USD", "is_active": True},
    ]))  # fmt: skip
    store.insert("raw.instrument_aliases", pd.DataFrame([
        {**named, "ticker": "A", "instrument_id": "a", "valid_from_date": days[0]},
    ]))  # fmt: skip
    store.insert("raw.daily_bars", pd.DataFrame([
        {**named, "trade_date": day, "open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0, "volume": 100,
         "currency_code": "USD", "adjustment": "none"} for day in days
    ]))  # fmt: skip
    store.insert("raw.dividends", pd.DataFrame([
        {**named, "ex_date": days[1], "amount": 2.0, "currency_code": "EUR"},
        {**named, "ex_date": days[2], "amount": 90.0, "currency_code": "JPY"},
    ]))  # fmt: skip
    store.insert("raw.fx_rates", pd.DataFrame([
        {"source": "s", "base_currency_code": "EUR", "quote_currency_code": "USD", "rate_date": day, "rate": rate}
        for day, rate in zip(days, [1.2, 1.25, 1.5], strict=True)
    ]))  # fmt: skip
    store.dbt.run("run", "--select", "+fct_daily_prices")
    got = store.read("select trade_date, dividend_amount, adjustment_factor from marts.fct_daily_prices order by 1")
    assert got["dividend_amount"].tolist()[1:] == [2.5, 0.0]
    np.testing.assert_allclose(got["adjustment_factor"], [1, 1 / (1 - 0.25), 1 / (1 - 0.25)])
    (unpaid,) = store.read(DIVIDENDS_WITHOUT_RATE).itertuples()
    assert (unpaid.amount, unpaid.currency_code, unpaid.quoted_in) == (90.0, "JPY", "USD")
