"""The tone of articles, judged once and kept."""

from typing import Any

import psycopg
import pytest

from models.sentiment import NAME, model_version
from orchestration.defs.news.assets import (
    every_article_is_judged,
    news_sentiment,
    tones_agree_with_the_sources_own,
)
from tests.orchestration.defs.conftest import WarehouseOfTest


class News:
    """Articles as dbt leaves them, and what became of them."""

    def __init__(self, connection: psycopg.Connection, url: str) -> None:
        self._connection = connection
        self._warehouse = WarehouseOfTest(address=url)
        connection.execute(
            "create table marts.fct_news_articles (article_id text primary key, published_at timestamptz, title text,"
            " summary text, sentiment double precision, sentiment_by text)"
        )

    def write(self, article_id: str, title: str, *, own: float | None = None) -> None:
        self._connection.execute("delete from marts.fct_news_articles where article_id = %s", [article_id])
        self._connection.execute(
            "insert into marts.fct_news_articles values (%s, '2024-06-03 14:00Z', %s, null, %s, %s)",
            [article_id, title, own, "wire" if own is not None else None],
        )

    def judge(self) -> Any:
        """Run the asset."""
        return news_sentiment(warehouse=self._warehouse)

    def checks(self) -> list[Any]:
        """Run both checks."""
        checks = (every_article_is_judged, tones_agree_with_the_sources_own)
        return [check(warehouse=self._warehouse) for check in checks]

    def tones(self) -> dict[tuple[str, str], float]:
        rows = self._connection.execute("select article_id, model_name, sentiment from research.news_sentiment")
        return {(article, model): tone for article, model, tone in rows.fetchall()}

    def execute(self, sql: str) -> list[tuple]:
        return self._connection.execute(sql).fetchall()


@pytest.fixture
def news(database: Any):
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        made = News(connection, database.url)
        connection.execute("grant select on marts.fct_news_articles to factorloom_writer")
        yield made


def test_each_article_has_our_tone_and_the_sources_own_where_it_has_one(news):
    news.write("n1", "Acme shares plunge", own=-0.9)
    news.write("n2", "Acme beats expectations")
    assert [check.passed for check in news.checks()] == [False, True]
    news.judge()
    tones = news.tones()
    assert set(tones) == {("n1", NAME), ("n1", "wire"), ("n2", NAME)}
    assert tones["n1", NAME] < 0 < tones["n2", NAME]
    assert tones["n1", "wire"] == -0.9
    assert [check.passed for check in news.checks()] == [True, True]
    versions = news.execute("select distinct model_name, model_version from research.news_sentiment order by 1")
    assert versions == [(NAME, model_version()), ("wire", "as_given")]


def test_a_second_run_judges_nothing_and_writes_nothing(news):
    news.write("n1", "Acme shares plunge", own=-0.9)
    news.judge()
    before = news.execute("select article_id, model_name, computed_at from research.news_sentiment order by 1, 2")
    metadata = news.judge().metadata
    assert (metadata["newly_judged"], metadata["inserted"], metadata["updated"], metadata["deleted"]) == (0, 0, 0, 0)
    assert (
        news.execute("select article_id, model_name, computed_at from research.news_sentiment order by 1, 2") == before
    )


def test_another_text_is_judged_anew_and_so_is_all_by_another_model(news):
    news.write("n1", "Acme shares plunge")
    news.write("n2", "Acme beats expectations")
    news.judge()
    news.write("n1", "Acme shares surge")
    assert news.judge().metadata["newly_judged"] == 1
    assert news.tones()["n1", NAME] > 0
    news.execute("update research.news_sentiment set model_version = 'older' returning 1")
    assert news.judge().metadata["newly_judged"] == 2


def test_a_tone_of_an_article_that_is_gone_goes_too(news):
    news.write("n1", "Acme shares plunge", own=-0.9)
    news.judge()
    news.write("n1", "Acme shares plunge")
    assert news.judge().metadata["deleted"] == 1
    assert set(news.tones()) == {("n1", NAME)}


def test_tones_opposite_to_the_sources_own_are_shown(news):
    for number in range(5):
        news.write(f"n{number}", "Acme shares plunge after fraud", own=0.9 if number == 0 else -0.9)
    news.judge()
    check = news.checks()[1]
    assert not check.passed
    assert check.metadata["opposite_share"].value == pytest.approx(0.2)
    assert "plunge" in check.metadata["sample"].md_str


def test_without_news_there_is_nothing_to_judge(news):
    assert news.judge().metadata["newly_judged"] == 0
