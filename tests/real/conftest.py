"""The whole pipeline, once, on real prices, in an installation of its own.

The folder is not part of the project: FACTORLOOM_REAL_DATA says where it is. All tests of this folder share one run, so
they stay on one worker (`xdist_group`). What they expect they compute from the files, in plain pandas and loops; what
they compare it with they read back from the tables. Only verdicts on bars are taken from the table when factors are
looked at: which bars are suspect has tests of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import adbc_driver_postgresql.dbapi as adbc
import pandas as pd
import pytest

from tests.real.comparison import by_segment
from warehouse.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
PRICES = ["open", "high", "low", "close"]


class Pipeline(NamedTuple):
    """Files, and an installation in which they have gone all the way."""

    folder: Path
    home: Path
    printed: str

    def variables(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FACTORLOOM_", "DATABASE_URL", "DAGSTER_", "DBT_"))
        }
        return {
            **inherited,
            "FACTORLOOM_HOME": str(self.home),
            "FACTORLOOM_SOURCE": "files",
            "FACTORLOOM_FILES_FOLDER": str(self.folder),
            "FACTORLOOM_NOW": "2026-11-24T23:30:00Z",
        }

    def run(self, *command: str) -> str:
        """Run Python in this installation and return what it printed; the test fails with it when it does."""
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=self.variables(), capture_output=True, text=True, timeout=1500,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def ask(self, program: str) -> Any:
        """Run a program that prints JSON in its last line."""
        return json.loads(self.run("-c", program).splitlines()[-1])

    def frame(self, sql: str, *, database: str = "factorloom") -> pd.DataFrame:
        """Read a query back; days as datetime64[s]."""
        url = EmbeddedServer(self.home / "postgres").url(database)
        with adbc.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            frame = cursor.fetch_arrow_table().to_pandas(date_as_object=False)
        days = [name for name in frame.columns if name.endswith("_date")]
        return frame.astype(dict.fromkeys(days, "datetime64[s]"))


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    """`factorloom refresh` on the real folder; FACTORLOOM_TEST_REAL_HOME names a home in which it has run already."""
    folder = os.environ.get("FACTORLOOM_REAL_DATA")
    if not folder:
        pytest.skip("real market data is absent: set FACTORLOOM_REAL_DATA to its folder")
    stands = os.environ.get("FACTORLOOM_TEST_REAL_HOME")
    home = Path(stands) if stands else Path(tempfile.mkdtemp(prefix="fl-"))
    made = Pipeline(Path(folder), home, "")
    printed = "" if stands else made.run("-m", "factorloom", "refresh")
    yield made._replace(printed=printed)
    if not stands:
        EmbeddedServer(home / "postgres").stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def received(pipeline: Pipeline) -> pd.DataFrame:
    """All bars of the file."""
    bars = pd.read_parquet(pipeline.folder / "ohlcv.parquet")
    bars = bars.rename(columns={"ticker": "source_symbol", "date": "trade_date"})
    bars["trade_date"] = pd.to_datetime(bars["trade_date"]).astype("datetime64[s]")
    return bars.sort_values(["source_symbol", "trade_date"], ignore_index=True)


@pytest.fixture(scope="session")
def whole(received: pd.DataFrame) -> pd.DataFrame:
    """Bars of the file with four prices that do not contradict each other."""
    prices = received[PRICES]
    # Rounding of adjusted prices leaves the last digit open.
    fits = (prices.max(axis=1) <= received["high"] * (1 + 1e-9)) & (prices.min(axis=1) >= received["low"] * (1 - 1e-9))
    return received[prices.notna().all(axis=1) & fits].reset_index(drop=True)


@pytest.fixture(scope="session")
def ids(pipeline: Pipeline) -> pd.Series:
    """Our id of each symbol."""
    rows = pipeline.frame("select source_symbol, instrument_id from raw.instruments")
    return rows.set_index("source_symbol")["instrument_id"]


@pytest.fixture(scope="session")
def verdicts(pipeline: Pipeline) -> pd.DataFrame:
    return pipeline.frame(
        "select source_symbol, trade_date, rule, verdict, other_trade_date, known_from_date from raw.bar_verdicts"
        " order by 1, 2, 3"
    )


@pytest.fixture(scope="session")
def trusted(whole: pd.DataFrame, verdicts: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    """Bars without suspicion; a jump that only an unadjusted split explains begins a new `segment`.

    `n_sessions` counts the instrument's stored bars, suspect ones too; `return_1d` is missing where a segment begins.
    """
    suspect = verdicts[verdicts["verdict"] == "suspect"]
    key = pd.MultiIndex.from_frame(whole[["source_symbol", "trade_date"]])
    is_of = {
        rule: key.isin(pd.MultiIndex.from_frame(rows[["source_symbol", "trade_date"]]))
        for rule, rows in suspect.groupby("rule")
    }
    symbol = whole["source_symbol"]
    bars = whole.assign(
        instrument_id=symbol.map(ids),
        as_of_date=whole["trade_date"],
        segment=pd.Series(is_of["unadjusted_split"]).groupby(symbol).cumsum(),
        n_sessions=whole.groupby("source_symbol").cumcount() + 1,
        dollar_volume=whole["close"] * whole["volume"],
    )
    bars = bars[~is_of["wrong_day"]].reset_index(drop=True)
    return bars.assign(return_1d=bars["close"] / by_segment(bars)["close"].shift() - 1)
