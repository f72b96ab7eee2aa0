"""One table of every forecaster and baseline, out of sample, from an installation that has run on real prices.

    export FACTORLOOM_SOURCE=files FACTORLOOM_FILES_FOLDER=<folder> FACTORLOOM_MODELS_FILE=<all enabled>
    factorloom refresh
    python -m benchmarks.real_table docs/models.md

It writes whatever the evaluation says; nothing is chosen.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

from transforms.skill_slices import beats_baseline
from warehouse.connect import connect, writer_url
from warehouse.settings import current_settings

BASELINE = "momentum_12_1"
COLUMNS = {
    "rank_ic_mean": ("rank IC", "+.4f"),
    "rank_ic_t": ("t", "+.2f"),
    "rank_ic_ir": ("ICIR", "+.3f"),
    "decile_spread_mean": ("spread of tenths, 22 sessions", "+.2%"),
    "spread_sharpe_net": ("net Sharpe", "+.2f"),
    "deflated_sharpe": ("deflated Sharpe", ".0%"),
    "top_decile_turnover_mean": ("turnover of the best tenth", ".0%"),
    "rank_ic_over_baseline_t": ("t over the baseline", "+.2f"),
}
EVALUATIONS = "select model_id, metric, value from research.evaluations"
DAYS = "select min(as_of_date), max(as_of_date), count(distinct as_of_date) from research.evaluation_days"
TRIALS = "select count(*) from research.trials"
HEAD = """# What the forecasters were worth

Made by `python -m benchmarks.real_table` from the evaluation of an installation on real daily prices of {n} US shares,
all forecasters of [models.yaml](../models/models.yaml) switched on that need no news, their parameters as they stand
there. Out of sample: {first} to {last}, {n_days} days with known labels; {n_trials} trials on record.
Not the product's data, and no promise: the universe are the members of an index at the end carried back,
so every figure is better than anybody could have earned, and the period is short.
Definitions are in [method](method.md).

"""


class Table(NamedTuple):
    """What the warehouse says."""

    values: dict[str, dict[str, float | None]]
    first: object
    last: object
    n_days: int
    n_trials: int
    n_instruments: int


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="where to write it")
    page: Path = parser.parse_args().page
    page.write_text(written(read()), encoding="utf-8")


def read() -> Table:
    """Read the evaluation of the installation that the environment names."""
    values: dict[str, dict[str, float | None]] = {}
    with connect(writer_url(current_settings())) as connection:
        for model_id, metric, value in connection.execute(EVALUATIONS):
            values.setdefault(model_id, {})[metric] = value
        first, last, n_days = connection.execute(DAYS).fetchone() or (None, None, 0)
        (n_trials,) = connection.execute(TRIALS).fetchone() or (0,)
        (n,) = connection.execute("select count(*) from marts.dim_instruments").fetchone() or (0,)
    return Table(values, first, last, n_days, n_trials, n)


def written(table: Table) -> str:
    """Return the page: the forecasters by rank IC, the best first, and a verdict on each."""
    head = HEAD.format(
        n=table.n_instruments, first=table.first, last=table.last, n_days=table.n_days, n_trials=table.n_trials
    )
    order = sorted(table.values, key=lambda name: -(table.values[name].get("rank_ic_mean") or -math.inf))
    lines = [
        "| forecaster | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "|--" * (len(COLUMNS) + 1) + "|",
    ]
    lines += [
        f"| `{name}` | " + " | ".join(_cell(metric, table.values[name].get(metric)) for metric in COLUMNS) + " |"
        for name in order
    ]
    overfit = next((own.get("overfitting_probability") for own in table.values.values()), None)
    beaten = [name for name in order if beats_baseline(table.values[name].get("rank_ic_over_baseline_t"))]
    who = ", ".join(f"`{name}`" for name in beaten) or "**No forecaster**"
    verdict = f"{who} beats `{BASELINE}` by two standard errors of the daily difference of rank ICs."
    if overfit is not None:
        verdict += f" Probability of overfitting in choosing the best of them (CSCV): {overfit:.0%}."
    return head + "\n".join(lines) + f"\n\n{verdict}\n"


def _cell(metric: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return format(value, COLUMNS[metric][1])


if __name__ == "__main__":
    main()
