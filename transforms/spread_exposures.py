"""What the best less the worst tenth of a forecast leans on, and how much money it could hold."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from transforms.book_analysis import PARTICIPATION, WITHIN
from transforms.evaluation import N_DECILES, evaluate
from transforms.grids import on_grid
from transforms.metrics import Metric


def spread_exposures(
    forecasts: pd.DataFrame, known: pd.DataFrame, names: Mapping[str, tuple[str, str]]
) -> list[Metric]:
    """Compare the tenths of a forecast by what their members are.

    Parameters
    ----------
    forecasts : DataFrame, one row per as_of_date and instrument_id
        forecast (any unit), on days that stand for all.
    known : DataFrame, one row per as_of_date and instrument_id
        A column for each of `names`, and dollar_volume (currency per session).
    names : mapping of (unit, words), by characteristic

    Returns
    -------
    list of Metric
        exposure_<name>, and capacity. NaN where no day has ten instruments with forecast and value.
    """
    joined = forecasts.merge(known, on=["as_of_date", "instrument_id"], how="left")
    grids = on_grid(joined, ("forecast", *names), day="as_of_date")
    forecast = grids["forecast"].to_numpy(np.float64)
    metrics = []
    for name, (unit, words) in names.items():
        tenths = evaluate(forecast, grids[name].to_numpy(np.float64)).decile_returns
        metrics.append(
            Metric(
                f"exposure_{name}", _mean(tenths[:, -1] - tenths[:, 0]), unit,
                f"Mean over periods of the best less the worst tenth's mean of the {words}.",
            )
        )  # fmt: skip
    return [*metrics, _capacity(joined)]


def _capacity(joined: pd.DataFrame) -> Metric:
    share = joined.groupby("as_of_date")["forecast"].rank(pct=True)
    n_tenth = joined.groupby("as_of_date")["forecast"].transform("count") / N_DECILES
    held = (share > 1 - 1 / N_DECILES) | (share <= 1 / N_DECILES)
    size = (PARTICIPATION * joined["dollar_volume"] * n_tenth)[held].dropna().to_numpy(np.float64)
    return Metric(
        "capacity",
        float(np.quantile(size, 1.0 - WITHIN)) if len(size) else float("nan"),
        "currency",
        f"Money on each side, in equal weights, at which {WITHIN:.0%} of the positions in the best and the worst tenth "
        f"are at most {PARTICIPATION:.0%} of the instrument's mean traded value of a session over 21 sessions.",
    )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
