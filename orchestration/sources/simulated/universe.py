"""The companies: what never changes about each of them.

Slot i holds one company that is listed on the first session and one that is listed later (after an exponential
time of 50 years on average, so 2 in 100 slots a year). Every attribute comes from the company's own draws:
company i is the same whatever `n_instruments` is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestration.sources.simulated.draws import (
    FloatArray,
    IntArray,
    Stream,
    normal,
    uniforms,
)
from orchestration.sources.simulated.options import MAX_INSTRUMENTS

SESSIONS_PER_YEAR = 252
MEAN_YEARS_TO_LISTING = 50.0
DELISTINGS_PER_YEAR = 0.015
MIN_SESSIONS_LISTED = 60

INDUSTRIES: dict[str, tuple[str, ...]] = {
    "Communication Services": ("Broadcasting", "Interactive Media", "Telecommunication"),
    "Consumer Discretionary": ("Apparel", "Hotels and Leisure", "Specialty Retail"),
    "Consumer Staples": ("Beverages", "Food Products", "Household Products"),
    "Energy": ("Equipment and Services", "Exploration and Production", "Refining"),
    "Financials": ("Banks", "Capital Markets", "Insurance"),
    "Health Care": ("Biotechnology", "Equipment and Supplies", "Pharmaceuticals"),
    "Industrials": ("Aerospace", "Machinery", "Transportation"),
    "Information Technology": ("Hardware", "Semiconductors", "Software"),
    "Materials": ("Chemicals", "Metals and Mining", "Packaging"),
    "Real Estate": ("Office", "Residential", "Retail Property"),
    "Utilities": ("Electric", "Gas", "Water"),
}
SECTORS = tuple(INDUSTRIES)
# Equity per unit of assets, gross margin and price risk differ between sectors as they do in reality.
_LEVERAGE = np.array([1.2, 1.1, 1.3, 1.0, 4.0, 0.9, 1.3, 0.8, 1.1, 1.5, 2.2])
_GROSS_MARGIN = np.array([0.50, 0.36, 0.34, 0.32, 0.60, 0.55, 0.30, 0.52, 0.28, 0.58, 0.40])
_RISK = np.array([1.0, 1.1, 0.8, 1.25, 0.95, 1.15, 1.0, 1.2, 1.1, 0.9, 0.65])

_CONSONANTS = "BCDFGHJKLMNPRSTVWZQX"
_VOWELS = "AEIOU"


@dataclass(frozen=True)
class Companies:
    """Attributes of n companies, one array of shape (n,) each.

    `ids` is 2 x slot, plus 1 for the company that is listed later. `listed`, `last` are session numbers (0 = the
    market's first). `sigma` is the usual daily idiosyncratic volatility (fraction); `log_price` of currency per
    share and `log_shares` at the listing; `dividend_yield` a year (fraction, 0 for none).
    """

    ids: IntArray
    sector: IntArray
    industry: IntArray
    listed: IntArray
    last: IntArray
    beta: FloatArray
    sector_beta: FloatArray
    sigma: FloatArray
    size: FloatArray
    log_price: FloatArray
    log_shares: FloatArray
    turnover: FloatArray
    log_book_to_price: FloatArray
    leverage: FloatArray
    gross_margin: FloatArray
    dividend_yield: FloatArray
    dividend_phase: IntArray
    split_price: FloatArray
    fiscal_month: IntArray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def log_market_cap(self) -> FloatArray:
        """Log market value at the listing, currency."""
        return self.log_price + self.log_shares

    def of(self, columns: slice | NDArray[np.bool_]) -> "Companies":
        """Some of the companies."""
        return Companies(**{name: values[columns].copy() for name, values in vars(self).items()})

    def symbols(self) -> list[str]:
        """Tickers, in step with `ids`."""
        return [ticker(company) for company in self.ids.tolist()]


def companies(seed: int, first_slot: int, last_slot: int, *, n_sessions: int) -> Companies:
    """Companies of the slots ``first_slot <= slot < last_slot`` that are listed within n sessions."""
    ids = np.arange(2 * first_slot, 2 * last_slot, dtype=np.int64)
    drawn = uniforms(seed, Stream.COMPANY, ids, first=0, n_steps=5).transpose(1, 0, 2)
    # (n, 20): twenty numbers per company, each used for one attribute below.
    u = drawn.reshape(len(ids), 20)
    all_of_them = _attributes(ids, u)
    return all_of_them.of(all_of_them.listed < n_sessions)


def _attributes(ids: IntArray, u: FloatArray) -> Companies:
    z = normal(u)
    sector = (u[:, 0] * len(SECTORS)).astype(np.int64)
    size = z[:, 1]
    waiting = -np.log(u[:, 2]) * MEAN_YEARS_TO_LISTING * SESSIONS_PER_YEAR
    listed = np.where(ids % 2 == 0, 0, 1 + waiting.astype(np.int64))
    lifetime = -np.log(u[:, 3]) / DELISTINGS_PER_YEAR * SESSIONS_PER_YEAR
    log_price = np.log(45.0) + 0.6 * z[:, 4] + 0.2 * size
    pays = u[:, 13] < 0.6
    return Companies(
        ids=ids,
        sector=sector,
        industry=(u[:, 5] * 3).astype(np.int64),
        listed=listed,
        last=listed + MIN_SESSIONS_LISTED + lifetime.astype(np.int64),
        beta=np.clip(1.0 + 0.3 * z[:, 6], 0.2, 2.0),
        sector_beta=np.clip(1.0 + 0.25 * z[:, 7], 0.3, 1.7),
        sigma=0.0165 * _RISK[sector] * np.exp(0.25 * z[:, 8] - 0.10 * size),
        size=size,
        log_price=log_price,
        log_shares=np.log(4e9) + 1.3 * size - log_price,
        turnover=0.005 * np.exp(0.5 * z[:, 9]),
        log_book_to_price=-0.9 + 0.5 * z[:, 10],
        leverage=_LEVERAGE[sector] * np.exp(0.35 * z[:, 11]),
        gross_margin=np.clip(_GROSS_MARGIN[sector] + 0.08 * z[:, 12], 0.1, 0.85),
        dividend_yield=np.where(pays, 0.005 + 0.035 * u[:, 14], 0.0),
        dividend_phase=(u[:, 15] * 63).astype(np.int64),
        split_price=150.0 * np.exp(0.4 * np.abs(z[:, 16])),
        fiscal_month=np.where(u[:, 17] < 0.7, 12, 3 * (1 + (u[:, 18] * 3).astype(np.int64))),
    )


def ticker(company: int) -> str:
    """Ticker of a company: X (listed from the start) or Y (listed later) and four letters, unique.

    Five letters that begin so are not in use for real shares, so nobody takes one for the other.
    """
    slot, later = divmod(company, 2)
    # 7,919 is prime to the 10,000 combinations, so slots scatter over them without repeating.
    rest = slot * 7_919 % 10_000
    letters = []
    for alphabet in (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS):
        rest, position = divmod(rest, len(alphabet))
        letters.append(alphabet[position])
    return ("Y" if later else "X") + "".join(letters)


def company_name(company: int, sector: str) -> str:
    """Name that says that the company is not real, for example ``Simulated Utilities 0042``."""
    slot, later = divmod(company, 2)
    return f"Simulated {sector} {slot + MAX_INSTRUMENTS * later:04d}"
