"""What `tune` may be asked, the rows it leaves, and which quarters use them."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from models.registry import ModelEntry, Registry
from models.tuning import Candidate, Choice
from orchestration.defs.models.assets import by_choice
from orchestration.defs.models.tuning import TuneConfig, beside_all_trials, choice_row, trial_rows
from orchestration.partitions import folds_of
from tests.orchestration.defs.conftest import WarehouseOfTest
from transforms.selection_bias import deflated_sharpe, overfitting_probability, sharpe_ratio
from warehouse.queries import research as queries

REGISTRY = Registry(entries=(ModelEntry(id="x", type="linear", features="technical", parameters={"l2_penalty": 0.5}),))
NET = np.random.default_rng(1).normal(0.01, 0.03, (2, 24))
CANDIDATES = [
    Candidate({"l2_penalty": p}, 0.02 + p, 0.01, sharpe_ratio(own), 24, tuple(own.tolist()))
    for p, own in zip((0.1, 1.0), NET, strict=True)
]
CHOICE = Choice(CANDIDATES[1], CANDIDATES, dt.date(2023, 1, 3), dt.date(2023, 11, 28), 4)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"quarter": "2024-02-01"}, "first day of one"),
        ({"grid": {"l2_penalty": 0.5}}, "list of values; got 0.5 for l2_penalty"),
        ({"grid": {"a": list(range(13)), "b": list(range(5))}}, "64 combinations at most; got 65"),
    ],
)
def test_what_cannot_be_tuned_is_refused(wrong: dict, text: str):
    with pytest.raises(ValidationError, match=text):
        TuneConfig(**wrong)


def test_a_choice_is_a_row_and_each_candidate_a_trial(database):
    warehouse = WarehouseOfTest(address=database.url)
    row = choice_row(REGISTRY, "x", dt.date(2024, 1, 1), CHOICE)
    trials = trial_rows(REGISTRY, "x", CHOICE)
    for expected in (2, 0):
        written = warehouse.merge("research.parameter_choices", pd.DataFrame([row]))
        assert written.inserted == expected // 2
        assert warehouse.merge("research.trials", pd.DataFrame(trials)).inserted == expected
    (found,) = warehouse.read(queries.PARAMETER_CHOICES).to_pylist()
    assert (found["model_id"], json.loads(found["parameters"])) == ("x", {"l2_penalty": 1.0})


def test_candidates_are_shown_beside_all_trials_on_record():
    sharpes = np.array([candidate.sharpe_net for candidate in CANDIDATES] + [0.4, np.nan])
    shown = beside_all_trials(CHOICE, sharpes)
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in shown["candidates"].value.splitlines()
    ]
    place = header.index("sharpe_net") + 1
    assert (header[place], "return_net" in header) == ("deflated_sharpe", False)
    spread = np.std(sharpes[:3], ddof=1)
    expected = [deflated_sharpe(own, n_trials=4, sharpe_sd=spread) for own in NET]
    assert [float(row[place]) for row in rows] == pytest.approx(expected, abs=5e-5)
    assert shown["overfitting_probability"] == overfitting_probability(NET.T, n_blocks=8)
    assert "4 trials on record" in shown["definitions"].value
    few = [candidate._replace(return_net=candidate.return_net[:15]) for candidate in CANDIDATES]
    assert "overfitting_probability" not in beside_all_trials(CHOICE._replace(candidates=few), sharpes)


def test_each_quarter_is_trained_with_what_was_chosen_last_before_it():
    sessions = [day.date() for day in pd.bdate_range("2019-01-01", "2023-12-29")]
    folds = folds_of(sessions)
    choices = [
        {"model_id": "x", "valid_from_date": folds[2].valid_from_date, "parameters": '{"l2_penalty": 1.0}'},
        {"model_id": "other", "valid_from_date": folds[0].valid_from_date, "parameters": '{"l2_penalty": 9.0}'},
        {"model_id": "x", "valid_from_date": folds[4].valid_from_date, "parameters": '{"l2_penalty": 2.0}'},
    ]
    found = [(r.entry("x").parameters["l2_penalty"], len(own)) for r, own in by_choice(REGISTRY, choices, "x", folds)]
    assert found == [(0.5, 2), (1.0, 2), (2.0, len(folds) - 4)]
    assert [len(own) for _, own in by_choice(REGISTRY, [], "x", folds)] == [len(folds)]
