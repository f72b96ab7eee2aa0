from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.alpha158 import COLUMNS, LOOKBACK_BARS, WINDOWS, Bars, alpha158, alpha158_rows

# Made by store_alpha158.py, which asked Qlib.
ORACLE = Path(__file__).parents[1] / "oracles" / "alpha158.npz"
# Both engines share a group, so that one process compiles the kernel, once.
ENGINES = [
    "numpy",
    pytest.param("numba", marks=[
        pytest.mark.skipif(not find_spec("numba"), reason="numba is not installed (extra `fast`)"),
        pytest.mark.xdist_group("numba"),
        pytest.mark.unwatched,
    ]),
]  # fmt: skip
each_engine = pytest.mark.parametrize("engine", ENGINES)


def random_bars(lengths: list[int], seed: int, *, awkward: float = 0.0) -> Bars:
    """Random walks, of whose days a share repeats the close before or has no volume."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    steps = np.where(rng.random(n) < awkward, 0.0, rng.normal(0.0, 0.02, n))
    close = 40.0 * np.exp(np.cumsum(steps))
    open_ = close * np.exp(rng.normal(0.0, 0.01, n))
    high = np.maximum(open_, close) * (1 + 0.01 * rng.random(n))
    low = np.minimum(open_, close) * (1 - 0.01 * rng.random(n))
    volume = np.where(rng.random(n) < awkward, 0.0, np.round(1e5 * np.exp(rng.normal(0.0, 0.5, n))))
    return Bars(open_, high, low, close, (high + low + close) / 3, volume, np.cumsum([0, *lengths[:-1]]))


def part(bars: Bars, first: int, last: int) -> Bars:
    return Bars(*(values[first:last] for values in bars[:-1]), starts=np.array([0]))


def column(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, COLUMNS.index(name)]


@each_engine
def test_values_are_those_of_qlib_on_the_simulated_market(engine):
    stored = dict(np.load(ORACLE))
    assert stored["names"].tolist() == list(COLUMNS)
    ours = alpha158(Bars(**{name: stored[name] for name in Bars._fields}), engine=engine)[stored["rows"]]
    theirs = stored["values"]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    # Where nothing moves, wvma is 0; Qlib's running sums keep a residue there and divide it by 1e-12.
    ours_of_motion = np.where(_stands_still(ours), 0.0, ours)
    theirs_of_motion = np.where(_stands_still(ours), 0.0, theirs)
    # Qlib computes in float32, which costs the correlations of nearly constant series most.
    tolerance = np.array([2e-3 if name.startswith(("cor", "wvma")) else 1e-4 for name in COLUMNS])
    error = np.abs(ours_of_motion - theirs_of_motion) / np.maximum(np.abs(theirs_of_motion), 1e-3)
    assert (np.nanmax(error, axis=0) < tolerance).all()


def _stands_still(values: np.ndarray) -> np.ndarray:
    is_wvma = np.array([name.startswith("wvma") for name in COLUMNS])
    return is_wvma & (values == 0.0)


@pytest.mark.skipif(not find_spec("numba"), reason="numba is not installed (extra `fast`)")
@pytest.mark.xdist_group("numba")
@pytest.mark.parametrize("awkward", [0.0, 0.3, 0.9])
def test_both_engines_give_the_same_values(awkward):
    bars = random_bars([1, 2, 3, 61, 300, 129], 4, awkward=awkward)
    plain, compiled = (alpha158(bars, engine=engine) for engine in ("numpy", "numba"))
    np.testing.assert_allclose(compiled, plain, rtol=2e-5, atol=2e-6, equal_nan=True)


@each_engine
def test_windows_agree_with_plain_loops(engine):
    bars = random_bars([90], 9)
    values = alpha158(bars, engine=engine)
    for window in WINDOWS:
        found = {name: column(values, f"{name}{window}") for name in LOOPS}
        for t in (1, 2, 4, 29, 30, 59, 60, 61, 89):
            for name, looped in LOOPS.items():
                expected = looped(bars, max(0, t - window + 1), t, window)
                assert found[name][t] == pytest.approx(expected, rel=2e-5, abs=2e-6, nan_ok=True), (name, window, t)


def _roc(bars: Bars, first: int, t: int, window: int) -> float:
    return bars.close[t - window] / bars.close[t] if t >= window else np.nan


def _slope(bars: Bars, first: int, t: int, window: int) -> float:
    own = bars.close[first : t + 1]
    return float(np.polyfit(np.arange(len(own)), own, 1)[0]) / bars.close[t]


def _resi(bars: Bars, first: int, t: int, window: int) -> float:
    own = bars.close[first : t + 1]
    return float(own[-1] - np.polyval(np.polyfit(np.arange(len(own)), own, 1), len(own) - 1)) / bars.close[t]


def _rank(bars: Bars, first: int, t: int, window: int) -> float:
    own = pd.Series(bars.close[first : t + 1])
    return float(own.rank(pct=True).iloc[-1])


def _imax(bars: Bars, first: int, t: int, window: int) -> float:
    return (int(np.argmax(bars.high[first : t + 1])) + 1) / window


def _corr(bars: Bars, first: int, t: int, window: int) -> float:
    return float(np.corrcoef(bars.close[first : t + 1], np.log(bars.volume[first : t + 1] + 1))[0, 1])


def _sump(bars: Bars, first: int, t: int, window: int) -> float:
    changes = [bars.close[i] - bars.close[i - 1] for i in range(max(first, 1), t + 1)]
    return sum(change for change in changes if change > 0) / (sum(map(abs, changes)) + 1e-12)


def _cntd(bars: Bars, first: int, t: int, window: int) -> float:
    signs = [np.sign(bars.close[i] - bars.close[i - 1]) for i in range(max(first, 1), t + 1)]
    return sum(signs) / (t - first + 1)


def _wvma(bars: Bars, first: int, t: int, window: int) -> float:
    moved = [abs(bars.close[i] / bars.close[i - 1] - 1) * bars.volume[i] for i in range(max(first, 1), t + 1)]
    return float(np.std(moved, ddof=1) / np.mean(moved)) if len(moved) > 1 else np.nan


LOOPS = {
    "roc": _roc,
    "ma": lambda bars, first, t, window: bars.close[first : t + 1].mean() / bars.close[t],
    "std": lambda bars, first, t, window: bars.close[first : t + 1].std(ddof=1) / bars.close[t],
    "beta": _slope,
    "resi": _resi,
    "qtlu": lambda bars, first, t, window: np.quantile(bars.close[first : t + 1], 0.8) / bars.close[t],
    "rank": _rank,
    "imax": _imax,
    "corr": _corr,
    "sump": _sump,
    "cntd": _cntd,
    "wvma": _wvma,
    "vstd": lambda bars, first, t, window: bars.volume[first : t + 1].std(ddof=1) / bars.volume[t],
}


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 139), awkward=st.sampled_from([0.0, 0.4]))
@settings(max_examples=20, deadline=None)
def test_cutting_the_future_off_changes_nothing(seed, cut, awkward):
    bars = random_bars([140], seed, awkward=awkward)
    np.testing.assert_array_equal(alpha158(part(bars, 0, cut), engine="numpy"), alpha158(bars, engine="numpy")[:cut])


@each_engine
def test_the_last_row_is_the_same_from_its_look_back_alone(engine):
    bars = random_bars([400], 3)
    short = alpha158(part(bars, 400 - LOOKBACK_BARS - 1, 400), engine=engine)
    np.testing.assert_array_equal(short[-1], alpha158(bars, engine=engine)[-1])


@each_engine
def test_an_instrument_is_computed_the_same_alone_and_in_company(engine):
    bars = random_bars([70, 5, 130], 6)
    together = alpha158(bars, engine=engine)
    for first, last in ((0, 70), (70, 75), (75, 205)):
        np.testing.assert_array_equal(alpha158(part(bars, first, last), engine=engine), together[first:last])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_only_what_has_no_past_is_missing(seed):
    values = alpha158(random_bars([80], seed), engine="numpy")
    is_missing = np.isnan(values)
    assert not is_missing[60:].any()
    assert not np.isinf(values).any()
    assert is_missing[0].sum() == sum(
        name.startswith(("roc", "std", "beta", "rsqr", "resi", "cor", "sum", "vstd", "wvma", "vsum"))
        for name in COLUMNS
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"close": np.array([1.0, 0.0])}, "1 other prices and 0 other volumes"),
        ({"volume": np.array([-1.0, np.nan])}, "0 other prices and 2 other volumes"),
        ({"high": np.array([1.0])}, r"one length; got \[2, 1, 2, 2, 2, 2\]"),
        ({"starts": np.array([1])}, r"ascending rows from 0 on; got \[1\] for 2 bars"),
    ],
)
def test_bars_that_do_not_hold_together_are_refused(change, message):
    good = Bars(*(np.ones(2) for _ in range(6)), starts=np.array([0]))
    with pytest.raises(ValueError, match=message):
        alpha158(good._replace(**change))


def table(bars: Bars, segments: list[int]) -> pd.DataFrame:
    n = len(bars.close)
    return pd.DataFrame(
        {
            "instrument_id": "a", "trade_date": pd.bdate_range("2020-01-01", periods=n), "price_segment": segments,
            "open_adj": bars.open, "high_adj": bars.high, "low_adj": bars.low, "close_adj": bars.close,
            "volume_adj": bars.volume,
        }
    )  # fmt: skip


def test_a_new_price_segment_starts_afresh():
    bars = random_bars([100], 8)
    rows = alpha158_rows(table(bars, [0] * 60 + [1] * 40), engine="numpy")
    expected = [alpha158(part(bars, first, last), engine="numpy") for first, last in ((0, 60), (60, 100))]
    np.testing.assert_array_equal(rows[list(COLUMNS)].to_numpy(), np.concatenate(expected))
    assert rows.columns[:2].tolist() == ["instrument_id", "as_of_date"]


def test_bars_out_of_order_are_refused():
    bars = table(random_bars([10], 8), [0] * 10)
    with pytest.raises(ValueError, match=r"alpha158_rows: bars must be ordered .* got 10 bars out of order"):
        alpha158_rows(bars.iloc[::-1])
