"""Factors of real rows against plain pandas and least squares, computed from the files.

Tolerances: 1e-9 relative where both sides add the same numbers up; 1e-6 for z-scores and ranks, which are stored in
single precision; for regressions 1e-8, their sums being of products that nearly cancel.
"""

import numpy as np
import pandas as pd
import pytest

from tests.real.comparison import KEY, assert_agrees, by_segment, expected_factor

pytestmark = [pytest.mark.slow, pytest.mark.unwatched, pytest.mark.xdist_group("real")]

ZERO_IS_MISSING = [
    "cost_of_revenue", "gross_profit", "operating_income", "interest_expense", "current_assets", "current_liabilities",
    "cash", "short_term_debt", "long_term_debt", "depreciation", "capex",
]  # fmt: skip


@pytest.fixture(scope="module")
def stored(pipeline):
    def read(table: str) -> pd.DataFrame:
        return pipeline.frame(f"select * from factors.{table}")

    return read


@pytest.fixture(scope="module")
def members(trusted, pipeline):
    """The universe, by the definition of it: history, liquidity, membership."""
    securities = pd.read_parquet(pipeline.folder / "securities.parquet").set_index("ticker")
    since = pd.to_datetime(trusted["source_symbol"].map(securities["date_first_added"]))
    median = by_segment(trusted)["dollar_volume"].transform(lambda money: money.rolling(21).median())
    is_member = (
        (trusted["n_sessions"] >= 252) & (median >= 1_000_000) & (since.isna() | (trusted["trade_date"] >= since))
    )
    return trusted[is_member].assign(median_dollar_volume_21d=median[is_member])


