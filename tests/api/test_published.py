"""Answers made in advance are the answers that would be given anyway, byte for byte, and go with their data."""

import asyncio
import json
import time

import brotli
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.published import Bodies
from orchestration.publishing import publish
from tests.api.conftest import NOW, settings_for
from warehouse.connect import connect
from warehouse.cursor_key import cursor_key
from warehouse.queries import published
from warehouse.queries.published import Body
from warehouse.records.cursors import Signer
from warehouse.settings import Settings

REFRESH_SECONDS = 0.2
LIQUIDITY = """
create table factors.fct_liquidity (instrument_id text, as_of_date date, dollar_volume_21d double precision);
insert into factors.fct_liquidity values
('i_acme', '2024-06-26', 1000), ('i_zeta', '2024-06-26', 2000), ('i_gone', '2024-06-26', 9000),
('i_meta', '2024-06-25', 9);
insert into research.rankings
(profile, as_of_date, is_intraday, instrument_id, rank, score, signal, contribution_forecast, contribution_momentum,
 contribution_value, contribution_quality, contribution_growth, contribution_low_risk, contribution_liquidity)
select 'aggressive', '2024-06-26', false, 'i_many' || lpad(n::text, 3, '0'), n, 50, 'hold', 0, 0, 0, 0, 0, 0, 0
from generate_series(1, 60) as n;
insert into marts.dim_instruments (instrument_id, ticker, is_active)
select 'i_many' || lpad(n::text, 3, '0'), 'MANY' || n, false from generate_series(1, 60) as n;
"""
DATA_OF_HOT = ["/v1/rankings", "/v1/rankings?profile=aggressive", "/v1/signals/live", "/v1/history/ZETA",
               "/v1/history/ZETA?period=5y", "/v1/history/ACME", "/v1/history/ACME?period=5y"]  # fmt: skip


def publish_in(database, home):
    with connect(database.url) as connection:
        return asyncio.run(publish(connection, Signer(cursor_key(Settings(home=home))), NOW))


@pytest.fixture(autouse=True)
def look_often(monkeypatch):
    """Documents and versions are looked for anew after this long."""
    for module in ("published", "versions"):
        monkeypatch.setattr(f"api.{module}.REFRESH_SECONDS", REFRESH_SECONDS)


@pytest.fixture
def installation(own, database, tmp_path):
    """The application over data that are worth publishing, the pipelines' connection, and what publishes."""
    client, connection = own
    connection.execute(LIQUIDITY)
    return client, connection, lambda: publish_in(database, tmp_path)


def wait_until_seen():
    time.sleep(REFRESH_SECONDS + 0.1)


def test_a_published_answer_is_the_dynamic_one_byte_for_byte(installation):
    client, connection, publish_now = installation
    dynamic = {path: client.get(path) for path in DATA_OF_HOT}
    assert publish_now()["made"] == len(DATA_OF_HOT)
    wait_until_seen()
    # What the tables say no longer counts: the document is sent.
    connection.execute("delete from research.rankings; delete from research.signals")
    connection.execute("delete from marts.fct_daily_prices")
    for path, before in dynamic.items():
        after = client.get(path, headers={"Accept-Encoding": "identity"})
        assert (after.status_code, after.content) == (200, before.content), path
        for name in ("etag", "content-type", "cache-control", "link"):
            assert after.headers.get(name) == before.headers.get(name), (path, name)
        compressed = client.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert compressed.headers["content-encoding"] == "br"
        assert compressed.content == before.content
        assert compressed.headers["etag"] != before.headers["etag"]
        assert compressed.headers["vary"] == "Accept, Accept-Encoding"
        again = client.get(path, headers={"If-None-Match": compressed.headers["etag"], "Accept-Encoding": "br"})
        assert (again.status_code, again.headers["etag"]) == (304, compressed.headers["etag"])
        assert again.headers["vary"] == compressed.headers["vary"]
        refused = client.get(path, headers={"Accept-Encoding": "gzip, br;q=0.0"})
        assert "content-encoding" not in refused.headers
        head = client.head(path, headers={"Accept-Encoding": "identity"})
        assert head.headers["content-length"] == str(len(before.content))


def test_what_is_asked_as_it_holds_anyway_is_the_same_question(installation):
    client, connection, publish_now = installation
    publish_now()
    wait_until_seen()
    connection.execute("delete from research.rankings")
    plain = client.get("/v1/rankings")
    said = client.get("/v1/rankings?profile=balanced&limit=50&is_intraday=false&sort=rank")
    assert (said.content, said.headers["etag"]) == (plain.content, plain.headers["etag"])
    connection.execute("delete from marts.fct_daily_prices")
    plain = client.get("/v1/history/ACME")
    for path in ("/v1/history/ACME?period=1y&adjusted=true", "/v1/history/acme", "/v1/history/Acme/?period=1y"):
        said = client.get(path)
        assert (said.content, said.headers["etag"]) == (plain.content, plain.headers["etag"]), path
    # Everything else is asked of the tables.
    assert client.get("/v1/history/ACME?period=1y&start=2024-01-02").status_code == 422
    assert client.get("/v1/history/ACME?period=1y&interval=1w").status_code == 404
    for path in ("/v1/rankings?limit=49", "/v1/rankings?format=json", "/v1/rankings?sector=Energy"):
        assert client.get(path).json().get("code") == "before-first-date", path


