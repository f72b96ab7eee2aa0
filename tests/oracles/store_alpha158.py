"""Store what Qlib gives for Alpha158 on a few instruments of the simulated market.

    python tests/oracles/store_alpha158.py <python with pyqlib>

Writes alpha158.npz beside this file: the bars, and Qlib's values of some of their rows. The last instrument is the
first one made awkward: closes that repeat, days without volume, a stretch on which nothing moves.
"""

import datetime as dt
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
N_INSTRUMENTS, N_BARS = 4, 150


def main(python_with_qlib: str) -> None:
    """Ask Qlib and store its answer."""
    bars = simulated_bars()
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "bars.npz", Path(folder) / "values.npz"
        np.savez(given, **bars)
        subprocess.run([python_with_qlib, ROOT / "benchmarks" / "qlib_alpha158.py", given, found], check=True)
        answer = dict(np.load(found))
    rows = kept_rows(bars["starts"])
    target = Path(__file__).with_name("alpha158.npz")
    np.savez_compressed(target, **bars, rows=rows, values=answer["values"][rows], names=answer["names"])
    print(f"{target}: {len(rows)} of {len(bars['close'])} rows, {target.stat().st_size:,} bytes")


def simulated_bars() -> dict[str, np.ndarray]:
    """Return bars of the simulated market as float32, as Qlib keeps them."""
    sys.path.insert(0, str(ROOT))
    from orchestration.calendars import HomeCalendar
    from orchestration.sources.simulated.options import SimulatedOptions
    from orchestration.sources.simulated.source import SimulatedSource

    options = SimulatedOptions(n_instruments=N_INSTRUMENTS, seed=158, defect_rate=0.0)
    source = SimulatedSource(options, calendar=HomeCalendar("XNYS"), now=lambda: dt.datetime(2022, 1, 1, tzinfo=dt.UTC))
    batches = source.daily_bars(options.first_session, dt.date(2021, 12, 31))
    frame = pd.concat([batch.rows.to_pandas() for batch in batches])
    frame = frame.sort_values(["source_symbol", "trade_date"])
    own = [part.head(N_BARS) for _, part in frame.groupby("source_symbol") if len(part) >= N_BARS][:N_INSTRUMENTS]
    own.append(awkward(own[0]))
    # The second is listed late, so that windows are short where the calendar is long.
    own[1] = own[1].tail(70)
    joined = pd.concat(own)
    typical = (joined["high"] + joined["low"] + joined["close"]) / 3
    columns = {name: joined[name] for name in ("open", "high", "low", "close", "volume")} | {"vwap": typical}
    lengths = [len(part) for part in own]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    return {name: values.to_numpy(np.float32) for name, values in columns.items()} | {"starts": starts}


def awkward(bars: pd.DataFrame) -> pd.DataFrame:
    """Repeat closes, take volumes away, and let 70 days stand still."""
    changed = bars.copy()
    places = np.arange(len(changed))
    prices = ["open", "high", "low", "close"]
    changed.iloc[places % 5 == 4, changed.columns.get_indexer(prices)] = changed[prices].to_numpy()[places % 5 == 3]
    changed.iloc[places % 7 == 6, changed.columns.get_loc("volume")] = 0
    changed.iloc[40:110, changed.columns.get_indexer([*prices, "volume"])] = (50.0, 50.0, 50.0, 50.0, 1000)
    return changed


def kept_rows(starts: np.ndarray) -> np.ndarray:
    """Choose the first rows of each instrument, those where the longest window fills, and every eleventh after."""
    offsets = np.r_[np.arange(8), 58:63, np.arange(65, N_BARS, 11)]
    lengths = np.diff(np.r_[starts, starts[-1] + N_BARS])
    return np.concatenate([start + offsets[offsets < n] for start, n in zip(starts, lengths, strict=True)])


if __name__ == "__main__":
    main(sys.argv[1])
