"""A sweep from its grid to rows: every combination is a backtest, and a trial."""

import hashlib
import json
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from orchestration.backtesting import (
    BacktestOptions,
    code_version,
    digest_of,
    period_of,
    read_market,
    read_ranks,
    target_weights,
)
from orchestration.installation import Installation
from orchestration.resources import Warehouse
from orchestration.trials import sharpes_on_record
from transforms.selection_bias import deflated_sharpes, overfitting_probability
from transforms.sweep import Sweep, sweep, sweep_figures
from transforms.trial_honesty import spread_of_trials

N_BLOCKS = 16
# Books of which the probability of overfitting is estimated: evenly, as each adds a column to thousands of cases.
MOST_COMPARED = 200


class Swept(NamedTuple):
    """The rows of one sweep."""

    sweep_id: str
    row: pd.DataFrame
    results: pd.DataFrame


def grid_of(base: BacktestOptions, axes: dict[str, Sequence[Any]]) -> list[BacktestOptions]:
    """Return every combination of the axes, in order, each as the options of a backtest."""
    names = list(axes)
    return [
        msgspec.structs.replace(base, **dict(zip(names, values, strict=True))) for values in product(*axes.values())
    ]


def run_sweep(
    warehouse: Warehouse, installation: Installation, base: BacktestOptions, axes: dict[str, Sequence[Any]]
) -> Swept:
    """Run every combination at once on the rankings of a profile.

    Raises
    ------
    BacktestImpossible
        When the profile has no rankings in the period.
    """
    market = read_market(warehouse, installation, *period_of(warehouse, installation, base.first_date, base.last_date))
    wanted = grid_of(base, axes)
    # Books that differ in costs alone share their targets.
    ranks = {every: read_ranks(warehouse, market, base.profile, every) for every in {o.rebalance for o in wanted}}
    keys = [msgspec.structs.replace(options, cost_bps=0.0) for options in wanted]
    targets = {key: target_weights(key, ranks[key.rebalance], market) for key in dict.fromkeys(keys)}
    found = sweep(
        market.closes, [targets[key] for key in keys],
        cost_bps=[options.cost_bps + options.slippage_bps for options in wanted],
        long_only=[options.long_only for options in wanted],
        open_adj=market.opens, last_trade_dates=market.gone, execution=base.execution(),
    )  # fmt: skip
    digest = hashlib.blake2b(digest_size=16)
    for frame in targets.values():
        digest.update(digest_of(market, frame).encode())
    return _rows(
        base, axes, wanted, found, digest.hexdigest(), market.closes.index, on_record=sharpes_on_record(warehouse)
    )  # fmt: skip


def _rows(
    base: BacktestOptions, axes: dict[str, Sequence[Any]], wanted: Sequence[BacktestOptions], found: Sweep,
    digest: str, days: pd.Index, *, on_record: dict[BacktestOptions, float],
) -> Swept:  # fmt: skip
    figures = sweep_figures(found)
    configuration = {"base": msgspec.to_builtins(base), "axes": {name: list(values) for name, values in axes.items()}}
    identity = json.dumps([configuration, digest, code_version()], sort_keys=True)
    sweep_id = f"s{hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()}"
    sharpe = figures["sharpe"].to_numpy(np.float64)
    best = int(np.nanargmax(sharpe)) if np.isfinite(sharpe).any() else 0
    trials = on_record | dict(zip(wanted, sharpe.tolist(), strict=True))
    n_trials, deviation = spread_of_trials(np.array(list(trials.values())))
    deflated = deflated_sharpes(found.returns, n_trials=n_trials, sharpe_sd=deviation)
    row = {
        "sweep_id": sweep_id, "profile": base.profile, "configuration": json.dumps(configuration, sort_keys=True),
        "data_digest": digest, "code_version": code_version(), "first_date": days[0].date(),
        "last_date": days[-1].date(), "n_configurations": len(wanted), "best_number": best,
        "deflated_sharpe": float(deflated[best]),
        "overfitting_probability": overfitting_probability(_compared(found.returns), n_blocks=N_BLOCKS),
    }  # fmt: skip
    chosen = [json.dumps({name: getattr(options, name) for name in axes}) for options in wanted]
    figures.insert(list(figures).index("sharpe") + 1, "deflated_sharpe", deflated)
    results = figures.assign(sweep_id=sweep_id, number=np.arange(len(wanted)), parameters=chosen)
    return Swept(sweep_id, pd.DataFrame([row]), results)


def _compared(returns: np.ndarray) -> np.ndarray:
    """Take some of the books that were not ruined, evenly."""
    sound = np.flatnonzero(np.isfinite(returns).all(axis=0))
    if not len(sound):
        return np.empty((len(returns), 0))
    places = np.unique(np.linspace(0, len(sound) - 1, min(MOST_COMPARED, len(sound))).round().astype(int))
    return np.asarray(returns[:, sound[places]])
