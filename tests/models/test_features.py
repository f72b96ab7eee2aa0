import numpy as np
import pandas as pd
import pytest

from models.features import (
    EXPOSURE_COLUMNS,
    FEATURE_SETS,
    FUNDAMENTAL_COLUMNS,
    INDICATOR_COLUMNS,
    NEUTRAL_CONTROLS,
    NEUTRAL_FACTORS,
    SENTIMENT_FEATURES,
    TECHNICAL_FEATURES,
    alpha158_panel,
    features_hash,
    fundamental_panel,
    neutral_panel,
    sentiment_panel,
    technical_panel,
    universe_index,
)
from models.panels import panel_index
from transforms.alpha158 import alpha158_rows

DAY = pd.Timestamp("2024-01-02")


def frames(n_instruments=3, days=(DAY,)):
    """Instruments a, b, c …: every factor rank, indicator and close rises with the letter."""
    keys = [(day, chr(97 + number), number) for day in days for number in range(n_instruments)]
    as_of_date, instrument_id, number = (list(part) for part in zip(*keys, strict=True))
    size = np.array(number, dtype=float)
    exposures = pd.DataFrame({"instrument_id": instrument_id, "as_of_date": as_of_date})
    exposures = exposures.assign(**{name: size / (n_instruments - 1) for name in EXPOSURE_COLUMNS})
    indicators = exposures[["instrument_id", "as_of_date"]].assign(**{name: size + 1.0 for name in INDICATOR_COLUMNS})
    prices = pd.DataFrame({"instrument_id": instrument_id, "trade_date": as_of_date, "close_adj": 10.0})
    return exposures, indicators, prices


def test_features_are_centred_ranks_of_the_day_in_single_precision():
    panel = technical_panel(*frames())
    assert list(panel.columns) == list(TECHNICAL_FEATURES)
    assert set(panel.dtypes) == {np.dtype(np.float32)}
    assert panel["momentum_252d_21d_centred_rank"].tolist() == [-0.5, 0.0, 0.5]
    assert panel["rsi_14d_centred_rank"].tolist() == [-0.5, 0.0, 0.5]


def test_an_indicator_in_currency_is_ranked_relative_to_the_price():
    exposures, indicators, prices = frames()
    indicators["atr_14d"] = [1.0, 2.0, 3.0]
    prices["close_adj"] = [5.0, 40.0, 100.0]  # ranges of 20, 5 and 3 per cent
    panel = technical_panel(exposures, indicators, prices)
    assert panel["atr_to_close_centred_rank"].tolist() == [0.5, 0.0, -0.5]


def test_the_place_in_the_bollinger_band_is_ranked():
    exposures, indicators, prices = frames()
    indicators["bollinger_lower_20d"] = 10.0
    indicators["bollinger_upper_20d"] = [20.0, 12.0, 14.0]
    prices["close_adj"] = [12.0, 11.8, 12.0]  # 0.2, 0.9 and 0.5 of the way up
    panel = technical_panel(exposures, indicators, prices)
    assert panel["bollinger_position_centred_rank"].tolist() == [-0.5, 0.5, 0.0]


def test_the_close_is_ranked_relative_to_its_average():
    exposures, indicators, prices = frames()
    indicators["sma_200d"] = [10.0, 10.0, 10.0]
    prices["close_adj"] = [11.0, 9.0, 10.0]
    panel = technical_panel(exposures, indicators, prices)
    assert panel["close_to_sma_200d_centred_rank"].tolist() == [0.5, -0.5, 0.0]


def test_a_price_multiplied_changes_no_feature():
    exposures, indicators, prices = frames()
    scaled = [name for name in INDICATOR_COLUMNS if name not in ("rsi_14d", "adx_14d") and "stochastic" not in name]
    scale = np.array([1.0, 8.0, 0.25])
    before = technical_panel(exposures, indicators, prices)
    indicators[scaled] = indicators[scaled].mul(scale, axis=0)
    after = technical_panel(exposures, indicators, prices.assign(close_adj=10.0 * scale))
    pd.testing.assert_frame_equal(after, before)


def test_missing_values_stay_missing_and_take_no_place():
    exposures, indicators, prices = frames()
    exposures.loc[0, "beta_252d_rank"] = None
    panel = technical_panel(exposures, indicators.iloc[1:], prices)
    np.testing.assert_array_equal(panel["beta_252d_centred_rank"], [np.nan, 0.0, 0.5])
    np.testing.assert_array_equal(panel["rsi_14d_centred_rank"], [np.nan, -0.5, 0.5])


