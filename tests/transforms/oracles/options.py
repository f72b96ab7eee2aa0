"""Write options.json: invented options, valued by QuantLib and differentiated by mpmath with 50 digits.

    pip install QuantLib mpmath && python tests/transforms/oracles/options.py

Neither library is needed to run the tests.
"""

import json
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import QuantLib as ql

N_OPTIONS = 100
INPUTS = ("spot", "strike", "years", "rate", "dividend_yield", "volatility")


def main() -> None:
    """Draw options, also far in and out of the money, and write what others make of them."""
    rng = np.random.default_rng(11)
    strike = 100 * np.exp(rng.normal(0, 0.5, N_OPTIONS))
    drawn = {
        "spot": np.full(N_OPTIONS, 100.0),
        "strike": strike,
        "years": rng.uniform(0.01, 5, N_OPTIONS),
        "rate": rng.uniform(-0.02, 0.1, N_OPTIONS),
        "dividend_yield": rng.uniform(0, 0.08, N_OPTIONS),
        "volatility": rng.uniform(0.03, 1.2, N_OPTIONS),
    }
    rows = [dict(zip(INPUTS, map(float, values), strict=True)) for values in zip(*drawn.values(), strict=True)]
    for row, is_call in zip(rows, rng.random(N_OPTIONS) < 0.5, strict=True):
        row["is_call"] = bool(is_call)
    valued = {"inputs": rows, "quantlib": list(map(by_quantlib, rows)), "mpmath": list(map(by_mpmath, rows))}
    columns = {who: {name: [row[name] for row in rows] for name in rows[0]} for who, rows in valued.items()}
    Path(__file__).with_suffix(".json").write_text(json.dumps(columns).replace("], ", "],\n") + "\n")


def by_quantlib(row: dict[str, Any]) -> dict[str, float]:
    """Value one option by QuantLib, per 1.0 of volatility and per year as we do.

    Not its `volga`: that of 1.44 is no derivative of its own `vega` (mpmath's is).
    """
    kind = ql.Option.Call if row["is_call"] else ql.Option.Put
    discount = np.exp(-row["rate"] * row["years"])
    forward = row["spot"] * np.exp((row["rate"] - row["dividend_yield"]) * row["years"])
    deviation = row["volatility"] * np.sqrt(row["years"])
    of = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, row["strike"]), forward, deviation, discount)
    spot, years = row["spot"], row["years"]
    return {
        "price": of.value(),
        "delta": of.delta(spot),
        "vega": of.vega(years),
        "theta": of.theta(spot, years),
        "rho": of.rho(years),
        "epsilon": of.dividendRho(years),
        "gamma": of.gamma(spot),
        "vanna": of.vanna(spot, years),
    }


def by_mpmath(row: dict[str, Any]) -> dict[str, float]:
    """Differentiate the price with 50 digits."""
    sign = 1 if row["is_call"] else -1
    strike = mp.mpf(row["strike"])

    def price(spot: Any, years: Any, rate: Any, dividend_yield: Any, volatility: Any) -> Any:
        spread = volatility * mp.sqrt(years)
        d1 = (mp.log(spot / strike) + (rate - dividend_yield) * years) / spread + spread / 2
        stock = spot * mp.exp(-dividend_yield * years) * mp.ncdf(sign * d1)
        return sign * (stock - strike * mp.exp(-rate * years) * mp.ncdf(sign * (d1 - spread)))

    def derivative(orders: tuple[int, ...]) -> float:
        with mp.workdps(50):
            at = tuple(mp.mpf(row[name]) for name in ("spot", "years", "rate", "dividend_yield", "volatility"))
            # `diff` asks for no more digits than a derivative of this order loses.
            return float(mp.diff(price, at, orders) if any(orders) else price(*at))

    return {
        "price": derivative((0, 0, 0, 0, 0)),
        "delta": derivative((1, 0, 0, 0, 0)),
        "vega": derivative((0, 0, 0, 0, 1)),
        "theta": -derivative((0, 1, 0, 0, 0)),
        "rho": derivative((0, 0, 1, 0, 0)),
        "epsilon": derivative((0, 0, 0, 1, 0)),
        "gamma": derivative((2, 0, 0, 0, 0)),
        "vanna": derivative((1, 0, 0, 0, 1)),
        "charm": -derivative((1, 1, 0, 0, 0)),
        "vomma": derivative((0, 0, 0, 0, 2)),
        "veta": -derivative((0, 1, 0, 0, 1)),
    }


if __name__ == "__main__":
    main()
