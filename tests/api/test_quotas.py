"""What one account may have at most, when it asks for more than that at once."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.routes import alerts, api_keys, jobs, orders, portfolios, webhook_endpoints
from tests.api.conftest import ALICE, BOB

RULE = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["ACME"]}
ORDER = {"ticker": "ACME", "side": "buy", "quantity_shares": 1}
JOB = {"kind": "backtest", "parameters": {"profiles": ["balanced"]}}
READ = ["read:market"]
AT_ONCE = 6
SECRET = ("/v1/webhook-endpoints", "/v1/api-keys")


def many(site, person, path, body):
    """Ask at once for one more thing each, again where every connection was taken."""

    def ask(number: int):
        while True:
            # What shows a secret takes no key.
            key = {} if path in SECRET else {"Idempotency-Key": str(uuid.uuid4())}
            answer = site.ask("POST", path, person, json=body(number), headers=key)
            if answer.status_code != 503:
                return answer

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


@pytest.mark.parametrize(
    ("path", "module", "limit", "body", "table", "refusal"),
    [
        ("/v1/alerts", alerts, "MOST_ALERTS", lambda n: {"name": f"a{n}", "rule": RULE}, "alerts", 409),
        ("/v1/webhook-endpoints", webhook_endpoints, "MOST_ENDPOINTS",
         lambda n: {"url": f"https://example.com/{n}"}, "channels", 409),
        ("/v1/api-keys", api_keys, "MAX_KEYS", lambda n: {"label": f"k{n}", "scopes": READ}, "api_keys", 409),
        ("/v1/portfolios", portfolios, "MOST_PORTFOLIOS", lambda n: {"name": f"p{n}"}, "portfolios", 409),
        ("/v1/orders", orders, "MOST_OPEN_ORDERS", lambda n: ORDER, "paper_orders", 409),
        ("/v1/jobs", jobs, "WAITING_PER_USER", lambda n: JOB, "jobs", 429),
    ],
)  # fmt: skip
def test_of_many_at_once_no_more_are_made_than_there_may_be(
    site, monkeypatch, path, module, limit, body, table, refusal
):
    count = f"select count(*) from app.{table} where user_id = %s"
    before = site.rows(count, BOB.user_id)[0][0]
    monkeypatch.setattr(module, limit, before + 2)
    answers = many(site, BOB, path, body)
    assert site.rows(count, BOB.user_id) == [(before + 2,)]
    assert [answer.status_code for answer in answers].count(refusal) == AT_ONCE - 2
    assert all(answer.status_code < 300 for answer in answers if answer.status_code != refusal)


def test_who_asks_for_the_same_at_once_shares_one_job(site):
    answers = many(site, ALICE, "/v1/refresh", lambda n: {"part": "quotes"})
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["job_id"] for answer in answers}) == 1