def test_the_cursor_of_a_published_answer_goes_on_in_the_tables(installation):
    client, _, publish_now = installation
    publish_now()
    wait_until_seen()
    first = client.get("/v1/rankings?profile=aggressive").json()
    second = client.get("/v1/rankings", params={"profile": "aggressive", "cursor": first["next"]}).json()
    assert [row["rank"] for row in first["data"] + second["data"]] == list(range(1, 61))


def test_publishing_twice_makes_nothing_and_two_versions_are_kept(installation):
    client, connection, publish_now = installation
    publish_now()
    assert publish_now() == {"made": 0, "unchanged": 7, "without_data": 1, "bytes": 0, "deleted": 0}
    for number in (1, 2):
        connection.execute(
            "update app.dataset_versions set version = %s where dataset = 'research.signals'", [f"next{number}"]
        )
        connection.execute("update app.published_documents set published_at = published_at - interval '1 hour'")
        counts = publish_now()
        assert (counts["made"], counts["deleted"]) == (1, number - 1)
    kept = connection.execute("select count(*) from app.published_documents where key = '/v1/signals/live'").fetchone()
    assert kept == (2,)
    wait_until_seen()
    assert client.get("/v1/signals/live").json()["data"]


def test_whoever_follows_the_rankings_is_told_once_of_each_new_one(installation):
    _, connection, publish_now = installation
    publish_now()
    publish_now()
    told = connection.execute("select subject, payload from app.events where type = 'ranking.changed' order by 1")
    (aggressive, many), (balanced, facts) = told.fetchall()
    assert (aggressive, balanced) == ("aggressive", "balanced")
    assert (many["top_symbols"][:2], len(many["top_symbols"])) == (["MANY1", "MANY2"], 20)
    assert (facts["profile"], facts["as_of"], facts["top_symbols"][0]) == ("balanced", "2024-06-26", "ACME")


def test_an_instrument_that_is_hot_no_longer_leaves(installation):
    _, connection, publish_now = installation
    publish_now()
    connection.execute("delete from factors.fct_liquidity where instrument_id = 'i_zeta'")
    assert publish_now()["deleted"] == 2
    keys = {key for key, _ in published.known(connection)}
    assert "/v1/history/ACME" in keys
    assert not any("ZETA" in key for key in keys)


def test_new_data_are_answered_from_the_tables_until_they_are_published(installation):
    client, connection, publish_now = installation
    publish_now()
    connection.execute("update app.dataset_versions set version = 'next' where dataset = 'research.rankings'")
    connection.execute("update research.rankings set score = 99.5 where rank = 1 and profile = 'balanced'")
    wait_until_seen()
    assert client.get("/v1/rankings").json()["data"][0]["score"] == 99.5


def test_another_key_or_other_code_takes_no_document(installation, database, tmp_path):
    client, connection, publish_now = installation
    publish_now()
    connection.execute("delete from research.rankings")
    other = tmp_path / "other"
    with TestClient(create_app(settings_for(database.api_url, other))) as elsewhere:
        assert elsewhere.get("/v1/rankings").json()["code"] == "before-first-date"
    connection.execute("update app.published_documents set version = 'of other code'")
    wait_until_seen()
    assert client.get("/v1/rankings").json()["code"] == "before-first-date"


def test_a_document_that_vanished_is_answered_from_the_tables(installation):
    client, connection, publish_now = installation
    publish_now()
    wait_until_seen()
    before = client.get("/v1/rankings").content
    connection.execute("delete from app.published_documents")
    assert client.get("/v1/rankings").content == before


def test_bodies_are_compressed_once_and_tagged_by_their_content(installation):
    _, connection, publish_now = installation
    publish_now()
    rows = connection.execute("select body, body_brotli, etag, next_cursor from app.published_documents").fetchall()
    assert len({etag for _, _, etag, _ in rows}) == len(rows)
    for body, body_brotli, _, next_cursor in rows:
        assert brotli.decompress(body_brotli) == body
        assert json.loads(body)["next"] == next_cursor


def test_bodies_in_memory_stay_within_their_bytes_and_go_with_their_documents():
    bodies = Bodies(max_bytes=10)
    one, two, three = ("one", "v", False), ("two", "v", True), ("three", "v", False)
    bodies.hold(one, Body(b"1111", None))
    bodies.hold(two, Body(b"2222", "cursor"))
    assert bodies.get(one) == Body(b"1111", None)
    # Asked for longest ago, so the first to make room.
    bodies.hold(three, Body(b"3333", None))
    assert [bodies.get(name) for name in (one, two, three)] == [Body(b"1111", None), None, Body(b"3333", None)]
    bodies.hold(two, Body(b"more than all ten", None))
    assert bodies.get(two) is None
    bodies.keep({("three", "v"), ("one", "another version")})
    assert [bodies.get(name) for name in (one, three)] == [None, Body(b"3333", None)]
    # What went has given its room back.
    bodies.hold(two, Body(b"666666", None))
    assert bodies.get(three) is not None
