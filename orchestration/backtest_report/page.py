"""From the outcome of a backtest to its page."""

import json
from typing import Any, NamedTuple

import jinja2
import msgspec
import numpy as np
import pandas as pd

from orchestration.backtest_report.charts import bars, lines
from orchestration.backtesting import CHARACTERISTICS, BacktestOptions, Outcome, code_version
from transforms.book_analysis import contributions, monthly_returns, rolling_sharpe
from transforms.days import as_days
from transforms.evaluation import evaluate

N_CONTRIBUTORS = 10
ROLLING_SESSIONS = 126
LABEL_SESSIONS = 22
HEADLINES = (
    "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "market_beta", "market_alpha",
    "information_ratio", "turnover",
)  # fmt: skip
HONESTY = ("sharpe_probability", "deflated_sharpe", "overfitting_probability", "n_trials")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SAID = {
    "n_days": "days", "n_trials": "trials", "cagr": "CAGR", "break_even_cost_bps": "break-even cost",
    "total_return": "return", "max_drawdown": "deepest fall", "max_drawdown_sessions": "sessions of that fall",
}  # fmt: skip
# From so sure on, the verdict calls a book more than luck.
SURE = 0.95


class Figure(NamedTuple):
    """One figure as it is written."""

    name: str
    value: str
    benchmark: str
    unit: str
    definition: str


def report(outcome: Outcome, *, is_simulated: bool) -> bytes:
    """Return the page, UTF-8.

    Parameters
    ----------
    outcome : Outcome
        With the honesty figures among its metrics.
    is_simulated : bool
        Whether the market is made up; the page then says so.
    """
    figures = {str(row.metric): _figure(row) for row in outcome.metrics.itertuples()}
    page = _environment().get_template("page.html").render(
        outcome=outcome,
        title=f"Backtest of {outcome.options.profile}, {outcome.first_date} to {outcome.last_date}",
        is_simulated=is_simulated,
        code_version=code_version(),
        verdict=verdict(outcome),
        measured_by=measured_by(outcome.options),
        headlines=[figures[name] for name in HEADLINES],
        honesty=[figures[name] for name in HONESTY],
        costs=_costs(outcome, figures),
        definitions=list(figures.values()),
        configuration=_configuration(outcome),
        charts=_charts(outcome),
        months=MONTHS,
        monthly=_monthly(outcome),
        contributors=_contributors(outcome),
    )  # fmt: skip
    return page.encode()


def verdict(outcome: Outcome) -> str:
    """Say in a sentence or two what the figures allow to say."""
    deflated, overfit = outcome.figure("deflated_sharpe"), outcome.figure("overfitting_probability")
    n_trials = int(outcome.figure("n_trials"))
    if not np.isfinite(deflated):
        return "There are too few returns to tell skill from luck."
    among = f"the best of {n_trials} trials without skill" if n_trials > 1 else "no skill"
    sure = f"With a probability of {deflated:.0%} the true Sharpe ratio is above what {among} would show"
    enough = "this is unlikely to be luck alone." if deflated >= SURE else "that is not enough to call it skill."
    more = "" if not np.isfinite(overfit) else (
        f" Choosing the best of the backtests of this period would have been wrong in {overfit:.0%} of the ways to "
        "halve it."
    )  # fmt: skip
    return f"{sure}; {enough}{more}"


def measured_by(options: BacktestOptions) -> str:
    """Say what the benchmark is, see `benchmark_returns`."""
    if not options.long_only:
        return "Benchmark: interest on cash, as a long-short book stands on it."
    return (
        "Benchmark: all ranked instruments in equal weights, as much of it invested as the book is to be, rebalanced "
        "on the same days, before costs. Index: the market's, as its source makes it."
    )


def _charts(outcome: Outcome) -> list[str]:
    daily, equity = outcome.books.daily, outcome.equity.set_index("trade_date")
    benchmark, index = (_grown(equity[name]) for name in ("benchmark_return_1d", "index_return_1d"))
    fall = benchmark / benchmark.cummax() - 1.0
    returns, beside = daily["return_1d"], equity["benchmark_return_1d"]
    traded = daily.loc[daily["turnover"] > 0, "turnover"]
    months = traded.groupby(pd.DatetimeIndex(traded.index).strftime("%Y-%m")).sum()
    tenths = decile_means(outcome)
    return [
        lines(
            {"book": daily["equity"], "benchmark": benchmark, "index": index}, title="Equity after costs",
            unit="multiple of the start",
        ),
        lines(
            {"book": daily["drawdown"], "benchmark": fall}, title="Drawdown", unit="below the highest level",
            percent=True, fill=True,
        ),
        lines(
            {
                "book": rolling_sharpe(returns, sessions=ROLLING_SESSIONS),
                "benchmark": rolling_sharpe(beside, sessions=ROLLING_SESSIONS),
            },
            title=f"Sharpe ratio of the last {ROLLING_SESSIONS} sessions", unit="annualised", rule=0.0,
        ),
        bars([str(n) for n in range(1, 11)], tenths, percent=True,
             title="Tenths of the ranking", unit="mean return of the 21 sessions after the trade; 10 the best"),
        bars(
            list(months.index), months.to_numpy(np.float64), title="Turnover by month",
            unit="bought plus sold over equity", percent=True,
        ),
        lines(
            {name: outcome.exposures[name] for name in CHARACTERISTICS},
            title="Exposures", unit="weight times beta, or z-score of size, value, momentum", rule=0.0,
        ),
        lines({"costs": daily["cost"].cumsum()}, title="Costs paid", unit="of the start", percent=True, fill=True),
        lines(
            {"positions": daily["positions_value"] / daily["equity"], "cash": daily["cash"] / daily["equity"]},
            title="Invested", unit="share of equity", percent=True,
        ),
    ]  # fmt: skip


