"""Strategies over HTTP: what they did in shares and prices of today, and other versions of their settings."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.api.conftest import BOB
from tests.api.waiting import wait_for_waiting
from transforms.selection_bias import deflated_sharpe, probabilistic_sharpe, sharpe_ratio
from warehouse.connect import connect

BASE = "/v1/strategies/macd_rsi"


def test_strategies_are_listed_with_their_settings_and_where_they_stand(client):
    [row] = client.get("/v1/strategies").json()["data"]
    assert (row["strategy_id"], row["is_active"], row["equity"]) == ("macd_rsi", True, 909)
    assert row["return_total"] == pytest.approx(-0.091)
    assert row["parameter_schema"]["max_rsi"]["maximum"] == 100


def test_signals_say_why_and_what_became_of_them_newest_first(client):
    rows = client.get(f"{BASE}/signals").json()["data"]
    assert [(row["ticker"], row["signal"], row["execution_status"]) for row in rows] == [
        ("ZETA", "buy", "skipped"), ("ACME", "hold", "none"), ("ACME", "buy", "filled"),
    ]  # fmt: skip
    assert (rows[2]["price"], rows[2]["indicators"]["rsi_14d"]) == (52, 50)
    assert rows[0]["execution_note"] == "no place is free"


def test_orders_and_trades_are_in_shares_and_prices_of_today(client):
    waiting, filled = client.get(f"{BASE}/orders").json()["data"]
    assert (filled["quantity_shares"], filled["price"], filled["average_price"]) == (20, 52, 51)
    assert (waiting["kind"], waiting["price"], waiting["status"]) == ("stop", 45, "waiting")
    zeta, acme = client.get(f"{BASE}/trades").json()["data"]
    assert (acme["entry_price"], acme["exit_price"], acme["quantity_shares"], acme["pnl"]) == (50, 52, 2, 3)
    assert (zeta["exit_reason"], zeta["entry_price"]) == ("stop_loss", 10)
    assert acme["context"]["entry"]["reason"] == "It crossed."


def test_pages_go_back_in_time_and_a_range_can_be_asked_for(client):
    first = client.get(f"{BASE}/events", params={"limit": 2}).json()
    second = client.get(f"{BASE}/events", params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["type"] for row in first["data"]] == ["drawdown", "position_closed"]
    assert [row["type"] for row in second["data"]] == ["position_opened"]
    assert second["next"] is None
    days = {"start": "2024-06-24", "end": "2024-06-24"}
    assert [row["signal"] for row in client.get(f"{BASE}/signals", params=days).json()["data"]] == ["buy"]


def test_performance_is_that_of_the_account(client):
    found = client.get(f"{BASE}/performance").json()["data"]
    figures = found["figures"]
    assert figures["return_total"] == pytest.approx(0.909 - 1)
    assert (figures["max_drawdown"], figures["n_trades"], figures["hit_rate"]) == (-0.1, 2, 0.5)
    assert figures["profit_factor"] == pytest.approx(3)
    assert [day["equity"] for day in found["account"]] == [1000, 1010, 909]
    of_one = client.get(f"{BASE}/performance", params={"start": "2024-06-26"}).json()["data"]["figures"]
    assert of_one["return_total"] == pytest.approx(-0.1)


def test_a_sharpe_ratio_stands_beside_what_is_left_of_it(client):
    figures = client.get(f"{BASE}/performance").json()["data"]["figures"]
    assert figures["n_trials"] == 1
    assert figures["deflated_sharpe"] == pytest.approx(probabilistic_sharpe(np.array([0, 0.01, -0.1])), abs=1e-12)
    assert figures["overfitting_probability"] is None
    short = client.get(f"{BASE}/performance", params={"start": "2024-06-26"}).json()["data"]["figures"]
    assert (short["sharpe"], short["deflated_sharpe"]) == (None, None)


def test_what_is_left_is_deflated_by_every_version_that_has_traded_by_then(site):
    rng = np.random.default_rng(6)
    returns = {name: rng.normal(0.001, 0.01, 80) for name in ("bold", "calm")}
    returns["still"] = np.zeros(80)
    days = [dt.date(2022, 1, 3) + dt.timedelta(days=n) for n in range(80)]
    with site.connection.transaction():
        for name, own in returns.items():
            site.connection.execute(
                "insert into research.strategies (strategy_id, strategy_type, title, description, version, is_active,"
                " parameters, parameter_schema, capital, currency_code, last_trade_date, overfitting_probability)"
                " values (%s, 'macd_rsi', 't', 'd', 1, true, '{}', '{}', 1, 'USD', %s, 0.25)",
                [name, days[-1]],
            )
            for number, (day, value) in enumerate(zip(days, own.tolist(), strict=True)):
                version = 2 if name == "calm" and number >= 60 else 1
                site.connection.execute(
                    "insert into research.strategy_equity (strategy_id, trade_date, equity, cash, positions_value,"
                    " n_positions, n_orders, return_1d, drawdown, traded_value, fee, version, is_active, account)"
                    " values (%s, %s, 1, 1, 0, 0, 0, %s, 0, 0, 0, %s, true, '{}')",
                    [name, day, value, version],
                )
    # Until the second version of one of them, and after it.
    for last, n_trials in ((50, 3), (80, 4)):
        span = {"start": str(days[10]), "end": str(days[last - 1])}
        found = site.ask("GET", f"/v1/strategies/bold/performance?start={span['start']}&end={span['end']}").json()
        figures = found["data"]["figures"]
        own = {name: values[10:last] for name, values in returns.items()}
        spread = np.std([sharpe_ratio(own["bold"]), sharpe_ratio(own["calm"])], ddof=1)
        expected = deflated_sharpe(own["bold"], n_trials=n_trials, sharpe_sd=spread)
        assert figures["sharpe"] == pytest.approx(sharpe_ratio(own["bold"]) * np.sqrt(252))
        assert (figures["n_trials"], figures["overfitting_probability"]) == (n_trials, 0.25)
        assert figures["deflated_sharpe"] == pytest.approx(expected, rel=0, abs=1e-12)
    still = site.ask("GET", "/v1/strategies/still/performance?end=2022-12-31").json()["data"]["figures"]
    assert (still["sharpe"], still["deflated_sharpe"]) == (None, None)


def test_figures_and_what_deflates_them_are_of_one_version_of_the_account(site):
    turn = "update research.strategy_equity set return_1d = -return_1d where strategy_id = 'macd_rsi'"

    # The order in which rows lie, which changes the last bits of their sums, is not looked at.
    def told() -> tuple[float, float]:
        figures = site.ask("GET", f"{BASE}/performance").json()["data"]["figures"]
        return round(figures["sharpe"], 9), round(figures["deflated_sharpe"], 9)

    versions = {told()}
    site.connection.execute(turn)
    versions.add(told())
    ended = threading.Event()

    def write() -> None:
        n_turns = 1
        while n_turns % 2 or not ended.is_set():
            site.connection.execute(turn)
            n_turns += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {told() for _ in range(100)}
    finally:
        ended.set()
        writer.join()
    assert seen == versions


@pytest.mark.parametrize("what", ["signals", "orders", "trades", "events", "performance"])
def test_an_unknown_strategy_is_404(client, what):
    answer = client.get(f"/v1/strategies/nope/{what}")
    assert (answer.status_code, answer.json()["code"]) == (404, "strategy-unknown")


def test_an_administrator_writes_another_version_that_decides_from_the_next_session_on(site):
    answer = site.ask("PATCH", BASE, json={"is_active": False, "parameters": {"max_rsi": 55}})
    assert answer.status_code == 200, answer.text
    version = answer.json()["data"]
    assert (version["version"], version["is_active"], version["effective_date"]) == (2, False, "2024-06-27")
    assert version["parameters"] == {"max_rsi": 55}
    later = site.ask("PATCH", BASE, json={"parameters": {"stop": None}}).json()["data"]
    assert (later["version"], later["is_active"], later["parameters"]) == (3, False, {"max_rsi": 55, "stop": None})
    [(action, target)] = site.rows("select action, target from app.audit order by audit_id desc limit 1")
    assert (action, target) == ("strategy.changed", "macd_rsi")


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [({"max_rsi": 101}, "max_rsi"), ({"n": 0}, "n"), ({"n": 1.5}, "n"), ({"moon": 1}, "moon"), ({"stop": "x"}, "stop")],
)
def test_settings_beyond_their_limits_are_refused(site, parameters, pointer):
    answer = site.ask("PATCH", BASE, json={"parameters": parameters})
    assert (answer.status_code, answer.json()["code"]) == (422, "settings-refused")
    assert answer.json()["errors"][0]["pointer"] == f"/parameters/{pointer}"


def test_a_version_so_far_ahead_that_none_could_follow_is_refused(site):
    for path, more in ((BASE, {"is_active": False}), ("/v1/strategy/config", {"rules": {"weighting": {"equal": 1}}})):
        method = "PATCH" if path == BASE else "PUT"
        answer = site.ask(method, path, json={"effective_date": "9999-12-31", **more})
        assert (answer.status_code, answer.json()["code"]) == (422, "parameter-conflict")
        assert "effective_date: must be 2024-06-27 to " in answer.json()["detail"]


def test_a_version_must_not_change_what_is_decided_and_others_must_not_write_it(site):
    answer = site.ask("PATCH", BASE, json={"effective_date": "2024-06-26"})
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter-conflict")
    assert site.ask("PATCH", BASE, BOB, json={"is_active": False}).status_code == 403
    assert site.ask("PATCH", BASE, None, json={"is_active": False}).status_code == 401
    assert site.ask("PATCH", "/v1/strategies/nope", json={}).status_code == 404


def test_a_number_is_no_truth_value(site):
    answer = site.ask("PATCH", BASE, json={"is_active": 0})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (400, "/is_active")


def test_changes_that_come_together_are_versions_one_after_the_other(site):
    stands = site.ask("PATCH", BASE, json={"is_active": True}).json()["data"]["version"]
    with ThreadPoolExecutor(2) as pool, connect(site.owner_url, autocommit=True) as owner:
        with owner.transaction():
            # Versions may be read and none be written: the first change has read what the second will read.
            owner.execute("lock table app.strategy_versions in share mode")
            changes = [pool.submit(site.ask, "PATCH", BASE, json={"is_active": given}) for given in (True, False)]
            wait_for_waiting(owner, 2)
        answers = [change.result() for change in changes]
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    assert sorted(answer.json()["data"]["version"] for answer in answers) == [stands + 1, stands + 2]