def test_a_band_of_no_width_has_no_position():
    exposures, indicators, prices = frames()
    panel = technical_panel(exposures, indicators, prices)  # upper equals lower throughout
    assert panel["bollinger_position_centred_rank"].isna().all()


def test_only_members_of_the_universe_are_ranked():
    exposures, indicators, prices = frames()
    panel = technical_panel(exposures.iloc[:2], indicators, prices)
    assert panel.index.get_level_values("instrument_id").tolist() == ["a", "b"]
    assert panel["rsi_14d_centred_rank"].tolist() == [-0.5, 0.5]


def test_the_order_of_the_rows_read_changes_nothing():
    given = frames(4, days=(DAY, DAY + pd.Timedelta(days=1)))
    shuffled = [frame.sample(frac=1.0, random_state=3) for frame in given]
    pd.testing.assert_frame_equal(technical_panel(*shuffled), technical_panel(*given))


def test_cutting_the_future_off_changes_no_earlier_feature():
    exposures, indicators, prices = frames(4, days=(DAY, DAY + pd.Timedelta(days=1)))
    noise = np.random.default_rng(1).random((8, len(INDICATOR_COLUMNS)))
    indicators[list(INDICATOR_COLUMNS)] = noise
    full = technical_panel(exposures, indicators, prices)
    cut = technical_panel(exposures.iloc[:4], indicators.iloc[:4], prices.iloc[:4])
    np.testing.assert_array_equal(full.iloc[:4].to_numpy(), cut.to_numpy())


def test_no_members_give_an_empty_panel():
    exposures, indicators, prices = frames()
    panel = technical_panel(exposures.iloc[:0], indicators.iloc[:0], prices.iloc[:0])
    assert panel.shape == (0, len(TECHNICAL_FEATURES))


def test_a_missing_column_is_named():
    exposures, indicators, prices = frames()
    with pytest.raises(KeyError, match="adx_14d"):
        technical_panel(exposures, indicators.drop(columns="adx_14d"), prices)


# The first of these waits for numba to compile, which takes twice as long when it is watched.
@pytest.mark.unwatched
def test_every_feature_set_is_a_part_of_a_panel():
    exposures, *_ = fundamental_frames()
    panels = [technical_panel(*frames()), fundamental_panel(exposures)]
    panels.append(neutral_panel(factor_values(3)))
    panels.append(alpha158_panel(bars(["a"], 3), universe_index(exposures)))
    tone = {"instrument_id": ["a"], "known_from_date": [DAY], "tone_sum": [0.5], "n_articles": [1]}
    panels.append(sentiment_panel(pd.DataFrame(tone), universe_index(exposures)))
    columns = {column for panel in panels for column in panel.columns}
    assert all(set(names) <= columns for names in FEATURE_SETS.values())


def test_fundamental_features_are_centred_ranks_with_holes_left_as_they_are():
    exposures, expected = fundamental_frames()
    panel = fundamental_panel(exposures.iloc[::-1])
    np.testing.assert_array_equal(panel.to_numpy(), expected)
    assert panel.index.get_level_values("instrument_id").tolist() == ["a", "b", "c"]


def fundamental_frames():
    exposures = pd.DataFrame({"instrument_id": ["a", "b", "c"], "as_of_date": DAY})
    exposures = exposures.assign(**{name: [0.0, 0.25, np.nan] for name in FUNDAMENTAL_COLUMNS})
    return exposures, np.array([[-0.5], [-0.25], [np.nan]], dtype=np.float32).repeat(len(FUNDAMENTAL_COLUMNS), axis=1)


