"""Token buckets: who asks too often is told so, and when to ask again."""

from litestar.testing import TestClient
from pydantic import SecretStr

from api.app import create_app
from api.rates import Limiter, header, of_peer
from tests.api.conftest import BOB, NOW
from warehouse.connect import API, with_role
from warehouse.settings import Settings


class Time:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_bucket_holds_a_minutes_worth_and_fills_evenly():
    time = Time()
    limiter = Limiter(60, stopwatch=time)
    leaves = [limiter.take(("peer", "a")) for _ in range(61)]
    assert [leave.is_given for leave in leaves] == [True] * 60 + [False]
    assert [leave.remaining for leave in leaves[:2]] == [59, 58]
    assert (leaves[-1].remaining, leaves[-1].next_in_seconds, leaves[-1].full_in_seconds) == (0, 1, 60)
    time.seconds = 2.5
    assert limiter.look(("peer", "a")).remaining == 2
    assert limiter.take(("peer", "a")).is_given
    assert limiter.take(("peer", "a")).is_given
    assert not limiter.take(("peer", "a")).is_given
    time.seconds = 1000
    assert limiter.take(("peer", "a")).remaining == 59  # no more than a minute's worth is saved


def test_clients_do_not_share_a_bucket_and_the_one_seen_longest_ago_is_forgotten():
    limiter = Limiter(1, stopwatch=Time(), max_keys=2)
    assert limiter.take(("peer", "a")).is_given
    assert not limiter.take(("peer", "a")).is_given
    assert limiter.take(("principal", "a")).is_given
    assert not limiter.take(("peer", "a")).is_given
    assert limiter.take(("peer", "c")).is_given  # the principal goes
    assert limiter.take(("principal", "a")).is_given
    assert header(limiter.look(("peer", "c"))) == '"default";r=0;t=60'


def limited(seeded_url, tmp_path, per_minute):
    url = SecretStr(with_role(seeded_url, API))
    return TestClient(create_app(Settings(home=tmp_path, api_database_url=url, now=NOW, api_rate_limit=per_minute)))


def test_who_asks_too_often_is_told_when_to_come_again(seeded_url, tmp_path):
    with limited(seeded_url, tmp_path, 3) as client:
        first = client.get("/v1/instruments")
        assert first.headers["ratelimit-policy"] == '"default";q=3;w=60'
        assert first.headers["ratelimit"].startswith('"default";r=2;t=')
        # An answer that the client has already is free.
        for _ in range(5):
            held = client.get("/v1/instruments", headers={"If-None-Match": first.headers["etag"]})
            assert held.status_code == 304
        assert client.get("/nowhere").status_code == 404  # costs as well
        assert client.get("/v1/instruments?limit=0").status_code == 400
        for path in ("/v1/instruments", "/nowhere", "/docs"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
            assert 1 <= int(refused.headers["retry-after"]) <= 20
            assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
        for path in ("/livez", "/readyz", "/health"):
            assert client.get(path).status_code == 200


def test_keys_that_do_not_hold_lock_nobody_out_who_shares_the_address(seeded_url, tmp_path):
    def ask(key):
        return client.get("/v1/auth/me", headers={"Authorization": f"Bearer {key}"})

    with limited(seeded_url, tmp_path, 3) as client:
        forged = f"{BOB.key[:-1]}c"
        assert [ask(forged).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        refused = ask(forged)
        assert (refused.json()["code"], refused.headers["ratelimit"][:13]) == ("rate-limited", '"default";r=0')
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert ask(BOB.key).status_code == 200
        assert client.get("/v1/instruments").status_code == 200  # nor whoever brings none


def test_a_network_of_ipv6_is_one_client():
    assert of_peer("2001:db8:1:2::1") == of_peer("2001:db8:1:2:ffff::9") == ("peer", "2001:db8:1:2::/64")
    assert of_peer("2001:db8:1:3::1") != of_peer("2001:db8:1:2::1")
    assert of_peer("fe80::1%eth0") == ("peer", "fe80::/64")
    assert of_peer("192.0.2.1") == of_peer("::ffff:192.0.2.1") == ("peer", "192.0.2.1")
    assert of_peer("192.0.2.1", is_refused=True) == ("refused", "192.0.2.1")


def test_on_loopback_the_owner_asks_as_often_as_he_likes(client):
    assert "ratelimit" not in client.get("/v1/instruments").headers
    assert Settings(api_host="127.0.0.1").requests_per_minute == 0
    beyond = {"api_host": "0.0.0.0", "signing_keys": "a" * 64, "encryption_keys": "b" * 64}
    assert Settings(**beyond).requests_per_minute == 1_200
    assert Settings(**beyond, api_rate_limit=0).requests_per_minute == 0
