"""Hard rules for instruments, dividends, splits, benchmark bars and fundamentals."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from transforms.bar_rules import (
    PRICES,
    ROUNDING,
    currency_rules,
    is_missing,
    listing_rule,
    missing_key_rule,
    session_rule,
)
from transforms.days import Days, as_days
from transforms.numbers import as_numbers
from transforms.refusals import Checked, Flags, Rule, key_codes, separate
from transforms.statement_owners import owns_its_figures

STATEMENTS = ("annual", "quarterly")
# The clock of a source may be ahead of ours by so much.
CLOCKS_APART = pd.Timedelta(minutes=5)
FIGURES = (
    "revenue",
    "cost_of_revenue",
    "gross_profit",
    "operating_income",
    "net_income",
    "eps",
    "shares_outstanding",
    "total_assets",
    "total_liabilities",
    "total_equity",
    "current_assets",
    "current_liabilities",
    "cash",
    "short_term_debt",
    "long_term_debt",
    "operating_cash_flow",
    "capex",
    "depreciation",
    "interest_expense",
)


def check_instruments(instruments: pd.DataFrame, *, exchange_codes: Collection[str] | None = None) -> Checked:
    """Separate instruments that may be stored from those that go to quarantine.

    Parameters
    ----------
    instruments : DataFrame of shape (n_instruments, n_columns)
        Columns source_symbol, ticker, exchange_code, listed_date, delisted_date, is_active.
    exchange_codes : collection of str, optional
        Exchanges of the home calendar, ISO 10383 MIC; null passes, as many files have none.

    Notes
    -----
    Rules: missing_key, other_exchange, dates_reversed, ticker_taken (two active instruments of one
    ticker: both are refused), conflicting_duplicate.
    """
    listed, delisted = (as_days(instruments[name]) for name in ("listed_date", "delisted_date"))
    rules = [missing_key_rule(instruments, ("source_symbol", "ticker"))]
    if exchange_codes is not None:
        rules.append(_exchange_rule(instruments, exchange_codes))
    dates = ("listed_date", "delisted_date")
    rules.append(Rule("dates_reversed", delisted < listed, "listed_date <= delisted_date", dates))
    rules.append(_ticker_rule(instruments))
    return separate(instruments, rules, key=("source_symbol",))


def check_dividends(
    dividends: pd.DataFrame, *, sessions: Days | None = None, currency_code: str | None = None
) -> Checked:
    """Separate cash dividends that may be stored from those that go to quarantine.

    Parameters
    ----------
    dividends : DataFrame of shape (n_dividends, n_columns)
        Columns source_symbol, ex_date, amount (currency per share), currency_code.
    sessions : ndarray of datetime64[D], optional
        Trading days; an ex-date is one of them.
    currency_code : str, optional
        The only currency allowed, ISO 4217.

    Notes
    -----
    Rules: missing_key, not_a_session, missing_amount, non_positive_amount, currency rules,
    conflicting_duplicate.
    """
    key = ("source_symbol", "ex_date")
    rules = [
        missing_key_rule(dividends, key),
        *_ex_date_rules(dividends, sessions),
        *_positive_rules(dividends, "amount"),
        *currency_rules(dividends, currency_code),
    ]
    return separate(dividends, rules, key=key)


def check_splits(splits: pd.DataFrame, *, sessions: Days | None = None) -> Checked:
    """Separate splits that may be stored from those that go to quarantine.

    Parameters
    ----------
    splits : DataFrame of shape (n_splits, n_columns)
        Columns source_symbol, ex_date, shares_new, shares_old (shares).
    sessions : ndarray of datetime64[D], optional
        Trading days; an ex-date is one of them.

    Notes
    -----
    Rules: missing_key, not_a_session, missing_ and non_positive_ shares_new and shares_old,
    conflicting_duplicate.
    """
    key = ("source_symbol", "ex_date")
    rules = [
        missing_key_rule(splits, key),
        *_ex_date_rules(splits, sessions),
        *_positive_rules(splits, "shares_new"),
        *_positive_rules(splits, "shares_old"),
    ]
    return separate(splits, rules, key=key)


def check_company_ratios(ratios: pd.DataFrame) -> Checked:
    """Separate companies' ratios that may be stored from those that go to quarantine.

    Parameters
    ----------
    ratios : DataFrame of shape (n_companies, n_columns)
        Columns source_symbol, as_of_date, market_cap (currency), dividend_yield (fraction), and other ratios.

    Notes
    -----
    Rules: missing_key, non_positive_market_cap, dividend_yield_range, conflicting_duplicate.
    """
    key = ("source_symbol", "as_of_date")
    market_cap, dividend_yield = as_numbers(ratios["market_cap"]), as_numbers(ratios["dividend_yield"])
    # A yield above one is one in per cent.
    out_of_range = (dividend_yield < 0) | (dividend_yield > 1)
    rules = [
        missing_key_rule(ratios, key),
        Rule("non_positive_market_cap", market_cap <= 0, "market_cap is above 0 where it is given", ("market_cap",)),
        Rule("dividend_yield_range", out_of_range, "dividend_yield lies between 0 and 1", ("dividend_yield",)),
    ]
    return separate(ratios, rules, key=key)


def check_quotes(
    quotes: pd.DataFrame, *, now: pd.Timestamp | None = None, currencies: Mapping[str, str] | None = None
) -> Checked:
    """Separate quotes that may be stored from those that go to quarantine.

    Parameters
    ----------
    quotes : DataFrame of shape (n_quotes, n_columns)
        Columns source_symbol, quoted_at, price (currency per share), currency_code.
    now : Timestamp, optional
        Timezone-aware; nothing is quoted after it, but for what clocks are apart.
    currencies : mapping of source_symbol to currency, optional
        Currency of each listing, where it is known.

    Notes
    -----
    Rules: missing_key, missing_price, non_positive_price, missing_currency, another_currency, quoted_in_the_future (it
    would pass for the newest until that day), conflicting_duplicate.
    """
    key = ("source_symbol", "quoted_at")
    rules = [
        missing_key_rule(quotes, key),
        *_positive_rules(quotes, "price"),
        *currency_rules(quotes, None),
        listing_rule(quotes, currencies or {}),
    ]
    if now is not None:
        later = (pd.to_datetime(quotes["quoted_at"], utc=True) > now + CLOCKS_APART).to_numpy(dtype=bool)
        must_hold = f"quoted_at is not after {now.isoformat()}"
        rules.append(Rule("quoted_in_the_future", later, must_hold, ("quoted_at",)))
    return separate(quotes, rules, key=key)


def check_benchmark_bars(bars: pd.DataFrame, *, sessions: Days) -> Checked:
    """Separate index bars that may be stored from those that go to quarantine.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Columns source_symbol, trade_date, open, high, low, close (index points), volume (shares),
        currency_code. Only the close is needed; many indices come without the rest.
    sessions : ndarray of datetime64[D], shape (n_sessions,)
        Trading days of the calendar.

    Notes
    -----
    Rules: missing_key, not_a_session, missing_close, non_positive_price, price_order (of the prices
    given), negative_volume, missing_currency, conflicting_duplicate.
    """
    key = ("source_symbol", "trade_date")
    close = as_numbers(bars["close"])
    volume = as_numbers(bars["volume"])
    rules = [
        missing_key_rule(bars, key),
        session_rule(bars, sessions),
        Rule("missing_close", ~np.isfinite(close), "close is given and finite", ("close",)),
        *_given_price_rules(bars),
        Rule("negative_volume", volume < 0, "volume is 0 shares or more", ("volume",)),
        *currency_rules(bars, None),
    ]
    return separate(bars, rules, key=key)


def check_fundamentals(
    statements: pd.DataFrame,
    *,
    companies: Mapping[str, str] | None = None,
    stored: pd.DataFrame | None = None,
    currency_code: str | None = None,
) -> Checked:
    """Separate statements that may be stored from those that go to quarantine.

    Parameters
    ----------
    statements : DataFrame of shape (n_statements, n_columns)
        Columns source_symbol, statement, period_end_date, published_at, currency_code and the
        figures of `raw.fundamentals` (currency, shares, currency per share).
    companies : mapping of source_symbol to company, optional
        Two share classes of one company may carry the same statement. A symbol that is not in the
        mapping is a company of its own.
    stored : DataFrame, optional
        Statements already stored, of the same columns: compared with, not judged again.
    currency_code : str, optional
        The only reporting currency allowed, ISO 4217.

    Notes
    -----
    Rules: missing_key, unknown_statement, missing_currency, unexpected_currency, infinite_figure,
    no_figures, published_before_period_end, another_companys_statement, conflicting_duplicate.

    `another_companys_statement` refuses rather than flags: a wrong balance sheet looks plausible in
    every ratio, and no later rule could find it. Which of the companies owns the figures decides
    `transforms.statement_owners`; where nothing tells, no company keeps them.
    """
    key = ("source_symbol", "statement", "period_end_date", "published_at")
    needed = ("source_symbol", "statement", "period_end_date")
    figures = np.column_stack([as_numbers(statements[name]) for name in FIGURES])
    rules = [
        missing_key_rule(statements, needed),
        Rule(
            "unknown_statement",
            ~statements["statement"].isin(STATEMENTS).to_numpy(dtype=bool),
            f"statement is one of {', '.join(STATEMENTS)}",
            ("statement",),
        ),
        *currency_rules(statements, currency_code),
        Rule("infinite_figure", np.any(np.isinf(figures), axis=1), "figures are finite", FIGURES),
        Rule("no_figures", np.all(np.isnan(figures), axis=1), "one figure at least is given", needed),
        _publication_rule(statements),
        _owner_rule(statements, companies or {}, stored),
    ]
    return separate(statements, rules, key=key)


def _exchange_rule(instruments: pd.DataFrame, exchange_codes: Collection[str]) -> Rule:
    exchange = instruments["exchange_code"]
    is_other = ~exchange.isin(list(exchange_codes)).to_numpy(dtype=bool)
    must_hold = f"exchange_code belongs to the home calendar ({', '.join(sorted(exchange_codes))})"
    return Rule("other_exchange", is_other & ~is_missing(exchange), must_hold, ("exchange_code",))


def _ticker_rule(instruments: pd.DataFrame) -> Rule:
    is_active = instruments["is_active"].to_numpy(dtype=bool, na_value=False)
    taken = np.zeros(len(instruments), dtype=bool)
    active = instruments[is_active]
    symbols = pd.Series(key_codes(active, ["source_symbol"]))
    tickers = pd.Series(key_codes(active, ["ticker"]))
    taken[is_active] = symbols.groupby(tickers).transform("nunique").to_numpy() > 1
    must_hold = "a ticker belongs to one active instrument"
    return Rule("ticker_taken", taken, must_hold, ("source_symbol", "ticker"))


def _ex_date_rules(records: pd.DataFrame, sessions: Days | None) -> list[Rule]:
    if sessions is None:
        return []
    is_closed = ~np.isin(as_days(records["ex_date"]), sessions.astype("datetime64[D]"))
    return [Rule("not_a_session", is_closed, "ex_date is a session", ("ex_date",))]


def _positive_rules(records: pd.DataFrame, column: str) -> list[Rule]:
    values = as_numbers(records[column])
    given = (column,)
    return [
        Rule(f"missing_{column}", ~np.isfinite(values), f"{column} is given and finite", given),
        Rule(f"non_positive_{column}", values <= 0, f"{column} is above 0", given),
    ]


def _given_price_rules(bars: pd.DataFrame) -> list[Rule]:
    """Check the prices that are there; comparisons with NaN are false."""
    first, high, low, close = (as_numbers(bars[name]) for name in PRICES)
    lowest = np.fmin(np.fmin(first, high), np.fmin(low, close))
    top = np.fmax(first, close) * (1 - ROUNDING)
    bottom = np.fmin(first, close) * (1 + ROUNDING)
    contradicts = (high < top) | (low > bottom) | (low > high * (1 + ROUNDING))
    return [
        Rule("non_positive_price", np.less_equal(lowest, 0), "prices are above 0", PRICES),
        Rule("price_order", contradicts, "low <= open, close <= high", PRICES),
    ]


def _publication_rule(statements: pd.DataFrame) -> Rule:
    published = pd.to_datetime(statements["published_at"], utc=True).dt.tz_localize(None)
    broken: Flags = as_days(published) < as_days(statements["period_end_date"])
    given = ("published_at", "period_end_date")
    must_hold = "a statement is published after its period"
    return Rule("published_before_period_end", broken, must_hold, given)


def _owner_rule(statements: pd.DataFrame, companies: Mapping[str, str], stored: pd.DataFrame | None) -> Rule:
    known = statements if stored is None else pd.concat([statements, stored[statements.columns]])
    owns = owns_its_figures(known, companies=companies)[: len(statements)]
    must_hold = "the figures are not those of another company's statement of the same period"
    given = ("source_symbol", "period_end_date", "revenue", "net_income", "total_assets")
    return Rule("another_companys_statement", ~owns, must_hold, given)
