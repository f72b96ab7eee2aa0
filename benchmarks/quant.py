"""Options, simulated paths and portfolio weights beside QuantLib, skfolio and PyPortfolioOpt, values compared."""

import os

# As in every step of the pipeline, and before numpy is loaded: threads that wait cost more than they bring here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from transforms.brokers import PaperBroker
from transforms.constrained_weights import Limits, constrained_minimum_variance
from transforms.covariances import shrunk_covariance
from transforms.days import as_days
from transforms.indicators import indicators
from transforms.monte_carlo import Growth, Plan, bootstrap_outlook, brownian_outlook
from transforms.options import Terms, black_scholes, implied_volatility
from transforms.paper_account import Account
from transforms.portfolio_weights import equal_risk_contribution, risk_contributions
from transforms.strategies.macd_rsi import MacdRsi
from transforms.strategies.mean_reversion_bollinger import MeanReversionBollinger
from transforms.strategies.ranking_rotation import RankingRotation
from transforms.strategies.strategy import Board
from transforms.strategies.walk import Version, Walked, walk
from transforms.tape import Tape

SEED = 7
N_OPTIONS, N_OPTIONS_OF_PEERS = 1_000_000, 20_000
N_PATHS = 1_000_000
N_SESSIONS = 2_520
N_INSTRUMENTS, N_DATES, MAX_WEIGHT = 500, 1260, 0.05
# What is short is repeated until it has had its chance of a quiet moment.
MIN_RUNS, MIN_SECONDS = 3, 1.0
NAN = float("nan")
Answer = TypeVar("Answer")
# Name, seconds, CPU seconds, and what was found.
Found = dict[str, np.ndarray]


class Times(NamedTuple):
    """The shortest of some runs."""

    seconds: float
    cpu_seconds: float


class Line(NamedTuple):
    """One measurement of ours, beside a peer's where there is one."""

    what: str
    times: Times
    checked: str
    peer: str = ""
    peer_cpu_seconds: float = NAN


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="Python that has QuantLib, skfolio and PyPortfolioOpt, or some of them")
    arguments = parser.parse_args()
    console, before = Console(width=150), os.getloadavg()[0]
    lines = simulations()
    options, returns = random_options(), random_returns()
    theirs = of_peers(arguments.peers, options, returns)
    lines += [*valuations(options, theirs), *weights(returns, theirs), *trading()]
    console.print(table_of(lines))
    console.print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}; seed {SEED}")
    console.print("Best of three at least and of what fits into a second, peers' first runs aside.")
    if arguments.peers is None:
        console.print("Not measured beside others: give a Python that has them, `make bench PEERS=<python>`.")


def table_of(lines: list[Line]) -> Table:
    """Set measurements beside those of peers."""
    table = Table("what", "seconds", "CPU s", "checked", "beside", "peer's CPU s", "peer / ours")
    for line in lines:
        beside = [line.peer, f"{line.peer_cpu_seconds:.3f}", f"{line.peer_cpu_seconds / line.times.cpu_seconds:.1f}"]
        table.add_row(
            line.what, f"{line.times.seconds:.4f}", f"{line.times.cpu_seconds:.4f}", line.checked,
            *(beside if np.isfinite(line.peer_cpu_seconds) else [line.peer and f"{line.peer} is not here", "", ""]),
        )  # fmt: skip
    return table


def timed(act: Callable[[], Answer]) -> tuple[Answer, Times]:
    """Return what `act` returns, and what it took: by the clock, and of the processor."""
    seconds, cpu = [], []
    while len(seconds) < MIN_RUNS or sum(seconds) < MIN_SECONDS:
        started, cpu_before = time.perf_counter(), time.process_time()
        answer = act()
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - cpu_before)
    return answer, Times(min(seconds), min(cpu))


