"""Quant jobs from what was asked to what is answered: read returns, call the maths, describe."""

import datetime as dt
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from orchestration.errors import JobImpossible
from orchestration.installation import Installation
from orchestration.plots import frontier_figure, options_figure, outlook_figure
from orchestration.resources import Warehouse
from transforms.constrained_weights import (
    Limits,
    LimitsInfeasible,
    constrained_minimum_variance,
    efficient_frontier,
    maximum_sharpe,
)
from transforms.covariances import shrunk_covariance
from transforms.monte_carlo import (
    Outlook,
    Plan,
    bootstrap_outlook,
    brownian_outlook,
    estimated_growth,
    portfolio_returns,
)
from transforms.options import Terms, black_scholes, implied_volatility
from warehouse.queries import quant as queries
from warehouse.records.job_parameters import (
    BlackScholesParameters,
    Holdings,
    MarkowitzParameters,
    MonteCarloParameters,
    Parameters,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SESSIONS_PER_YEAR = 252
# History that returns are learnt from where no first day is asked for.
DEFAULT_YEARS = 3
FEWEST_RETURNS = 60
# Rows that a job's result holds; all of them lie in the artifact.
MOST_ROWS = 1_000


class Answer(NamedTuple):
    """What a job found: small values, rows, and a picture of them."""

    summary: dict[str, Any]
    rows: pd.DataFrame
    figure: "Figure"

    def result(self) -> dict[str, Any]:
        """Return it as the row of a job keeps it."""
        shown = self.rows.head(MOST_ROWS).astype(object)
        rows = shown.where(shown.notna(), None).to_dict("records")
        return {**self.summary, "n_rows": len(self.rows), "rows": rows}

    def plot(self) -> bytes:
        """Return the picture as a PNG."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def monte_carlo(warehouse: Warehouse, installation: Installation, asked: MonteCarloParameters) -> Answer:
    """Simulate a portfolio that goes back to its weights each day."""
    returns = _returns(warehouse, installation, "monte_carlo", asked)
    weights = np.array(asked.weights or [1 / len(asked.tickers)] * len(asked.tickers))
    history = portfolio_returns(returns.to_numpy(), weights)
    plan = Plan(n_paths=asked.n_paths, n_sessions=asked.n_sessions, seed=asked.seed, confidence=asked.confidence)
    outlook = _outlook(asked, history, plan)
    figures = {
        str(row["metric"]): {
            "value": float(row["value"]), "standard_error": float(row["standard_error"]), "unit": row["unit"],
            "definition": row["definition"],
        }
        for _, row in outlook.figures.iterrows()
    }  # fmt: skip
    growth = estimated_growth(history)
    summary = {
        "tickers": list(returns.columns), "weights": weights.tolist(), "method": asked.method,
        "drift": growth.drift, "volatility": growth.volatility, "figures": figures, **_history(returns),
    }  # fmt: skip
    rows = outlook.percentile_paths.rename(columns=lambda percentile: f"p{percentile:g}").reset_index(names="session")
    return Answer(summary, rows, outlook_figure(rows, figures, asked.confidence))


def markowitz(warehouse: Warehouse, installation: Installation, asked: MarkowitzParameters) -> Answer:
    """Find the efficient frontier, the lowest variance and the highest Sharpe ratio within limits."""
    returns = _returns(warehouse, installation, "markowitz", asked)
    names = list(returns.columns)
    values = returns.to_numpy()
    covariance = shrunk_covariance(values) if asked.shrink else np.cov(values.T) * SESSIONS_PER_YEAR
    expected = np.nanmean(values, axis=0) * SESSIONS_PER_YEAR
    limits = _limits(warehouse, asked, names)
    try:
        frontier = efficient_frontier(covariance, expected, limits=limits, n_points=asked.n_points)
        portfolios = {
            "minimum_variance": constrained_minimum_variance(covariance, limits=limits),
            "equal": np.full(len(names), 1 / len(names)),
        }
    except LimitsInfeasible as exc:
        raise JobImpossible("markowitz", str(exc)) from exc
    note = None
    try:
        portfolios["maximum_sharpe"] = maximum_sharpe(covariance, expected - asked.risk_free_rate, limits=limits)
    except LimitsInfeasible:
        # The limits can be kept, as the frontier shows.
        note = "No portfolio within the limits earns more than the risk-free rate: none has the highest Sharpe ratio."
    described = {name: _described(held, names, covariance, expected, asked) for name, held in portfolios.items()}
    frontier.columns = pd.Index(["expected_return", "volatility", *(f"weight_{name}" for name in names)])
    summary = {"tickers": names, "portfolios": described, "shrunk": asked.shrink, "note": note, **_history(returns)}
    single = pd.DataFrame({"volatility": np.sqrt(np.diag(covariance)), "expected_return": expected}, index=names)
    return Answer(summary, frontier, frontier_figure(frontier, described, single))


def value_options(_: Warehouse, __: Installation, asked: BlackScholesParameters) -> Answer:
    """Value European options, and find the volatility of those that have a price."""
    options = pd.DataFrame([_terms(option) for option in asked.options])
    terms = Terms(**{name: options[name].to_numpy() for name in Terms._fields})
    volatility = options["volatility"].to_numpy(dtype=np.float64, copy=True)
    is_implied = np.isnan(volatility)
    if is_implied.any():
        some = Terms(*(np.asarray(values)[is_implied] for values in terms))
        volatility[is_implied] = implied_volatility(some, options["price"].to_numpy(dtype=np.float64)[is_implied])
    valued = black_scholes(terms, np.where(np.isnan(volatility), 1.0, volatility))
    rows = options.drop(columns=["price", "volatility"]).assign(volatility=volatility)
    for name, numbers in valued._asdict().items():
        # A price that no volatility explains has no sensitivities.
        rows[name] = np.where(np.isnan(volatility), np.nan, numbers)
    summary = {"n_options": len(rows), "n_without_volatility": int(np.isnan(volatility).sum())}
    return Answer(summary, rows, options_figure(rows))


RUNNERS: Mapping[str, Callable[[Warehouse, Installation, Any], Answer]] = {
    "monte_carlo": monte_carlo, "markowitz": markowitz, "black_scholes": value_options,
}  # fmt: skip


def run(warehouse: Warehouse, installation: Installation, kind: str, asked: Parameters) -> Answer:
    """Answer a job of some kind.

    Raises
    ------
    JobImpossible
        When instruments are not known, have too little history, or no portfolio keeps the limits.
    """
    return RUNNERS[kind](warehouse, installation, asked)


def _outlook(asked: MonteCarloParameters, history: np.ndarray, plan: Plan) -> Outlook:
    if asked.method == "gbm":
        return brownian_outlook(estimated_growth(history), plan=plan)
    return bootstrap_outlook(history[np.isfinite(history)], plan=plan, block_sessions=asked.block_sessions)


def _returns(warehouse: Warehouse, installation: Installation, kind: str, asked: Holdings) -> pd.DataFrame:
    """Return daily returns of the instruments on the days that all of them have, columns in the order asked."""
    tickers = [ticker.upper() for ticker in asked.tickers]
    last = min(asked.end or installation.last_session(), installation.last_session())
    first = asked.start or last - dt.timedelta(days=366 * DEFAULT_YEARS)
    found = warehouse.read_frame(queries.RETURNS_OF, [",".join(tickers), first, last])
    missing = sorted(set(tickers) - set(found["ticker"]))
    if missing:
        raise JobImpossible(kind, f"every ticker must have returns between {first} and {last}; {missing} have none")
    returns = found.pivot(index="trade_date", columns="ticker", values="return_1d")[tickers].dropna()
    if len(returns) < FEWEST_RETURNS:
        raise JobImpossible(
            kind, f"there must be {FEWEST_RETURNS} days on which all of them have a return; got {len(returns)}"
        )
    return returns.astype(np.float64)


def _history(returns: pd.DataFrame) -> dict[str, Any]:
    """Say which days the numbers rest on."""
    first, last = (pd.Timestamp(day).date().isoformat() for day in (returns.index[0], returns.index[-1]))
    return {"history_first_date": first, "history_last_date": last, "history_sessions": len(returns)}


def _limits(warehouse: Warehouse, asked: MarkowitzParameters, names: Sequence[str]) -> Limits:
    if asked.max_sector_weight is None:
        return Limits(min_weight=asked.min_weight, max_weight=asked.max_weight)
    sectors = warehouse.read_frame(queries.SECTORS_OF, [",".join(names)]).set_index("ticker")["sector"]
    groups = [str(sectors.get(name, "unknown")) for name in names]
    caps = dict.fromkeys(groups, asked.max_sector_weight)
    return Limits(min_weight=asked.min_weight, max_weight=asked.max_weight, groups=groups, max_group_weight=caps)


def _described(
    held: np.ndarray, names: Sequence[str], covariance: np.ndarray, expected: np.ndarray, asked: MarkowitzParameters
) -> dict[str, Any]:
    volatility, earned = float(np.sqrt(held @ covariance @ held)), float(held @ expected)
    return {
        "expected_return": earned,
        "volatility": volatility,
        "sharpe": (earned - asked.risk_free_rate) / volatility if volatility else None,
        "weights": dict(zip(names, held.tolist(), strict=True)),
    }


def _terms(option: Any) -> dict[str, Any]:
    return {
        "is_call": option.type == "call", "spot": option.spot, "strike": option.strike, "years": option.years,
        "rate": option.rate, "dividend_yield": option.dividend_yield,
        "volatility": np.nan if option.volatility is None else option.volatility,
        "price": np.nan if option.price is None else option.price,
    }  # fmt: skip
