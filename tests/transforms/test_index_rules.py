"""What an index chooses, how it weighs, and which limits it gives up."""

import numpy as np
import pandas as pd
import pytest

from transforms.constrained_weights import Limits, nearest_weights
from transforms.index_rules import IndexRules, index_targets

NOBODY = pd.Series(dtype=np.float64)


@pytest.fixture
def candidates() -> pd.DataFrame:
    """Five companies; E has no score, and the larger a company the lower its momentum."""
    return pd.DataFrame(
        {
            "market_cap": [400.0, 300, 200, 100, 50],
            "momentum": [-0.1, 0.0, 0.1, 0.2, 0.3],
            "score": [20.0, 40, 60, 80, np.nan],
            "sector": ["x", "x", "y", "y", None],
        },
        index=pd.Index(list("ABCDE"), name="instrument_id"),
    )


def returns(seed: int = 1) -> pd.DataFrame:
    moves = np.random.default_rng(seed).normal(0, 0.01, (300, 5)) * [1, 2, 3, 4, 5]
    return pd.DataFrame(moves, columns=list("ABCDE"))


def weights_of(candidates: pd.DataFrame, **rules) -> dict[str, float]:
    found = index_targets(candidates, IndexRules(**rules), previous=NOBODY, return_1d=returns())
    return found.weights.to_dict()


def test_the_highest_are_chosen_and_weighed_by_their_scheme(candidates):
    by_size = weights_of(candidates, weighting={"market_cap": 1.0}, select_by="market_cap", n_names=2)
    assert by_size == pytest.approx({"A": 4 / 7, "B": 3 / 7})
    by_place = weights_of(candidates, weighting={"momentum": 1.0}, select_by="momentum", n_names=3)
    assert by_place == pytest.approx({"E": 3 / 6, "D": 2 / 6, "C": 1 / 6})
    by_score = weights_of(candidates, weighting={"ranking": 1.0}, n_names=2)
    assert by_score == pytest.approx({"D": 80 / 140, "C": 60 / 140})


def test_schemes_are_blended(candidates):
    blended = weights_of(candidates, weighting={"equal": 0.5, "ranking": 0.5}, n_names=2)
    assert blended == pytest.approx({"D": 0.25 + 40 / 140, "C": 0.25 + 30 / 140})


def test_what_lacks_a_value_that_the_rules_look_at_is_not_chosen(candidates):
    assert set(weights_of(candidates, weighting={"ranking": 1.0}, n_names=9)) == set("ABCD")
    assert set(weights_of(candidates, weighting={"equal": 1.0}, select_by="momentum", n_names=9)) == set("ABCDE")


@pytest.mark.parametrize("scheme", ["inverse_volatility", "risk_parity", "minimum_variance"])
def test_calm_instruments_weigh_more_by_risk(candidates, scheme):
    found = weights_of(candidates, weighting={scheme: 1.0}, select_by="momentum")
    assert sorted(found, key=lambda name: -found[name]) == list("ABCDE")


def test_an_instrument_with_few_returns_is_not_weighed_by_risk(candidates):
    past = returns()
    past.loc[past.index[:-100], "A"] = np.nan
    rules = IndexRules({"risk_parity": 1.0}, select_by="momentum")
    assert "A" not in index_targets(candidates, rules, previous=NOBODY, return_1d=past).weights


def test_only_the_sectors_of_the_rules_are_held(candidates):
    held = weights_of(candidates, weighting={"equal": 1.0}, select_by="market_cap", sectors=["y", "z"])
    assert held == pytest.approx({"C": 0.5, "D": 0.5})
    with pytest.raises(ValueError, match="sectors must name one or more"):
        IndexRules({"equal": 1.0}, sectors=[])


def test_what_has_no_size_is_not_weighed_by_it(candidates):
    largest = candidates["market_cap"].idxmax()
    sizes = candidates.assign(market_cap=candidates["market_cap"].where(candidates.index != largest, 0.0))
    held = index_targets(sizes, IndexRules({"market_cap": 1.0}, select_by="market_cap"), previous=NOBODY).weights
    assert set(held.index) == set(candidates.index) - {largest}


