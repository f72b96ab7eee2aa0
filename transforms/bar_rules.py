"""Hard rules for daily bars: what does not pass here never reaches the warehouse."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from transforms.days import Days, as_days
from transforms.numbers import as_numbers
from transforms.refusals import Checked, Flags, Rule, separate

KEY = ("source_symbol", "trade_date")
PRICES = ("open", "high", "low", "close")
ADJUSTMENTS = ("none", "splits", "splits_dividends")

# Adding and comparing in binary leaves the last digit of an adjusted price open.
ROUNDING = 1e-9


def check_bars(
    bars: pd.DataFrame,
    *,
    sessions: Days,
    currency_code: str | None = None,
    currencies: Mapping[str, str] | None = None,
) -> Checked:
    """Separate the bars that may be stored from those that go to quarantine.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Columns source_symbol, trade_date, open, high, low, close (currency per share), volume
        (shares), currency_code, adjustment; others are carried along.
    sessions : ndarray of datetime64[D], shape (n_sessions,)
        Trading days of the calendar that cover the bars.
    currency_code : str, optional
        The only currency allowed, ISO 4217; without it any currency passes, but not a missing one.
    currencies : mapping of source_symbol to currency, optional
        Currency of each listing, where it is known.

    Returns
    -------
    Checked
        received = accepted + refused + exact duplicates.

    Notes
    -----
    Rules in order of precedence: missing_key, not_a_session, missing_price (null or infinite; also
    open, high or low: a bar without its range can be checked by nothing else),
    non_positive_price, price_order, missing_volume, negative_volume, missing_currency,
    unexpected_currency, unknown_adjustment, another_currency, conflicting_duplicate.
    """
    rules = bar_rules(bars, sessions=sessions, currency_code=currency_code)
    return separate(bars, [*rules, listing_rule(bars, currencies or {})], key=KEY)


def bar_rules(bars: pd.DataFrame, *, sessions: Days, currency_code: str | None) -> list[Rule]:
    """Evaluate each hard rule for bars; see `check_bars`."""
    return [
        missing_key_rule(bars, KEY),
        session_rule(bars, sessions),
        *price_rules(bars),
        *_volume_rules(bars),
        *currency_rules(bars, currency_code),
        Rule(
            "unknown_adjustment",
            ~bars["adjustment"].isin(ADJUSTMENTS).to_numpy(dtype=bool),
            f"adjustment is one of {', '.join(ADJUSTMENTS)}",
            ("adjustment",),
        ),
    ]


def missing_key_rule(records: pd.DataFrame, key: tuple[str, ...]) -> Rule:
    """Refuse records without one of their key columns; an empty text counts as missing."""
    broken = np.zeros(len(records), dtype=bool)
    for column in key:
        broken |= is_missing(records[column])
    return Rule("missing_key", broken, f"{' and '.join(key)} are given", key)


def is_missing(values: pd.Series) -> Flags:
    """Flag nulls and empty texts; shape (n,)."""
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_string_dtype(values.dtype):
        missing = missing | (values == "").to_numpy(dtype=bool, na_value=True)
    return missing


def session_rule(records: pd.DataFrame, sessions: Days) -> Rule:
    """Refuse records of a day on which the exchange is closed."""
    days = as_days(records["trade_date"])
    return Rule(
        "not_a_session",
        ~np.isin(days, sessions.astype("datetime64[D]")),
        "trade_date is a session of the home calendar, no weekend and no holiday",
        ("trade_date",),
    )


def price_rules(records: pd.DataFrame) -> list[Rule]:
    """Refuse missing, non-positive and contradictory prices."""
    prices = {name: as_numbers(records[name]) for name in PRICES}
    missing = np.zeros(len(records), dtype=bool)
    non_positive = np.zeros(len(records), dtype=bool)
    for values in prices.values():
        missing |= ~np.isfinite(values)
        non_positive |= values <= 0
    top = np.maximum(prices["open"], prices["close"])
    bottom = np.minimum(prices["open"], prices["close"])
    contradicts = (prices["low"] > bottom * (1 + ROUNDING)) | (prices["high"] < top * (1 - ROUNDING))
    return [
        Rule("missing_price", missing, "all four prices are given and finite", PRICES),
        Rule("non_positive_price", non_positive, "all four prices are above 0", PRICES),
        Rule("price_order", contradicts, "low <= open, close <= high", PRICES),
    ]


def _volume_rules(bars: pd.DataFrame) -> list[Rule]:
    volume = as_numbers(bars["volume"])
    return [
        Rule("missing_volume", ~np.isfinite(volume), "volume is given and finite", ("volume",)),
        Rule("negative_volume", volume < 0, "volume is 0 shares or more", ("volume",)),
    ]


def listing_rule(records: pd.DataFrame, currencies: Mapping[str, str]) -> Rule:
    """Refuse records in another currency than that of their symbol's listing; a symbol without a known one passes."""
    listed = records["source_symbol"].map(currencies)
    differs = (listed.notna() & (listed != records["currency_code"])).to_numpy(dtype=bool, na_value=False)
    return Rule("another_currency", differs, "currency_code is that of the listing", ("source_symbol", "currency_code"))


def currency_rules(records: pd.DataFrame, currency_code: str | None) -> list[Rule]:
    """Refuse records without a currency, or in another one than `currency_code`."""
    given = ("currency_code",)
    rules = [Rule("missing_currency", is_missing(records["currency_code"]), "a currency is given", given)]
    if currency_code is not None:
        unexpected = (records["currency_code"] != currency_code).to_numpy(dtype=bool, na_value=True)
        rules.append(Rule("unexpected_currency", unexpected, f"currency_code is {currency_code}", given))
    return rules