def _grown(returns: pd.Series) -> pd.Series:
    """Compound returns; NaN throughout where none is known."""
    grown: pd.Series = (1.0 + returns.fillna(0.0)).cumprod()
    return grown if returns.notna().any() else grown * np.nan


def decile_means(outcome: Outcome) -> np.ndarray:
    """Mean return after the trade of each tenth of the places at the signals, worst first; shape (10,), fraction."""
    closes = outcome.market.closes
    rows = np.searchsorted(as_days(closes.index), as_days(outcome.ranks.index))
    kept = rows + LABEL_SESSIONS < len(closes)
    filled = closes.ffill().reindex(columns=outcome.ranks.columns).to_numpy(np.float64)
    label = filled[rows[kept] + LABEL_SESSIONS] / filled[rows[kept] + 1] - 1.0
    found = evaluate(-outcome.ranks.to_numpy(np.float64, na_value=np.nan)[kept], label)
    known = found.decile_returns[np.isfinite(found.decile_returns).all(axis=1)]
    return np.asarray(known.mean(axis=0)) if len(known) else np.empty(0)


def _monthly(outcome: Outcome) -> list[tuple[int, list[tuple[str, str]]]]:
    """Years with their months and the whole year, each as text and the colour behind it."""
    found = monthly_returns(outcome.books.daily["return_1d"])
    return [
        (int(str(year)), [_cell(value) for value in row])
        for year, row in zip(found.index, found.to_numpy(), strict=True)
    ]


def _cell(value: float) -> tuple[str, str]:
    if not np.isfinite(value):
        return "", "none"
    strength = min(abs(value) / 0.1, 1.0) * 40
    colour = "var(--two)" if value >= 0 else "var(--three)"
    return f"{value * 100:+.1f}", f"color-mix(in srgb, {colour} {strength:.0f}%, transparent)"


def _contributors(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    """The best and the worst, each with ticker, name, sector and what it added."""
    earned = contributions(outcome.books, outcome.market.closes)
    best = earned.head(N_CONTRIBUTORS)
    shown = pd.concat([best, earned.drop(best.index).tail(N_CONTRIBUTORS)])
    names = outcome.market.names.reindex(shown.index)
    return [
        (_text(ticker) or str(instrument), _text(name), _text(sector), f"{value * 100:+.2f} %")
        for instrument, ticker, name, sector, value in zip(
            shown.index, names["ticker"], names["name"], names["sector"], shown, strict=True
        )
    ]


def _costs(outcome: Outcome, figures: dict[str, Figure]) -> list[Figure]:
    daily = outcome.books.daily
    years = max(len(daily) - 1, 1) / 252
    drag = float((daily["cost"] / daily["equity"].shift(1)).sum()) / years
    total = float(daily["cost"].sum())
    traded = float(outcome.trades["traded_value"].abs().sum())
    own = [
        Figure(
            "costs_paid", f"{total:.2%}", "", "of the starting capital", "Fees, half spreads and impact of all trades."
        ),
        Figure(
            "costs_per_year", f"{drag:.2%}", "", "of equity per year",
            "Sum over days of costs over equity, by years of 252 sessions.",
        ),
        Figure(
            "cost_of_a_trade", f"{total / traded * 1e4:.1f}" if traded else "", "", "basis points",
            "Costs over traded value.",
        ),
    ]  # fmt: skip
    return [
        *own,
        figures["break_even_cost_bps"],
        figures["capacity"],
        *(figures[f"exposure_{n}"] for n in CHARACTERISTICS),
    ]


def _configuration(outcome: Outcome) -> list[tuple[str, str]]:
    options = msgspec.to_builtins(outcome.options)
    return [
        (_in_words(name), "none" if value is None else json.dumps(value).strip('"')) for name, value in options.items()
    ]


def _figure(row: Any) -> Figure:
    return Figure(
        row.metric, _written(row.value, row.unit), _written(row.benchmark_value, row.unit), row.unit, row.definition
    )


def _written(value: float, unit: str) -> str:
    if not np.isfinite(value):
        return ""
    if unit.startswith("fraction"):
        return f"{value:.1%}"
    if unit in ("days", "sessions", "count"):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if unit == "currency" else f"{value:.2f}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orchestration.backtest_report", "."), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["words"] = _in_words
    return environment


def _in_words(name: str) -> str:
    return SAID.get(name, name.replace("_", " "))


def name_of(outcome: Outcome) -> str:
    """Where the page lies within the store."""
    return f"backtests/{outcome.backtest_id}.html"
