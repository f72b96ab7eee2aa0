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

from dataclasses import dataclass

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
_TYPICAL_LOG_VOLATILITY = 0.1
_LIMIT = 2.5
_WEIGHTS = np.array([*SIGNAL_WEIGHTS.values()])[:, None]
# Of momentum, reversal, low volatility and value: what each is counted in, and (not value) sessions until it is known.
_SCALES = np.array([0.30, -0.09, -0.33, 0.65])[:, None]
_AGES = np.array([252, 21, 63])[:, None]


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

    def of(self, columns: slice) -> "Paths":
        """Paths of adjacent companies, as if there were no others."""
        return Paths(
            close=self.close[:, columns].copy(),
            returns=self.returns[:, columns].copy(),
            sigma=self.sigma[:, columns].copy(),
            cumulative_split=self.cumulative_split[:, columns].copy(),
            characteristics=self.characteristics[..., columns].copy(),
            log_equity=self.log_equity[:, columns].copy(),
            dividends=_events_of(self.dividends, columns),
            splits=_events_of(self.splits, columns),
        )


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


class _Walk:
    """The state of the loop. Log prices are per share at the listing, dividends taken out.

    A call on a row of 600 companies costs little more than on one of 300, so the loop makes few calls: who may split,
    pay or report on a session is told before it, and characteristics are scaled and clipped together.
    """

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
        may_split = (u[..., 2] < _SPLIT_HAZARD) & (companies.listed < np.arange(n_sessions)[:, None])
        self.may_split = _by_session(*np.nonzero(may_split))
        self.may_pay = _dividend_days(companies, n_sessions)
        # Reversal is no style.
        self.style_returns = np.insert(shared.styles, 1, 0.0, axis=1)[:, :, None]
        self.centres, self.market_variance = _of_the_market(shared)
        self.log_price = np.empty((n_sessions, n))
        self.total = np.zeros((n_sessions + 1, n))
        self.squares = np.zeros((n_sessions + 1, n))
        self.sigma = np.empty((n_sessions, n))
        self.splits_so_far = np.empty((n_sessions, n))
        self.kept = np.zeros((n_kept, len(SIGNAL_WEIGHTS), n))
        # The characteristics of the session before, and size, which has no alpha but is a style.
        self.z = np.zeros((len(SIGNAL_WEIGHTS) + 1, n))
        self.z[-1] = companies.size
        # The only sessions on which a company is listed or grows old enough for a characteristic.
        self.birthdays = {0, *np.unique(companies.listed + np.array([[0], *(_AGES - 1)])).tolist()}
        self.is_waiting = np.ones(n, dtype=np.bool_)
        self.is_unknown = np.ones((4, n), dtype=np.bool_)
        self.terms = np.empty((1 + len(self.z), n))
        self.quarter_yield = companies.dividend_yield / 4.0
        self.variance = np.ones(n)
        self.split = np.ones(n)
        self.dividends: list[tuple[float, ...]] = []
        self.splits: list[tuple[float, ...]] = []
        self.log_equity = _equity_before_listing(companies, grid, reports)
        self.total_at_quarter = np.zeros(n)
        self.known_equity = np.full(n, np.nan)
        self.report_days = _report_days(reports, n_sessions)
        self.news = _annual_reports_by_session(reports, n_sessions)

    def run(self) -> Paths:
        quarters = {int(s): k for k, s in enumerate(self.grid.quarter_sessions) if s >= 0}
        for t in range(self.grid.n_sessions):
            self._trade(t)
            self._learn(t)
            if t in quarters:
                self._end_quarter(t, quarters[t])
            self._characterise(t)
            self.kept[t % len(self.kept)] = self.z[:-1]
        traded = np.exp(self.log_price) / self.splits_so_far
        return Paths(
            close=np.maximum(np.round(traded, 2), 0.01),
            returns=np.diff(self.total, axis=0),
            sigma=self.sigma,
            cumulative_split=self.splits_so_far,
            characteristics=self.kept,
            log_equity=self.log_equity,
            dividends=_stacked(self.dividends, 3),
            splits=_stacked(self.splits, 4),
        )

    def _trade(self, t: int) -> None:
        companies, shared, shock = self.companies, self.shared, self.shocks[t]
        before = companies.log_price
        day_sigma = np.multiply(companies.sigma, np.sqrt(self.variance), out=self.sigma[t])
        if t in self.report_days:
            day_sigma[self.report_days[t]] *= _REPORT_DAY_FACTOR
        self.variance = (1.0 - GARCH_NEWS - GARCH_MEMORY) + self.variance * (GARCH_MEMORY + GARCH_NEWS * shock * shock)
        change = DRIFT + shared.market[t] * companies.beta
        change += shared.sectors[t].take(companies.sector) * companies.sector_beta
        change += day_sigma * shock
        if t > 0:
            change += self._expected(t)
            before = self.log_price[t - 1]
        if t in self.may_split:
            self._split_shares(t, before, self.may_split[t])
        if t in self.birthdays:
            self.is_waiting = companies.listed > t
        np.copyto(change, 0.0, where=self.is_waiting)
        self.splits_so_far[t] = self.split
        np.add(self.total[t], change, out=self.total[t + 1])
        np.add(self.squares[t], change * change, out=self.squares[t + 1])
        np.add(before, change, out=self.log_price[t])
        if t in self.may_pay:
            self._pay_dividends(t, before, change, self.may_pay[t])

    def _expected(self, t: int) -> FloatArray:
        """Return from the planted part and from styles.

        Sums over the outer axis, row after row: a matrix product may round differently for another number of companies.
        """
        planted = np.add.reduce(_WEIGHTS * self.z[:-1], axis=0)
        np.multiply(self.daily_alpha, planted, out=self.terms[0])
        np.multiply(self.style_returns[t], self.z, out=self.terms[1:])
        return np.asarray(np.add.reduce(self.terms, axis=0))

    def _split_shares(self, t: int, before: FloatArray, drawn: IntArray) -> None:
        # The exponential of whole rows, so that no company's depends on who else is drawn.
        traded = (np.exp(before) / self.split)[drawn]
        is_high, is_low = traded > self.companies.split_price[drawn], traded < _REVERSE_SPLIT_BELOW
        for i, price in zip(drawn[is_high].tolist(), traded[is_high].tolist(), strict=True):
            new = float(np.clip(np.round(price / 60.0), 2, 10))
            self.split[i] *= new
            self.splits.append((t, i, new, 1.0))
        for i in drawn[is_low].tolist():
            self.split[i] /= 10.0
            self.splits.append((t, i, 1.0, 10.0))

    def _pay_dividends(self, t: int, before: FloatArray, change: FloatArray, due: IntArray) -> None:
        """Take dividends out of prices on the ex-date; the amount follows the price when it was declared."""
        split = self.split[due]
        declared_price = np.exp(self.log_price[t - DIVIDEND_NOTICE - 1, due]) / split
        price = np.exp(before[due]) / split
        amount = (self.quarter_yield[due] * declared_price).round(2)
        is_paid = (amount > 0) & (amount < 0.1 * price)
        if not is_paid.all():
            due, amount, price = due[is_paid], amount[is_paid], price[is_paid]
        self.log_price[t, due] = before[due] + np.log1p(-amount / price) + change[due]
        self.dividends += [(t, i, paid) for i, paid in zip(due.tolist(), amount.tolist(), strict=True)]

    def _learn(self, t: int) -> None:
        """Take in the annual reports that appeared after the close of the session before."""
        for k, who in self.news.get(t, ()):
            self.known_equity[who] = self.log_equity[k, who]
            self.z[4, who] = np.clip(self.reports.annual_quality[k, who], -_LIMIT, _LIMIT)
            self.is_unknown[3, who] = False

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
        """All but quality, which changes with reports only; 0 for companies too young to have a characteristic."""
        now, month_ago, quarter_ago, year_ago = t + 1, max(t - 20, 0), max(t - 62, 0), max(t - 251, 0)
        momentum, reversal, low_volatility, value = priced = self.z[:4]
        np.subtract(self.total[month_ago], self.total[year_ago], out=momentum)
        np.subtract(self.total[now], self.total[month_ago], out=reversal)
        mean_square = (self.squares[now] - self.squares[quarter_ago]) / 63.0 + 1e-8
        np.multiply(0.5, np.log(mean_square / self.market_variance[t]), out=low_volatility)
        np.subtract(self.known_equity, self.log_price[t] + self.companies.log_shares, out=value)
        priced -= self.centres[t]
        priced /= _SCALES
        if t in self.birthdays:
            self.is_unknown[:3] = now - self.companies.listed < _AGES
        np.copyto(priced, 0.0, where=self.is_unknown)
        priced.clip(-_LIMIT, _LIMIT, out=priced)


