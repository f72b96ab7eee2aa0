"""Scores, ranks, signals and limits of the risk profiles."""

import numpy as np
import pandas as pd
import pytest

from transforms.profiles import BALANCED, GROUPS, PROFILES, Limit, Profile
from transforms.rankings import rankings

NAN = float("nan")


def profile(limits: tuple[Limit, ...] = (), **weights: float) -> Profile:
    return Profile("balanced", dict.fromkeys(GROUPS, 0.0) | weights, limits, "For a test.")


def day(n: int = 1, date: str = "2024-01-02", **columns: object) -> pd.DataFrame:
    names = {"as_of_date": pd.Timestamp(date), "instrument_id": [f"i{number:02d}" for number in range(n)]}
    return pd.DataFrame(names | columns)


def ranked(frame: pd.DataFrame, chosen: Profile) -> pd.DataFrame:
    return rankings(frame, profile=chosen).set_index("instrument_id")


def random_market(n_days: int, n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    factors = [factor for group in GROUPS.values() for factor in group]
    frame = pd.concat([day(n, str(date.date())) for date in pd.bdate_range("2024-01-01", periods=n_days)])
    z = pd.DataFrame(rng.normal(size=(len(frame), len(factors))), columns=[f"{f}_z" for f in factors])
    frame = pd.concat([frame.reset_index(drop=True), z.mask(rng.random(z.shape) < 0.2)], axis=1)
    ranks = {f"{name}_rank": rng.random(len(frame)) for name in ("volatility_252d", "beta_252d", "dollar_volume_21d")}
    return frame.assign(forecast=rng.normal(size=len(frame)), **ranks)


def test_a_contribution_is_weight_times_z_and_the_sum_explains_the_score():
    frame = day(1, earnings_to_price_z=1.5, debt_to_equity_z=0.6)
    row = ranked(frame, profile(value=0.8, quality=0.2)).iloc[0]
    # Debt counts against: 50 / 3 * 0.8 * 1.5 = 20 and 50 / 3 * 0.2 * -0.6 = -2.
    assert row["contribution_value"] == pytest.approx(20.0, abs=1e-12)
    assert row["contribution_quality"] == pytest.approx(-2.0, abs=1e-12)
    assert row["score"] == pytest.approx(68.0, abs=1e-12)


def test_a_groups_z_is_the_mean_of_its_present_factors_each_clipped():
    frame = day(1, earnings_to_price_z=9.0, book_to_price_z=1.0, sales_to_price_z=NAN)
    assert ranked(frame, profile(value=1.0))["score"].item() == pytest.approx(50 + 50 / 3 * 2, abs=1e-12)


def test_the_weight_of_a_missing_group_goes_to_the_others():
    frame = day(1, earnings_to_price_z=1.5, revenue_growth_1y_z=NAN)
    row = ranked(frame, profile(value=0.5, growth=0.4, momentum=0.1)).iloc[0]
    assert row["contribution_value"] == pytest.approx(25.0, abs=1e-12)
    assert row["missing_groups"] == ("momentum", "growth")
    assert row["contribution_growth"] == 0.0


def test_a_group_without_weight_is_not_missed():
    frame = day(1, earnings_to_price_z=1.5)
    assert ranked(frame, profile(value=1.0))["missing_groups"].item() == ()


def test_the_forecast_is_standardised_within_the_day():
    frame = pd.concat([day(3, forecast=[0.01, 0.02, 0.03]), day(3, "2024-01-03", forecast=[1.0, 2.0, NAN])])
    table = rankings(frame, profile=profile(forecast=1.0))
    z = np.sqrt(1.5)
    expected = np.array([-z, 0, z, -1, 1, 0]) * 50 / 3
    np.testing.assert_allclose(table["contribution_forecast"], expected, atol=1e-9)


def test_equal_forecasts_say_nothing():
    frame = day(3, forecast=[0.1, 0.1, 0.1])
    assert ranked(frame, profile(forecast=1.0))["score"].tolist() == [50.0, 50.0, 50.0]


def test_all_groups_at_their_limit_give_0_and_100_exactly():
    z = {f"{factor}_z": [5.0 * sign, -5.0 * sign] for group in GROUPS.values() for factor, sign in group.items()}
    scores = ranked(day(2, **z), profile(value=0.3, quality=0.3, low_risk=0.1, momentum=0.3))["score"]
    assert scores.tolist() == pytest.approx([100.0, 0.0], abs=1e-12)
    assert scores.max() <= 100
    assert scores.min() >= 0


def test_ten_instruments_give_each_signal_its_share():
    table = ranked(day(10, earnings_to_price_z=np.linspace(1, -1, 10)), profile(value=1.0))
    assert table["rank"].tolist() == list(range(1, 11))
    assert table["signal"].tolist() == (
        ["strong_buy", "buy", "buy", "hold", "hold", "hold", "hold", "sell", "sell", "strong_sell"]
    )


def test_ties_are_settled_by_instrument_whatever_the_order_of_rows():
    frame = day(3, earnings_to_price_z=[1.0, 1.0, 1.0]).iloc[[2, 0, 1]]
    assert ranked(frame, profile(value=1.0))["rank"].to_dict() == {"i00": 1, "i01": 2, "i02": 3}


def test_who_breaches_a_limit_has_a_score_but_no_rank():
    limits = (
        Limit("max_volatility_rank", "volatility_252d_rank", "max", 0.6),
        Limit("min_liquidity_rank", "dollar_volume_21d_rank", "min", 0.2),
    )
    frame = day(
        4,
        earnings_to_price_z=[3.0, 2.0, 1.0, 0.0],
        volatility_252d_rank=[0.7, 0.6, NAN, 0.9],
        dollar_volume_21d_rank=[0.5, 0.1, 0.2, 0.1],
    )
    table = ranked(frame, profile(limits, value=1.0))
    assert table["breached_limit"].fillna("").tolist() == [
        "max_volatility_rank",
        "min_liquidity_rank",
        "",
        "max_volatility_rank",
    ]
    assert table["rank"].isna().tolist() == [True, True, False, True]
    assert table["rank"].iloc[2] == 1
    assert table["signal"].tolist() == ["not_ranked", "not_ranked", "hold", "not_ranked"]
    assert table["score"].iloc[0] == pytest.approx(100.0)


def test_an_instrument_without_any_group_is_not_ranked():
    row = ranked(day(1, earnings_to_price_z=NAN), BALANCED).iloc[0]
    assert (row["signal"], row["breached_limit"], row["score"]) == ("not_ranked", "no_data", 50.0)
    assert row["missing_groups"] == tuple(GROUPS)


def test_every_score_is_50_plus_its_contributions_and_within_bounds():
    table = rankings(random_market(5), profile=BALANCED)
    contributions = table[[f"contribution_{group}" for group in GROUPS]].sum(axis=1)
    np.testing.assert_allclose(table["score"], 50 + contributions, rtol=0, atol=1e-12)
    assert table["score"].between(0, 100).all()


def test_ranks_of_a_day_are_1_to_n_in_order_of_score():
    table = rankings(random_market(3), profile=BALANCED).dropna(subset=["rank"])
    for _, of_day in table.groupby("as_of_date"):
        best_first = of_day.sort_values("rank")
        assert best_first["rank"].tolist() == list(range(1, len(of_day) + 1))
        assert (best_first["score"].diff().dropna() <= 0).all()


def test_a_day_does_not_depend_on_other_days():
    frame = random_market(6)
    whole = rankings(frame, profile=BALANCED)
    days = frame["as_of_date"].unique()
    for some in (days[:3], days[2:3], days[4:]):
        part = rankings(frame[frame["as_of_date"].isin(some)], profile=BALANCED)
        same = whole[whole["as_of_date"].isin(some)]
        pd.testing.assert_frame_equal(part, same, check_exact=True)


def test_no_exposures_give_no_ranking():
    assert rankings(random_market(1).iloc[:0], profile=BALANCED).empty


def test_an_instrument_comes_once_a_day():
    with pytest.raises(ValueError, match="1 rows too many"):
        rankings(pd.concat([day(1), day(1)]), profile=BALANCED)


@pytest.mark.parametrize("chosen", PROFILES.values(), ids=lambda chosen: chosen.name)
def test_every_profile_is_documented_and_adds_up(chosen: Profile):
    assert sum(chosen.weights.values()) == pytest.approx(1.0)
    assert chosen.description.endswith(".")
    assert PROFILES[chosen.name] is chosen


def test_a_profile_needs_all_groups_and_a_sum_of_1():
    with pytest.raises(ValueError, match=r"sum to 1; got 0\.5"):
        profile(value=0.5)
    with pytest.raises(ValueError, match="every group needs a weight"):
        Profile("balanced", {"value": 1.0}, (), "For a test.")
