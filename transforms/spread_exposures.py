"""What the best less the worst tenth of a forecast leans on, and how much money it could hold."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from transforms.book_analysis import PARTICIPATION, WITHIN
from transforms.evaluation import N_DECILES, evaluate
from transforms.grids import on_grid
from transforms.metrics import Metric


class SpreadDays(NamedTuple):
    """The best and the worst tenth of a forecast, day by day.

    Attributes
    ----------
    leaning : DataFrame of shape (n_days, n_names)
        The best less the worst tenth's mean of each characteristic; index as_of_date, ascending. NaN on days without
        ten instruments that have forecast and value.
    size : Series of shape (n_members,), currency
        Money on a side, in equal weights, at which the order for a member of either tenth reaches its limit; index
        as_of_date.
    """

    leaning: pd.DataFrame
    size: pd.Series


def spread_days(forecasts: pd.DataFrame, known: pd.DataFrame, names: Iterable[str]) -> SpreadDays:
    """Compare the tenths of a forecast by what their members are.

    Parameters
    ----------
    forecasts : DataFrame, one row per as_of_date and instrument_id
        forecast (any unit).
    known : DataFrame, one row per as_of_date and instrument_id
        A column for each of `names`, and dollar_volume (currency per session).
    names : iterable of str
        Characteristics.

    Returns
    -------
    SpreadDays
    """
    names = list(names)
    joined = forecasts.merge(known, on=["as_of_date", "instrument_id"], how="left")
    grids = on_grid(joined, ("forecast", *names), day="as_of_date")
    forecast = grids["forecast"].to_numpy(np.float64)
    tenths = {name: evaluate(forecast, grids[name].to_numpy(np.float64)).decile_returns for name in names}
    leaning = {name: means[:, -1] - means[:, 0] for name, means in tenths.items()}
    return SpreadDays(pd.DataFrame(leaning, index=grids["forecast"].index), _sizes(joined))


def spread_exposures(found: SpreadDays, days: pd.Series, names: Mapping[str, tuple[str, str]]) -> list[Metric]:
    """Say what the best less the worst tenth leans on, and how much money it could hold.

    Parameters
    ----------
    found : SpreadDays
    days : Series of datetime64
        Days that stand for all; those without a forecast are passed over.
    names : mapping of (unit, words), by characteristic

    Returns
    -------
    list of Metric
        exposure_<name>, and capacity. NaN where no day has ten instruments with forecast and value.
    """
    leaning = found.leaning[found.leaning.index.isin(days)]
    size = found.size[found.size.index.isin(days)].to_numpy(np.float64)
    return [
        *(
            Metric(
                f"exposure_{name}", _mean(leaning[name].to_numpy(np.float64)), unit,
                f"Mean over periods of the best less the worst tenth's mean of the {words}.",
            )
            for name, (unit, words) in names.items()
        ),
        Metric(
            "capacity",
            float(np.quantile(size, 1.0 - WITHIN)) if len(size) else float("nan"),
            "currency",
            f"Money on each side, in equal weights, at which {WITHIN:.0%} of the positions in the best and the worst "
            f"tenth are at most {PARTICIPATION:.0%} of the instrument's mean traded value of a session over 21 "
            "sessions.",
        ),
    ]  # fmt: skip


def _sizes(joined: pd.DataFrame) -> pd.Series:
    by_day = joined.groupby("as_of_date")["forecast"]
    share, n_tenth = by_day.rank(pct=True), by_day.transform("count") / N_DECILES
    held = (share > 1 - 1 / N_DECILES) | (share <= 1 / N_DECILES)
    size = PARTICIPATION * joined["dollar_volume"] * n_tenth
    return size.set_axis(joined["as_of_date"])[held.to_numpy()].dropna()


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
