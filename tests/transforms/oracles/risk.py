"""Write risk.json: invented returns, and what empyrical makes of them.

    pip install empyrical-reloaded && python tests/transforms/oracles/risk.py

empyrical is not needed to run the tests.
"""

import json
from pathlib import Path

import empyrical
import numpy as np
import pandas as pd

N_DATES = 300


def main() -> None:
    """Draw returns of a book and of a market, and write."""
    rng = np.random.default_rng(31)
    market = rng.normal(0.0004, 0.01, N_DATES)
    book = 0.0001 + 0.9 * market + rng.normal(0, 0.006, N_DATES)
    days = pd.bdate_range("2023-01-02", periods=N_DATES)
    returns, benchmark = pd.Series(book, index=days), pd.Series(market, index=days)
    found = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.annual_return(returns),
        "volatility": empyrical.annual_volatility(returns),
        "sharpe": empyrical.sharpe_ratio(returns),
        "sortino": empyrical.sortino_ratio(returns),
        "max_drawdown": empyrical.max_drawdown(returns),
        "beta": empyrical.beta(returns, benchmark),
        "alpha": empyrical.alpha(returns, benchmark),
        "value_at_risk": empyrical.value_at_risk(returns),
        "expected_shortfall": empyrical.conditional_value_at_risk(returns),
        "up_capture": empyrical.up_capture(returns, benchmark),
        "down_capture": empyrical.down_capture(returns, benchmark),
    }
    written = {
        "returns": book.tolist(),
        "benchmark": market.tolist(),
        "figures": {k: float(v) for k, v in found.items()},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(written).replace("], ", "],\n") + "\n")


if __name__ == "__main__":
    main()
