"""Store what alphalens, empyrical and purgedcv say of a forecast and of returns on the simulated market.

    python tests/oracles/store_evaluation.py <python with the extra `oracles`>

Writes evaluation.npz beside this file: what was given, and every answer. The Python with the peers may be another one:
it imports nothing of ours.
"""

import datetime as dt
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("evaluation.npz")
N_INSTRUMENTS, N_DAYS, N_CONFIGURATIONS = 60, 120, 7
HORIZON = 22


def main(python_with_peers: str) -> None:
    """Ask the peers and store their answers."""
    given = questions()
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "asked.npz", Path(folder) / "answered.npz"
        np.savez(asked, **given)
        subprocess.run([python_with_peers, __file__, asked, answered], check=True)
        found = dict(np.load(answered))
    np.savez_compressed(TARGET, **given, **found)
    print(f"{TARGET}: {sorted(found)}, {TARGET.stat().st_size:,} bytes")


def questions() -> dict[str, np.ndarray]:
    """Return a forecast with its labels, and daily returns, from closes of the simulated market."""
    sys.path.insert(0, str(ROOT))
    from orchestration.calendars import HomeCalendar
    from orchestration.sources.simulated.options import SimulatedOptions
    from orchestration.sources.simulated.source import SimulatedSource

    options = SimulatedOptions(n_instruments=N_INSTRUMENTS + 10, seed=4, defect_rate=0.0)
    source = SimulatedSource(options, calendar=HomeCalendar("XNYS"), now=lambda: dt.datetime(2022, 1, 1, tzinfo=dt.UTC))
    rows = pd.concat(
        [batch.rows.to_pandas() for batch in source.daily_bars(options.first_session, dt.date(2021, 12, 31))]
    )
    close = rows.pivot(index="trade_date", columns="source_symbol", values="close").dropna(axis=1)
    close = close.iloc[: N_DAYS + HORIZON + 1, :N_INSTRUMENTS].to_numpy(np.float64)
    label = close[HORIZON:] / close[1 : 1 - HORIZON] - 1
    noise = np.random.default_rng(5).normal(0, 0.15, label.shape)
    daily = np.diff(close, axis=0) / close[:-1]
    return {
        "forecast": (label + noise)[:N_DAYS],
        "label": label[:N_DAYS],
        "returns": daily[:, :N_CONFIGURATIONS],
        "benchmark": daily.mean(axis=1),
    }


def answer(asked: str, answered: str) -> None:
    """Put the questions to the peers."""
    given = dict(np.load(asked))
    np.savez(answered, **of_alphalens(given), **of_empyrical(given), **of_purgedcv(given))


def of_alphalens(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rank IC, decile returns and turnover."""
    from alphalens import performance
    from alphalens.utils import get_clean_factor

    n_days, n_instruments = given["forecast"].shape
    days = pd.bdate_range("2015-01-01", periods=n_days, name="date")
    names = pd.Index([f"I{number:03d}" for number in range(n_instruments)], name="asset")
    rows = pd.MultiIndex.from_product([days, names])
    factor, label = (pd.Series(given[name].ravel(), rows) for name in ("forecast", "label"))
    data = get_clean_factor(factor, label.to_frame("22D"), quantiles=10, max_loss=0.0)
    means, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
    tenths = range(1, 11)
    turnovers = [performance.quantile_turnover(data["factor_quantile"], tenth, period=HORIZON) for tenth in tenths]
    return {
        "rank_ic": performance.factor_information_coefficient(data)["22D"].to_numpy(),
        "decile_returns": means["22D"].unstack("factor_quantile").to_numpy(),
        "decile_turnovers": pd.concat(turnovers, axis=1).reindex(days).to_numpy(),
    }


def of_empyrical(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Figures of the first configuration beside the benchmark."""
    import empyrical

    returns, benchmark = given["returns"][:, 0], given["benchmark"]
    figures = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.cagr(returns),
        "volatility": empyrical.annual_volatility(returns),
        "sharpe": empyrical.sharpe_ratio(returns),
        "sortino": empyrical.sortino_ratio(returns),
        "max_drawdown": empyrical.max_drawdown(returns),
        "beta": empyrical.beta(returns, benchmark),
        "alpha": empyrical.alpha(returns, benchmark),
    }
    return {"risk_names": np.array(list(figures)), "risk_values": np.array(list(figures.values()), dtype=np.float64)}


def of_purgedcv(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Probabilistic and deflated Sharpe ratios, and the probability of overfitting."""
    from purgedcv import deflated_sharpe_ratio, probabilistic_sharpe_ratio, probability_of_backtest_overfitting

    returns = given["returns"]
    whole = returns[len(returns) % 10 :]
    # It wants configurations x periods; the transposed matrix gives a plausible wrong number.
    overfitting = probability_of_backtest_overfitting(whole.T, n_splits=10)
    return {
        "psr": np.array([probabilistic_sharpe_ratio(column, 0.0) for column in returns.T]),
        "dsr": np.array([deflated_sharpe_ratio(column, 20, 0.05**2) for column in returns.T]),
        "pbo": np.array(overfitting.pbo),
    }


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        answer(*sys.argv[1:])
