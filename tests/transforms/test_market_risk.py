"""Rolling regressions on the benchmark."""

import numpy as np
import pandas as pd
import pytest

from transforms.market_risk import rolling_market_risk, rolling_market_risk_rows, window_sums

WINDOW = 20
SESSIONS = pd.bdate_range("2024-01-01", periods=60)


@pytest.fixture
def market() -> tuple[np.ndarray, np.ndarray]:
    """Sixty sessions of five instruments, some returns missing."""
    draw = np.random.default_rng(7)
    benchmark = draw.normal(0.0004, 0.01, 60)
    returns = benchmark[:, None] * np.array([0.0, 0.5, 1.0, 1.5, -1.0]) + draw.normal(0, 0.015, (60, 5))
    returns[draw.random((60, 5)) < 0.1] = np.nan
    returns[:30, 4] = np.nan
    benchmark[0] = np.nan
    return returns, benchmark


def long_frames(returns: np.ndarray, benchmark: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same market as the rows of the warehouse."""
    long = pd.DataFrame(
        {
            "instrument_id": np.repeat(list("ABCDE"), 60),
            "trade_date": np.tile(SESSIONS, 5),
            "return_1d": returns.T.ravel(),
        }
    )
    return long, pd.DataFrame({"trade_date": SESSIONS, "return_1d": benchmark})


def by_least_squares(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Slope and annualised deviation of the residuals, by a solver."""
    both = np.isfinite(y) & np.isfinite(x)
    design = np.column_stack([np.ones(both.sum()), x[both]])
    coefficients = np.linalg.lstsq(design, y[both])[0]
    residuals = y[both] - design @ coefficients
    return coefficients[1], np.sqrt(residuals @ residuals / (both.sum() - 2) * 252)


def test_three_points_worked_by_hand():
    # Benchmark -1, 0, 1 %; returns 0, 3, 0 %: slope 0, residuals -1, 2, -1 %, one degree of freedom left.
    risk = rolling_market_risk(
        np.array([[0.00], [0.03], [0.00]]), np.array([-0.01, 0.0, 0.01]), window_sessions=3, min_observations=3
    )
    assert risk.beta[-1, 0] == pytest.approx(0.0, abs=1e-15)
    assert risk.idiosyncratic_volatility[-1, 0] == pytest.approx(np.sqrt(0.0006 * 252), rel=1e-12)
    assert risk.n_observations[:, 0].tolist() == [1, 2, 3]
    assert np.isnan(risk.beta[:2, 0]).all()


def test_every_window_agrees_with_least_squares(market):
    returns, benchmark = market
    risk = rolling_market_risk(returns, benchmark, window_sessions=WINDOW, min_observations=10)
    n_compared = 0
    for t in range(60):
        rows = slice(max(t - WINDOW + 1, 0), t + 1)
        for i in range(5):
            n = int((np.isfinite(returns[rows, i]) & np.isfinite(benchmark[rows])).sum())
            assert risk.n_observations[t, i] == n
            if n < 10:
                assert np.isnan(risk.beta[t, i])
                assert np.isnan(risk.idiosyncratic_volatility[t, i])
                continue
            beta, volatility = by_least_squares(returns[rows, i], benchmark[rows])
            assert risk.beta[t, i] == pytest.approx(beta, rel=1e-10, abs=1e-12)
            assert risk.idiosyncratic_volatility[t, i] == pytest.approx(volatility, rel=1e-10)
            n_compared += 1
    assert n_compared > 150


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 20, 64, 252])
def test_window_sums_are_the_sums_of_the_last_rows(width):
    values = np.arange(300.0).reshape(100, 3)
    expected = [values[max(t - width + 1, 0) : t + 1].sum(axis=0) for t in range(100)]
    assert np.array_equal(window_sums(values, width), expected)


