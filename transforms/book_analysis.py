"""What a book was made of and is measured by: who earned its money, what it leant on, how much money it could hold."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.backtest import Books, backtest
from transforms.ledger import Execution, carried_forward
from transforms.metrics import Metric
from transforms.performance import NO_VARIATION, SESSIONS_PER_YEAR, relative_figures
from transforms.target_weights import equal_weights

Array = npt.NDArray[np.float64]

# Share of a session's traded value that an order may be, and the share of all trading that must keep to it.
PARTICIPATION, WITHIN = 0.1, 0.9


def benchmark_returns(
    close_adj: pd.DataFrame,
    targets: pd.DataFrame,
    ranks: pd.DataFrame,
    *,
    execution: Execution,
    open_adj: "pd.DataFrame | None" = None,
    last_trade_dates: "pd.Series | None" = None,
) -> pd.Series:
    """Give the returns of what a book is measured by, weighted as the book is.

    Parameters
    ----------
    close_adj, targets, open_adj, last_trade_dates
        As the book was made from.
    ranks : DataFrame of shape (n_rebalances, n_instruments), places
        What the book chose from; null where an instrument is not ranked.
    execution : Execution
        Rules of the book. Its costs and its limit on turnover do not count.

    Returns
    -------
    Series of shape (n_dates,), fraction
        NaN on the first day. A long-only book chooses among the ranked instruments: all of them in equal weights, as
        much of it invested as the targets are, rebalanced and filled on the same days, before costs. A long-short one
        stands on cash: its interest.
    """
    if not execution.long_only:
        interest = pd.Series(execution.cash_return_1d, index=close_adj.index, name="return_1d")
        return interest.where(np.arange(len(interest)) > 0)
    rules = Execution(
        cost_bps=0.0, slippage_bps=0.0, fill=execution.fill, delisting_return=execution.delisting_return,
        cash_return_1d=execution.cash_return_1d,
    )  # fmt: skip
    weights = equal_weights(ranks).mul(targets.sum(axis=1).reindex(ranks.index), axis=0)
    books = backtest(close_adj, weights, open_adj=open_adj, last_trade_dates=last_trade_dates, execution=rules)
    return books.daily["return_1d"]


def index_figures(return_1d: pd.Series, index_returns: pd.Series) -> list[Metric]:
    """Set a book beside the market's index, which need not be weighted as the book is; both of shape (n_dates,)."""
    both = pd.concat([return_1d, index_returns], axis=1, keys=["own", "index"]).dropna()
    found = relative_figures(both["own"].to_numpy(np.float64), both["index"].to_numpy(np.float64))
    return [
        Metric(
            "market_beta", found["beta"], "ratio",
            "Covariance of daily returns with the index's over the index's variance; the index as its source makes it.",
        ),
        Metric(
            "market_alpha", found["alpha"], "fraction per year",
            "Mean of daily return less market beta times the index's, compounded over 252 days.",
        ),
    ]  # fmt: skip


def contributions(books: Books, close_adj: pd.DataFrame) -> pd.Series:
    """Give what each instrument added to the equity, after its costs.

    Parameters
    ----------
    books : Books
    close_adj : DataFrame of shape (n_dates, n_instruments), currency per share
        The closes that the books were made from.

    Returns
    -------
    Series of shape (n_traded,), multiples of the starting capital, largest first
        Value at the end, less all that was bought, plus all that was sold, less costs. Their sum is the last equity
        less 1 and less interest on cash.
    """
    trades = books.trades
    last = pd.Series(carried_forward(close_adj.to_numpy(dtype=np.float64))[-1], index=close_adj.columns)
    by_name = trades.groupby("instrument_id")[["traded_value", "cost"]].sum()
    value = (books.shares.tail(1).sum() * last).reindex(by_name.index)
    earned = value - by_name["traded_value"] - by_name["cost"]
    return earned.sort_values(ascending=False, kind="stable")


def holdings(books: Books, close_adj: pd.DataFrame) -> pd.DataFrame:
    """Give the weights at the close of each session with trades.

    Returns
    -------
    DataFrame of shape (n_trade_sessions, n_traded), fraction
        Index trade_date. A short is negative; what is missing to 1 is cash.
    """
    days, names = (pd.Index(books.trades[key].drop_duplicates()) for key in ("trade_date", "instrument_id"))
    shares = books.shares.loc[days, names.sort_values()]
    closes = pd.DataFrame(
        carried_forward(close_adj[shares.columns].to_numpy(dtype=np.float64)), index=close_adj.index,
        columns=shares.columns,
    ).loc[shares.index]  # fmt: skip
    weights: pd.DataFrame = (shares * closes).div(books.daily["equity"].reindex(shares.index), axis=0)
    return weights


