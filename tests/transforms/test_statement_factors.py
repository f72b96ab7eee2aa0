"""Factors of statements as known at each close, against hand-worked ones."""

import numpy as np
import pandas as pd
import pytest

from transforms.statement_factors import factors_as_known

DAYS = pd.DatetimeIndex(["2024-03-01", "2024-03-04", "2024-03-05", "2024-03-06"])
# The second day closes early.
CLOSES = pd.Series(pd.to_datetime([f"{day:%Y-%m-%d} {18 if n == 1 else 21}:00Z" for n, day in enumerate(DAYS)]), DAYS)
NAN = np.nan


def statement(published: str, *, end: str = "2023-12-31", revenue: float = 100.0, **others: object) -> dict:
    return {
        "instrument_id": "A", "source": "one", "source_symbol": "A", "source_rank": 1,
        "period_end_date": pd.Timestamp(end), "published_at": pd.Timestamp(published, tz="UTC"), "revenue": revenue,
        "net_income": 10.0, "total_equity": 50.0, **others,
    }  # fmt: skip


def factors(*statements: dict) -> pd.DataFrame:
    keys = pd.DataFrame({"as_of_date": DAYS, "instrument_id": "A"})
    return factors_as_known(pd.DataFrame(statements), keys, closes=CLOSES)


def growth(*statements: dict) -> list[float]:
    return factors(*statements)["revenue_growth_1y"].tolist()


def test_factors_by_hand():
    found = factors(statement("2024-02-01", end="2022-12-31", revenue=80.0), statement("2024-02-02"))
    assert found["return_on_equity"].tolist() == [0.2] * 4
    assert found["profit_margin"].tolist() == [0.1] * 4
    assert found["revenue_growth_1y"].tolist() == [0.25] * 4
    assert (found["period_end_date"] == "2023-12-31").all()


@pytest.mark.parametrize(
    ("published", "n_days_without"),
    [("2024-03-04 17:59:59", 1), ("2024-03-04 18:00", 2), ("2024-03-05 20:59", 2), ("2024-03-07", 4)],
)
def test_a_statement_counts_at_the_first_close_after_its_publication(published: str, n_days_without: int):
    found = factors(statement(published))["return_on_equity"]
    assert found.isna().tolist() == [day < n_days_without for day in range(4)]


def test_a_loss_counts_and_what_cannot_be_divided_by_does_not():
    found = factors(statement("2024-02-01", net_income=-10.0, total_equity=-5.0))
    assert found["profit_margin"].tolist() == [-0.1] * 4
    assert found["return_on_equity"].isna().all()


def test_a_restated_year_before_changes_growth_from_its_day_and_no_other_figure():
    restated = statement("2024-03-05 12:00", end="2022-12-31", revenue=50.0, net_income=NAN)
    found = factors(statement("2023-02-01", end="2022-12-31", revenue=80.0), statement("2024-02-02"), restated)
    assert found["revenue_growth_1y"].tolist() == [0.25, 0.25, 1.0, 1.0]
    assert found["profit_margin"].tolist() == [0.1] * 4


def test_a_year_before_that_is_known_later_counts_from_then_on():
    assert growth(statement("2024-02-02"), statement("2024-03-04 12:00", end="2022-12-31", revenue=80.0)) == (
        pytest.approx([NAN, 0.25, 0.25, 0.25], nan_ok=True)
    )


@pytest.mark.parametrize(("end", "expected"), [("2022-12-11", 0.25), ("2023-01-20", 0.25), ("2022-12-10", NAN)])
def test_a_year_is_20_days_off_at_most(end: str, expected: float):
    found = growth(statement("2023-02-01", end=end, revenue=80.0), statement("2024-02-02"))
    assert found == pytest.approx([expected] * 4, nan_ok=True)


def test_of_two_ends_a_year_before_the_nearer_one_counts_also_where_it_was_known_first():
    near = statement("2023-02-01", end="2022-12-28", revenue=80.0)
    far = statement("2024-03-04 12:00", end="2022-12-15", revenue=50.0)
    assert growth(near, far, statement("2024-02-02")) == [0.25] * 4


def test_the_best_source_counts_from_its_publication_and_others_do_not_displace_it():
    early = statement("2024-02-01", source="two", source_rank=2, net_income=1.0)
    late = statement("2024-03-05 12:00", source="two", source_rank=2, net_income=2.0)
    found = factors(early, late, statement("2024-03-04 12:00"))["profit_margin"]
    assert found.tolist() == [0.01, 0.1, 0.1, 0.1]


def test_without_statements_nothing_is_known():
    assert factors(statement("2024-02-01", instrument_id="B")).isna().all(axis=None)
