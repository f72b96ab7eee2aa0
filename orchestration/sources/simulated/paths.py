"""Price paths: one loop over days, all companies of a chunk at once.

Each company's daily log return, dividends included, is

    r[t] = drift + beta * market[t] + sector_beta * sector[t] + sum over styles of z[t-1] * style[t]
           + alpha[t-1] + sigma * sqrt(h[t]) * shock[t] * (2 on the session after a report, else 1)

h is GARCH(1,1) with mean 1, the shocks are symmetric and fat-tailed. The planted part is

    alpha[t] = planted_alpha * 0.014 / 21 * (0.45 momentum + 0.50 reversal + 0.40 low volatility
                                     + 0.45 value + 0.40 quality)

of characteristics that anyone can compute from the feed, each centred and scaled by a constant (never across
companies, so that one company does not depend on which others there are) and clipped to +-2.5:

* momentum: return from 252 to 21 sessions ago less the market's, over 0.30;
* reversal: minus the return of the last 21 sessions less the market's, over 0.09;
* low volatility: minus the log of 63-session volatility relative to the market's, over 0.33;
* value: log of book equity (latest annual report known) to market value, over 0.65;
* quality: mean quality state of the four quarters of that report, which drives return on equity and gross
  profitability (`reporting`, `statements`).

Everything at row t depends on rows up to t and on draws of row t: a longer simulation has the same beginning.
"""

from dataclasses import dataclass, field

import numpy as np

from orchestration.sources.simulated.draws import FloatArray, IntArray, Stream, fat_tailed, uniforms
from orchestration.sources.simulated.grid import Grid
from orchestration.sources.simulated.market import (
    DRIFT,
    GARCH_MEMORY,
    GARCH_NEWS,
    SharedReturns,
)
from orchestration.sources.simulated.options import ALPHA_UNIT
from orchestration.sources.simulated.reporting import EQUITY_DRIFT, Reporting
from orchestration.sources.simulated.universe import Companies

SIGNAL_WEIGHTS = {
    "momentum": 0.45,
    "reversal": 0.50,
    "low_volatility": 0.40,
    "value": 0.45,
    "quality": 0.40,
}
DIVIDEND_EVERY = 63
DIVIDEND_NOTICE = 15
_EQUITY_FOLLOWS_PRICE = 0.4
_REVERSE_SPLIT_BELOW = 2.0
_SPLIT_HAZARD = 0.02
_REPORT_DAY_FACTOR = 2.0
_TYPICAL_BOOK_TO_PRICE = -0.9
_TYPICAL_VARIANCE = 0.0165**2


@dataclass(frozen=True)
class Paths:
    """What the loop leaves behind; arrays of shape (n_sessions, n_companies) unless said otherwise.

    `close` is as traded and rounded, `returns` the log return with dividends, `sigma` the day's idiosyncratic
    volatility, `cumulative_split` new shares per share at the listing, `characteristics` (n_kept, 5,
    n_companies) in the order of SIGNAL_WEIGHTS, `log_equity` (n_quarters, n_companies) of book equity. Events
    are columns: `dividends` (session, company, amount), `splits` (session, company, shares_new, shares_old).
    """

    close: FloatArray
    returns: FloatArray
    sigma: FloatArray
    cumulative_split: FloatArray
    characteristics: FloatArray
    log_equity: FloatArray
    dividends: FloatArray
    splits: FloatArray

    @property
    def n_bytes(self) -> int:
        """Memory of all arrays together."""
        return sum(int(values.nbytes) for values in vars(self).values())


def simulate(
    seed: int,
    companies: Companies,
    grid: Grid,
    shared: SharedReturns,
    reports: Reporting,
    *,
    planted_alpha: float,
    keep_characteristics: bool = False,
) -> Paths:
    """Walk all sessions of the grid; characteristics of the last one only, unless all are to be kept."""
    n_kept = grid.n_sessions if keep_characteristics else 1
    return _Walk(seed, companies, grid, shared, reports, planted_alpha, n_kept).run()


@dataclass
class _Events:
    dividends: list[FloatArray] = field(default_factory=list)
    splits: list[FloatArray] = field(default_factory=list)