def test_nothing_outside_the_window_changes_a_bit(market):
    returns, benchmark = market
    whole = rolling_market_risk(returns, benchmark, window_sessions=WINDOW, min_observations=10)
    for t in range(WINDOW - 1, 60):
        rows = slice(t - WINDOW + 1, t + 1)
        for columns in (slice(None), slice(2, 3)):
            alone = rolling_market_risk(
                returns[rows, columns], benchmark[rows], window_sessions=WINDOW, min_observations=10
            )
            for part, everything in zip(alone, whole, strict=True):
                assert part[-1].tobytes() == np.ascontiguousarray(everything[t, columns]).tobytes()


def test_an_instrument_that_follows_exactly_has_no_risk_of_its_own():
    benchmark = np.random.default_rng(1).normal(0, 0.01, 30)
    risk = rolling_market_risk(2 * benchmark[:, None], benchmark, window_sessions=20, min_observations=20)
    assert risk.beta[-1, 0] == pytest.approx(2.0, rel=1e-12)
    assert risk.idiosyncratic_volatility[-1, 0] == pytest.approx(0.0, abs=1e-6)


def test_a_benchmark_that_stands_still_explains_nothing():
    returns = np.random.default_rng(1).normal(0, 0.01, (30, 1))
    for level in (0.0, 0.001):
        risk = rolling_market_risk(returns, np.full(30, level), window_sessions=20, min_observations=20)
        assert np.isnan(risk.beta).all()
        assert np.isnan(risk.idiosyncratic_volatility).all()


def test_rows_are_those_of_the_returns_from_the_first_date(market):
    returns, benchmark = market
    long, index = long_frames(returns, benchmark)
    long = long[~((long["instrument_id"] == "B") & (long["trade_date"] == SESSIONS[50]))]
    risk = rolling_market_risk(returns, benchmark, window_sessions=WINDOW, min_observations=10)

    rows = rolling_market_risk_rows(long, index, first_date=SESSIONS[48].date(), window_sessions=WINDOW)

    assert list(rows.columns) == [
        "instrument_id",
        "as_of_date",
        "beta_252d",
        "idiosyncratic_volatility_252d",
        "n_observations",
    ]
    assert len(rows) == 5 * 12 - 1
    assert not ((rows["instrument_id"] == "B") & (rows["as_of_date"] == SESSIONS[50])).any()
    of_a = rows[rows["instrument_id"] == "A"]
    assert of_a["as_of_date"].tolist() == SESSIONS[48:].tolist()
    assert of_a["beta_252d"].to_numpy().tobytes() == np.ascontiguousarray(risk.beta[48:, 0]).tobytes()


def test_rows_do_not_depend_on_what_else_is_in_the_frames(market):
    long, index = long_frames(*market)
    day = SESSIONS[45]

    def at_day(frame: pd.DataFrame, benchmark: pd.DataFrame, first_date: pd.Timestamp) -> pd.DataFrame:
        rows = rolling_market_risk_rows(frame, benchmark, first_date=first_date.date(), window_sessions=WINDOW)
        rows = rows[(rows["as_of_date"] == day) & (rows["instrument_id"] == "C")]
        return rows.reset_index(drop=True)

    expected = at_day(long, index, SESSIONS[0])
    assert expected["beta_252d"].notna().all()
    of_window = long["trade_date"].between(SESSIONS[45 - WINDOW + 1], day)
    for part in (
        at_day(long, index, day),
        at_day(long[long["trade_date"] <= day], index[index["trade_date"] <= day], SESSIONS[0]),
        at_day(long[of_window], index[index["trade_date"].between(SESSIONS[26], day)], day),
        at_day(long[long["instrument_id"] == "C"], index, day),
        at_day(long.sample(frac=1, random_state=3), index.sample(frac=1, random_state=3), day),
    ):
        pd.testing.assert_frame_equal(part, expected, check_exact=True)


