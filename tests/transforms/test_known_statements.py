"""Statements as known on each day, against hand-worked ones, a plain loop and the cut of the future."""

import math

import numpy as np
import pandas as pd
import pytest

from transforms.known_statements import known_rows, known_values

DAYS = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
NAN = math.nan


def statements(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["instrument_id", "known_from_date", "period_end_date", "revenue"]).astype(
        {"known_from_date": "datetime64[s]", "period_end_date": "datetime64[s]"}
    )


def revenue(known: pd.DataFrame, *names: str) -> pd.DataFrame:
    return known_values(known, ["revenue"], days=DAYS, instruments=pd.Index(names, name="instrument_id"))["revenue"]


def test_a_statement_counts_from_its_day_until_a_later_period_is_known():
    found = revenue(statements(("A", "2024-01-03", "2023-09-30", 1.0), ("A", "2024-01-05", "2023-12-31", 2.0)), "A")
    assert found["A"].iloc[1:6].tolist() == pytest.approx([NAN, 1.0, 1.0, 2.0, 2.0], nan_ok=True)


def test_a_restated_old_period_does_not_displace_a_newer_one():
    known = statements(
        ("A", "2024-01-02", "2023-12-31", 2.0), ("A", "2024-01-03", "2023-09-30", 1.5),
        ("A", "2024-01-04", "2023-12-31", 2.5),
    )  # fmt: skip
    assert revenue(known, "A")["A"].iloc[1:5].tolist() == [2.0, 2.0, 2.5, 2.5]


def test_of_revisions_of_one_day_the_last_row_counts():
    known = statements(("A", "2024-01-02", "2023-12-31", 2.0), ("A", "2024-01-02", "2023-12-31", 3.0))
    assert revenue(known, "A")["A"].iloc[-1] == 3.0


def test_what_nobody_asks_for_and_what_comes_too_late_is_left_out():
    known = statements(("B", "2024-01-02", "2023-12-31", 2.0), ("A", "2024-02-01", "2023-12-31", 3.0))
    assert revenue(known, "A", "C").isna().all(axis=None)


def test_without_statements_nothing_is_known():
    assert (known_rows(statements(), days=DAYS, instruments=pd.Index(["A"])) == -1).all()


def random_statements(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names, periods = rng.choice(list("ABCDE"), 120), rng.integers(0, 9, 120)
    known = np.datetime64("2023-12-15") + rng.integers(0, 50, 120)
    ends = np.datetime64("2022-01-31") + 31 * periods
    return pd.DataFrame(
        {"instrument_id": names, "known_from_date": known, "period_end_date": ends, "revenue": rng.random(120)}
    )


def plain_loop(known: pd.DataFrame, name: str, day: np.datetime64) -> float:
    best = None
    for row in known.itertuples():
        if row.instrument_id == name and row.known_from_date <= pd.Timestamp(day):
            key = (row.period_end_date, row.known_from_date, row.Index)
            best = max(best or (key, 0.0), (key, row.revenue))
    return NAN if best is None else best[1]


@pytest.mark.parametrize("seed", range(5))
def test_random_statements_equal_a_plain_loop(seed: int):
    known = random_statements(seed)
    found = revenue(known, *"ECABD")
    expected = [[plain_loop(known, name, day) for name in "ECABD"] for day in DAYS]
    np.testing.assert_array_equal(found, expected)


def test_cutting_the_future_off_changes_no_day():
    known = random_statements(7)
    cut = known[known["known_from_date"] <= "2024-01-15"]
    pd.testing.assert_frame_equal(
        revenue(known, *"ABCDE").loc[:"2024-01-15"], revenue(cut, *"ABCDE").loc[:"2024-01-15"]
    )