class _Walk:
    """The state of the loop. Log prices are per share at the listing, dividends taken out."""

    def __init__(
        self,
        seed: int,
        companies: Companies,
        grid: Grid,
        shared: SharedReturns,
        reports: Reporting,
        planted_alpha: float,
        n_kept: int,
    ) -> None:
        n_sessions, n = grid.n_sessions, len(companies)
        self.companies, self.grid, self.shared, self.reports = companies, grid, shared, reports
        self.daily_alpha = planted_alpha * ALPHA_UNIT / 21.0
        u = uniforms(seed, Stream.PATH, companies.ids, first=0, n_steps=n_sessions)
        self.shocks = fat_tailed(u[..., 0], u[..., 1])
        self.split_draws = u[..., 2].copy()
        self.common = (
            DRIFT
            + shared.market[:, None] * companies.beta
            + shared.sectors[:, companies.sector] * companies.sector_beta
        )
        self.log_price = np.empty((n_sessions, n))
        self.total = np.zeros((n_sessions + 1, n))
        self.squares = np.zeros((n_sessions + 1, n))
        self.market_total = np.concatenate([[0.0], np.cumsum(DRIFT + shared.market)])
        self.market_squares = np.concatenate([[0.0], np.cumsum(shared.market**2)])
        self.sigma = np.empty((n_sessions, n))
        self.splits_so_far = np.empty((n_sessions, n))
        self.z = np.zeros((n_kept, len(SIGNAL_WEIGHTS), n))
        self.variance = np.ones(n)
        self.split = np.ones(n)
        self.events = _Events()
        self.log_equity = _equity_before_listing(companies, grid, reports)
        self.total_at_quarter = np.zeros(n)
        self.known_equity = np.full(n, np.nan)
        self.known_quality = np.zeros(n)
        self.news = _annual_reports_by_session(reports, n_sessions)
        self.report_days = _report_days(reports, n_sessions)

    def run(self) -> Paths:
        quarters = {int(s): k for k, s in enumerate(self.grid.quarter_sessions) if s >= 0}
        for t in range(self.grid.n_sessions):
            self._trade(t)
            self._learn(t)
            if t in quarters:
                self._end_quarter(t, quarters[t])
            self._characterise(t)
        traded = np.exp(self.log_price) / self.splits_so_far
        return Paths(
            close=np.maximum(np.round(traded, 2), 0.01),
            returns=np.diff(self.total, axis=0),
            sigma=self.sigma,
            cumulative_split=self.splits_so_far,
            characteristics=self.z,
            log_equity=self.log_equity,
            dividends=_stacked(self.events.dividends, 3),
            splits=_stacked(self.events.splits, 4),
        )

    def _trade(self, t: int) -> None:
        companies = self.companies
        boost = self.report_days.get(t)
        day_sigma = companies.sigma * np.sqrt(self.variance)
        shock = self.shocks[t]
        self.variance = (1.0 - GARCH_NEWS - GARCH_MEMORY) + self.variance * (GARCH_MEMORY + GARCH_NEWS * shock * shock)
        if boost is not None:
            day_sigma[boost] *= _REPORT_DAY_FACTOR
        change = self.common[t] + day_sigma * shock
        before = companies.log_price
        if t > 0:
            change += self._expected(t)
            before = self.log_price[t - 1]
        is_listed = companies.listed <= t
        change = np.where(is_listed, change, 0.0)
        self._split_shares(t, before)
        self.sigma[t] = day_sigma
        self.splits_so_far[t] = self.split
        self.total[t + 1] = self.total[t] + change
        self.squares[t + 1] = self.squares[t] + change * change
        self.log_price[t] = before + self._without_dividend(t, before) + change

    def _expected(self, t: int) -> FloatArray:
        z, styles = self.z[(t - 1) % len(self.z)], self.shared.styles[t]
        momentum, reversal, low_volatility, value, quality = z
        # Written out: a matrix product may round differently for another number of companies.
        planted = _weighted(momentum, reversal, low_volatility, value, quality)
        return np.asarray(
            self.daily_alpha * planted
            + styles[0] * momentum
            + styles[1] * low_volatility
            + styles[2] * value
            + styles[3] * quality
            + styles[4] * self.companies.size
        )

    def _split_shares(self, t: int, before: FloatArray) -> None:
        if t == 0:
            return
        traded = np.exp(before) / self.split
        is_drawn = (self.split_draws[t] < _SPLIT_HAZARD) & (self.companies.listed < t)
        for i in np.flatnonzero(is_drawn & (traded > self.companies.split_price)).tolist():
            new = float(np.clip(np.round(traded[i] / 60.0), 2, 10))
            self.split[i] *= new
            self.events.splits.append(np.array([t, i, new, 1.0]))
        for i in np.flatnonzero(is_drawn & (traded < _REVERSE_SPLIT_BELOW)).tolist():
            self.split[i] /= 10.0
            self.events.splits.append(np.array([t, i, 1.0, 10.0]))

    def _without_dividend(self, t: int, before: FloatArray) -> FloatArray:
        """Log change of price on its ex-date; the amount follows the price when it was declared."""
        companies = self.companies
        is_due = (companies.dividend_yield > 0) & ((t - companies.dividend_phase) % DIVIDEND_EVERY == 0)
        is_due &= companies.listed <= t - DIVIDEND_NOTICE - 1
        change = np.zeros(len(companies))
        due = np.flatnonzero(is_due)
        if t <= DIVIDEND_NOTICE or len(due) == 0:
            return change
        declared_price = np.exp(self.log_price[t - DIVIDEND_NOTICE - 1][due]) / self.split[due]
        price = np.exp(before[due]) / self.split[due]
        amount = np.round(companies.dividend_yield[due] / 4.0 * declared_price, 2)
        is_paid = (amount > 0) & (amount < 0.1 * price)
        due, amount, price = due[is_paid], amount[is_paid], price[is_paid]
        change[due] = np.log1p(-amount / price)
        self.events.dividends.extend(np.column_stack([np.full(len(due), t), due, amount]))
        return change

    def _learn(self, t: int) -> None:
        """Take in the annual reports that appeared after the close of the session before."""
        for k, who in self.news.get(t, ()):
            self.known_equity[who] = self.log_equity[k, who]
            self.known_quality[who] = self.reports.annual_quality[k, who]

    def _end_quarter(self, t: int, k: int) -> None:
        """Book equity follows prices in part: they lead earnings."""
        total = self.total[t + 1]
        grown = (
            EQUITY_DRIFT
            + _EQUITY_FOLLOWS_PRICE * (total - self.total_at_quarter - EQUITY_DRIFT)
            + self.reports.equity_noise[k]
        )
        is_listed = self.companies.listed <= t
        self.log_equity[k] = np.where(is_listed, self.log_equity[k - 1] + grown, self.log_equity[k])
        self.total_at_quarter = total.copy()

    def _characterise(self, t: int) -> None:
        z, total, market = self.z[t % len(self.z)], self.total, self.market_total
        age = t + 1 - self.companies.listed
        now = t + 1
        if now >= 252:
            year = (total[now - 21] - total[now - 252]) - (market[now - 21] - market[now - 252])
            z[0] = np.where(age >= 252, year / 0.30, 0.0)
        if now >= 21:
            month = (total[now] - total[now - 21]) - (market[now] - market[now - 21])
            z[1] = np.where(age >= 21, month / -0.09, 0.0)
        if now >= 63:
            mean_square = (self.squares[now] - self.squares[now - 63]) / 63.0 + 1e-8
            shared = (self.market_squares[now] - self.market_squares[now - 63]) / 63.0
            relative = 0.5 * np.log(mean_square / (shared + _TYPICAL_VARIANCE))
            z[2] = np.where(age >= 63, (relative - 0.1) / -0.33, 0.0)
        to_price = self.known_equity - (self.log_price[t] + self.companies.log_shares)
        z[3] = np.where(np.isnan(to_price), 0.0, (to_price - _TYPICAL_BOOK_TO_PRICE) / 0.65)
        z[4] = self.known_quality
        np.clip(z, -2.5, 2.5, out=z)


