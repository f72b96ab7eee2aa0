"""Entity tags, 304 and cursors: what a client may keep, and for how long."""

import time

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.cursors import Cursors
from api.errors import CursorInvalid
from api.exchange import Exchange, current
from api.versions import REFRESH_SECONDS
from tests.api.conftest import BOB, settings_for
from warehouse.connect import API, with_role
from warehouse.records.questions import Question

TAGGED = ["/v1/rankings", "/v1/instruments?sector=Energy", "/v1/quotes/ACME", "/v1/history/ACME", "/v1/backtests/b_one"]


def database_milliseconds(answer):
    return float(answer.headers["server-timing"].split("dur=")[1].split(",")[0])


@pytest.mark.parametrize("path", TAGGED)
def test_an_answer_that_the_client_has_is_304_without_a_read(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert again.headers["cache-control"].startswith("public, max-age=")
    # At most the versions were read, and those are held for two seconds.
    third = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert database_milliseconds(third) == 0


def test_answers_of_a_closed_market_are_for_whoever_asked(seeded_url, tmp_path):
    settings = settings_for(with_role(seeded_url, API), tmp_path).model_copy(update={"api_anonymous": False})
    with TestClient(create_app(settings)) as client:
        assert client.get("/v1/rankings").status_code == 401
        client.headers.update(BOB.headers)
        for path in TAGGED:
            first = client.get(path)
            again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (first.status_code, again.status_code) == (200, 304)
            for answer in (first, again):
                assert answer.headers["cache-control"].startswith("private, max-age="), path
                assert "Authorization" in answer.headers["vary"].split(", "), path


def test_a_304_says_on_what_it_depends_as_its_answer_does(client):
    for path in ("/v1/rankings", "/v1/quotes/ACME"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert set(first.headers.get("vary", "").split(", ")) <= set(again.headers.get("vary", "").split(", "))


def test_tags_differ_by_question_and_not_by_the_order_of_parameters(client):
    def tag(path):
        return client.get(path).headers["etag"]

    tags = [tag(path) for path in ("/v1/rankings", "/v1/rankings?limit=2", "/v1/quotes/ACME", "/v1/quotes/META")]
    assert len(set(tags)) == 4
    assert tag("/v1/rankings?limit=2&sector=Energy") == tag("/v1/rankings?sector=Energy&limit=2")


def test_errors_and_pages_of_the_service_are_not_kept(client):
    for path in ("/v1/rankings?limit=0", "/v1/quotes/NOPE", "/livez", "/v1/datasets"):
        answer = client.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers


def test_a_new_version_of_the_data_is_a_new_tag_within_two_seconds_and_ends_cursors(own):
    client, connection = own
    first = client.get("/v1/rankings?limit=2")
    connection.execute("update app.dataset_versions set version = 'next' where dataset = 'research.rankings'")
    time.sleep(REFRESH_SECONDS + 0.1)
    second = client.get("/v1/rankings?limit=2", headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert second.headers["etag"] != first.headers["etag"]
    stale = client.get("/v1/rankings", params={"limit": 2, "cursor": first.json()["next"]})
    assert (stale.status_code, stale.json()["code"]) == (410, "cursor-expired")


def test_tables_without_a_version_have_no_tag(own):
    client, connection = own
    connection.execute("delete from app.dataset_versions where dataset = 'marts.dim_instruments'")
    answer = client.get("/v1/rankings")
    assert answer.status_code == 200
    assert "etag" not in answer.headers
    assert "dataset_version" not in answer.json()["meta"]


def test_an_empty_quotes_table_does_not_take_the_tag_away(own):
    client, connection = own
    connection.execute("delete from app.dataset_versions where dataset = 'raw.quotes'")
    assert "etag" in client.get("/v1/quotes/ACME").headers


def test_a_cursor_is_refused_with_other_filters_but_takes_another_limit(client):
    cursor = client.get("/v1/rankings?limit=2").json()["next"]
    other = client.get("/v1/rankings", params={"limit": 2, "cursor": cursor, "sector": "Energy"})
    assert (other.status_code, other.json()["code"]) == (400, "cursor-mismatch")
    elsewhere = client.get("/v1/instruments", params={"cursor": cursor})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "cursor-mismatch")
    longer = client.get("/v1/rankings", params={"limit": 3, "cursor": cursor}).json()
    assert [row["rank"] for row in longer["data"]] == [3, 4, 5]


def test_a_cursor_that_was_changed_anywhere_is_refused(client):
    cursor = client.get("/v1/rankings?limit=2").json()["next"]
    for place in range(0, len(cursor) - 1, 7):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        answer = client.get("/v1/rankings", params={"limit": 2, "cursor": changed})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor-invalid")


def test_a_cursor_of_another_installation_is_refused():
    token = current.set(Exchange("a-request", question=Question("list", "/v1/list", (), "v")))
    try:
        cursor = Cursors(b"1" * 32).after(7, "i_acme")
        assert Cursors(b"1" * 32).read(cursor, tuple[int, str]) == (7, "i_acme")
        with pytest.raises(CursorInvalid):
            Cursors(b"2" * 32).read(cursor, tuple[int, str])
    finally:
        current.reset(token)


def test_whoever_holds_any_answer_is_told_that_there_is_one(client):
    for path in [*TAGGED, "/v1/rankings?format=csv", "/ui/rankings"]:
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": "*"})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b""), path
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers.get("vary") == first.headers.get("vary")
        assert not {"content-type", "content-length", "content-security-policy"} & set(again.headers)
    for path, status in (("/v1/quotes/NOPE", 404), ("/v1/rankings?limit=0", 400), ("/livez", 200)):
        assert client.get(path, headers={"If-None-Match": "*"}).status_code == status