def simulations() -> list[Line]:
    """Simulate a year; first of all, so that the largest memory of this process is theirs."""
    plan, history = Plan(n_paths=N_PATHS, seed=SEED), np.random.default_rng(SEED).normal(0.0003, 0.01, N_DATES)
    brownian, times = timed(lambda: brownian_outlook(Growth(0.08, 0.2), plan=plan))
    gibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    mean, error = brownian.figures.set_index("metric").loc["mean_return", ["value", "standard_error"]].astype(float)
    off = abs(mean - np.expm1(0.08)) / error
    _, times_of_bootstrap = timed(lambda: bootstrap_outlook(history, plan=plan))
    size = f"{N_PATHS:,} paths x {plan.n_sessions}"
    return [
        Line(
            f"{size}, Brownian, mirrored", times, f"mean off by {off:.1f} standard errors; {gibibytes:.2f} GiB in all"
        ),
        Line(f"{size}, bootstrap", times_of_bootstrap, ""),
    ]


def random_options() -> Found:
    """Return options of all kinds."""
    rng = np.random.default_rng(SEED)
    return {
        "spot": np.full(N_OPTIONS, 100.0),
        "strike": 100 * np.exp(rng.normal(0, 0.3, N_OPTIONS)),
        "years": rng.uniform(0.02, 3, N_OPTIONS),
        "rate": rng.uniform(0, 0.08, N_OPTIONS),
        "dividend_yield": rng.uniform(0, 0.05, N_OPTIONS),
        "is_call": rng.random(N_OPTIONS) < 0.5,
        "volatility": rng.uniform(0.05, 0.9, N_OPTIONS),
    }


def random_returns() -> np.ndarray:
    """Return daily returns with a market in them, (n_dates, n_instruments)."""
    rng = np.random.default_rng(SEED)
    alone = rng.normal(size=(N_DATES, N_INSTRUMENTS)) * rng.uniform(0.5, 2, N_INSTRUMENTS)
    return 0.01 * (alone + rng.normal(size=(N_DATES, 1)))


def of_peers(python: str | None, options: Found, returns: np.ndarray) -> Found:
    """Return what the peers find and take; nothing of those that are not there."""
    some = {name: values[:N_OPTIONS_OF_PEERS] for name, values in options.items()}
    some |= {"returns": returns, "covariance": shrunk_covariance(returns), "max_weight": np.array(MAX_WEIGHT)}
    return ask_peers(python, some, "quantlib", "skfolio", "pypfopt")


def ask_peers(python: str | None, asked: Found, *peers: str) -> Found:
    """Put a question to functions of `quant_peers`: what each finds, and by `<name>_cpu` what it takes."""
    if python is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(given, **asked)  # type: ignore[arg-type] # the stubs fear for `allow_pickle`
        script = Path(__file__).with_name("quant_peers.py")
        subprocess.run([python, "-W", "ignore", script, given, found, *peers], check=True)
        with np.load(found) as answer:
            return dict(answer)


def valuations(options: Found, theirs: Found) -> list[Line]:
    """Value options with all sensitivities, and find their volatilities again."""
    volatility = options["volatility"]
    terms = Terms(**{name: options[name] for name in Terms._fields})
    valued, times = timed(lambda: black_scholes(terms, volatility))
    checked, peer_seconds = "", NAN
    if "quantlib" in theirs:
        ours = np.array([valued.price, valued.delta, valued.gamma, valued.vega, valued.theta, valued.rho])
        difference = np.max(np.abs(ours[:, :N_OPTIONS_OF_PEERS] - theirs["quantlib"]))
        checked = f"off by {difference:.0e} at most"
        peer_seconds = float(theirs["quantlib_cpu"]) * N_OPTIONS / N_OPTIONS_OF_PEERS
    found, times_back = timed(lambda: implied_volatility(terms, valued.price))
    is_known = valued.vega * 1e-8 > 1e-14 * np.maximum(options["strike"], 100)
    off = np.max(np.abs(found - volatility)[is_known])
    peer = f"QuantLib, loop (of {N_OPTIONS_OF_PEERS:,}, times {N_OPTIONS // N_OPTIONS_OF_PEERS})"
    return [
        Line(f"{N_OPTIONS:,} options, price and 10 sensitivities", times, checked, peer, peer_seconds),
        Line(f"{N_OPTIONS:,} implied volatilities", times_back, f"off by {off:.0e} where the price knows it"),
    ]


