"""News, exchange rates and holidays out of files."""

import datetime as dt

MAPPING = """
bars:
  file: bars.csv
  constants: {currency_code: USD, adjustment: none}
news:
  file: news.csv
  columns: {title: Headline}
fx_rates:
  file: fx.csv
  constants: {quote_currency_code: USD}
market_holidays:
  file: holidays.csv
  constants: {exchange_code: XNYS, status: closed}
"""
NEWS = """id,published,Headline,symbols
n1,2024-07-03T14:00:00Z,Aaa wins a contract,AAA BRK-B
n2,2024-07-06T12:00:00-04:00,A weekend,"[""AAA""]"
n3,2024-07-08T21:30:00Z,Nobody in particular,
n4,2024-07-08 12:00,No time zone,AAA
"""
FX = "base,date,rate\nEUR,2024-07-03,1.08\nEUR,2024-07-08,1.0825\nSEK,2024-07-08,x\n"
FILES = {"news.csv": NEWS, "fx.csv": FX, "holidays.csv": "date,name\n2024-07-04,Independence Day\n"}


def test_symbols_of_news_may_be_written_with_blanks_or_as_json(write, read):
    rows, refused = read(write(mapping=MAPPING, **FILES), "news_articles")
    assert [row["source_symbols"] for row in rows] == ['["AAA", "BRK-B"]', '["AAA"]', "[]"]
    assert rows[0]["published_at"] == dt.datetime(2024, 7, 3, 14, tzinfo=dt.UTC)
    assert [(one.record_key, one.rule) for one in refused] == [("n4", "unreadable_cell")]


def test_news_of_a_weekend_comes_with_the_window_of_the_next_session(write, read):
    source = write(mapping=MAPPING, **FILES)
    monday = dt.date(2024, 7, 8)
    before, _ = read(source, "news_articles", dt.date(2024, 7, 3), dt.date(2024, 7, 5))
    on_monday, _ = read(source, "news_articles", monday, monday)
    assert [row["source_article_id"] for row in before] == ["n1"]
    assert [row["source_article_id"] for row in on_monday] == ["n2", "n3"]


def test_rates_come_by_day_and_one_that_is_no_number_is_refused(write, read):
    source = write(mapping=MAPPING, **FILES)
    rows, refused = read(source, "fx_rates", dt.date(2024, 7, 8), dt.date(2024, 7, 8))
    assert rows == [
        {"base_currency_code": "EUR", "quote_currency_code": "USD", "rate_date": dt.date(2024, 7, 8), "rate": 1.0825}
    ]
    assert [one.record_key for one in refused] == ["SEK|USD|2024-07-08"]


def test_holidays_need_no_window(write):
    (batch,) = write(mapping=MAPPING, **FILES).market_holidays()
    assert batch.rows.to_pylist() == [
        {
            "exchange_code": "XNYS", "holiday_date": dt.date(2024, 7, 4), "name": "Independence Day",
            "status": "closed", "closes_at": None,
        }
    ]  # fmt: skip


def test_a_folder_without_news_has_no_news(write):
    assert "news_articles" not in write().entities
    assert {"news_articles", "fx_rates", "market_holidays"} <= write(mapping=MAPPING, **FILES).entities
