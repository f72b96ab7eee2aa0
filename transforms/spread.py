"""What the tenths and the best less the worst would have earned: gross, after costs, beside what chance would give."""

import numpy as np
import numpy.typing as npt

from transforms.evaluation import TENTHS, Evaluation
from transforms.metrics import Metric
from transforms.performance import SESSIONS_PER_YEAR
from transforms.selection_bias import deflated_sharpe, probabilistic_sharpe, sharpe_ratio

Array = npt.NDArray[np.float64]


def period_rows(n_days: int, *, horizon_sessions: int = 22) -> npt.NDArray[np.int64]:
    """Choose days whose labels follow each other without overlap: every (horizon - 1)th, counted from the last."""
    return np.arange(n_days - 1, -1, -(horizon_sessions - 1), dtype=np.int64)[::-1]


def period_returns(evaluation: Evaluation, *, cost_bps: float, horizon_sessions: int = 22) -> tuple[Array, Array]:
    """Give the spread of each period, and what it cost to hold it.

    Parameters
    ----------
    evaluation : Evaluation
        Days oldest first.
    cost_bps : float, basis points of the traded value
    horizon_sessions : int, sessions
        Length of the label, of which the trade takes the first.

    Returns
    -------
    gross, cost : ndarrays of shape (n_periods,), fraction per period
        Mean label of the best tenth less that of the worst, held from one period to the next; the share of each tenth
        that is replaced is sold and bought. NaN where a day has no tenths; a turnover that is not known counts as 1.
    """
    rows = period_rows(len(evaluation.rank_ic), horizon_sessions=horizon_sessions)
    gross = evaluation.decile_returns[rows, -1] - evaluation.decile_returns[rows, 0]
    cost = _costs(evaluation, cost_bps)[rows]
    return gross, cost[:, -1] + cost[:, 0]


def decile_figures(evaluation: Evaluation, *, cost_bps: float = 10.0, horizon_sessions: int = 22) -> list[Metric]:
    """Give what each tenth earned, before and after the costs of holding it.

    Parameters
    ----------
    evaluation : Evaluation
    cost_bps : float, basis points of the traded value
    horizon_sessions : int, sessions
        Length of the label.

    Returns
    -------
    list of Metric
        decile_01_return_mean to decile_10_return_mean, then the same with return_net_mean: over the days on which
        every tenth has members, NaN without one. A turnover that is not known counts as 1.
    """
    known = np.isfinite(evaluation.decile_returns).all(axis=1)
    gross, cost = evaluation.decile_returns[known], _costs(evaluation, cost_bps)[known]
    unit = f"fraction per {horizon_sessions} sessions"
    net_of = (
        f"Net of {cost_bps:g} basis points of what is sold and bought: the share of the tenth that was not in it "
        f"{horizon_sessions} sessions before, both ways; all of it where that is not known."
    )
    return [
        Metric(
            f"decile_{number:02d}_{name}_mean",
            _mean(values),
            unit,
            f"Mean label of tenth {number} by forecast, 1 the worst, mean over the days on which every tenth has "
            f"members. {words}",
        )
        for name, earned, words in (("return", gross, TENTHS), ("return_net", gross - cost, f"{net_of} {TENTHS}"))
        for number, values in enumerate(earned.T, start=1)
    ]


def _costs(evaluation: Evaluation, cost_bps: float) -> Array:
    """What holding each tenth costs, both ways, shape (n_dates, 10); an unknown turnover counts as 1."""
    return 2.0 * np.nan_to_num(evaluation.decile_turnovers, nan=1.0) * cost_bps / 1e4


