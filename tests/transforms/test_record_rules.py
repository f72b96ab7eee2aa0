"""Hard rules for instruments, dividends, splits, benchmark bars and fundamentals."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from transforms.record_rules import (
    FIGURES,
    check_benchmark_bars,
    check_dividends,
    check_fundamentals,
    check_instruments,
    check_quotes,
    check_splits,
)

SESSIONS = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
INSTRUMENT = {
    "source_symbol": "a.us",
    "ticker": "A",
    "exchange_code": "XNYS",
    "listed_date": dt.date(2020, 1, 2),
    "delisted_date": None,
    "is_active": True,
    "metadata": {"cik": 1},
}
DIVIDEND = {
    "source_symbol": "A",
    "ex_date": dt.date(2024, 1, 2),
    "amount": 0.5,
    "currency_code": "USD",
}
SPLIT = {
    "source_symbol": "A",
    "ex_date": dt.date(2024, 1, 2),
    "shares_new": 4.0,
    "shares_old": 1.0,
}
INDEX_BAR = {
    "source_symbol": "INDEX",
    "trade_date": dt.date(2024, 1, 2),
    "open": 100.0,
    "high": 102.0,
    "low": 99.0,
    "close": 101.0,
    "volume": None,
    "currency_code": "USD",
}


def statement(symbol: str, year: int, size: float, **changes: object) -> dict[str, object]:
    """An annual statement whose seven main figures are multiples of `size`."""
    figures: dict[str, object] = dict.fromkeys(FIGURES)
    figures |= {
        "revenue": 2 * size,
        "net_income": 0.1 * size,
        "total_assets": 3 * size,
        "total_liabilities": 2 * size,
        "total_equity": size,
        "operating_cash_flow": 0.2 * size,
        "cash": 0.3 * size,
    }
    row: dict[str, object] = {
        "source_symbol": symbol,
        "statement": "annual",
        "period_end_date": dt.date(year, 12, 31),
        "published_at": None,
        "currency_code": "USD",
    }
    return row | figures | changes


def rules_of(refused: pd.DataFrame) -> list[str]:
    return refused["rule"].tolist()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ticker": None}, "missing_key"),
        ({"exchange_code": "XSTO"}, "other_exchange"),
        ({"delisted_date": dt.date(2019, 1, 2)}, "dates_reversed"),
    ],
)
def test_a_broken_instrument_is_refused(change: dict[str, object], rule: str):
    checked = check_instruments(pd.DataFrame([INSTRUMENT | change]), exchange_codes={"XNYS"})
    assert rules_of(checked.refused) == [rule]


def test_instruments_without_an_exchange_pass():
    frame = pd.DataFrame([INSTRUMENT | {"exchange_code": None}])
    assert len(check_instruments(frame, exchange_codes={"XNYS"}).accepted) == 1


def test_a_ticker_belongs_to_one_active_instrument():
    other = INSTRUMENT | {"source_symbol": "b.us"}
    gone = INSTRUMENT | {"source_symbol": "c.us", "is_active": False}
    checked = check_instruments(pd.DataFrame([INSTRUMENT, other, gone, INSTRUMENT]))
    assert rules_of(checked.refused) == ["ticker_taken", "ticker_taken"]
    assert checked.accepted["source_symbol"].tolist() == ["c.us"]
    assert checked.n_exact_duplicates == 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ex_date": None}, "missing_key"),
        ({"ex_date": dt.date(2024, 1, 6)}, "not_a_session"),
        ({"amount": None}, "missing_amount"),
        ({"amount": 0.0}, "non_positive_amount"),
        ({"currency_code": "EUR"}, "unexpected_currency"),
    ],
)
def test_a_broken_dividend_is_refused(change: dict[str, object], rule: str):
    frame = pd.DataFrame([DIVIDEND | change])
    checked = check_dividends(frame, sessions=SESSIONS, currency_code="USD")
    assert rules_of(checked.refused) == [rule]


def test_a_dividend_on_any_day_passes_without_sessions():
    frame = pd.DataFrame([DIVIDEND | {"ex_date": dt.date(2024, 1, 6)}])
    assert len(check_dividends(frame).accepted) == 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"source_symbol": None}, "missing_key"),
        ({"shares_new": np.inf}, "missing_shares_new"),
        ({"shares_old": 0.0}, "non_positive_shares_old"),
    ],
)
def test_a_broken_split_is_refused(change: dict[str, object], rule: str):
    checked = check_splits(pd.DataFrame([SPLIT | change]), sessions=SESSIONS)
    assert rules_of(checked.refused) == [rule]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"close": None}, "missing_close"),
        ({"open": 0.0}, "non_positive_price"),
        ({"low": 101.5}, "price_order"),
        ({"high": 100.5, "open": None}, "price_order"),
        ({"volume": -1}, "negative_volume"),
        ({"trade_date": dt.date(2024, 1, 6)}, "not_a_session"),
    ],
)
def test_a_broken_index_bar_is_refused(change: dict[str, object], rule: str):
    checked = check_benchmark_bars(pd.DataFrame([INDEX_BAR | change]), sessions=SESSIONS)
    assert rules_of(checked.refused) == [rule]


def test_an_index_needs_only_its_close():
    frame = pd.DataFrame([INDEX_BAR | {"open": None, "high": None, "low": None}])
    assert len(check_benchmark_bars(frame, sessions=SESSIONS).accepted) == 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"period_end_date": None}, "missing_key"),
        ({"statement": "monthly"}, "unknown_statement"),
        ({"currency_code": None}, "missing_currency"),
        ({"cash": np.inf}, "infinite_figure"),
        (dict.fromkeys(FIGURES), "no_figures"),
        ({"published_at": pd.Timestamp("2020-06-01", tz="UTC")}, "published_before_period_end"),
    ],
)
def test_a_broken_statement_is_refused(change: dict[str, object], rule: str):
    checked = check_fundamentals(pd.DataFrame([statement("A", 2020, 1e6) | change]))
    assert rules_of(checked.refused) == [rule]


def test_a_restatement_is_another_record():
    first, second = pd.Timestamp("2021-02-01", tz="UTC"), pd.Timestamp("2021-05-01", tz="UTC")
    frame = pd.DataFrame(
        [
            statement("A", 2020, 1e6, published_at=first),
            statement("A", 2020, 1.1e6, published_at=second),
        ]
    )
    assert len(check_fundamentals(frame).accepted) == 2


def test_a_copied_statement_is_refused_where_its_history_says_so():
    big = [statement("BIG", 2019, 1e9), statement("BIG", 2020, 1.1e9)]
    small = [statement("SMALL", 2019, 1e6), statement("SMALL", 2020, 1.1e9)]
    frame = pd.DataFrame([*big, *small])
    refused = check_fundamentals(frame).refused
    assert refused["source_symbol"].tolist() == ["SMALL"]
    assert rules_of(refused) == ["another_companys_statement"]


def confused_feed() -> pd.DataFrame:
    """COPY has had OWNER's figures from the start; only the first year's record tells whose they are."""
    march = {year: pd.Timestamp(f"{year + 1}-03-01", tz="UTC") for year in (2019, 2020, 2021)}
    owner = [statement("OWNER", year, 1e6 * 1.5 ** (year - 2019), published_at=march[year]) for year in march]
    copy = [row | {"source_symbol": "COPY"} for row in owner]
    return pd.DataFrame([owner[0] | {"eps": 1.5}, *owner[1:], *copy])


def test_who_gave_the_fuller_record_once_owns_what_is_shared_later():
    assert check_fundamentals(confused_feed()).refused["source_symbol"].tolist() == ["COPY"] * 3


def test_statements_that_come_year_by_year_are_judged_as_all_at_once():
    feed = confused_feed()
    stored, refused = feed.iloc[:0], []
    for _, year in feed.groupby("published_at"):
        checked = check_fundamentals(year, stored=stored if len(stored) else None)
        refused += checked.refused["source_symbol"].tolist()
        stored = pd.concat([stored, checked.accepted]) if len(stored) else checked.accepted
    assert refused == ["COPY"] * 3


def test_a_statement_is_not_judged_by_what_was_published_after_it():
    early, late = pd.Timestamp("2021-02-01", tz="UTC"), pd.Timestamp("2021-05-01", tz="UTC")
    first = statement("A", 2020, 1e6, published_at=early)
    fuller = statement("B", 2020, 1e6, published_at=late, eps=1.5)
    assert check_fundamentals(pd.DataFrame([first, fuller])).refused.empty


def test_nobody_keeps_a_shared_statement_when_nothing_tells_the_owner():
    frame = pd.DataFrame([statement("A", 2020, 1e6), statement("B", 2020, 1e6)])
    assert check_fundamentals(frame).refused["source_symbol"].tolist() == ["A", "B"]


def test_share_classes_of_one_company_share_their_statements():
    frame = pd.DataFrame([statement("A.A", 2020, 1e6), statement("A.B", 2020, 1e6)])
    checked = check_fundamentals(frame, companies={"A.A": "A", "A.B": "A"})
    assert checked.refused.empty


def test_equal_figures_of_different_periods_are_no_copy():
    frame = pd.DataFrame([statement("A", 2019, 1e6), statement("B", 2020, 1e6)])
    assert check_fundamentals(frame).refused.empty


def test_a_copy_of_a_stored_statement_is_found():
    stored = pd.DataFrame([statement("OWNER", 2020, 1e6, eps=1.5)])
    checked = check_fundamentals(pd.DataFrame([statement("COPY", 2020, 1e6)]), stored=stored)
    assert checked.refused["source_symbol"].tolist() == ["COPY"]
    assert len(checked.accepted) == 0


def test_real_statements_of_another_company_are_refused(real_folder):
    raw = pd.read_parquet(real_folder / "fundamentals.parquet")
    securities = pd.read_parquet(real_folder / "securities.parquet")
    frame = raw.rename(
        columns={
            "ticker": "source_symbol",
            "period_end": "period_end_date",
            "shares_outstanding_estimate": "shares_outstanding",
        }
    ).assign(statement="annual", currency_code="USD")
    frame["published_at"] = pd.to_datetime(frame["period_end_date"], utc=True) + pd.Timedelta(days=90)
    companies = dict(zip(securities["ticker"], securities["cik"].astype(str), strict=True))
    checked = check_fundamentals(frame, companies=companies)
    # A household-goods giant with the balance sheet of a biotechnology company, four years long.
    assert len(set(checked.refused["source_symbol"])) == 1
    assert rules_of(checked.refused) == ["another_companys_statement"] * 4


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"quoted_at": "2024-06-26T23:36:00Z"}, "quoted_in_the_future"),
        ({"currency_code": "EUR"}, "another_currency"),
        ({"price": 0.0}, "non_positive_price"),
        ({"quoted_at": "2024-06-26T23:34:00Z"}, None),
    ],
)
def test_a_quote_is_of_now_and_in_the_currency_of_its_listing(change: dict[str, object], rule: str | None):
    row = {"source_symbol": "A", "quoted_at": "2024-06-26T23:29:00Z", "price": 5.0, "currency_code": "USD"} | change
    frame = pd.DataFrame([row]).assign(quoted_at=lambda rows: pd.to_datetime(rows["quoted_at"], utc=True))
    checked = check_quotes(frame, now=pd.Timestamp("2024-06-26T23:30:00Z"), currencies={"A": "USD"})
    assert checked.refused["rule"].tolist() == ([rule] if rule else [])
