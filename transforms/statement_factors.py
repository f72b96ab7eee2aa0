"""Factors of statements by what was published before each close: another way to what dbt joins by ranges of days."""

import numpy as np
import pandas as pd

from transforms.days import as_days
from transforms.known_statements import known_rows

FACTORS = ("return_on_equity", "profit_margin", "revenue_growth_1y")
# A fiscal year of 52 or 53 weeks ends some days off.
YEAR, OFF = 365, 20


def factors_as_known(statements: pd.DataFrame, keys: pd.DataFrame, *, closes: pd.Series) -> pd.DataFrame:
    """Give the factors of instruments on days, from the annual statements that were published before the close.

    Parameters
    ----------
    statements : DataFrame of shape (n_statements, n_columns)
        instrument_id, period_end_date, published_at (UTC), source_rank (the lowest counts before the others), source,
        source_symbol, and revenue, net_income, total_equity in the currency of the statement.
    keys : DataFrame of shape (n_keys, 2)
        as_of_date and instrument_id; each day has a close.
    closes : Series of shape (n_dates,)
        Close, UTC, by day, ascending.

    Returns
    -------
    DataFrame of shape (n_keys, 5)
        The `FACTORS` (fraction), and period_end_date and published_at of the statement that they are of. In the order
        and with the index of `keys`; missing where nothing was known, or the statement does not tell.

    Notes
    -----
    Of one period the best source counts, of it the newest revision; of all periods that are known the latest. Sales of
    the year before are those of the period that ended nearest to 365 days earlier, at most 20 days off.

    Point in time: row t reads statements published before the close of day t only.
    """
    days = as_days(closes.index.to_series())
    instruments = pd.Index(keys["instrument_id"].unique())
    rows = _beside_the_year_before(_that_count(_dated(statements, closes)))
    newest = known_rows(rows, days=days, instruments=instruments)
    place = newest[np.searchsorted(days, as_days(keys["as_of_date"])), instruments.get_indexer(keys["instrument_id"])]
    # A place of -1 finds the empty row behind all others.
    known = rows.reset_index(drop=True).reindex(np.where(place < 0, len(rows), place)).set_axis(keys.index)
    revenue, before = known["revenue"], known["revenue_1y_ago"]
    return pd.DataFrame(
        {
            "return_on_equity": known["net_income"] / known["total_equity"].where(known["total_equity"] > 0),
            "profit_margin": known["net_income"] / revenue.where(revenue > 0),
            "revenue_growth_1y": revenue / before.where(before > 0) - 1,
            "period_end_date": known["period_end_date"],
            "published_at": known["published_at"],
        }
    )


def _dated(statements: pd.DataFrame, closes: pd.Series) -> pd.DataFrame:
    """Give each statement the first of the days whose close is after its publication; without those that have none."""
    first = np.searchsorted(_instants(closes), _instants(statements["published_at"]), side="right")
    is_known = first < len(closes)
    days = closes.index.to_numpy()
    return statements[is_known].assign(known_from_date=days[first[is_known]])


def _instants(values: pd.Series) -> np.ndarray:
    return pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")


def _that_count(statements: pd.DataFrame) -> pd.DataFrame:
    """Leave out what a better source has told of the same period by then."""
    told = statements.sort_values(["known_from_date", "source_rank"])
    best = told.groupby(["instrument_id", "period_end_date"])["source_rank"].cummin()
    return told[told["source_rank"] <= best]


def _beside_the_year_before(statements: pd.DataFrame) -> pd.DataFrame:
    """Give each statement the sales of the year before, in one more row whenever these become known or change."""
    names = ["instrument_id", "period_end_date", "known_from_date", "published_at", "source_rank", "revenue"]
    pairs = statements.merge(statements[names], on="instrument_id", suffixes=("", "_1y_ago"))
    apart = (pairs["period_end_date"] - pairs["period_end_date_1y_ago"]).dt.days
    pairs["off"] = (apart - YEAR).abs().astype(np.float64)
    pairs["known_from_date"] = pairs[["known_from_date", "known_from_date_1y_ago"]].max(axis=1)
    rows = pd.concat([statements.assign(off=np.inf), pairs[pairs["off"] <= OFF]], ignore_index=True)
    rows = rows.sort_values(["known_from_date", "off"])
    nearest = rows.groupby(["instrument_id", "period_end_date"])["off"].cummin()
    # Of what becomes known on one day the last row counts.
    by = {
        "source_rank": False, "published_at": True, "source": False, "source_symbol": False,
        "source_rank_1y_ago": False, "published_at_1y_ago": True,
    }  # fmt: skip
    return rows[rows["off"] <= nearest].sort_values(list(by), ascending=list(by.values()))
