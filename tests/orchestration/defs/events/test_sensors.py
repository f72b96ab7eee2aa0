"""Batches told once, and events handled once, on real ticks."""

import datetime as dt
import json
from typing import Any

import dagster as dg
import psycopg
import pytest

from orchestration.defs.events.sensors import batches_told, holding_signals
from orchestration.job_runs import CORRELATION_TAG
from tests.orchestration.defs.requests.test_sensors import InstallationAt, WarehouseAt
from warehouse.secrets import LOCAL_OWNER_ID

pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")

PORTFOLIO = "018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4e"


class Ticks:
    """Ticks sensors on one instance, keeping their cursors unless told otherwise."""

    def __init__(self, url: str) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.warehouse = WarehouseAt(address=url)
        self.cursors: dict[str, str | None] = {}

    def tick(self, sensor: dg.SensorDefinition, *, forget: bool = False) -> str:
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=None if forget else self.cursors.get(sensor.name),
            resources={"warehouse": self.warehouse, "market_data": InstallationAt()},
        ) as context:
            data = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = data.cursor
        return data.skip_message or ""


@pytest.fixture
def ticks(database: Any) -> Any:
    ticks = Ticks(database.url)
    yield ticks
    ticks.instance.dispose()


def version(connection: psycopg.Connection, dataset: str, name: str, day: str = "2024-06-27") -> None:
    connection.execute(
        "insert into app.dataset_versions (dataset, version, as_of_date) values (%s, %s, %s)"
        " on conflict (dataset) do update set version = excluded.version, as_of_date = excluded.as_of_date",
        [dataset, name, day],
    )


def signal(connection: psycopg.Connection, instrument_id: str, day: str, signal: str, rank: int) -> None:
    connection.execute(
        "insert into research.signals (model_id, as_of_date, instrument_id, confidence, rank, signal)"
        " values ('ensemble', %s, %s, 0.5, %s, %s)",
        [day, instrument_id, rank, signal],
    )


def events(connection: psycopg.Connection, *types: str) -> list[Any]:
    return connection.execute(
        "select type, payload, user_id::text, correlation_id from app.events where type = any(%s) order by event_id",
        [list(types)],
    ).fetchall()


def test_each_version_of_prices_is_told_once_under_the_id_of_its_request(market: Any, ticks: Ticks) -> None:
    assert ticks.tick(batches_told) == "no table has a version that was not told of"
    for name, volume in (("a", 10), ("b", 900), ("c", 50)):
        market.connection.execute(
            "insert into raw.daily_bars (source, source_symbol, trade_date, open, high, low, close, volume,"
            " currency_code, adjustment) values ('test', %s, '2024-06-27', 1, 1, 1, 1, %s, 'USD', 'none')",
            [f"{name}.X", volume],
        )
    version(market.connection, "raw.daily_bars", "v1")

    @dg.asset(key=["raw", "daily_bars"])
    def bars() -> None:
        """Stand for the table."""

    dg.materialize([bars], instance=ticks.instance, tags={CORRELATION_TAG: "request-7"})
    assert ticks.tick(batches_told) == "told of 1 new versions in 1 events"
    assert ticks.tick(batches_told, forget=True) == "no table has a version that was not told of"
    [(_, payload, user_id, correlation_id)] = events(market.connection, "price.updated")
    assert payload == {
        "dataset": "raw.daily_bars", "as_of_date": "2024-06-27", "n_symbols": 3, "top_symbols": ["BBB", "CCC", "AAA"],
    }  # fmt: skip
    assert (user_id, correlation_id) == (None, "request-7")
    version(market.connection, "raw.daily_bars", "v2")
    ticks.tick(batches_told)
    assert len(events(market.connection, "price.updated")) == 2


