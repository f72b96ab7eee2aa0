"""Run by a Python that has them: peers of `benchmarks.quant` and `benchmarks.research` on the data of these.

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


def vectorbt(given: Mapping[str, np.ndarray]) -> np.ndarray:
    """Follow target weights without costs: worth at each close over the capital."""
    import pandas as pd
    import vectorbt as vbt

    close = pd.DataFrame(given["close"], pd.bdate_range("2019-01-01", periods=len(given["close"])))
    sizes = np.full(close.shape, np.nan)
    sizes[given["trade_rows"]] = given["weights"]
    book = vbt.Portfolio.from_orders(
        close, size=sizes, size_type="targetpercent", group_by=True, cash_sharing=True, call_seq="auto", init_cash=1e6,
        freq="D",
    )  # fmt: skip
    return np.asarray(book.value()) / 1e6


def alphalens(given: Mapping[str, np.ndarray]) -> np.ndarray:
    """Judge a forecast day by day: rank IC, mean label of each tenth, what is new in it."""
    import pandas as pd
    from alphalens import performance
    from alphalens.utils import get_clean_factor

    n_days, n_names = given["forecast"].shape
    days = pd.bdate_range("2019-01-01", periods=n_days, name="date")
    rows = pd.MultiIndex.from_product([days, pd.Index([f"i{n:04d}" for n in range(n_names)], name="asset")])
    factor, label = (pd.Series(given[name].ravel(), rows) for name in ("forecast", "label"))
    data = get_clean_factor(factor, label.to_frame("22D"), quantiles=10, max_loss=0.0)
    means, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
    # Its report asks for each tenth as well.
    turnovers = [performance.quantile_turnover(data["factor_quantile"], tenth, period=22) for tenth in range(1, 11)]
    return np.column_stack(
        [
            performance.factor_information_coefficient(data)["22D"], means["22D"].unstack("factor_quantile"),
            pd.concat(turnovers, axis=1).reindex(days),
        ]
    )  # fmt: skip


def measured(
    peer: Callable[[Mapping[str, np.ndarray]], np.ndarray], given: Mapping[str, np.ndarray]
) -> dict[str, object]:
    """Return what a peer finds and the shortest processor time of some runs; nothing where it is not installed.

    The first run, in which it may compile, does not count; the others are as many as ours.
    """
    try:
        found = peer(given)
    except ModuleNotFoundError:
        return {}
    times: list[float] = []
    while len(times) < 3 or sum(times) < 1.0:
        started = time.process_time()
        peer(given)
        times.append(time.process_time() - started)
    return {peer.__name__: found, f"{peer.__name__}_cpu": min(times)}


def main() -> None:
    """Read what is given, ask the peers that are named, write what they found."""
    given = dict(np.load(sys.argv[1]))
    found: dict[str, object] = {}
    peers = {peer.__name__: peer for peer in (quantlib, skfolio, pypfopt, vectorbt, alphalens)}
    for name in sys.argv[3:]:
        found |= measured(peers[name], given)
    np.savez(sys.argv[2], **found)  # type: ignore[arg-type] # the stubs take any name for `allow_pickle`


if __name__ == "__main__":
    main()
