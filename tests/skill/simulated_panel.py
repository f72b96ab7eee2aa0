"""From the simulated source to features and labels in memory: what the tables hold, for a market without defects.

A clean market has a bar of each company on each session between its first and its last, so that rows of a grid
(sessions x companies) are bars, and each factor is one line. `tests/dbt_project/test_simulated_panel.py` holds it to
the tables, value for value.
"""

import datetime as dt
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.features import EXPOSURE_COLUMNS, INDICATOR_COLUMNS, technical_panel
from models.labels import forward_returns, label_panel
from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from transforms.indicators import indicators
from transforms.market_risk import rolling_market_risk

CALENDAR = HomeCalendar("XNYS")


class Panel(NamedTuple):
    """Features and labels by (as_of_date, source_symbol), and the sessions of the market."""

    features: pd.DataFrame
    labels: pd.DataFrame
    sessions: list[dt.date]


class _Grids(NamedTuple):
    """Frames of shape (n_sessions, n_companies)."""

    bars: dict[str, pd.DataFrame]
    adjustment: pd.DataFrame
    splits: pd.DataFrame
    shares: pd.Series
    benchmark_returns: pd.Series


def clean_options(seed: int, alpha: float, *, n_instruments: int, first_session: dt.date) -> SimulatedOptions:
    """Options of a market without defects."""
    return SimulatedOptions(
        n_instruments=n_instruments, first_session=first_session, seed=seed, planted_alpha=alpha, defect_rate=0.0
    )


def simulated_panel(options: SimulatedOptions, last: dt.date) -> Panel:
    """Features and labels of a market without defects, from its first session to another one."""
    evening = dt.datetime.combine(last, dt.time(23, 30), dt.UTC)
    source = SimulatedSource(options, calendar=CALENDAR, now=lambda: evening)
    grids = _grids(source, last)
    close = grids.bars["close"] * grids.adjustment
    exposures = _exposures(grids, close)
    prices = _long(grids, close)
    features = technical_panel(exposures, _indicators(prices), prices)
    sessions = CALENDAR.sessions(source.first_session, last)
    labels = label_panel(forward_returns(prices, sessions), features.index)
    return Panel(features, labels, sessions)


def _grids(source: SimulatedSource, last: dt.date) -> _Grids:
    first = source.first_session
    bars = _rows(source.daily_bars(first, last))
    names = ("open", "high", "low", "close", "volume")
    grids = {name: bars.pivot(index="trade_date", columns="source_symbol", values=name) for name in names}
    close = grids["close"]
    splits = _at_ex_dates(
        _rows(source.splits(first, last)), close, lambda rows: rows["shares_new"] / rows["shares_old"]
    )
    paid = _at_ex_dates(_rows(source.dividends(first, last)), close, lambda rows: rows["amount"]).fillna(0.0)
    kept = 1.0 - paid * splits.fillna(1.0) / close.shift(1)
    statements = _rows(source.fundamentals(first, last)).drop_duplicates("source_symbol")
    benchmark = _rows(source.benchmark_bars(first, last)).set_index("trade_date")["close"]
    return _Grids(
        bars=grids,
        adjustment=(splits.fillna(1.0) / kept.fillna(1.0)).cumprod(),
        splits=splits.fillna(1.0).cumprod(),
        # Splits aside, a simulated company never issues shares.
        shares=statements.set_index("source_symbol")["shares_outstanding"],
        benchmark_returns=benchmark.pct_change(fill_method=None),
    )


def _exposures(grids: _Grids, close: pd.DataFrame) -> pd.DataFrame:
    """Rank each price factor among the day's universe, as factors.fct_factor_exposures."""
    traded = grids.bars["close"] * grids.bars["volume"]
    returns = close.pct_change(fill_method=None)
    risk = rolling_market_risk(returns.to_numpy(), grids.benchmark_returns.to_numpy(), min_observations=126)
    factors = {
        "momentum_252d_21d": close.shift(21) / close.shift(252) - 1,
        "momentum_126d_21d": close.shift(21) / close.shift(126) - 1,
        "reversal_21d": 1 - close / close.shift(21),
        "volatility_21d": returns.rolling(21).std(),
        "volatility_63d": returns.rolling(63).std(),
        "volatility_252d": returns.rolling(252).std(),
        "beta_252d": _like(close, risk.beta),
        "idiosyncratic_volatility_252d": _like(close, risk.idiosyncratic_volatility),
        "distance_to_high_252d": close / close.rolling(252).max() - 1,
        "amihud_21d": (returns.abs() / traded).rolling(21).mean(),
        "turnover_21d": (grids.bars["volume"] / grids.splits).rolling(21).mean() / grids.shares.reindex(close.columns),
        "dollar_volume_21d": traded.rolling(21).mean(),
    }
    is_member = (close.notna().cumsum() >= 252) & (grids.bars["close"] >= 1) & (traded.rolling(21).median() >= 1e6)
    ranks = {f"{name}_rank": _percent_rank(values.where(is_member)) for name, values in factors.items()}
    rows, columns = np.nonzero(is_member.to_numpy())
    picked = {name: ranks[name].to_numpy()[rows, columns] for name in EXPOSURE_COLUMNS}
    return pd.DataFrame({"as_of_date": close.index[rows], "instrument_id": close.columns[columns], **picked})


def _percent_rank(values: pd.DataFrame) -> pd.DataFrame:
    """SQL's percent_rank along each day, which equal values share at its lowest."""
    return (values.rank(axis=1, method="min") - 1).div(values.notna().sum(axis=1) - 1, axis=0)


def _long(grids: _Grids, close: pd.DataFrame) -> pd.DataFrame:
    """Rows of marts.fct_daily_prices, by company and day."""
    columns = {f"{name}_adj": (grids.bars[name] * grids.adjustment) for name in ("high", "low")}
    columns |= {"close_adj": close, "volume_adj": grids.bars["volume"] / grids.splits}
    company, session = np.nonzero(close.notna().to_numpy().T)
    keys = {"instrument_id": close.columns[company], "trade_date": close.index[session]}
    values = {name: values.to_numpy()[session, company] for name, values in columns.items()}
    return pd.DataFrame({**keys, **values, "price_segment": 0, "is_suspect": False})


def _indicators(prices: pd.DataFrame) -> pd.DataFrame:
    return indicators(prices)[["instrument_id", "as_of_date", *INDICATOR_COLUMNS]]


def _rows(batches) -> pd.DataFrame:
    rows = pd.concat([batch.rows.to_pandas(date_as_object=False) for batch in batches], ignore_index=True)
    return rows.astype({"source_symbol": "str"}) if "source_symbol" in rows else rows


def _at_ex_dates(events: pd.DataFrame, close: pd.DataFrame, values) -> pd.DataFrame:
    """Lay events out on the grid; NaN where there is none, or no bar before it."""
    grid = events.assign(value=values(events)).pivot(index="ex_date", columns="source_symbol", values="value")
    grid = grid.reindex(index=close.index, columns=close.columns)
    return grid.where(close.shift(1).notna())


def _like(frame: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, index=frame.index, columns=frame.columns)