def test_new_signals_are_told_with_what_has_changed_and_reach_holdings_and_their_owner(
    market: Any, ticks: Ticks
) -> None:
    connection = market.connection
    connection.execute(
        "insert into app.portfolios (portfolio_id, user_id, name, currency_code) values (%s, %s, 'P', 'USD')",
        [PORTFOLIO, LOCAL_OWNER_ID],
    )
    for name in ("a", "b"):
        connection.execute(
            "insert into app.holdings (portfolio_id, instrument_id, user_id, quantity_shares) values (%s, %s, %s, 1)",
            [PORTFOLIO, name, LOCAL_OWNER_ID],
        )
    connection.execute(
        "insert into app.events (type, user_id, subject, payload) values ('portfolio.changed', %s, %s, %s)",
        [LOCAL_OWNER_ID, PORTFOLIO, json.dumps({"change": "holdings"})],
    )
    for name, rank in (("a", 1), ("b", 2), ("c", 3)):
        signal(connection, name, "2024-06-26", "hold", rank)
    assert ticks.tick(holding_signals) == "handled 1 events"
    held = "select instrument_id, signal, previous_signal from app.holding_signals order by 1"
    assert connection.execute(held).fetchall() == [("a", "hold", None), ("b", "hold", None)]
    assert events(connection, "signal.changed") == []

    for name, word, rank in (("a", "buy", 1), ("b", "hold", 2), ("c", "sell", 3)):
        signal(connection, name, "2024-06-27", word, rank)
    version(connection, "research.signals", "v1")
    assert ticks.tick(batches_told) == "told of 1 new versions in 2 events"
    [(_, generated, _, _)] = events(connection, "signal.generated")
    assert (generated["n_signals"], generated["top_symbols"]) == (3, ["AAA", "BBB", "CCC"])
    [(_, changed, _, _)] = events(connection, "signal.changed")
    assert (changed["n_changed"], changed["changes"]) == (
        2, [{"ticker": "AAA", "from": "hold", "to": "buy"}, {"ticker": "CCC", "from": "hold", "to": "sell"}],
    )  # fmt: skip

    assert ticks.tick(holding_signals) == "handled 1 events"
    assert ticks.tick(holding_signals) == "no signal and no portfolio has changed"
    assert connection.execute(held).fetchall() == [("a", "buy", "hold"), ("b", "hold", None)]
    own = [payload for _, payload, user_id, _ in events(connection, "signal.changed") if user_id == LOCAL_OWNER_ID]
    assert [one["changes"] for one in own] == [[{"instrument_id": "a", "ticker": "AAA", "from": "hold", "to": "buy"}]]
    handled = connection.execute("select outcome from app.event_handlings order by event_id").fetchall()
    assert handled[-1] == ("refreshed the signals of 2 holdings",)


def test_news_and_tones_are_told_by_what_stands_out(market: Any, ticks: Ticks) -> None:
    connection = market.connection
    connection.execute("create table marts.fct_news_articles (article_id text, instrument_ids text[])")
    for number, (day, name, tone) in enumerate(
        [("2024-06-15", "a", -0.5), ("2024-06-26", "a", 0.5), ("2024-06-15", "b", 0.1), ("2024-06-26", "b", 0.2)]
    ):
        at = dt.datetime.fromisoformat(f"{day}T12:00:00+00:00")
        connection.execute("insert into marts.fct_news_articles values (%s, %s)", [str(number), [name]])
        connection.execute(
            "insert into research.news_sentiment (article_id, model_name, model_version, published_at, sentiment)"
            " values (%s, 'm', '1', %s, %s)",
            [str(number), at, tone],
        )
        connection.execute(
            "insert into raw.news_articles (source, source_article_id, published_at, title, source_symbols)"
            " values ('test', %s, %s, 't', %s)",
            [str(number), at, json.dumps([f"{name}.X"])],
        )
    version(connection, "raw.news_articles", "v1")
    version(connection, "research.news_sentiment", "v1")
    assert ticks.tick(batches_told) == "told of 2 new versions in 2 events"
    [(_, news, _, _)] = events(connection, "news.ingested")
    assert (news["n_articles_of_last_day"], news["top_symbols"]) == (2, ["AAA", "BBB"])
    [(_, tones, _, _)] = events(connection, "sentiment.changed")
    assert (tones["n_changed"], tones["changes"]) == (1, [{"ticker": "AAA", "from": -0.5, "to": 0.5}])
    version(connection, "research.news_sentiment", "v2", "2024-06-28")
    connection.execute("delete from research.news_sentiment where article_id = '0'")
    assert ticks.tick(batches_told) == "told of 1 new versions in 0 events"
    assert ticks.tick(batches_told) == "no table has a version that was not told of"
