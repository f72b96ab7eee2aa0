"""Orders on paper over HTTP: placed once, seen by their owner alone, taken back."""

import uuid

import pytest

from tests.api.conftest import ALICE, BOB

LIMIT = {"ticker": "acme", "side": "buy", "kind": "limit", "quantity_shares": 10, "price": 50, "stop_loss": 45}


def create(site, body=LIMIT, *, key=None, person=ALICE):
    return site.ask("POST", "/v1/orders", person, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})


def test_an_order_is_placed_once_and_found_under_its_location(site):
    first, second = (create(site, key="once") for _ in range(2))
    assert (first.status_code, first.content) == (201, second.content)
    order = first.json()["data"]
    assert (order["ticker"], order["state"], order["price"], order["filled_shares"]) == ("ACME", "requested", 50, 0)
    assert site.ask("GET", first.headers["location"]).json()["data"] == order
    [(action, target)] = site.rows("select action, target from app.audit order by audit_id desc limit 1")
    assert (action, target) == ("order.placed", order["order_id"])


def test_orders_are_their_owners_alone(site):
    order = create(site).json()["data"]
    path = f"/v1/orders/{order['order_id']}"
    assert order["order_id"] in {row["order_id"] for row in site.ask("GET", "/v1/orders").json()["data"]}
    assert site.ask("GET", "/v1/orders", BOB).json()["data"] == []
    assert (site.ask("GET", path, BOB).status_code, site.ask("DELETE", path, BOB).status_code) == (404, 404)
    assert site.ask("GET", path, None).status_code == 401


def test_an_order_is_taken_back_while_it_waits(site):
    path = create(site).headers["location"]
    answer = site.ask("DELETE", path)
    assert (answer.status_code, answer.json()["data"]["state"]) == (202, "requested")
    asked_at = answer.json()["data"]["cancel_requested_at"]
    assert asked_at is not None
    assert site.ask("DELETE", path).json()["data"]["cancel_requested_at"] == asked_at
    site.connection.execute("update app.paper_orders set state = 'filled' where order_id = %s", [path.split("/")[-1]])
    again = site.ask("DELETE", path)
    assert (again.status_code, again.json()["code"]) == (409, "order-ended")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"price": None}, 422, "parameter-conflict"),
        ({"kind": "market"}, 422, "parameter-conflict"),
        ({"side": "sell"}, 422, "parameter-conflict"),
        ({"stop_loss": 51}, 422, "parameter-conflict"),
        ({"take_profit": 44}, 422, "parameter-conflict"),
        ({"take_profit": 50}, 422, "parameter-conflict"),
        ({"kind": "stop", "stop_loss": 60}, 422, "parameter-conflict"),
        ({"ticker": "NOPE"}, 404, "ticker-unknown"),
    ],
)
def test_orders_that_do_not_hold_together_are_refused(site, change, status, code):
    answer = create(site, LIMIT | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize(
    "change",
    [{"quantity_shares": value} for value in (0, -1, 1e-9, 1e10, "ten", True)]
    + [{"price": -5}, {"price": 1e-9}, {"kind": "moon"}, {"good_till_date": "tomorrow"}, {"user_id": "x"}],
)
def test_amounts_that_are_none_are_refused(site, change):
    assert create(site, LIMIT | change).status_code in (400, 422)


def test_a_last_day_that_is_over_is_refused_and_the_answer_of_an_earlier_request_stays(site):
    gone = create(site, LIMIT | {"good_till_date": "2024-06-26"})
    assert (gone.status_code, gone.json()["code"]) == (422, "parameter-conflict")
    assert gone.json()["detail"].startswith("good_till_date: must be 2024-06-27 (today, UTC) or later; got 2024-06-26.")
    assert create(site, LIMIT | {"good_till_date": "2024-06-27"}).status_code == 201


def test_an_account_has_its_worth_by_session_and_its_positions_in_shares_of_the_day(site):
    days = site.ask("GET", "/v1/paper-account").json()["data"]
    assert [(day["as_of_date"], day["value"], day["cash"], day["positions_value"]) for day in days] == [
        ("2024-06-26", 100_020, 98_960, 1_060), ("2024-06-24", 100_000, 100_000, 0),
    ]  # fmt: skip
    first = site.ask("GET", "/v1/paper-account", params={"limit": 1}).json()
    assert site.ask("GET", "/v1/paper-account", params={"cursor": first["next"]}).json()["data"] == days[1:]
    # Ten adjusted shares at 106 are twenty of that day's at 53.
    [held] = site.ask("GET", "/v1/paper-account/positions").json()["data"]
    assert (held["ticker"], held["quantity_shares"], held["price"], held["value"]) == ("ACME", 20, 53, 1_060)
    assert (held["cost"], held["gain"], held["as_of_date"]) == (1_040, 20, "2024-06-26")
    assert site.ask("GET", "/v1/paper-account/positions", params={"as_of": "2024-06-25"}).json()["data"] == []


def test_an_account_is_its_owners_alone(site):
    for path in ("/v1/paper-account", "/v1/paper-account/positions"):
        assert site.ask("GET", path, BOB).json()["data"] == []
        assert site.ask("GET", path, None).status_code == 401


def test_orders_page_back_in_time(site):
    for _ in range(3):
        create(site)
    first = site.ask("GET", "/v1/orders", params={"limit": 2}).json()
    second = site.ask("GET", "/v1/orders", params={"limit": 2, "cursor": first["next"]}).json()
    ids = [row["order_id"] for row in [*first["data"], *second["data"]]]
    assert len(set(ids)) == 4


def test_a_key_is_its_senders_alone_and_says_the_same_once(site):
    mine, theirs = create(site, key="shared"), create(site, key="shared", person=BOB)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["data"]["order_id"] != theirs.json()["data"]["order_id"]
    other = create(site, LIMIT | {"quantity_shares": 11}, key="shared")
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert site.ask("POST", "/v1/orders", json=LIMIT).status_code in (400, 422)