def spread_figures(
    evaluation: Evaluation,
    *,
    cost_bps: float = 10.0,
    n_trials: int = 1,
    sharpe_sd: float = 0.0,
    horizon_sessions: int = 22,
) -> list[Metric]:
    """Condense the spread over all periods.

    Parameters
    ----------
    evaluation : Evaluation
    cost_bps : float, basis points of the traded value
    n_trials : int
        Configurations that were ever evaluated, this one among them.
    sharpe_sd : float, per period
        Standard deviation of their Sharpe ratios.
    horizon_sessions : int, sessions

    Returns
    -------
    list of Metric
    """
    gross, cost = period_returns(evaluation, cost_bps=cost_bps, horizon_sessions=horizon_sessions)
    known = np.isfinite(gross)
    gross, cost = gross[known], cost[known]
    net = gross - cost
    held = horizon_sessions - 1
    per_year = SESSIONS_PER_YEAR / held
    how = f"held for {held} sessions, periods without overlap, arithmetic mean x {per_year:.0f}"
    net_of = f"after {cost_bps:g} basis points of all that is sold and bought"
    trials = f"{n_trials} configurations on record, whose Sharpe ratios deviate by {sharpe_sd:.3f} per period"
    return [
        Metric("n_periods", float(len(net)), "periods", f"Days {held} sessions apart, back from the newest."),
        Metric(
            "spread_return", _mean(gross) * per_year, "fraction per year", f"Best less worst tenth, {how}. {TENTHS}"
        ),
        Metric("spread_return_net", _mean(net) * per_year, "fraction per year", f"The same {net_of}."),
        *_of_tenths(evaluation, cost_bps, horizon_sessions, net_of),
        Metric("spread_sharpe", _annual(gross, per_year), "ratio", _SHARPE.format(per_year=per_year)),
        Metric(
            "spread_sharpe_net", _annual(net, per_year), "ratio", f"{_SHARPE.format(per_year=per_year)} Net: {net_of}."
        ),
        Metric(
            "break_even_cost_bps",
            _break_even(gross, cost, cost_bps),
            "basis points",
            "Cost of what is sold and bought at which the mean spread is 0; NaN where it is below 0 before costs.",
        ),
        Metric(
            "sharpe_probability",
            probabilistic_sharpe(net),
            "fraction",
            "Probabilistic Sharpe ratio: probability that the true net Sharpe ratio is above 0, from skew and kurtosis "
            "(ddof 0) of the periods.",
        ),
        Metric(
            "deflated_sharpe",
            deflated_sharpe(net, n_trials=n_trials, sharpe_sd=sharpe_sd),
            "fraction",
            "Probability that the true net Sharpe ratio is above what the best of as many trials without skill would "
            f"show: {trials}; none where fewer than two of several have a ratio.",
        ),
    ]


_SHARPE = (
    "Mean of the periods' spreads over their sample standard deviation (ddof 1), x sqrt({per_year:.0f}); no risk-free "
    "rate."
)


def _of_tenths(evaluation: Evaluation, cost_bps: float, horizon_sessions: int, net_of: str) -> list[Metric]:
    """The best tenth held and the worst tenth sold short, each after its own costs."""
    rows = period_rows(len(evaluation.rank_ic), horizon_sessions=horizon_sessions)
    returns, costs = evaluation.decile_returns[rows], _costs(evaluation, cost_bps)[rows]
    metrics = []
    for name, words, net in (
        ("best_tenth", "The best tenth held", returns[:, -1] - costs[:, -1]),
        ("worst_tenth_short", "The worst tenth sold short", -returns[:, 0] - costs[:, 0]),
    ):
        definition = f"{words}, mean over the periods {net_of}. {TENTHS}"
        unit = f"fraction per {horizon_sessions} sessions"
        metrics.append(Metric(f"{name}_return_net_mean", _mean(net[np.isfinite(net)]), unit, definition))
    return metrics


def _annual(returns: Array, per_year: float) -> float:
    return sharpe_ratio(returns) * float(np.sqrt(per_year))


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _break_even(gross: Array, cost: Array, cost_bps: float) -> float:
    """Scale the cost to the mean spread."""
    if not len(gross) or gross.mean() <= 0.0 or cost.mean() <= 0.0:
        return float("nan")
    return float(gross.mean() / cost.mean() * cost_bps)
