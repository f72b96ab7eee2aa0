"""Hard rules for news articles, exchange rates, market holidays and renamings."""

import numpy as np
import pandas as pd

from transforms.bar_rules import is_missing, missing_key_rule
from transforms.numbers import as_numbers
from transforms.refusals import Checked, Rule, separate

HOLIDAY_STATUSES = ("closed", "early_close")
CURRENCY = r"[A-Z]{3}"


def check_news_articles(articles: pd.DataFrame, *, now: pd.Timestamp | None = None) -> Checked:
    """Separate articles that may be stored from those that go to quarantine.

    Parameters
    ----------
    articles : DataFrame of shape (n_articles, n_columns)
        Columns source_article_id, published_at (UTC), title, sentiment (from -1 to 1), sentiment_by.
    now : Timestamp, optional
        Timezone-aware; nothing is published after it.

    Notes
    -----
    Rules: missing_key, missing_title, published_in_the_future, sentiment_range, sentiment_of_nobody,
    conflicting_duplicate.
    """
    key = ("source_article_id",)
    sentiment = as_numbers(articles["sentiment"])
    out_of_range = np.isinf(sentiment) | (np.abs(sentiment) > 1)
    of_nobody = ~np.isnan(sentiment) & is_missing(articles["sentiment_by"])
    rules = [
        missing_key_rule(articles, ("source_article_id", "published_at")),
        Rule("missing_title", is_missing(articles["title"]), "a title is given", ("source_article_id",)),
        Rule("sentiment_range", out_of_range, "sentiment lies between -1 and 1", ("sentiment",)),
        Rule("sentiment_of_nobody", of_nobody, "a sentiment says by whom it is", ("sentiment", "sentiment_by")),
    ]
    if now is not None:
        published = pd.to_datetime(articles["published_at"], utc=True)
        must_hold = f"published_at is not after {now.isoformat()}"
        rules.append(
            Rule("published_in_the_future", (published > now).to_numpy(dtype=bool), must_hold, ("published_at",))
        )
    return separate(articles, rules, key=key)


def check_fx_rates(rates: pd.DataFrame) -> Checked:
    """Separate exchange rates that may be stored from those that go to quarantine.

    Parameters
    ----------
    rates : DataFrame of shape (n_rates, n_columns)
        Columns base_currency_code, quote_currency_code, rate_date, rate (quote currency per base currency).

    Notes
    -----
    Rules: missing_key, unknown_currency, same_currency, missing_rate, non_positive_rate, conflicting_duplicate.
    """
    pair = ("base_currency_code", "quote_currency_code")
    key = (*pair, "rate_date")
    base, quote = (rates[column].astype("string").fillna("") for column in pair)
    unknown = ~(base.str.fullmatch(CURRENCY) & quote.str.fullmatch(CURRENCY)).to_numpy(dtype=bool)
    rate = as_numbers(rates["rate"])
    rules = [
        missing_key_rule(rates, key),
        Rule("unknown_currency", unknown, "currencies are ISO 4217 codes such as USD", pair),
        Rule("same_currency", (base == quote).to_numpy(dtype=bool), "the currencies of a pair differ", pair),
        Rule("missing_rate", ~np.isfinite(rate), "rate is given and finite", ("rate",)),
        Rule("non_positive_rate", rate <= 0, "rate is above 0", ("rate",)),
    ]
    return separate(rates, rules, key=key)


def check_market_holidays(holidays: pd.DataFrame) -> Checked:
    """Separate market holidays that may be stored from those that go to quarantine.

    Parameters
    ----------
    holidays : DataFrame of shape (n_holidays, n_columns)
        Columns exchange_code, holiday_date, status.

    Notes
    -----
    Rules: missing_key, unknown_status, conflicting_duplicate.
    """
    key = ("exchange_code", "holiday_date")
    unknown = ~holidays["status"].isin(HOLIDAY_STATUSES).to_numpy(dtype=bool)
    must_hold = f"status is one of {', '.join(HOLIDAY_STATUSES)}"
    rules = [missing_key_rule(holidays, key), Rule("unknown_status", unknown, must_hold, ("status",))]
    return separate(holidays, rules, key=key)


def check_ticker_events(events: pd.DataFrame) -> Checked:
    """Separate renamings that may be stored from those that go to quarantine.

    Parameters
    ----------
    events : DataFrame of shape (n_events, n_columns)
        Columns source_symbol, changed_date, former_symbol.

    Notes
    -----
    Rules: missing_key, missing_former_symbol, same_symbol, conflicting_duplicate.
    """
    key = ("source_symbol", "changed_date")
    both = ("source_symbol", "former_symbol")
    same = (events["source_symbol"] == events["former_symbol"]).to_numpy(dtype=bool, na_value=False)
    rules = [
        missing_key_rule(events, key),
        Rule("missing_former_symbol", is_missing(events["former_symbol"]), "a former symbol is given", both),
        Rule("same_symbol", same, "a renaming changes the symbol", both),
    ]
    return separate(events, rules, key=key)
