"""What the rows of research.evaluation_days are condensed into."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from orchestration.defs.models.evaluation import HORIZONS
from orchestration.defs.models.skill import Span, _if_sure, _overfitting, by_retraining, figures_of
from orchestration.evaluated_days import as_evaluation
from transforms.evaluation import summarise
from transforms.metrics import Metric

NAN = float("nan")


@pytest.fixture
def days() -> pd.DataFrame:
    """Sixty days of a forecaster, the newest of which know short horizons only."""
    rng, n = np.random.default_rng(1), 60
    horizons = rng.normal(0.03, 0.1, (n, len(HORIZONS)))
    known = [
        [float(v) if day < n - 10 or place < 4 else NAN for place, v in enumerate(row)]
        for day, row in enumerate(horizons)
    ]
    return pd.DataFrame(
        {
            "as_of_date": pd.bdate_range("2023-11-20", periods=n),
            "rank_ic": rng.normal(0.03, 0.1, n),
            "n_instruments": 50,
            "decile_returns": list(rng.normal(0.0, 0.02, (n, 10))),
            "decile_up_shares": list(rng.random((n, 10))),
            "decile_turnovers": list(rng.random((n, 10))),
            "rank_ic_by_horizon": known,
            "rank_ic_by_sector": [json.dumps(day) for day in ({"Energy": 0.2}, {"Energy": 0.2, "Utilities": 0.4})] * 30,
        }
    )  # fmt: skip


def values(metrics) -> dict[str, float]:
    assert len({metric.name for metric in metrics}) == len(metrics)
    return {metric.name: metric.value for metric in metrics}


def test_figures_are_those_of_the_days_by_year_horizon_and_sector(days):
    found = values(figures_of(days, None, np.array([0.1])))
    assert found["rank_ic_mean"] == values(summarise(as_evaluation(days)))["rank_ic_mean"]
    assert found["rank_ic_2024"] == pytest.approx(days["rank_ic"][days["as_of_date"] >= "2024-01-01"].mean())
    assert found["rank_ic_63_sessions"] == pytest.approx(np.mean([row[5] for row in days["rank_ic_by_horizon"][:50]]))
    assert found["rank_ic_sector_energy"] == pytest.approx(0.2)
    assert found["rank_ic_sector_utilities"] == pytest.approx(0.4)
    assert "rank_ic_over_baseline" not in found


def test_every_tenth_has_a_return_after_its_costs_beside_the_one_before(days):
    found = values(figures_of(days, None, np.array([0.1])))
    for tenth in range(10):
        name, replaced = f"decile_{tenth + 1:02d}", np.mean([row[tenth] for row in days["decile_turnovers"]])
        gross = np.mean([row[tenth] for row in days["decile_returns"]])
        assert found[f"{name}_return_mean"] == pytest.approx(gross)
        assert found[f"{name}_return_net_mean"] == pytest.approx(gross - 2 * replaced * 10 / 1e4)


def test_the_baseline_is_compared_on_the_days_that_both_have(days):
    baseline = days.iloc[10:].assign(rank_ic=days["rank_ic"] - 0.05)
    found = values(figures_of(days, baseline, np.array([0.1, NAN])))
    assert found["rank_ic_over_baseline"] == pytest.approx(0.05)


def test_a_t_statistic_of_few_labels_is_not_given():
    t = Metric("rank_ic_t", 5.0, "ratio", "Mean over its error.")
    assert np.isnan(_if_sure(t, 131).value)
    assert _if_sure(t, 131).definition == (
        "Mean over its error. Not given: 131 days hold fewer than 6 labels that do not overlap."
    )
    assert _if_sure(t, 132) == t
    assert _if_sure(t._replace(name="rank_ic_mean"), 5).value == 5.0


def test_a_forecaster_with_few_days_does_not_hide_the_overfitting_of_the_others(days):
    rng = np.random.default_rng(5)
    long = pd.concat([days] * 6, ignore_index=True)
    long["as_of_date"] = pd.bdate_range("2022-01-03", periods=len(long))
    others = {
        name: long.assign(decile_returns=list(rng.normal(0, 0.02, (len(long), 10)))) for name in ("one", "two", "three")
    }
    whole = _overfitting(others)
    assert 0 <= whole.value <= 1
    with_a_new_one = _overfitting({**others, "new": long.tail(20)})
    assert with_a_new_one == whole
    assert "best of 3 forecasters (one, two, three)" in whole.definition


def test_days_are_split_by_the_version_that_forecast_them(days):
    retrainings = pd.DataFrame(
        {"model_id": "technical", "valid_from_date": pd.to_datetime(["2023-10-01", "2024-01-01", "2024-02-01"])}
    )
    spans = by_retraining({"technical": days, "ensemble": days}, retrainings)
    expected = {
        ("technical", "2023-10-01"): (None, "2024-01-01"), ("technical", "2024-01-01"): ("2024-01-01", "2024-02-01"),
        ("technical", "2024-02-01"): ("2024-02-01", None), ("ensemble", "2023-10-01"): (None, "2024-01-01"),
        ("ensemble", "2024-01-01"): ("2024-01-01", None),
    }  # fmt: skip
    assert set(spans) == {Span(name, dt.date.fromisoformat(day)) for name, day in expected}
    for (name, start), (first, after) in expected.items():
        on = days["as_of_date"]
        own = days[(on >= (first or "2000")) & (on < (after or "2100"))]
        pd.testing.assert_frame_equal(spans[Span(name, dt.date.fromisoformat(start))], own)


def test_each_configuration_on_record_deflates(days):
    few, many = (values(figures_of(days, None, np.array(tried))) for tried in ([0.1, 0.2], [0.1, 0.2] * 10))
    assert many["deflated_sharpe"] < few["deflated_sharpe"]
    assert many["sharpe_probability"] == few["sharpe_probability"]


def test_rows_written_before_there_were_horizons_or_turnovers_have_none(days):
    old = days.assign(rank_ic_by_horizon=[[]] * 60, rank_ic_by_sector="{}", decile_turnovers=[[]] * 60)
    found = values(figures_of(old, None, np.array([])))
    assert np.isnan(found["rank_ic_21_sessions"])
    assert found["n_periods"] == 3
    # What is not known to have been there is bought and sold: 2 * 10 basis points.
    assert found["decile_04_return_net_mean"] == pytest.approx(found["decile_04_return_mean"] - 0.002)