def _weighted(*characteristics: FloatArray) -> FloatArray:
    total = np.zeros_like(characteristics[0])
    for weight, values in zip(SIGNAL_WEIGHTS.values(), characteristics, strict=True):
        total += weight * values
    return total


def _equity_before_listing(companies: Companies, grid: Grid, reports: Reporting) -> FloatArray:
    """Log equity of the quarters before the listing, ending at the company's own book to price."""
    grown = np.cumsum(EQUITY_DRIFT + 3.0 * reports.equity_noise, axis=0)
    is_before = grid.quarter_sessions[:, None] < companies.listed
    last_before = np.maximum(is_before.sum(axis=0) - 1, 0)
    anchor = companies.log_market_cap + companies.log_book_to_price
    return np.asarray(anchor + grown - grown[last_before, np.arange(len(companies))])


def _annual_reports_by_session(reports: Reporting, n_sessions: int) -> dict[int, list[tuple[int, IntArray]]]:
    known_from = np.where(reports.is_annual, reports.published + 1, n_sessions)
    news: dict[int, list[tuple[int, IntArray]]] = {}
    for k in range(3, len(known_from)):
        for t in np.unique(known_from[k][known_from[k] < n_sessions]).tolist():
            news.setdefault(t, []).append((k, np.flatnonzero(known_from[k] == t)))
    return news


def _report_days(reports: Reporting, n_sessions: int) -> dict[int, IntArray]:
    after = reports.published + 1
    rows, columns = np.nonzero((after > 0) & (after < n_sessions))
    sessions = after[rows, columns]
    order = np.argsort(sessions, kind="stable")
    days, starts = np.unique(sessions[order], return_index=True)
    return dict(zip(days.tolist(), np.split(columns[order], starts[1:]), strict=True))


def _stacked(rows: list[FloatArray], width: int) -> FloatArray:
    return np.array(rows) if rows else np.empty((0, width))