def weights(returns: np.ndarray, theirs: Found) -> list[Line]:
    """Share risk equally, and find the lowest variance within limits."""
    covariance, times_shrunk = timed(lambda: shrunk_covariance(returns))
    sample = np.cov(returns.T)
    shared, times = timed(lambda: equal_risk_contribution(sample))
    limited, times_limited = timed(
        lambda: constrained_minimum_variance(covariance, limits=Limits(max_weight=MAX_WEIGHT))
    )
    contributions = risk_contributions(sample, shared)
    equal = f"contributions equal to {contributions.max() / contributions.min() - 1:.0e}"
    if "skfolio" in theirs:
        other = risk_contributions(sample, theirs["skfolio"])
        equal += f" (skfolio's to {other.max() / other.min() - 1:.0e})"
    lowest = ""
    if "pypfopt" in theirs:
        variances = [float(held @ covariance @ held) for held in (limited, theirs["pypfopt"])]
        lowest = f"variance / its - 1 = {variances[0] / variances[1] - 1:.0e}"
    size = f"{N_INSTRUMENTS} instruments"
    return [
        Line(f"covariance of Ledoit and Wolf, {size} x {N_DATES}", times_shrunk, ""),
        Line(f"equal risk contribution, {size}", times, equal, "skfolio", float(theirs.get("skfolio_cpu", NAN))),
        Line(
            f"lowest variance, {size}, 0 to {MAX_WEIGHT}", times_limited, lowest,
            "PyPortfolioOpt", float(theirs.get("pypfopt_cpu", NAN)),
        ),
    ]  # fmt: skip


def trading() -> list[Line]:
    """Trade ten years of three strategies over 500 instruments: indicators, signals, orders, fills and books."""
    rng = np.random.default_rng(SEED)
    shape, days = (N_SESSIONS, N_INSTRUMENTS), pd.bdate_range("2014-01-02", periods=N_SESSIONS)
    close = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.02, shape), axis=0))
    opened = close * np.exp(rng.normal(0, 0.005, shape))
    prices = {
        "open": opened, "high": np.maximum(opened, close) * 1.005, "low": np.minimum(opened, close) * 0.995,
        "close": close, "volume": rng.uniform(1e5, 1e6, shape),
    }  # fmt: skip
    names = np.array([f"i_{number:03d}" for number in range(N_INSTRUMENTS)], dtype=object)
    bars = pd.DataFrame({f"{name}_adj": values.T.ravel() for name, values in prices.items()})
    bars = bars.assign(
        instrument_id=np.repeat(names, N_SESSIONS), trade_date=np.tile(days, N_INSTRUMENTS), price_segment=0
    )
    ranks = rng.random(shape).argsort(axis=1).argsort(axis=1) + 1.0
    tape = Tape(names, prices, np.zeros(shape, dtype=np.int64), np.full(N_INSTRUMENTS, N_SESSIONS))

    def trade() -> list[Walked]:
        measured = indicators(bars)
        measures = {name: measured[name].to_numpy().reshape(shape[::-1]).T for name in measured.columns[2:]}
        board = Board(as_days(days), names, measures | {"close_adj": close, "rank_balanced": ranks})
        return [
            walk(
                Account.opened(1e6), board, tape, [Version(1, days[0].date(), True, strategy())],
                PaperBroker(strategy.name), account_id=strategy.name, first_row=1, first_number=1,
            )
            for strategy in (MacdRsi, MeanReversionBollinger, RankingRotation)
        ]  # fmt: skip

    walked, times = timed(trade)
    off = max(abs(1e6 - spent(one) - one.account.book.cash) for one in walked)
    n_trades = sum(len(one.trips) for one in walked)
    what = f"3 strategies x {N_SESSIONS} sessions x {N_INSTRUMENTS} instruments, on paper"
    return [Line(what, times, f"{n_trades} trades; cash is capital less fills to {off:.0e}")]


def spent(walked: Walked) -> float:
    """Return what all fills took from the cash."""
    return sum(fill.quantity * fill.price + fill.fee for _, fill in walked.fills)


if __name__ == "__main__":
    main()
