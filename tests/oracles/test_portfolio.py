"""Our books beside those of bt on the same weights, prices and costs, which store_portfolio.py asked."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transforms.backtest import Books, backtest
from transforms.ledger import Execution

STORED = Path(__file__).with_name("portfolio.npz")
COST_BPS = 20.0


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    return dict(np.load(STORED))


def books_of(stored: dict[str, np.ndarray], book: str, *, cost_bps: float = 0.0) -> Books:
    days = pd.bdate_range("2021-01-04", periods=len(stored["close"]), name="trade_date")
    names = pd.Index([f"I{number:02d}" for number in range(stored["close"].shape[1])], name="instrument_id")
    targets = pd.DataFrame(stored[book], days[stored["signal_rows"]], names)
    rules = Execution(cost_bps=cost_bps, slippage_bps=0.0, long_only=bool((stored[book] >= 0).all()))
    return backtest(pd.DataFrame(stored["close"], days, names), targets, execution=rules)


@pytest.mark.parametrize("book", ["full", "part", "shorts"])
def test_without_costs_a_book_is_worth_what_bt_says_on_every_day(stored, book):
    equity = books_of(stored, book).daily["equity"]
    np.testing.assert_allclose(equity, stored[f"{book}_equity"], rtol=1e-12)


def test_with_costs_a_book_is_worth_what_bt_says_but_for_who_bears_them(stored):
    # We trade to weights of what is left after all costs; bt takes the cost of each order out of that order. So a
    # book holds a little more or less of each name, by a cost (0.2 %) of what is traded: of second order in its worth.
    books = books_of(stored, "full", cost_bps=COST_BPS)
    np.testing.assert_allclose(books.daily["equity"], stored["full_equity_after_costs"], rtol=2e-4)
    without = stored["full_equity"]
    paid = 1 - stored["full_equity_after_costs"][-1] / without[-1]
    assert paid > 0.01
    assert 1 - books.daily["equity"].iloc[-1] / without[-1] == pytest.approx(paid, rel=0.01)


@pytest.mark.skipif(not find_spec("bt"), reason="bt is not installed; it needs an environment of its own")
def test_bt_still_says_what_is_stored(stored, tmp_path):
    asked, answered = tmp_path / "asked.npz", tmp_path / "answered.npz"
    np.savez(asked, **{name: stored[name] for name in ("close", "signal_rows", "full", "part", "shorts")})
    subprocess.run([sys.executable, STORED.with_name("store_portfolio.py"), asked, answered], check=True)
    for name, values in np.load(answered).items():
        np.testing.assert_allclose(values, stored[name], rtol=1e-9, err_msg=name)
