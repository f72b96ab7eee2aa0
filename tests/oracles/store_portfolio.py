"""Store what bt says a book was worth, on made-up weights and closes of the simulated market.

    python tests/oracles/store_portfolio.py <python that has bt>

Writes portfolio.npz beside this file: what was given, and every answer. The Python that has bt may be another one: it
imports nothing of ours.
"""

import datetime as dt
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("portfolio.npz")
N_INSTRUMENTS, N_DAYS, REBALANCE_SESSIONS = 25, 130, 21
COST_BPS = 20.0
CAPITAL = 1e6


def main(python_with_bt: str) -> None:
    """Ask bt and store its answers."""
    given = questions()
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "asked.npz", Path(folder) / "answered.npz"
        np.savez(asked, **given)
        subprocess.run([python_with_bt, __file__, asked, answered], check=True)
        found = dict(np.load(answered))
    np.savez_compressed(TARGET, **given, **found)
    print(f"{TARGET}: {sorted(found)}, {TARGET.stat().st_size:,} bytes")


def questions() -> dict[str, np.ndarray]:
    """Return closes, the rows of signals, and three books: invested in full, in part, and with shorts."""
    sys.path.insert(0, str(ROOT))
    from orchestration.calendars import HomeCalendar
    from orchestration.sources.simulated.options import SimulatedOptions
    from orchestration.sources.simulated.source import SimulatedSource

    first = dt.date(2020, 1, 2)
    options = SimulatedOptions(n_instruments=N_INSTRUMENTS + 10, first_session=first, seed=4, defect_rate=0.0)
    source = SimulatedSource(options, calendar=HomeCalendar("XNYS"), now=lambda: dt.datetime(2022, 1, 1, tzinfo=dt.UTC))
    rows = pd.concat([batch.rows.to_pandas() for batch in source.daily_bars(first, dt.date(2020, 12, 31))])
    close = rows.pivot(index="trade_date", columns="source_symbol", values="close").dropna(axis=1)
    close = close.iloc[:N_DAYS, :N_INSTRUMENTS].to_numpy(np.float64)
    rng, signal_rows = np.random.default_rng(5), np.arange(0, N_DAYS - 1, REBALANCE_SESSIONS)
    full = rng.dirichlet(np.ones(N_INSTRUMENTS), len(signal_rows))
    # What is not held is sold in full, and bought again later.
    full[rng.random(full.shape) < 0.3] = 0.0
    full /= full.sum(axis=1, keepdims=True)
    shorts = 0.5 * rng.dirichlet(np.ones(N_INSTRUMENTS), len(signal_rows))
    return {"close": close, "signal_rows": signal_rows, "full": full, "part": 0.8 * full, "shorts": full - shorts}


def answer(asked: str, answered: str) -> None:
    """Put the questions to bt: worth at each close, in multiples of the capital."""
    given = dict(np.load(asked))
    free = {f"{name}_equity": worth(given, name, 0.0) for name in ("full", "part", "shorts")}
    np.savez(answered, **free, full_equity_after_costs=worth(given, "full", COST_BPS))


def worth(given: dict[str, np.ndarray], book: str, cost_bps: float) -> np.ndarray:
    """Trade weights of a signal at the close of the session after it."""
    import bt

    n_days, n_instruments = given["close"].shape
    days = pd.bdate_range("2015-01-01", periods=n_days)
    close = pd.DataFrame(given["close"], days, [f"I{number:03d}" for number in range(n_instruments)])
    weights = pd.DataFrame(given[book], days[given["signal_rows"] + 1], close.columns)
    test = bt.Backtest(
        bt.Strategy("book", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()]), close, initial_capital=CAPITAL,
        commissions=lambda quantity, price: abs(quantity) * price * cost_bps / 1e4, integer_positions=False,
        progress_bar=False,
    )  # fmt: skip
    test.run()
    return np.asarray(test.strategy.values.loc[days] / CAPITAL, dtype=np.float64)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        answer(*sys.argv[1:])