@pytest.mark.parametrize("scheme", ["inverse_volatility", "risk_parity", "minimum_variance"])
@pytest.mark.parametrize("n_names", [1, 50])
def test_what_does_not_move_has_no_risk_to_be_weighed_by(candidates, scheme, n_names):
    rules = IndexRules({scheme: 1.0}, select_by="market_cap", n_names=n_names)
    past = returns()
    still = candidates["market_cap"].idxmax()
    held = index_targets(candidates, rules, previous=NOBODY, return_1d=past.assign(**{still: 0.0})).weights
    assert still not in held.index
    assert held.sum() == pytest.approx(1)
    assert index_targets(candidates, rules, previous=NOBODY, return_1d=past * 0.0).weights.empty


def test_nobody_to_choose_from_is_nothing_to_hold(candidates):
    assert index_targets(candidates.iloc[:0], IndexRules({"equal": 1.0}), previous=NOBODY).weights.empty


def test_what_is_cut_goes_to_the_others_in_proportion(candidates):
    found = weights_of(candidates, weighting={"market_cap": 1.0}, select_by="market_cap", n_names=4, max_weight=0.35)
    # 0.4 is cut to 0.35; 0.3, 0.2 and 0.1 share the rest as 3 to 2 to 1.
    assert found == pytest.approx({"A": 0.35, "B": 0.325, "C": 0.65 / 3, "D": 0.65 / 6}, abs=1e-7)


def test_sectors_are_limited_too(candidates):
    rules = {"weighting": {"market_cap": 1.0}, "select_by": "market_cap", "n_names": 4, "max_sector_weight": 0.6}
    assert weights_of(candidates, **rules) == pytest.approx(
        {"A": 0.6 * 4 / 7, "B": 0.6 * 3 / 7, "C": 0.4 * 2 / 3, "D": 0.4 / 3}, abs=1e-7
    )


def test_too_few_for_the_limit_per_instrument_weigh_the_same(candidates):
    found = weights_of(candidates, weighting={"market_cap": 1.0}, select_by="market_cap", n_names=4, max_weight=0.05)
    assert found == pytest.approx(dict.fromkeys("ABCD", 0.25), abs=1e-7)


def test_turnover_is_limited_but_what_is_not_chosen_is_sold(candidates):
    rules = IndexRules({"equal": 1.0}, select_by="market_cap", n_names=2, max_turnover=0.5)
    held = pd.Series({"A": 0.9, "B": 0.1})
    found = index_targets(candidates, rules, previous=held)
    assert found.weights.to_dict() == pytest.approx({"A": 0.65, "B": 0.35}, abs=1e-7)
    assert found.dropped_limits == ()
    gone = index_targets(candidates, rules, previous=pd.Series({"A": 0.4, "E": 0.6}))
    # 0.6 have to be sold and bought again: more is not traded.
    assert gone.weights.to_dict() == pytest.approx({"A": 0.5, "B": 0.5}, abs=1e-6)


def test_limits_that_cannot_be_kept_together_are_given_up_and_named(candidates):
    rules = IndexRules(
        {"equal": 1.0}, select_by="market_cap", n_names=2, max_weight=0.5, max_turnover=0.1, max_sector_weight=0.6
    )
    found = index_targets(candidates, rules, previous=pd.Series({"A": 0.9, "B": 0.1}))
    # Both are of one sector, which cannot hold 0.6 at most; and 0.9 cannot come down to 0.5 by trading 0.1.
    assert found.dropped_limits == ("max_turnover", "max_sector_weight")
    assert found.weights.to_dict() == pytest.approx({"A": 0.5, "B": 0.5})


def test_weights_within_the_limits_stay_bit_for_bit():
    wanted = np.array([0.1, 0.2, 0.7])
    assert nearest_weights(wanted, limits=Limits(max_weight=0.7)) is wanted


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"weighting": {"equal": 0.9}}, "shares .* that sum to 1"),
        ({"weighting": {"magic": 1.0}}, "magic"),
        ({"weighting": {"equal": 1.0}, "select_by": "luck"}, "luck"),
        ({"weighting": {"equal": 1.0}, "rebalance": "yearly"}, "yearly"),
        ({"weighting": {"equal": 1.0}, "max_weight": 0.0}, "limits must be above 0"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules, message):
    with pytest.raises(ValueError, match=message):
        IndexRules(**rules)


def test_weighing_by_risk_needs_returns(candidates):
    with pytest.raises(ValueError, match="the weighting needs returns"):
        index_targets(candidates, IndexRules({"risk_parity": 1.0}), previous=NOBODY)
