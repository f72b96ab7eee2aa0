"""Options beside two other libraries, by finite differences, and back from price to volatility."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.options import Terms, Valuation, black_scholes, implied_volatility

# Made by oracles/options.py, which says how.
STORED = json.loads((Path(__file__).parent / "oracles" / "options.json").read_text())
EPSILON = np.finfo(float).eps

# What is moved by how much, and in which direction time runs.
DERIVATIVES = {
    "delta": ("price", "spot", 1),
    "vega": ("price", "volatility", 1),
    "theta": ("price", "years", -1),
    "rho": ("price", "rate", 1),
    "epsilon": ("price", "dividend_yield", 1),
    "gamma": ("delta", "spot", 1),
    "vanna": ("delta", "volatility", 1),
    "charm": ("delta", "years", -1),
    "vomma": ("vega", "volatility", 1),
    "veta": ("vega", "years", -1),
}


def stored_options() -> tuple[Terms, np.ndarray]:
    inputs = {name: np.array(values) for name, values in STORED["inputs"].items()}
    volatility = inputs.pop("volatility")
    return Terms(**inputs), volatility


def invented(n: int, *, seed: int = 3) -> tuple[Terms, np.ndarray]:
    """Options from far in to far out of the money, from a day to ten years."""
    rng = np.random.default_rng(seed)
    strike = 100 * np.exp(rng.normal(0, 1, n))
    years = np.exp(rng.uniform(math.log(1 / 365), math.log(10), n))
    terms = Terms(100.0, strike, years, rng.uniform(-0.02, 0.1, n), rng.uniform(0, 0.08, n), rng.random(n) < 0.5)
    return terms, rng.uniform(0.02, 2, n)


def out_of_the_money(terms: Terms) -> Terms:
    """The same strikes, each as the option that is worth its time value only."""
    forward = np.asarray(terms.spot) * np.exp((np.asarray(terms.rate) - terms.dividend_yield) * np.asarray(terms.years))
    return terms._replace(is_call=forward < terms.strike)


@pytest.mark.parametrize(
    ("oracle", "name"), [(oracle, name) for oracle in ("quantlib", "mpmath") for name in STORED[oracle]]
)
def test_price_and_sensitivities_are_those_of_other_libraries(oracle: str, name: str):
    terms, volatility = stored_options()
    found = getattr(black_scholes(terms, volatility), name)
    assert found == pytest.approx(np.array(STORED[oracle][name]), rel=1e-10, abs=1e-10)


def test_the_stored_options_hold_every_sensitivity():
    assert set(STORED["mpmath"]) == set(Valuation._fields)
    assert set(DERIVATIVES) == set(Valuation._fields) - {"price"}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_each_sensitivity_is_a_central_difference(name: str):
    of, moved, direction = DERIVATIVES[name]
    terms, volatility = stored_options()
    inputs = terms._asdict() | {"volatility": volatility}

    def at(shift: float) -> np.ndarray:
        changed = inputs | {moved: inputs[moved] * (1 + shift) if moved != "rate" else inputs[moved] + shift}
        valued: np.ndarray = getattr(
            black_scholes(Terms(**{k: changed[k] for k in Terms._fields}), changed["volatility"]), of
        )
        return valued

    shift = 1e-5
    width = 2 * shift * (inputs[moved] if moved != "rate" else 1.0)
    slope = direction * (at(shift) - at(-shift)) / width
    found = getattr(black_scholes(terms, volatility), name)
    assert found == pytest.approx(slope, rel=1e-5, abs=1e-5 * float(np.max(np.abs(found))))


def test_a_call_at_the_money_without_rates_is_worth_what_the_normal_distribution_says():
    # 100 * (N(0.1) - N(-0.1)) with a total volatility of 0.2.
    found = black_scholes(Terms(100, 100, 1, 0, 0, True), 0.2)
    assert found.price.shape == ()
    assert float(found.price) == pytest.approx(100 * math.erf(0.1 / math.sqrt(2)), rel=1e-14)


sizes = st.floats(1, 1000)
rates = st.floats(-0.1, 0.2)


@given(spot=sizes, strike=sizes, years=st.floats(0.001, 20), rate=rates, dividend=rates, volatility=st.floats(0.001, 3))
@settings(max_examples=200, deadline=None)
def test_a_call_less_a_put_is_a_forward(spot, strike, years, rate, dividend, volatility):
    of = black_scholes(Terms(spot, strike, years, rate, dividend, [True, False]), volatility)
    call, put = range(2)
    kept, discounted = math.exp(-dividend * years), math.exp(-rate * years)
    forward = spot * kept - strike * discounted
    size = spot * kept + strike * discounted
    assert of.price[call] - of.price[put] == pytest.approx(forward, abs=1e-14 * size)
    assert of.delta[call] - of.delta[put] == pytest.approx(kept, rel=1e-14)
    assert of.rho[call] - of.rho[put] == pytest.approx(years * strike * discounted, rel=1e-14)
    assert of.gamma[call] == of.gamma[put]
    assert of.vega[call] == of.vega[put]
    assert of.price[call] >= max(forward, 0) - 1e-14 * size
    assert of.price[put] >= max(-forward, 0) - 1e-14 * size


def test_volatility_comes_back_from_the_price_far_out_of_the_money():
    terms, volatility = invented(20_000)
    terms = out_of_the_money(terms)
    price = black_scholes(terms, volatility).price
    is_a_number = price > 1e-290
    assert is_a_number.mean() > 0.7
    assert price[is_a_number].min() < 1e-250
    found = implied_volatility(terms, price)
    assert found[is_a_number] == pytest.approx(volatility[is_a_number], rel=1e-8)


def test_volatility_comes_back_from_the_price_far_in_the_money():
    """As far as the price still knows it: a volatility that moves the price by less than its last digits is lost."""
    terms, volatility = invented(20_000)
    terms = out_of_the_money(terms)
    terms = terms._replace(is_call=~np.asarray(terms.is_call))
    valued = black_scholes(terms, volatility)
    worth = np.maximum(valued.price, np.maximum(terms.spot, terms.strike))
    lost = 16 * EPSILON * worth / np.maximum(valued.vega, 1e-300)
    is_known = lost < 1e-8
    assert (is_known & (valued.vega < 1e-4 * valued.price)).sum() > 50
    found = implied_volatility(terms, valued.price)
    assert np.max(np.abs(found - volatility)[is_known]) < 1e-8


def test_a_price_comes_back_from_any_volatility_that_was_found():
    terms, volatility = invented(20_000, seed=4)
    price = black_scholes(terms, volatility).price
    found = implied_volatility(terms, price)
    is_found = ~np.isnan(found)
    again = black_scholes(terms, np.where(is_found, found, 1.0)).price
    size = np.maximum(terms.spot, terms.strike)
    assert is_found.mean() > 0.7
    assert np.max((np.abs(again - price) / size)[is_found]) < 1e-14


@pytest.mark.parametrize("volatility", [1e-6, 1e-3, 0.2, 2.0, 12.0])
def test_volatility_comes_back_at_the_money_whatever_its_size(volatility: float):
    terms = Terms(100, 100, 0.25, 0, 0, [True, False])
    found = implied_volatility(terms, black_scholes(terms, volatility).price)
    assert found == pytest.approx([volatility] * 2, rel=1e-8)


@pytest.mark.parametrize(
    ("price", "reason"), [(-1, "negative"), (0, "nothing"), (10, "no more than exercised"), (100, "all of the stock")]
)
def test_no_volatility_gives_a_price_outside_of_its_bounds(price: float, reason: str):
    assert math.isnan(float(implied_volatility(Terms(100, 90, 1, 0, 0, True), price))), reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spot": 0}, r"spot must be finite and above 0; got \[0.0\]"),
        ({"strike": [100, -1]}, r"strike must be finite and above 0; got \[-1.0\]"),
        ({"years": math.nan}, r"years must be finite and above 0; got \[nan\]"),
        ({"rate": math.inf}, r"rate must be finite; got \[inf\]"),
    ],
)
def test_terms_that_cannot_be_are_named(change: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        black_scholes(Terms(100, 100, 1, 0, 0, True)._replace(**change), 0.2)


def test_many_options_give_what_each_gives_alone():
    """Blocks of a broadcast grid, transposed or not, are put together in the order that they came in."""
    spot, strike = np.linspace(50, 150, 130)[:, None], np.linspace(50, 150, 140)
    grid = black_scholes(Terms(spot, strike, 1, 0.03, 0.01, True), 0.2)
    for row, column in [(0, 0), (129, 139), (70, 20)]:
        alone = black_scholes(Terms(spot[row, 0], strike[column], 1, 0.03, 0.01, True), 0.2)
        assert [float(values[row, column]) for values in grid] == pytest.approx([float(value) for value in alone])


def test_at_the_edges_of_what_the_api_takes_everything_is_finite():
    edges = np.meshgrid([1e-9, 1, 1e12], [1e-9, 1, 1e12], [1e-6, 1, 100], [-1, 0, 1], [-1, 0, 1], [0, 1], [1e-6, 100])
    *terms, is_call, volatility = (values.ravel() for values in edges)
    with np.errstate(all="raise", under="ignore"):
        valued = black_scholes(Terms(*terms, is_call=is_call.astype(bool)), volatility)
    assert all(np.isfinite(numbers).all() for numbers in valued)


def test_no_options_have_no_prices():
    assert black_scholes(Terms([], 100, 1, 0, 0, True), 0.2).price.shape == (0,)
    assert implied_volatility(Terms([], 100, 1, 0, 0, True), 1.0).shape == (0,)
