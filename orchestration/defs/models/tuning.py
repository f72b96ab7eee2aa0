"""Parameters chosen from what earlier quarters have shown: asked for by hand, used to train later quarters."""

import datetime as dt
import json
from typing import Any, cast

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from models.features import features_hash
from models.provenance import code_version, content_id
from models.registry import Registry, load_registry
from models.tuning import DEFAULT_GRIDS, Choice, inner_folds, tune
from models.walk_forward import next_quarter_start, quarter_start
from orchestration.defs.indicators.assets import indicators
from orchestration.defs.models.assets import EXPOSURES, GROUP, PRICES
from orchestration.defs.models.panels import read_features, read_labels
from orchestration.defs.models.skill import COST_BPS, N_BLOCKS
from orchestration.installation import Installation
from orchestration.metadata import OWNER, merge_metadata, table, table_metadata
from orchestration.partitions import folds_of
from orchestration.resources import MarketData, Warehouse
from transforms.selection_bias import deflated_sharpe, overfitting_probability, spread_of_sharpes
from warehouse.queries import research as queries
from warehouse.records.research_jobs import MOST_CANDIDATES


class TuneConfig(dg.Config):
    """What to try, for whom, and from when on the choice counts."""

    model_id: str = Field(default="technical", description="Forecaster, as in models/models.yaml.")
    quarter: str | None = Field(
        default=None,
        description="First day of the first quarter that may use the choice, YYYY-MM-DD; the quarter after the newest "
        "session by default. Quarters before it were forecast with other parameters, and stay so.",
    )
    n_folds: int = Field(
        default=4, ge=1, le=40, description="Quarters before that one, which are trained and judged for each candidate."
    )
    # Lists of numbers, text or booleans by parameter; Dagster's configuration has no narrower type for that.
    grid: dict[str, Any] = Field(
        default={},
        description="Values to try by parameter, for example {n_leaves: [4, 8, 16]}; every combination is a candidate, "
        f"{MOST_CANDIDATES} at most. By default a small grid of the forecaster's type.",
    )

    @field_validator("quarter")
    @classmethod
    def _quarter(cls, quarter: str | None) -> str | None:
        if quarter is not None and quarter_start(dt.date.fromisoformat(quarter)).isoformat() != quarter:
            raise ValueError(f"quarter must be the first day of one, as YYYY-MM-DD; got {quarter!r}. Write 2024-07-01")
        return quarter

    @field_validator("grid")
    @classmethod
    def _grid(cls, grid: dict[str, Any]) -> dict[str, Any]:
        n = 1
        for name, values in grid.items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"grid must give each parameter a list of values; got {values!r} for {name}")
            n *= len(values)
        if n > MOST_CANDIDATES:
            raise ValueError(f"grid must have {MOST_CANDIDATES} combinations at most; got {n}")
        return grid