def _of_the_market(shared: SharedReturns) -> tuple[FloatArray, FloatArray]:
    """Centres of the first four characteristics, (n_sessions, 4, 1), and the variance that volatility is held to."""
    total = np.concatenate([[0.0], np.cumsum(DRIFT + shared.market)])
    squares = np.concatenate([[0.0], np.cumsum(shared.market**2)])
    now = np.arange(1, len(total))
    month_ago, quarter_ago, year_ago = (np.maximum(now - age, 0) for age in (21, 63, 252))
    centres = np.empty((len(now), 4, 1))
    centres[:, 0, 0] = total[month_ago] - total[year_ago]
    centres[:, 1, 0] = total[now] - total[month_ago]
    centres[:, 2] = _TYPICAL_LOG_VOLATILITY
    centres[:, 3] = _TYPICAL_BOOK_TO_PRICE
    return centres, (squares[now] - squares[quarter_ago]) / 63.0 + _TYPICAL_VARIANCE


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
    """Whose report appeared after the close of the session before."""
    after = reports.published + 1
    k, columns = np.nonzero((after > 0) & (after < n_sessions))
    return _by_session(after[k, columns], columns)


def _dividend_days(companies: Companies, n_sessions: int) -> dict[int, IntArray]:
    """Who goes ex dividend on which session, if the price allows one."""
    payers = np.flatnonzero(companies.dividend_yield > 0)
    times = np.arange(0, n_sessions, DIVIDEND_EVERY)
    sessions = times[:, None] + companies.dividend_phase[payers]
    is_due = (sessions > companies.listed[payers] + DIVIDEND_NOTICE) & (sessions < n_sessions)
    time, payer = np.nonzero(is_due)
    return _by_session(sessions[time, payer], payers[payer])


def _by_session(sessions: IntArray, columns: IntArray) -> dict[int, IntArray]:
    """Columns of each session that has any, in the order given."""
    order = np.argsort(sessions, kind="stable")
    days, starts = np.unique(sessions[order], return_index=True)
    return dict(zip(days.tolist(), np.split(columns[order], starts)[1:], strict=True))


def _stacked(rows: list[tuple[float, ...]], width: int) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _events_of(events: FloatArray, columns: slice) -> FloatArray:
    chosen = np.compress((events[:, 1] >= columns.start) & (events[:, 1] < columns.stop), events, axis=0)
    chosen[:, 1] -= columns.start
    return chosen
