"""Options by HTTP: the numbers of `transforms.options`, and what is refused."""

import itertools
import math

import pytest

OPTION = {"type": "call", "spot": 100, "strike": 100, "years": 1, "volatility": 0.2}
PATH = "/v1/blackscholes"


def test_options_are_valued_in_their_order(client):
    other = OPTION | {"type": "put", "strike": 120}
    first, second = client.post(PATH, json={"options": [OPTION, other]}).json()["data"]
    # Without rates a call at the money is worth N(0.1) - N(-0.1) of the spot.
    assert first["price"] == pytest.approx(100 * math.erf(0.1 / math.sqrt(2)))
    assert first["delta"] == pytest.approx(0.5 + 0.5 * math.erf(0.1 / math.sqrt(2)))
    assert (first["volatility"], second["volatility"]) == (0.2, 0.2)
    assert second["price"] > 20 > first["price"]
    assert second["delta"] < 0 < first["delta"]


def test_a_price_is_answered_by_the_volatility_that_it_implies(client):
    wanted = client.post(PATH, json={"options": [OPTION]}).json()["data"][0]
    asked = {name: value for name, value in OPTION.items() if name != "volatility"} | {"price": wanted["price"]}
    found = client.post(PATH, json={"options": [asked]}).json()["data"][0]
    assert found == pytest.approx(wanted, rel=1e-8)


def test_a_price_that_no_volatility_gives_has_no_values(client):
    asked = {"type": "call", "spot": 100, "strike": 50, "years": 1, "price": 10}
    impossible, possible = client.post(PATH, json={"options": [asked, OPTION]}).json()["data"]
    assert set(impossible.values()) == {None}
    assert possible["price"] > 0


@pytest.mark.parametrize("both", [{"price": 8.0}, {"volatility": None}])
def test_volatility_or_price_and_not_both(client, both):
    answer = client.post(PATH, json={"options": [OPTION, OPTION | both]})
    assert (answer.status_code, answer.json()["code"]) == (422, "option-unclear")
    assert answer.json()["errors"][0]["parameter"] == "options[1]"
    assert "got 1 that do not, the first at 1" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"spot": 0}, {"strike": -1}, {"years": 0}, {"years": 101}, {"rate": 2}, {"volatility": 0}, {"volatility": 1e9},
        {"type": "straddle"}, {"spot": "much"}, {"spot": None}, {"spot": 1e308}, {"spto": 1},
    ],
    ids=str,
)  # fmt: skip
def test_terms_that_cannot_be_are_refused_by_name(client, wrong):
    answer = client.post(PATH, json={"options": [OPTION | wrong]})
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid")
    assert next(iter(wrong)) in answer.json()["detail"]


@pytest.mark.parametrize("n", [0, 1_001])
def test_there_are_one_to_a_thousand_options(client, n):
    answer = client.post(PATH, json={"options": [OPTION] * n})
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid")


def test_options_at_the_edges_of_what_is_taken_have_numbers(client):
    edges = {
        "type": ("call", "put"), "spot": (1e-9, 1e12), "strike": (1e-9, 100, 1e12), "years": (1e-6, 1, 100),
        "rate": (-1, 0, 1), "dividend_yield": (-1, 1), "volatility": (1e-6, 0.2, 100),
    }  # fmt: skip
    options = [dict(zip(edges, values, strict=True)) for values in itertools.product(*edges.values())]
    assert len(options) == 648
    answer = client.post(PATH, json={"options": options})
    assert answer.status_code == 200
    for row in answer.json()["data"]:
        assert all(value is not None and math.isfinite(value) for value in row.values()), row