@dg.asset(
    key=["research", "parameter_choices"], deps=[EXPOSURES, PRICES, indicators], group_name=GROUP,
    kinds={"lightgbm", "python", "postgres"}, owners=[OWNER], pool="ml_train", code_version=code_version(),
)  # fmt: skip
def parameter_choices(config: TuneConfig, warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per forecaster and quarter from which on chosen parameters count."""
    installation = market_data.installation
    registry = load_registry(installation.settings.models_file)
    quarter = _quarter_of(config, installation)
    choice = _choose(config, registry, warehouse, installation, quarter)
    row = choice_row(registry, config.model_id, quarter, choice)
    written = warehouse.merge("research.parameter_choices", pd.DataFrame([row]))
    # Each candidate is a trial: the best of many means little.
    trials = pd.DataFrame(trial_rows(registry, config.model_id, choice))
    tried = warehouse.merge("research.trials", trials)
    sharpes = warehouse.read_frame(queries.TRIALS)["sharpe_net"].to_numpy(np.float64, na_value=np.nan)
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "trials_inserted": tried.inserted,
            "chosen": dg.MetadataValue.json(choice.best.parameters),
            "counts_from": quarter.isoformat(),
            **beside_all_trials(choice, sharpes),
            **table_metadata(warehouse, "research.parameter_choices"),
        }
    )


def beside_all_trials(choice: Choice, sharpes: np.ndarray) -> dict[str, Any]:
    """Show the candidates, each beside all trials on record, and how likely the best of them is overfitted.

    `sharpes`, shape (n_trials,), are net Sharpe ratios per period of all trials, the candidates among them; NaN where
    one has none.
    """
    n_trials, deviation = spread_of_sharpes(sharpes)
    shown = pd.DataFrame([candidate._asdict() for candidate in choice.candidates]).drop(columns="return_net")
    shown["parameters"] = shown["parameters"].map(json.dumps)
    net = np.array([candidate.return_net for candidate in choice.candidates], dtype=np.float64)
    deflated = [deflated_sharpe(own, n_trials=n_trials, sharpe_sd=deviation) for own in net]
    shown.insert(list(shown).index("sharpe_net") + 1, "deflated_sharpe", deflated)
    overfitting = overfitting_probability(net.T[np.isfinite(net).all(axis=0)], n_blocks=N_BLOCKS)
    return {
        "candidates": table(shown, digits=4),
        "definitions": dg.MetadataValue.text(
            "sharpe_net: of best less worst tenth after costs, per period of 21 sessions. deflated_sharpe: probability "
            f"that the true one is above what the best of the {n_trials} trials on record, these among them, would "
            f"show without skill. overfitting_probability: share of the ways to halve {N_BLOCKS} blocks of periods in "
            "which the best of these candidates on one half is below the middle on the other (CSCV); left out for "
            f"fewer than {2 * N_BLOCKS} periods."
        ),
        **({"overfitting_probability": overfitting} if np.isfinite(overfitting) else {}),
    }


def choice_row(registry: Registry, model_id: str, quarter: dt.date, choice: Choice) -> dict[str, Any]:
    """Return the row of research.parameter_choices."""
    tried = [
        {"parameters": c.parameters, "rank_ic_mean": c.rank_ic_mean, "rank_ic_error": c.rank_ic_error}
        for c in choice.candidates
    ]
    made_of = {
        "model_id": model_id, "valid_from_date": quarter.isoformat(), "candidates": tried,
        "first_date": choice.first_date.isoformat(), "last_date": choice.last_date.isoformat(),
        "code_version": code_version(),
    }  # fmt: skip
    return {
        **made_of, "choice_id": content_id(made_of), "valid_from_date": quarter, "first_date": choice.first_date,
        "last_date": choice.last_date, "candidates": json.dumps(tried), "n_folds": choice.n_folds,
        "parameters": json.dumps(choice.best.parameters),
        "features_hash": features_hash(registry.feature_names(model_id)),
    }  # fmt: skip


def trial_rows(registry: Registry, model_id: str, choice: Choice) -> list[dict[str, Any]]:
    """Return the rows of research.trials, one per candidate."""
    hashed = features_hash(registry.feature_names(model_id))
    rows = []
    for candidate in choice.candidates:
        # As `trials` names a configuration, but of these days: it is a trial of its own.
        tried = {
            "model_id": model_id, "parameters": json.dumps(candidate.parameters, sort_keys=True),
            "features_hash": hashed,
        }  # fmt: skip
        days = {"first_date": choice.first_date, "last_date": choice.last_date}
        identity = tried | {name: day.isoformat() for name, day in days.items()}
        rows.append(
            {
                **tried, **days, "trial_id": content_id(identity), "n_periods": candidate.n_periods,
                "sharpe_net": candidate.sharpe_net,
            }
        )  # fmt: skip
    return rows


def _quarter_of(config: TuneConfig, installation: Installation) -> dt.date:
    if config.quarter is not None:
        return dt.date.fromisoformat(config.quarter)
    return next_quarter_start(installation.last_session())


def _choose(
    config: TuneConfig, registry: Registry, warehouse: Warehouse, installation: Installation, quarter: dt.date
) -> Choice:
    entry = registry.entry(config.model_id)
    grid = config.grid or DEFAULT_GRIDS.get(entry.type)
    if not grid:
        raise dg.Failure(
            f"tune: {entry.type} has no default grid; got none in the configuration. Give grid, for example "
            "{l2_penalty: [0.1, 1.0]}."
        )
    sessions = [day for day in installation.sessions() if day < quarter]
    folds = inner_folds(folds_of(sessions), quarter, n_folds=config.n_folds)
    tested = [day for day in sessions if folds[0].valid_from_date <= day <= folds[-1].valid_to_date]
    days = sorted({day for fold in folds for day in fold.train_dates} | set(tested))
    features = read_features(warehouse, [entry.features], days)
    labels = read_labels(warehouse, sessions, cast(pd.MultiIndex, features.index))
    return tune(
        registry, config.model_id, grid, folds, features, labels,
        installation.calendar.sessions(installation.first_session, quarter), valid_from_date=quarter,
        cost_bps=COST_BPS, n_workers=installation.settings.threads,
    )  # fmt: skip
