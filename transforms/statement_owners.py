"""Find whose figures they are when two companies report the same statement."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import as_days
from transforms.refusals import Codes, Flags, key_codes

# Per-share figures differ between the classes of one company; a copied statement often lacks them.
COMPARED = (
    "revenue",
    "net_income",
    "total_assets",
    "total_liabilities",
    "total_equity",
    "operating_cash_flow",
    "cash",
)
MIN_COMPARED_FIGURES = 3

# Half of all companies change revenue and assets by less than 10 % in a year; a statement nearer by
# this much (in logarithms) to the company's own other statements decides.
CLEARLY_NEARER = 0.25
# A company without other statements is taken to be this far away: less than another size of company.
UNKNOWN_DISTANCE = 1.0
HISTORY_VOTES = 2
COMPLETENESS_VOTES = 1


def owns_its_figures(statements: pd.DataFrame, *, companies: Mapping[str, str]) -> Flags:
    """Flag the statements that belong to the company under whose symbol they came.

    Parameters
    ----------
    statements : DataFrame of shape (n_statements, n_columns)
        Columns source_symbol, statement, period_end_date, published_at and the figures of
        `raw.fundamentals`.
    companies : mapping of source_symbol to company
        A symbol that is not in it is a company of its own.

    Returns
    -------
    ndarray of bool, shape (n_statements,)
        False where another company has published the same figures for the same period and this one
        is not known to be their owner.

    Notes
    -----
    Two statements are the same when revenue, net income, total assets, liabilities and equity,
    operating cash flow and cash are (at least three of them given and not 0). Each company gets 2
    votes if its other statements are clearly nearer in revenue and total assets, 1 vote if it gives
    more figures. Without a winner neither owns them.

    Point in time: a statement is judged by what was published up to its own instant, less what had
    been refused before it, so that statements taken in day by day are judged as all at once.
    """
    symbols = statements["source_symbol"].astype(object)
    owners = symbols.map(lambda symbol: companies.get(symbol, symbol)).fillna("")
    company = pd.factorize(owners)[0].astype(np.int64)
    published = _instants(statements["published_at"])
    rivals = {
        int(row): [int(other) for other in rows[company[rows] != company[row]]]
        for rows in _shared_figures(statements, company)
        for row in rows
    }
    owns = np.ones(len(statements), dtype=bool)
    if not rivals:
        return owns
    history = _History(statements, company, published, rivals)
    n_given = statements.drop(columns="published_at").notna().sum(axis=1).to_numpy()
    contested = np.array(sorted(rivals, key=lambda row: published[row]))
    for instant in np.unique(published[contested]):
        # Those of one instant are judged together, by what stood before it.
        stood = owns.copy()
        for row in contested[published[contested] == instant]:
            standing = [other for other in rivals[int(row)] if stood[other] and published[other] <= instant]
            owns[row] = all(
                _votes(history, n_given, row, other, stood) > _votes(history, n_given, other, row, stood)
                for other in standing
            )
    return owns


def _instants(published_at: pd.Series) -> npt.NDArray[np.int64]:
    """Give instants as ordered numbers; unknown ones are one instant before all others."""
    codes, _ = pd.factorize(pd.to_datetime(published_at, utc=True), sort=True)
    return codes.astype(np.int64)


def _shared_figures(statements: pd.DataFrame, company: Codes) -> list[npt.NDArray[np.intp]]:
    """Give the rows of each set of equal statements that belong to several companies."""
    figures = statements[list(COMPARED)].to_numpy(dtype=np.float64, na_value=np.nan)
    is_telling = ((figures != 0) & np.isfinite(figures)).sum(axis=1) >= MIN_COMPARED_FIGURES
    codes = key_codes(statements, ["statement", "period_end_date", *COMPARED])
    rows = np.flatnonzero(is_telling & pd.Series(codes).duplicated(keep=False).to_numpy())
    found = pd.Series(rows).groupby(codes[rows])
    groups = [group.to_numpy() for _, group in found]
    return [group for group in groups if len(np.unique(company[group])) > 1]


def _votes(history: "_History", n_given: npt.NDArray[np.int64], row: int, other: int, stood: Flags) -> int:
    """Count the votes for the company of `row` against that of `other`, as known when the later of them came."""
    at = max(row, other, key=lambda place: history.published[place])
    distance, others = history.distance(row, at, stood), history.distance(other, at, stood)
    nearer, fuller = distance + CLEARLY_NEARER < others, n_given[row] > n_given[other]
    return HISTORY_VOTES * int(nearer) + COMPLETENESS_VOTES * int(fuller)


class _History:
    """How far statements lie from the other statements of their companies."""

    def __init__(
        self,
        statements: pd.DataFrame,
        company: Codes,
        published: npt.NDArray[np.int64],
        rivals: Mapping[int, list[int]],
    ) -> None:
        sizes = np.abs(statements[["revenue", "total_assets"]].to_numpy(np.float64, na_value=np.nan))
        self._logs = np.log(np.where(sizes > 0, sizes, np.nan))
        self._days = as_days(statements["period_end_date"])
        kind, _ = pd.factorize(statements["statement"])
        has_sizes = ~np.isnan(self._logs).any(axis=1)
        self._series = {
            row: np.flatnonzero((company == company[row]) & (kind == kind[row]) & has_sizes) for row in rivals
        }
        self._rivals = rivals
        self.published = published

    def distance(self, row: int, at: int, stood: Flags) -> float:
        """Measure the distance of a statement to the nearest ones in time that were uncontested when row `at` came.

        The larger of the logarithmic changes of revenue and total assets.
        """
        own = [other for other in self._series[row].tolist() if self._is_uncontested(other, at, stood)]
        if not own or np.isnan(self._logs[row]).any():
            return UNKNOWN_DISTANCE
        gaps = np.abs(self._days[own] - self._days[row])
        nearest = np.asarray(own)[gaps == gaps.min()]
        return float(np.abs(self._logs[nearest] - self._logs[row]).max(axis=1).min())

    def _is_uncontested(self, row: int, at: int, stood: Flags) -> bool:
        if self.published[row] > self.published[at] or not stood[row]:
            return False
        rivals = self._rivals.get(row, [])
        return not any(stood[other] and self.published[other] <= self.published[at] for other in rivals)