def factor_values(n_instruments, seed=6):
    rng = np.random.default_rng(seed)
    names = [*NEUTRAL_FACTORS, *NEUTRAL_CONTROLS]
    values = pd.DataFrame(rng.normal(size=(n_instruments, len(names))), columns=names)
    return values.assign(
        instrument_id=[f"i{number:02d}" for number in range(n_instruments)], as_of_date=DAY,
        sector=["Energy", "Utilities", None] * (n_instruments // 3),
    )  # fmt: skip


def test_neutral_features_know_nothing_of_the_sector_and_flag_missing_statements():
    values = factor_values(60)
    values.loc[7, "earnings_to_price"] = np.nan
    panel = neutral_panel(values.iloc[::-1])
    for sector in ("Energy", "Utilities"):
        of_sector = panel[(values["sector"] == sector).to_numpy()]
        np.testing.assert_allclose(of_sector["reversal_21d_neutral"].sum(), 0.0, atol=1e-5)
    assert panel["earnings_to_price_is_missing"].to_numpy().nonzero()[0].tolist() == [7]
    assert panel["earnings_to_price_neutral"].iloc[7] == 0.0
    np.testing.assert_allclose(panel["reversal_21d_neutral"].std(ddof=1), 1.0, rtol=1e-5)


def bars(instruments, n_days, seed=5):
    """Random bars that end on DAY, as marts.fct_daily_prices has them."""
    rng = np.random.default_rng(seed)
    n = n_days * len(instruments)
    close = 30.0 * np.exp(rng.normal(0.0, 0.02, n).cumsum())
    return pd.DataFrame(
        {
            "instrument_id": np.repeat(instruments, n_days),
            "trade_date": np.tile(pd.bdate_range(end=DAY, periods=n_days), len(instruments)),
            "price_segment": 0, "open_adj": close, "high_adj": close * 1.01, "low_adj": close * 0.98,
            "close_adj": close, "volume_adj": rng.integers(1, 1000, n).astype(float),
        }
    )  # fmt: skip


@pytest.mark.unwatched
def test_alpha158_features_are_ranks_of_the_universe_of_each_day(monkeypatch):
    instruments = ["a", "b", "c", "d"]
    given = bars(instruments, 70)
    # "d" is no member, "e" has no bars.
    days = pd.bdate_range(end=DAY, periods=2)
    members = pd.DataFrame([(name, day) for day in days for name in "abce"], columns=["instrument_id", "as_of_date"])
    panel = alpha158_panel(given, universe_index(members))
    own = alpha158_rows(given).set_index(["as_of_date", "instrument_id"])
    for day in days:
        values = own.loc[day].loc[["a", "b", "c"], "roc5"]
        ranks = panel.loc[day, "roc5_centred_rank"]
        assert ranks[["a", "b", "c"]].tolist() == ((values.rank() - 1) / 2 - 0.5).tolist()
        assert np.isnan(ranks["e"])
    monkeypatch.setattr("models.features._INSTRUMENTS_AT_A_TIME", 1)
    pd.testing.assert_frame_equal(alpha158_panel(given, universe_index(members)), panel)


def test_the_hash_depends_on_names_and_order():
    assert features_hash(["a", "b"]) == features_hash(("a", "b"))
    assert len({features_hash(names) for names in (["a", "b"], ["b", "a"], ["ab"], ["a"])}) == 4


def test_the_tone_of_news_counts_from_the_session_that_knew_it():
    days = np.array(["2024-06-03", "2024-06-04", "2024-07-01"], "datetime64[D]")
    names = ["a", "b", "c"]
    index = panel_index(np.repeat(days, 3), pd.Index(names * 3))
    tones = pd.DataFrame(
        {
            "instrument_id": ["a", "a", "b", "b", "x", "c"],
            "known_from_date": pd.to_datetime(
                ["2024-06-03", "2024-06-04", "2024-03-05", "2024-06-04", "2024-06-03", "2024-07-02"]
            ),
            "tone_sum": [0.5, -0.9, 0.8, 0.4, 1.0, 1.0],
            "n_articles": [1, 1, 2, 1, 1, 1],
        }
    )
    panel = sentiment_panel(tones, index)
    assert list(panel.columns) == list(SENTIMENT_FEATURES)

    def row(day: str, name: str) -> list[float]:
        return panel.loc[(pd.Timestamp(day), name)].tolist()

    # 3 June: a alone has news within 30 days; b's of 5 March is 90 days old and counts no more.
    assert row("2024-06-03", "a") == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.5])
    assert np.isnan(row("2024-06-03", "b")[:4]).all()
    # 4 June: a's mean is -0.2, b's 0.4; a has two articles, b one, c none.
    assert row("2024-06-04", "a")[:3] == pytest.approx([-0.5, -0.5, -0.5])
    assert [row("2024-06-04", name)[4] for name in names] == pytest.approx([0.5, 0.0, -0.5])
    # 1 July: nothing for 7 days, so no change either; c's article is of tomorrow.
    assert np.isnan([row("2024-07-01", name)[0] for name in names]).all()
    assert np.isnan(row("2024-07-01", "c")[2])
    earlier = tones[tones["known_from_date"] <= "2024-06-04"]
    again = sentiment_panel(earlier, index[:6])
    pd.testing.assert_frame_equal(again, panel.iloc[:6], check_index_type=False)
