"""Portfolios over HTTP: made, filled from files, all or nothing, once; and theirs alone."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import ALICE, BOB
from tests.api.waiting import wait_for_waiting
from warehouse.connect import connect

CSV = {"Content-Type": "text/csv"}
FILE = "ticker,quantity,price paid\nACME,10.5,12.25\nZETA,-3,\n"


@pytest.fixture(autouse=True)
def nothing_held(site):
    site.connection.execute("delete from app.portfolios")
    site.connection.execute("delete from app.idempotency_keys")


def take(site, content=FILE, *, headers=CSV, person=ALICE, **query):
    return site.ask("POST", "/v1/import/portfolio", person, content=content, headers=headers, params=query)


def held(site, portfolio_id, person=ALICE):
    return site.ask("GET", f"/v1/portfolios/{portfolio_id}/holdings", person).json()["data"]


def stored(site):
    return site.rows("select instrument_id, quantity_shares::text, cost_price::text from app.holdings order by 1")


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    return answer.json()


def test_a_portfolio_is_made_changed_and_deleted_with_events_and_audit(site):
    n_audited = site.rows("select count(*) from app.audit")[0][0]
    made = site.ask("POST", "/v1/portfolios", json={"name": " Pension ", "currency_code": "SEK"})
    assert (made.status_code, made.json()["code"]) == (400, "parameter-invalid")
    made = site.ask("POST", "/v1/portfolios", json={"name": "Pension", "currency_code": "SEK"})
    assert made.status_code == 201
    path = made.headers["location"]
    assert site.ask("GET", path).json()["data"]["currency_code"] == "SEK"
    refused(site.ask("POST", "/v1/portfolios", json={"name": "Pension"}), 409, "name-taken")
    assert site.ask("PATCH", path, json={"name": "Savings"}).json()["data"]["name"] == "Savings"
    assert [one["name"] for one in site.ask("GET", "/v1/portfolios").json()["data"]] == ["Savings"]
    assert site.ask("DELETE", path).status_code == 204
    refused(site.ask("GET", path), 404, "portfolio-unknown")
    told = site.rows(
        "select payload->>'change' from app.events where type = 'portfolio.changed' and subject = %s order by event_id",
        path.rpartition("/")[2],
    )
    assert told == [("created",), ("described",), ("deleted",)]
    noted = site.rows("select action from app.audit order by audit_id offset %s", n_audited)
    assert noted == [("portfolio.created",), ("portfolio.changed",), ("portfolio.deleted",)]


def test_a_csv_fills_a_portfolio_and_the_same_file_again_changes_nothing(site):
    first = take(site, name="Pension")
    assert first.status_code == 200, first.text
    done = first.json()["data"]
    assert (done["n_holdings"], done["inserted"], done["updated"], done["deleted"]) == (2, 2, 0, 0)
    n_events = site.rows("select count(*) from app.events")
    again = take(site, portfolio_id=done["portfolio_id"]).json()["data"]
    assert (again["is_known"], again["inserted"], again["updated"], again["deleted"]) == (True, 0, 0, 0)
    assert site.rows("select count(*) from app.events") == n_events
    assert stored(site) == [("i_acme", "10.5", "12.25"), ("i_zeta", "-3", None)]
    changed = take(site, "ticker,quantity\nACME,11\nMETA,1\n", portfolio_id=done["portfolio_id"]).json()["data"]
    assert (changed["inserted"], changed["updated"], changed["deleted"]) == (1, 1, 1)
    # The first file is another content than what stands now.
    assert take(site, portfolio_id=done["portfolio_id"]).json()["data"]["deleted"] == 1
    assert stored(site) == [("i_acme", "10.5", "12.25"), ("i_zeta", "-3", None)]


def test_merging_keeps_what_the_file_does_not_have(site):
    portfolio_id = take(site, name="Pension").json()["data"]["portfolio_id"]
    merged = take(site, "ticker,quantity\nMETA,1\n", portfolio_id=portfolio_id, mode="merge").json()["data"]
    assert (merged["inserted"], merged["deleted"]) == (1, 0)
    assert [name for name, *_ in stored(site)] == ["i_acme", "i_meta", "i_zeta"]


def test_json_fills_a_portfolio_too(site):
    body = {"holdings": [{"ticker": "acme", "quantity_shares": "10.12345678", "cost_price": 1.5}]}
    assert site.ask("POST", "/v1/import/portfolio", json=body, params={"name": "Pension"}).status_code == 200
    assert stored(site) == [("i_acme", "10.12345678", "1.5")]


def test_a_dry_run_says_what_would_come_of_it_and_writes_nothing(site):
    new = take(site, name="Pension", dry_run=True).json()["data"]
    assert (new["portfolio_id"], new["is_dry_run"], new["inserted"]) == (None, True, 2)
    assert site.ask("GET", "/v1/portfolios").json()["data"] == []
    portfolio_id = take(site, name="Pension").json()["data"]["portfolio_id"]
    later = take(site, "ticker,quantity\nACME,11\n", portfolio_id=portfolio_id, dry_run=True).json()["data"]
    assert (later["inserted"], later["updated"], later["deleted"]) == (0, 1, 1)
    problem = refused(
        take(site, "ticker,quantity\nACME,x\n", portfolio_id=portfolio_id, dry_run=True), 422, "file-refused"
    )
    assert problem["errors"][0]["pointer"] == "/rows/1/quantity_shares"
    assert len(stored(site)) == 2


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("ticker,quantity\nACME,10\nNOPE,1\nALSO.NOT,1\n", ["/rows/2/ticker", "/rows/3/ticker"]),
        ("ticker,quantity\nACME,10\nZETA,nan\n", ["/rows/2/quantity_shares"]),
        ("ticker,quantity\nACME,10\nACME,1\n", ["/rows/2/ticker"]),
        ('ticker,quantity\nACME,10\n"ZETA,1\n', ["/rows/3"]),
        ("ticker,quantity\nACME,10\nZE\x00TA,1\n", [""]),
        (b"ticker,quantity\nACME,10\nZE\xed\xa0\x80TA,1\n", [""]),
        ("ticker,quantity\nACME,10\n=1+1,1\n", ["/rows/2/ticker"]),
        ("", [""]),
    ],
)
def test_one_row_that_does_not_hold_refuses_all_of_the_file(site, content, rows):
    problem = refused(take(site, content, name="Pension"), 422, "file-refused")
    assert [error["pointer"] for error in problem["errors"]] == rows
    assert stored(site) == []
    assert site.ask("GET", "/v1/portfolios").json()["data"] == []


def test_other_hostile_imports_are_refused(site):
    refused(take(site, "x" * 1_000_001, name="Pension"), 413, "request-refused")
    refused(take(site, headers={"Content-Type": "application/zip"}, name="Pension"), 415, "media-type-unsupported")
    refused(take(site), 422, "parameter-conflict")
    refused(take(site, name="Pension", portfolio_id=str(uuid.uuid4())), 422, "parameter-conflict")
    refused(take(site, portfolio_id=str(uuid.uuid4())), 404, "portfolio-unknown")
    refused(take(site, name="'; drop table app.users; --"), 400, "parameter-invalid")
    refused(take(site, name="Pension", mode="append"), 400, "parameter-invalid")
    for body in (b"[" * 100_000, b'{"holdings": NaN}', b'{"holdings": [{"ticker": "\\ud800", "quantity_shares": 1}]}'):
        refused(take(site, body, headers={"Content-Type": "application/json"}, name="Pension"), 422, "file-refused")
    for name in ("a\x00b", "\ud800", "", " ", "x" * 81, "a\nb", "<b>", "USD\n"):
        answer = site.ask(
            "POST", "/v1/portfolios", content=json.dumps({"name": name}), headers={"Content-Type": "application/json"}
        )
        refused(answer, 400, "parameter-invalid" if name != "\ud800" else answer.json()["code"])
    refused(site.ask("POST", "/v1/portfolios", json={"name": "A", "currency_code": "USD\n"}), 400, "parameter-invalid")
    refused(site.ask("POST", "/v1/portfolios", json={"name": "A", "user_id": BOB.user_id}), 400, "parameter-invalid")
    assert site.rows("select count(*) from app.portfolios") == [(0,)]


def test_an_import_with_a_key_is_carried_out_once(site):
    headers = {**CSV, "Idempotency-Key": "import-1"}
    first, again = (take(site, headers=headers, name="Pension") for _ in range(2))
    assert first.content == again.content
    assert first.json()["data"]["is_known"] is False
    refused(take(site, FILE + "META,1,\n", headers=headers, name="Pension"), 422, "idempotency-key-reused")


def test_a_stranger_meets_nothing_of_it(site):
    portfolio_id = take(site, name="Pension").json()["data"]["portfolio_id"]
    for method, path, rest in (
        ("GET", "", {}), ("GET", "/holdings", {}), ("PATCH", "", {"json": {"name": "Mine"}}), ("DELETE", "", {}),
    ):  # fmt: skip
        refused(site.ask(method, f"/v1/portfolios/{portfolio_id}{path}", BOB, **rest), 404, "portfolio-unknown")
    refused(take(site, person=BOB, portfolio_id=portfolio_id), 404, "portfolio-unknown")
    assert site.ask("GET", "/v1/portfolios", BOB).json()["data"] == []
    # The same name is free for them.
    assert take(site, person=BOB, name="Pension").json()["data"]["portfolio_id"] != portfolio_id


def test_holdings_come_with_the_latest_price_and_the_newest_signal(site):
    portfolio_id = take(site, name="Pension").json()["data"]["portfolio_id"]
    site.connection.execute(
        "insert into app.holding_signals (portfolio_id, instrument_id, user_id, model_id, as_of_date, signal, rank,"
        " confidence, expected_return_22d, previous_signal, refreshed_at)"
        " values (%s, 'i_acme', %s, 'ensemble', '2024-06-26', 'buy', 17, 0.6, 0.012, 'hold', now())",
        [portfolio_id, ALICE.user_id],
    )
    acme, zeta = held(site, portfolio_id)
    [(price,)] = site.rows("select price from research.latest_quotes where instrument_id = 'i_acme'")
    assert (acme["ticker"], acme["quantity_shares"], acme["cost_price"]) == ("ACME", "10.5", "12.25")
    assert acme["price"] == price
    assert acme["market_value"] == pytest.approx(10.5 * price)
    assert acme["return_since_cost"] == pytest.approx(price / 12.25 - 1)
    assert (acme["signal"], acme["signal_by"], acme["previous_signal"]) == ("buy", "ensemble", "hold")
    assert (zeta["quantity_shares"], zeta["cost_price"], zeta["signal"]) == ("-3", None, None)
    assert zeta["return_since_cost"] is None


def test_an_import_into_a_portfolio_that_is_being_deleted_is_404(site):
    portfolio_id = take(site, name="Pension").json()["data"]["portfolio_id"]
    with ThreadPoolExecutor(1) as pool, connect(site.owner_url, autocommit=True) as owner:
        with owner.transaction():
            owner.execute("delete from app.portfolios where portfolio_id = %s", [portfolio_id])
            importing = pool.submit(take, site, portfolio_id=portfolio_id)
            wait_for_waiting(owner, 1)
        refused(importing.result(), 404, "portfolio-unknown")


def test_two_first_imports_under_one_new_name_fill_one_portfolio(site):
    with ThreadPoolExecutor(2) as pool, connect(site.owner_url, autocommit=True) as owner:
        with owner.transaction():
            # The first one has made the portfolio and cannot end; the second one has found none.
            owner.execute("lock table app.portfolio_imports in share mode")
            imports = [pool.submit(take, site, name="Pension") for _ in range(2)]
            wait_for_waiting(owner, 2)
        answers = [done.result() for done in imports]
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    done = [answer.json()["data"] for answer in answers]
    assert done[0]["portfolio_id"] == done[1]["portfolio_id"]
    assert sorted(one["is_known"] for one in done) == [False, True]


def test_the_same_file_is_taken_over_anew_when_a_ticker_means_another_instrument(site):
    portfolio_id = take(site, name="Pension").json()["data"]["portfolio_id"]
    exchange = (
        "update marts.dim_instruments set ticker = case ticker when 'ACME' then 'META' else 'ACME' end"
        " where ticker in ('ACME', 'META')"
    )
    site.connection.execute(exchange)
    try:
        again = take(site, portfolio_id=portfolio_id).json()["data"]
        known = take(site, portfolio_id=portfolio_id).json()["data"]
    finally:
        site.connection.execute(exchange)
    assert (again["is_known"], again["inserted"], again["deleted"]) == (False, 1, 1)
    assert [name for name, *_ in stored(site)] == ["i_meta", "i_zeta"]
    assert known["is_known"]