def test_strings_and_dates_of_arrow_are_taken_as_they_come(market):
    long, index = long_frames(*market)
    as_arrow = long.assign(
        instrument_id=long["instrument_id"].astype("string[pyarrow]"),
        trade_date=long["trade_date"].astype("date32[pyarrow]"),
        return_1d=long["return_1d"].astype("double[pyarrow]"),
    )
    first_date = SESSIONS[40].date()
    plain = rolling_market_risk_rows(long, index, first_date=first_date, window_sessions=WINDOW)
    rows = rolling_market_risk_rows(as_arrow, index, first_date=first_date, window_sessions=WINDOW)
    assert rows["beta_252d"].equals(plain["beta_252d"])
    assert rows["instrument_id"].tolist() == plain["instrument_id"].tolist()
    assert rows["as_of_date"].tolist() == [day.date() for day in plain["as_of_date"]]


def test_a_day_unknown_to_the_benchmark_looks_at_the_session_before_it(market):
    long, index = long_frames(*market)
    rows = rolling_market_risk_rows(
        long, index[index["trade_date"] != SESSIONS[55]], first_date=SESSIONS[54].date(), window_sessions=WINDOW
    )
    of_a = rows[rows["instrument_id"] == "A"].set_index("as_of_date")["beta_252d"]
    assert of_a[SESSIONS[55]] == of_a[SESSIONS[54]] != of_a[SESSIONS[56]]


def test_before_the_benchmark_begins_there_are_no_observations(market):
    long, index = long_frames(*market)
    rows = rolling_market_risk_rows(long, index.iloc[58:], first_date=SESSIONS[0].date(), window_sessions=WINDOW)
    assert len(rows) == len(long)
    assert rows["beta_252d"].isna().all()
    assert rows.loc[rows["as_of_date"] < SESSIONS[58], "n_observations"].eq(0).all()


@pytest.mark.parametrize("n_sessions", [0, 60])
def test_no_returns_give_no_rows(market, n_sessions):
    long, index = long_frames(*market)
    rows = rolling_market_risk_rows(long.iloc[:0], index.iloc[:n_sessions], first_date=SESSIONS[0].date())
    assert rows.empty
    assert rows["n_observations"].dtype == np.int64


def test_two_returns_of_one_day_are_an_error_that_names_the_day(market):
    long, index = long_frames(*market)
    with pytest.raises(ValueError, match="one return per day; got 1 more, the first on 2024-03-22"):
        rolling_market_risk_rows(pd.concat([long, long.iloc[-1:]]), index, first_date=SESSIONS[0].date())
    with pytest.raises(ValueError, match="each session once; got 2024-01-01 twice"):
        rolling_market_risk_rows(long, pd.concat([index, index.iloc[:1]]), first_date=SESSIONS[0].date())


def test_impossible_arguments_are_errors_that_name_the_values():
    with pytest.raises(ValueError, match=r"got \(3, 1\) and \(2,\)"):
        rolling_market_risk(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(ValueError, match="got min_observations=2, window_sessions=20"):
        rolling_market_risk(np.zeros((3, 1)), np.zeros(3), window_sessions=20, min_observations=2)


def test_real_prices_agree_with_least_squares(real_bars):
    closes = real_bars.pivot_table(index="trade_date", columns="source_symbol", values="close").iloc[:, ::50]
    returns = (closes / closes.shift(1) - 1).to_numpy()
    market = np.nanmean(returns[1:], axis=1)
    risk = rolling_market_risk(returns[1:], market)
    for t in (300, 700, len(market) - 1):
        for i in range(returns.shape[1]):
            if risk.n_observations[t, i] >= 126:
                rows = slice(t - 251, t + 1)
                beta, volatility = by_least_squares(returns[1:][rows, i], market[rows])
                assert risk.beta[t, i] == pytest.approx(beta, rel=1e-9)
                assert risk.idiosyncratic_volatility[t, i] == pytest.approx(volatility, rel=1e-9)
