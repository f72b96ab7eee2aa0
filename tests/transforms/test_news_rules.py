"""Hard rules for news articles, exchange rates and market holidays."""

import datetime as dt

import pandas as pd
import pytest

from transforms.news_rules import check_fx_rates, check_market_holidays, check_news_articles, check_ticker_events

NOW = pd.Timestamp("2024-06-03T20:00:00Z")
ARTICLE = {
    "source_article_id": "a1",
    "published_at": pd.Timestamp("2024-06-03T14:00:00Z"),
    "title": "Acme beats expectations",
    "sentiment": 0.4,
    "sentiment_by": "wire",
}
RATE = {
    "base_currency_code": "EUR",
    "quote_currency_code": "USD",
    "rate_date": dt.date(2024, 6, 3),
    "rate": 1.0855,
}
HOLIDAY = {"exchange_code": "XNYS", "holiday_date": dt.date(2024, 7, 4), "status": "closed"}


EVENT = {"source_symbol": "META", "changed_date": dt.date(2022, 6, 9), "former_symbol": "FB"}


def verdict(check, record, **changes):
    checked = check(pd.DataFrame([{**record, **changes}]))
    return "accepted" if len(checked.accepted) else checked.refused["rule"].item()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "accepted"),
        ({"sentiment": None, "sentiment_by": None}, "accepted"),
        ({"sentiment": -1.0}, "accepted"),
        ({"published_at": NOW}, "accepted"),
        ({"source_article_id": ""}, "missing_key"),
        ({"published_at": None}, "missing_key"),
        ({"title": None}, "missing_title"),
        ({"sentiment": 1.2}, "sentiment_range"),
        ({"sentiment": float("-inf")}, "sentiment_range"),
        ({"sentiment_by": None}, "sentiment_of_nobody"),
        ({"published_at": pd.Timestamp("2024-06-03T20:00:01Z")}, "published_in_the_future"),
    ],
)
def test_an_article_is_refused_by_the_rule_that_it_breaks(changes, expected):
    assert verdict(lambda rows: check_news_articles(rows, now=NOW), ARTICLE, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "accepted"),
        ({"rate_date": None}, "missing_key"),
        ({"base_currency_code": "eur"}, "unknown_currency"),
        ({"quote_currency_code": "EUR"}, "same_currency"),
        ({"rate": None}, "missing_rate"),
        ({"rate": 0.0}, "non_positive_rate"),
    ],
)
def test_a_rate_is_refused_by_the_rule_that_it_breaks(changes, expected):
    assert verdict(check_fx_rates, RATE, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "accepted"), ({"exchange_code": None}, "missing_key"), ({"status": "lunch"}, "unknown_status")],
)
def test_a_holiday_is_refused_by_the_rule_that_it_breaks(changes, expected):
    assert verdict(check_market_holidays, HOLIDAY, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "accepted"),
        ({"changed_date": None}, "missing_key"),
        ({"former_symbol": None}, "missing_former_symbol"),
        ({"former_symbol": "META"}, "same_symbol"),
    ],
)
def test_a_renaming_is_refused_by_the_rule_that_it_breaks(changes, expected):
    assert verdict(check_ticker_events, EVENT, **changes) == expected


def test_an_article_that_comes_twice_counts_once_and_two_that_differ_are_both_refused():
    other = {**ARTICLE, "source_article_id": "a2"}
    rows = pd.DataFrame([ARTICLE, ARTICLE, other, {**other, "title": "Acme misses expectations"}])
    checked = check_news_articles(rows, now=NOW)
    assert checked.accepted["source_article_id"].tolist() == ["a1"]
    assert checked.n_exact_duplicates == 1
    assert checked.refused["rule"].tolist() == ["conflicting_duplicate"] * 2
