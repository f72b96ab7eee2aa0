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
        ({"ticker": "NOPE"}, 404, "ticker-unknown"),
    ],
)
def test_orders_that_do_not_hold_together_are_refused(site, change, status, code):
    answer = create(site, LIMIT | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize("change", [{"quantity_shares": 0}, {"quantity_shares": -1}, {"price": -5}, {"kind": "moon"}])
def test_amounts_that_are_none_are_refused(site, change):
    assert create(site, LIMIT | change).status_code in (400, 422)


def test_orders_page_back_in_time(site):
    for _ in range(3):
        create(site)
    first = site.ask("GET", "/v1/orders", params={"limit": 2}).json()
    second = site.ask("GET", "/v1/orders", params={"limit": 2, "cursor": first["next"]}).json()
    ids = [row["order_id"] for row in [*first["data"], *second["data"]]]
    assert len(set(ids)) == 4
