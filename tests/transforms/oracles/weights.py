"""Write weights.json: invented returns of 12 instruments, and what other optimisers make of them.

    pip install skfolio PyPortfolioOpt packaging && python tests/transforms/oracles/weights.py

Neither library is needed to run the tests.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from pypfopt import EfficientFrontier
from skfolio import RiskMeasure
from skfolio.optimization import RiskBudgeting

N_DATES, N_INSTRUMENTS = 500, 12
RISK_FREE = 0.02
MAX_WEIGHT, MAX_GROUP_WEIGHT = 0.2, 0.35
GROUPS = ["a"] * 4 + ["b"] * 4 + ["c"] * 4
BUDGETS = np.arange(1.0, N_INSTRUMENTS + 1)


def main() -> None:
    """Draw returns with three groups, optimise, and write."""
    rng = np.random.default_rng(21)
    volatility = rng.uniform(0.005, 0.025, N_INSTRUMENTS)
    market, groups = rng.normal(size=(N_DATES, 1)), rng.normal(size=(N_DATES, 3)).repeat(4, axis=1)
    returns = (0.5 * market + 0.5 * groups + rng.normal(size=(N_DATES, N_INSTRUMENTS))) * volatility / np.sqrt(1.5)
    covariance = np.cov(returns.T) * 252
    expected = rng.normal(0.08, 0.06, N_INSTRUMENTS)
    found = {
        "covariance": covariance.tolist(),
        "expected_return": expected.tolist(),
        "equal_risk_contribution": by_skfolio(returns),
        "risk_budgets": by_skfolio(returns, budgets=BUDGETS / BUDGETS.sum()),
        "minimum_variance": weights_of(frontier(covariance, expected, limited=False).min_volatility()),
        "limited_minimum_variance": weights_of(frontier(covariance, expected, limited=True).min_volatility()),
        "maximum_sharpe": weights_of(frontier(covariance, expected, limited=False).max_sharpe(RISK_FREE)),
        "limited_maximum_sharpe": weights_of(frontier(covariance, expected, limited=True).max_sharpe(RISK_FREE)),
        "frontier": [
            {
                "target": target,
                "weights": weights_of(frontier(covariance, expected, limited=True).efficient_return(target)),
            }
            for target in (expected.mean() + more for more in (0.0, 0.01, 0.02))
        ],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(found).replace("], ", "],\n") + "\n")


def by_skfolio(returns: np.ndarray, *, budgets: "np.ndarray | None" = None) -> list[float]:
    """Budget the variance by skfolio, with a solver that is asked for all the digits it has."""
    exact = {"tol_gap_abs": 1e-14, "tol_gap_rel": 1e-14, "tol_feas": 1e-14}
    model = RiskBudgeting(risk_measure=RiskMeasure.VARIANCE, risk_budget=budgets, solver_params=exact)
    return [float(weight) for weight in model.fit(pd.DataFrame(returns)).weights_]


def frontier(covariance: np.ndarray, expected: np.ndarray, *, limited: bool) -> EfficientFrontier:
    """Return PyPortfolioOpt's optimiser, long-only, within the limits or without."""
    bounds = (0, MAX_WEIGHT if limited else 1)
    made = EfficientFrontier(pd.Series(expected), pd.DataFrame(covariance), weight_bounds=bounds, solver="CLARABEL")
    if limited:
        highest = dict.fromkeys(set(GROUPS), MAX_GROUP_WEIGHT)
        made.add_sector_constraints(dict(enumerate(GROUPS)), sector_lower={}, sector_upper=highest)
    return made


def weights_of(weights: dict[int, float]) -> list[float]:
    return [float(weights[instrument]) for instrument in range(N_INSTRUMENTS)]


if __name__ == "__main__":
    main()
