"""The figures that companies report: books that hang together, driven by equity and quality.

Return on equity is ``0.11 + 0.07 quality`` a year, gross profit to assets grows with quality; assets are
equity times (1 + leverage). An annual statement sums the flows of its four quarters.
"""

import datetime as dt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestration.sources.records import Fundamental, arrow_schema
from orchestration.sources.simulated.chunks import Chunk
from orchestration.sources.simulated.defects import statement_owner
from orchestration.sources.simulated.draws import FloatArray, IntArray
from orchestration.sources.simulated.reporting import NEVER, last_four

_SCHEMA = arrow_schema(Fundamental)
_TAX_RATE = 0.21
_INTEREST_RATE = 0.045
_FLOWS = (
    "revenue",
    "cost_of_revenue",
    "gross_profit",
    "operating_income",
    "net_income",
    "operating_cash_flow",
    "capex",
    "depreciation",
    "interest_expense",
)
Figures = dict[str, FloatArray]


def fundamental_batches(
    chunk: Chunk,
    seed: int,
    *,
    first: int,
    last: int,
    now: dt.datetime,
    defect_rate: float,
    currency_code: str,
) -> list[pa.RecordBatch]:
    """Statements that appear after the close of the sessions ``first <= session <= last``, until now.

    With the first session (0) comes all that was published before the market began.
    """
    owner = statement_owner(chunk, seed, defect_rate)
    newest = int(now.timestamp() * 1e6)
    quarterly = _quarterly_figures(chunk)
    annual = {name: last_four(v) if name in _FLOWS else v for name, v in quarterly.items()}
    reports = chunk.reports
    restated = _restated(annual, reports.restated_by)
    batches = []
    for statement, figures, session, instant in (
        ("quarterly", quarterly, reports.published, reports.published_at),
        ("annual", annual, reports.published, reports.published_at),
        ("annual", restated, reports.restated, reports.restated_at),
    ):
        is_due = _is_due(chunk, session, -1 if first == 0 else first, last) & (instant <= newest)
        if statement == "annual":
            is_due &= reports.is_annual & ~np.isnan(annual["revenue"])
        rows = np.nonzero(is_due)
        if len(rows[0]):
            batches.append(_as_batch(chunk, statement, figures, rows, owner, instant, currency_code))
    return batches


def _is_due(chunk: Chunk, session: IntArray, first: int, last: int) -> NDArray[np.bool_]:
    """Whether a report appears in a window; a company reports while it is listed."""
    is_listed = (session <= chunk.companies.last) & chunk.is_emitted
    return np.asarray((session >= first) & (session <= min(last, NEVER - 1)) & is_listed)


def _quarterly_figures(chunk: Chunk) -> Figures:
    members, reports, paths = chunk.companies, chunk.reports, chunk.paths
    equity = np.exp(paths.log_equity)
    assets = equity * (1.0 + members.leverage)
    liabilities = assets - equity
    debt = 0.5 * liabilities
    net_income = equity * (0.11 + 0.07 * reports.quality + 0.02 * reports.return_noise) / 4.0
    interest = debt * _INTEREST_RATE / 4.0
    operating = net_income / (1.0 - _TAX_RATE) + interest
    margin = 0.30 * np.exp(0.35 * reports.quality + 0.05 * reports.margin_noise)
    gross = np.maximum(assets / (1.0 + 0.5 * members.leverage) * margin / 4.0, 1.25 * operating)
    revenue = gross / members.gross_margin
    depreciation = 0.03 * assets / 4.0
    known = np.maximum(chunk.grid.quarter_sessions, 0)
    shares = np.exp(members.log_shares) * paths.cumulative_split[known]
    return {
        "revenue": revenue,
        "cost_of_revenue": revenue - gross,
        "gross_profit": gross,
        "operating_income": operating,
        "net_income": net_income,
        "shares_outstanding": np.round(shares),
        "total_assets": assets,
        "total_liabilities": liabilities,
        "total_equity": equity,
        "current_assets": 0.35 * assets,
        "current_liabilities": 0.22 * assets * members.leverage / (1.0 + members.leverage),
        "cash": 0.08 * assets,
        "short_term_debt": 0.15 * debt,
        "long_term_debt": 0.85 * debt,
        "operating_cash_flow": net_income + depreciation + 0.004 * assets * reports.margin_noise,
        "capex": -1.15 * depreciation,
        "depreciation": depreciation,
        "interest_expense": interest,
    }


def _restated(figures: Figures, by: FloatArray) -> Figures:
    """Profit and equity change by a fraction; what follows from them is left as it was reported."""
    change = 1.0 + by
    moved = figures["total_equity"] * change
    return {
        **figures,
        "net_income": figures["net_income"] * change,
        "total_equity": moved,
        "total_liabilities": figures["total_assets"] - moved,
    }


def _as_batch(
    chunk: Chunk,
    statement: str,
    figures: Figures,
    rows: tuple[NDArray[np.intp], ...],
    owner: IntArray,
    instant: IntArray,
    currency_code: str,
) -> pa.RecordBatch:
    quarter, column = rows
    whose = owner[quarter, column]
    ends = chunk.grid.quarter_ends[quarter]
    n_rows = len(quarter)
    taken = {name: values[quarter, whose] for name, values in figures.items()}
    # Whole thousands, as statements are written.
    columns = {name: np.round(v, -3) for name, v in taken.items() if name != "shares_outstanding"}
    columns["shares_outstanding"] = taken["shares_outstanding"]
    columns["eps"] = np.round(taken["net_income"] / taken["shares_outstanding"], 2)
    symbols = pa.array(np.array(chunk.symbols, dtype=object)[column], pa.string())
    fixed = {
        "source_symbol": symbols,
        "statement": pa.repeat(pa.scalar(statement), n_rows),
        "period_end_date": pa.array(ends),
        "published_at": pa.array(instant[quarter, column].astype("datetime64[us]")).cast(pa.timestamp("us", tz="UTC")),
        "filed_date": pa.nulls(n_rows, pa.date32()),
        "fiscal_year": pa.array(ends.astype("datetime64[Y]").astype(np.int64) + 1970),
        "currency_code": pa.repeat(pa.scalar(currency_code), n_rows),
    }
    arrays = [fixed[name] if name in fixed else pa.array(columns[name], pa.float64()) for name in _SCHEMA.names]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)