def exposures(weights: pd.DataFrame, characteristics: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Weigh characteristics by the book's weights.

    Parameters
    ----------
    weights : DataFrame of shape (n_sessions, n_held), fraction
        From `holdings`.
    characteristics : mapping of DataFrame of shape (n_sessions, n_instruments), any unit
        By name, each on the sessions of the weights; NaN where it is not known.

    Returns
    -------
    DataFrame of shape (n_sessions, n_characteristics), unit of the characteristic
        ``sum(weight * value)``; a position without a value counts as the average of those that have one. NaN where no
        position has a value.
    """
    found = {}
    for name, values in characteristics.items():
        aligned = values.reindex(index=weights.index, columns=weights.columns).to_numpy(dtype=np.float64)
        known = np.isfinite(aligned)
        own = weights.to_numpy(dtype=np.float64)
        gross = np.abs(own).sum(axis=1)
        covered = np.where(known, np.abs(own), 0.0).sum(axis=1)
        total = np.where(known, own * np.nan_to_num(aligned), 0.0).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[name] = np.where(covered > 0, total * gross / covered, np.nan)
    return pd.DataFrame(found, index=weights.index)


def capacity(books: Books, dollar_volume: pd.DataFrame) -> Metric:
    """Tell how much money the book could have held without trading too large a share of the market.

    Parameters
    ----------
    books : Books
    dollar_volume : DataFrame of shape (n_dates, n_instruments), currency per session
        Usual traded value known at each close.

    Returns
    -------
    Metric, currency
        NaN without trades whose instruments have a known volume.
    """
    of_orders = books.trades[books.trades["reason"] == "rebalance"]
    rows = dollar_volume.index.get_indexer(pd.DatetimeIndex(of_orders["trade_date"])) - 1
    columns = dollar_volume.columns.get_indexer(pd.Index(of_orders["instrument_id"]))
    equity = books.daily["equity"].reindex(of_orders["trade_date"]).to_numpy(dtype=np.float64)
    share = of_orders["traded_value"].abs().to_numpy(dtype=np.float64) / equity
    volume = np.where((rows >= 0) & (columns >= 0), dollar_volume.to_numpy(dtype=np.float64)[rows, columns], np.nan)
    known = (volume > 0) & (share > 0)
    return Metric(
        "capacity",
        _weighted_quantile(PARTICIPATION * volume[known] / share[known], share[known], 1.0 - WITHIN),
        "currency",
        f"Size of the book at which {WITHIN:.0%} of the traded value would be orders of at most {PARTICIPATION:.0%} of "
        "the instrument's usual (median of 21 sessions) traded value of a session.",
    )


def break_even(daily: pd.DataFrame, benchmark: pd.Series) -> Metric:
    """Tell what trading might cost until the book earns no more than its benchmark.

    Parameters
    ----------
    daily : DataFrame of shape (n_dates, n_columns)
        `Books.daily`.
    benchmark : Series of shape (n_dates,), fraction per session

    Returns
    -------
    Metric, basis points
        NaN where the book earns no more before costs, or trades nothing.
    """
    before_costs = daily["return_1d"] + daily["cost"] / daily["equity"].shift(1)
    active = float((before_costs - benchmark).mean())
    traded = float(daily["turnover"].iloc[1:].mean())
    return Metric(
        "break_even_cost_bps",
        active / traded * 1e4 if active > 0 and traded > NO_VARIATION else float("nan"),
        "basis points",
        "Mean daily return before costs less the benchmark's, over mean daily traded value over equity.",
    )


def monthly_returns(return_1d: pd.Series) -> pd.DataFrame:
    """Compound daily returns by month.

    Returns
    -------
    DataFrame of shape (n_years, 13), fraction
        Index year; columns 1 to 12 and "year"; NaN where there is no session.
    """
    known = return_1d.dropna()
    growth = np.log1p(known.to_numpy(dtype=np.float64))
    index = pd.DatetimeIndex(known.index)
    by_month = pd.Series(growth).groupby([index.year, index.month]).sum().unstack().reindex(columns=range(1, 13))
    by_month["year"] = pd.Series(growth).groupby(index.year).sum()
    compounded = np.expm1(by_month.to_numpy(dtype=np.float64))
    return pd.DataFrame(compounded, index=by_month.index.rename("year"), columns=list(by_month.columns))


def rolling_sharpe(return_1d: pd.Series, *, sessions: int = 126) -> pd.Series:
    """Sharpe ratio of the last so many daily returns, annualised (ddof 1, no risk-free rate); NaN before that many."""
    window = return_1d.rolling(sessions, min_periods=sessions)
    deviation = window.std(ddof=1)
    sharpe: pd.Series = window.mean() / deviation.where(deviation > NO_VARIATION) * np.sqrt(SESSIONS_PER_YEAR)
    return sharpe.rename("rolling_sharpe")


def _weighted_quantile(values: Array, weights: Array, q: float) -> float:
    """Smallest value at which the weights below and at it reach a share of all."""
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, q)])
