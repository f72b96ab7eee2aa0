"""Run by a Python that has them: QuantLib, skfolio and PyPortfolioOpt on the data of `benchmarks.quant`.

It imports nothing of this project.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections.abc import Callable, Mapping

import numpy as np


def quantlib(given: Mapping[str, np.ndarray]) -> np.ndarray:
    """Value each option by itself: price, delta, gamma, vega, theta, rho."""
    import QuantLib as ql

    names = ("spot", "strike", "years", "rate", "dividend_yield", "is_call", "volatility")
    found = []
    for spot, strike, years, rate, dividend_yield, is_call, volatility in zip(
        *(given[name].tolist() for name in names), strict=True
    ):
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
        forward = spot * np.exp((rate - dividend_yield) * years)
        of = ql.BlackCalculator(payoff, forward, volatility * np.sqrt(years), np.exp(-rate * years))
        found.append((of.value(), of.delta(spot), of.gamma(spot), of.vega(years), of.theta(spot, years), of.rho(years)))
    return np.array(found).T


def skfolio(given: Mapping[str, np.ndarray]) -> np.ndarray:
    """Share risk equally."""
    from skfolio import RiskMeasure
    from skfolio.optimization import RiskBudgeting

    return RiskBudgeting(risk_measure=RiskMeasure.VARIANCE).fit(given["returns"]).weights_


def pypfopt(given: Mapping[str, np.ndarray]) -> np.ndarray:
    """Find the lowest variance within limits."""
    from pypfopt import EfficientFrontier

    frontier = EfficientFrontier(None, given["covariance"], weight_bounds=(0, float(given["max_weight"])))
    return np.array(list(frontier.min_volatility().values()))


def measured(
    peer: Callable[[Mapping[str, np.ndarray]], np.ndarray], given: Mapping[str, np.ndarray]
) -> dict[str, object]:
    """Return what a peer finds and the shorter processor time of two runs; nothing where it is not installed."""
    best = np.inf
    for _ in range(2):
        started = time.process_time()
        try:
            found = peer(given)
        except ModuleNotFoundError:
            return {}
        best = min(best, time.process_time() - started)
    return {peer.__name__: found, f"{peer.__name__}_cpu": best}


def main() -> None:
    """Read what is given, ask each peer, write what they found."""
    given = dict(np.load(sys.argv[1]))
    found: dict[str, object] = {}
    for peer in (quantlib, skfolio, pypfopt):
        found |= measured(peer, given)
    np.savez(sys.argv[2], **found)  # type: ignore[arg-type] # the stubs take any name for `allow_pickle`


if __name__ == "__main__":
    main()
