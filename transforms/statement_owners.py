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
HISTORY_VOTES = 2
COMPLETENESS_VOTES = 1


def owns_its_figures(statements: pd.DataFrame, *, companies: Mapping[str, str]) -> Flags:
    """Flag the statements that belong to the company under whose symbol they came.

    Parameters
    ----------
    statements : DataFrame of shape (n_statements, n_columns)
        Columns source_symbol, statement, period_end_date and the figures of `raw.fundamentals`.
    companies : mapping of source_symbol to company
        A symbol that is not in it is a company of its own.

    Returns
    -------
    ndarray of bool, shape (n_statements,)
        False where another company has the same figures for the same period and this one is not
        known to be their owner.

    Notes
    -----
    Two statements are the same when revenue, net income, total assets, liabilities and equity,
    operating cash flow and cash are (at least three of them given and not 0). Between two companies
    the evidence of all their shared statements is added up, as a feed that confuses two companies
    does so year after year: 2 votes for the one whose other statements are clearly nearer in
    revenue and total assets, 1 vote for the one that gives more figures. Without a winner neither
    owns them.
    """
    symbols = statements["source_symbol"].astype(object)
    owners = symbols.map(lambda symbol: companies.get(symbol, symbol)).fillna("")
    company, _ = pd.factorize(owners)
    groups = _shared_figures(statements, company.astype(np.int64))
    owns = np.ones(len(statements), dtype=bool)
    if len(groups) == 0:
        return owns
    votes = _votes(statements, company.astype(np.int64), groups)
    for rows in groups:
        for row in rows:
            rivals = {int(company[other]) for other in rows} - {int(company[row])}
            owns[row] = all(_wins(votes, int(company[row]), rival) for rival in rivals)
    return owns


def _shared_figures(statements: pd.DataFrame, company: Codes) -> list[npt.NDArray[np.intp]]:
    """Give the rows of each set of equal statements that belong to several companies."""
    figures = statements[list(COMPARED)].to_numpy(dtype=np.float64, na_value=np.nan)
    is_telling = ((figures != 0) & np.isfinite(figures)).sum(axis=1) >= MIN_COMPARED_FIGURES
    codes = key_codes(statements, ["statement", "period_end_date", *COMPARED])
    rows = np.flatnonzero(is_telling & pd.Series(codes).duplicated(keep=False).to_numpy())
    found = pd.Series(rows).groupby(codes[rows])
    groups = [group.to_numpy() for _, group in found]
    return [group for group in groups if len(np.unique(company[group])) > 1]


def _votes(statements: pd.DataFrame, company: Codes, groups: list[npt.NDArray[np.intp]]) -> dict[tuple[int, int], int]:
    """Count the votes for the first company of a pair against the second."""
    n_given = statements.notna().sum(axis=1).to_numpy()
    distance = _distance_to_own(statements, company, np.concatenate(groups))
    votes: dict[tuple[int, int], int] = {}
    for rows in groups:
        for row in rows:
            for other in rows[company[rows] != company[row]]:
                pair = (int(company[row]), int(company[other]))
                nearer = distance[row] + CLEARLY_NEARER < distance[other]
                fuller = n_given[row] > n_given[other]
                won = HISTORY_VOTES * int(nearer) + COMPLETENESS_VOTES * int(fuller)
                votes[pair] = votes.get(pair, 0) + won
    return votes


def _wins(votes: dict[tuple[int, int], int], company: int, rival: int) -> bool:
    return votes.get((company, rival), 0) > votes.get((rival, company), 0)


def _distance_to_own(statements: pd.DataFrame, company: Codes, shared: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Measure how far a statement lies from its company's nearest one that is not shared.

    Shape (n_statements,), the larger of the logarithmic changes of revenue and total assets; NaN
    where the company has no other statement or the row is not shared.
    """
    days = as_days(statements["period_end_date"])
    sizes = np.abs(statements[["revenue", "total_assets"]].to_numpy(np.float64, na_value=np.nan))
    logs = np.log(np.where(sizes > 0, sizes, np.nan))
    is_shared = np.zeros(len(statements), dtype=bool)
    is_shared[shared] = True
    distance = np.full(len(statements), np.nan)
    for row in shared:
        own = np.flatnonzero((company == company[row]) & ~is_shared & ~np.isnan(logs).any(axis=1))
        if len(own) > 0:
            nearest = own[np.argmin(np.abs(days[own] - days[row]))]
            distance[row] = np.max(np.abs(logs[row] - logs[nearest]))
    return distance