def test_momentum_and_reversal(stored, trusted):
    rows = stored("fct_momentum")
    close = by_segment(trusted)["close"]
    expected = {
        "momentum_252d_21d": close.shift(21) / close.shift(252) - 1,
        "momentum_126d_21d": close.shift(21) / close.shift(126) - 1,
        "reversal_21d": 1 - trusted["close"] / close.shift(21),
    }
    for column, values in expected.items():
        assert_agrees(rows, expected_factor(trusted, values), column=column, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_days", [21, 63, 252])
def test_volatility(stored, trusted, n_days):
    returns = by_segment(trusted)["return_1d"]
    # Deviation of each window on its own: a running sum would bring rounding of its own.
    expected = returns.transform(lambda r: pd.Series(windows_std(r.to_numpy(), n_days), index=r.index)) * np.sqrt(252)
    rows = stored("fct_volatility")
    assert_agrees(rows, expected_factor(trusted, expected), column=f"volatility_{n_days}d", rtol=1e-9)


def windows_std(values: np.ndarray, width: int) -> np.ndarray:
    result = np.full(len(values), np.nan)
    if len(values) >= width:
        result[width - 1 :] = np.lib.stride_tricks.sliding_window_view(values, width).std(axis=1, ddof=1)
    return result


def test_distance_to_the_high_of_a_year(stored, trusted):
    high = by_segment(trusted)["close"].transform(lambda close: close.rolling(252).max())
    expected = expected_factor(trusted, trusted["close"] / high - 1)
    assert_agrees(stored("fct_price_extremes"), expected, column="distance_to_high_252d", rtol=1e-9, atol=1e-12)


def test_liquidity(stored, trusted):
    rows = stored("fct_liquidity")
    impact = trusted["return_1d"].abs() / trusted["dollar_volume"].where(trusted["dollar_volume"] > 0)
    bars = trusted.assign(impact=impact)
    amihud = by_segment(bars)["impact"].transform(lambda values: windows_mean(values, 21))
    money = by_segment(bars)["dollar_volume"].transform(lambda values: windows_mean(values, 21))
    assert_agrees(rows, expected_factor(bars, amihud), column="amihud_21d", rtol=1e-9)
    assert_agrees(rows, expected_factor(bars, money), column="dollar_volume_21d", rtol=1e-9)
    # Shares times an adjusted price would be no turnover of anything.
    assert rows["turnover_21d"].isna().all()


def windows_mean(values: pd.Series, width: int) -> pd.Series:
    result = np.full(len(values), np.nan)
    if len(values) >= width:
        windows = np.lib.stride_tricks.sliding_window_view(values.to_numpy(np.float64), width)
        result[width - 1 :] = windows.mean(axis=1)
    return pd.Series(result, index=values.index)


def test_beta_and_idiosyncratic_volatility(stored, trusted, pipeline):
    rows = stored("fct_market_risk").set_index(KEY)
    benchmark = pd.read_parquet(pipeline.folder / "benchmark.parquet").assign(
        date=lambda frame: pd.to_datetime(frame["date"]).astype("datetime64[s]")
    )
    market = benchmark.set_index("date")["close"].pct_change(fill_method=None)
    sessions = market.index
    returns = trusted.pivot(index="trade_date", columns="instrument_id", values="return_1d").reindex(sessions)
    sample = trusted.iloc[np.linspace(0, len(trusted) - 1, 400).astype(int)]
    n_compared = 0
    for row in sample.itertuples():
        end = sessions.get_loc(row.as_of_date) + 1
        y, x = returns[row.instrument_id].iloc[max(end - 252, 0) : end], market.iloc[max(end - 252, 0) : end]
        both = y.notna() & x.notna()
        got = rows.loc[(row.instrument_id, row.as_of_date)]
        if both.sum() < 126:
            assert got[["beta_252d", "idiosyncratic_volatility_252d"]].isna().all()
            continue
        design = np.column_stack([np.ones(both.sum()), x[both]])
        solution, residuals, _, _ = np.linalg.lstsq(design, y[both].to_numpy(), rcond=None)
        deviation = np.sqrt(residuals[0] / (both.sum() - 2) * 252)
        assert got["beta_252d"] == pytest.approx(solution[1], rel=1e-8, abs=1e-10)
        assert got["idiosyncratic_volatility_252d"] == pytest.approx(deviation, rel=1e-8)
        n_compared += 1
    assert n_compared > 200


def test_the_universe(stored, members):
    rows = stored("fct_universe_members")
    assert_agrees(
        rows,
        expected_factor(members, members["median_dollar_volume_21d"]),
        column="median_dollar_volume_21d",
        rtol=1e-12,
    )
    assert_agrees(rows, expected_factor(members, members["n_sessions"]), column="n_sessions", rtol=0)


def test_size_and_value_are_missing_for_a_reason_where_prices_came_adjusted(stored, pipeline):
    prices = pipeline.frame(
        "select close_raw, adjustment from marts.fct_daily_prices where close_raw is not null limit 1"
    )
    assert prices.empty
    for table, columns in {
        "fct_size": ["market_cap", "log_market_cap"],
        "fct_value": [
            "earnings_to_price",
            "book_to_price",
            "sales_to_price",
            "free_cash_flow_to_price",
            "dividend_yield",
        ],
    }.items():
        rows = stored(table)
        assert len(rows) > 600_000
        assert rows[columns].isna().all(axis=None)
        assert (rows["missing_reason"] == "no_as_traded_price").all()


@pytest.fixture(scope="module")
def known_statements(pipeline, trusted):
    """For each trusted bar the statement that counts: the latest whose period ended 90 days before."""
    statements = pd.read_parquet(pipeline.folder / "fundamentals.parquet").rename(columns={"ticker": "source_symbol"})
    refused = pipeline.frame("select record_key from raw.quarantine where entity = 'fundamentals'")["record_key"]
    keys = statements["source_symbol"] + "|annual|" + statements["period_end"].astype(str)
    statements = statements[~keys.isin(refused.str.split("|").str[:3].str.join("|"))]
    statements[ZERO_IS_MISSING] = statements[ZERO_IS_MISSING].replace(0, np.nan)
    statements["period_end"] = pd.to_datetime(statements["period_end"]).astype("datetime64[s]")
    statements = statements.merge(year_before(statements), on=["source_symbol", "period_end"], how="left")
    known_from = (statements["period_end"] + pd.Timedelta(days=90)).astype("datetime64[s]")
    statements = statements.assign(trade_date=known_from)
    return pd.merge_asof(
        trusted.sort_values("trade_date"),
        statements.sort_values("trade_date"),
        on="trade_date",
        by="source_symbol",
    )


def year_before(statements: pd.DataFrame) -> pd.DataFrame:
    """Figures of the period that ended a year earlier, give or take 20 days; the nearest of several."""
    rows = []
    for symbol, own in statements.groupby("source_symbol"):
        for end in own["period_end"]:
            away = ((end - own["period_end"]).dt.days - 365).abs()
            if away.min() <= 20:
                earlier = own.loc[away.idxmin()]
                rows.append((symbol, end, earlier["revenue"], earlier["net_income"], earlier["total_assets"]))
    names = ["source_symbol", "period_end", "revenue_before", "income_before", "assets_before"]
    return pd.DataFrame(rows, columns=names)


def test_quality_from_the_statement_that_was_known(stored, known_statements):
    rows, facts = stored("fct_quality"), known_statements
    equity = facts["total_equity"].where(facts["total_equity"] > 0)
    gross = facts["gross_profit"].fillna(facts["revenue"] - facts["cost_of_revenue"])
    debt = facts[["short_term_debt", "long_term_debt"]].sum(axis=1, min_count=1)
    assets = (facts["total_assets"] + facts["assets_before"].fillna(facts["total_assets"])) / 2
    expected = {
        "return_on_equity": facts["net_income"] / equity,
        "gross_profitability": gross / facts["total_assets"],
        "profit_margin": facts["net_income"] / facts["revenue"],
        "accruals": (facts["net_income"] - facts["operating_cash_flow"]) / assets,
        "debt_to_equity": debt / equity,
    }
    for column, values in expected.items():
        assert_agrees(rows, expected_factor(facts, values), column=column, rtol=1e-12, atol=1e-15)


def test_growth_from_the_statements_that_were_known(stored, known_statements):
    rows, facts = stored("fct_growth"), known_statements
    before = facts["income_before"]
    revenue_growth = facts["revenue"] / facts["revenue_before"].where(facts["revenue_before"] > 0) - 1
    earnings_growth = (facts["net_income"] - before) / before.abs().where(before != 0)
    assert_agrees(rows, expected_factor(facts, revenue_growth), column="revenue_growth_1y", rtol=1e-12, atol=1e-12)
    assert_agrees(rows, expected_factor(facts, earnings_growth), column="earnings_growth_1y", rtol=1e-12, atol=1e-12)


FACTORS = ["momentum_252d_21d", "volatility_63d", "beta_252d", "amihud_21d", "return_on_equity", "debt_to_equity"]


@pytest.mark.parametrize(("table", "infix"), [("fct_factor_exposures", ""), ("fct_sector_exposures", "_sector")])
def test_exposures(pipeline, table, infix):
    values = pipeline.frame(
        f"select instrument_id, as_of_date, sector, {', '.join(FACTORS)} from factors.fct_factor_values"
        " where extract(day from as_of_date) = 15"
    )
    columns = [f"{factor}{infix}_{kind}" for factor in FACTORS for kind in ("z", "rank")]
    rows = pipeline.frame(
        f"select instrument_id, as_of_date, {', '.join(columns)} from factors.{table}"
        " where extract(day from as_of_date) = 15"
    )
    group = ["as_of_date", "sector"] if infix else ["as_of_date"]
    for factor in FACTORS:
        grouped = values.groupby(group)[factor]
        for kind, compute in (("z", z_scores), ("rank", ranks_from_0_to_1)):
            expected = expected_factor(values, grouped.transform(compute))
            assert_agrees(rows, expected, column=f"{factor}{infix}_{kind}", rtol=1e-6, atol=1e-6)


def z_scores(values: pd.Series) -> pd.Series:
    """Clip at the 1 % from either end, by place; then standardise."""
    ordered = sorted(values.dropna())
    n_cut = (len(ordered) - 1) // 100
    if len(ordered) < 5 or ordered[n_cut] == ordered[len(ordered) - 1 - n_cut]:
        return values * np.nan
    clipped = values.clip(ordered[n_cut], ordered[len(ordered) - 1 - n_cut])
    return (clipped - clipped.mean()) / clipped.std(ddof=1)


def ranks_from_0_to_1(values: pd.Series) -> pd.Series:
    """Share of the others that lie below."""
    n_others = values.notna().sum() - 1
    return (values.rank(method="min") - 1) / (n_others if n_others > 0 else np.nan)
