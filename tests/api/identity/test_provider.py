"""Another issuer's people: their access tokens, keys that rotate, and the sign-in by code and ID token."""

import jwt
import pytest

from tests.api.conftest import NOW
from tests.api.identity.conftest import PASSWORD, query_of, request
from tests.api.identity.issuer import AUDIENCE, CLIENT_ID, MAKERS

SECONDS = int(NOW.timestamp())
COOKIE = "factorloom-sign-in"


@pytest.fixture(autouse=True)
def fresh(installation, other):
    """Time goes on by more than keys are held for, so that no test sees what another has left."""
    installation.clock.seconds += 4_000
    other.now = installation.clock()
    other.is_away = False
    other.metadata_changes = {}
    installation.client.cookies.clear()


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_token_of_the_other_issuer_holds_and_makes_its_person_an_account_once(installation, other, algorithm):
    first = installation.me(other.token(algorithm, sub=f"person by {algorithm}"))
    assert first.status_code == 200, first.text
    assert first.json()["data"]["scopes"] == ["read:market", "write:portfolio"]
    again = installation.me(other.token(algorithm, sub=f"person by {algorithm}", scope="run:jobs"))
    assert again.json()["data"]["user_id"] == first.json()["data"]["user_id"]
    assert again.json()["data"]["scopes"] == ["run:jobs"]


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_new_key_is_taken_up_and_a_rotated_out_one_refused(installation, other, algorithm):
    old = other.token(algorithm)
    assert installation.me(old).status_code == 200
    other.rotate(algorithm)
    installation.clock.seconds += 60
    assert installation.me(other.token(algorithm)).status_code == 200
    refused = installation.me(old)
    assert (refused.status_code, refused.json()["code"]) == (401, "token-invalid")


def test_a_rotated_out_key_ends_within_an_hour_even_if_nobody_shows_the_new_one(installation, other):
    old = other.token("ES256", exp=int(other.now.timestamp()) + 5_400)
    assert installation.me(old).status_code == 200
    other.rotate("ES256")
    installation.clock.seconds += 3_601
    assert installation.me(old).status_code == 401


def test_keys_that_nobody_has_make_us_ask_once_a_minute_at_most(installation, other):
    assert installation.me(other.token("EdDSA")).status_code == 200
    installation.clock.seconds += 60
    asked = len(other.asked)
    for number in range(20):
        assert installation.me(other.token("EdDSA", headers={"kid": f"invented-{number}"})).status_code == 401
    assert other.asked[asked:].count("/keys") == 1


def test_keys_are_held_while_the_issuer_is_away_and_not_for_ever(installation, other):
    token = other.token("RS256")
    assert installation.me(token).status_code == 200
    other.is_away = True
    installation.clock.seconds += 3_700
    other.now = installation.clock()
    assert installation.me(other.token("RS256")).status_code == 200
    installation.clock.seconds += 86_400
    other.now = installation.clock()
    answer = installation.me(other.token("RS256"))
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer-unreachable")
    assert answer.headers["retry-after"]


WRONG = {
    "for somebody else": {"aud": "https://else.example"},
    "an ID token for our client": {"aud": CLIENT_ID},
    "another issuer": {"iss": "http://127.0.0.1:9"},
    "expired": {"iat": SECONDS - 900, "exp": SECONDS - 1},
    "good for a day": {"exp": SECONDS + 10**6},
    "not good yet": {"nbf": SECONDS + 10**6},
    "nobody": {"sub": None},
    "a subject with a zero byte": {"sub": "a\x00b"},
    "a subject without end": {"sub": "x" * 256},
    "an ID token's type": {"headers": {"typ": "JWT"}},
    "a weak key": {"headers": {"kid": "weak"}},
    "a shared secret": {"headers": {"kid": "shared"}},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_a_token_of_the_other_issuer_with_one_thing_wrong_is_refused(installation, other, changed):
    answer = installation.me(other.token("RS256", **changed))
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")


def test_a_key_serves_the_algorithm_of_its_type_alone(installation, other):
    key_id = other.key_id("RS256")
    private = other.keys[key_id][1]
    for algorithm in ("PS256", "RS512"):
        claims = jwt.decode(other.token("RS256"), options={"verify_signature": False})
        token = jwt.encode(claims, private, algorithm=algorithm, headers={"kid": key_id, "typ": "at+jwt"})
        assert installation.me(token).status_code == 401
    assert installation.me(other.token("EdDSA", headers={"kid": key_id})).status_code == 401


def test_an_issuer_that_calls_itself_otherwise_or_keeps_its_keys_in_the_open_is_not_believed(installation, other):
    for changes in ({"issuer": "https://evil.example"}, {"jwks_uri": "http://keys.example/keys"}):
        installation.clock.seconds += 90_000
        other.now = installation.clock()
        other.metadata_changes = changes
        assert installation.me(other.token("RS256")).status_code == 503


def test_our_own_issuer_is_not_impersonated_by_the_other(installation, other):
    token = other.token("EdDSA", iss="http://127.0.0.1:8000", aud="http://127.0.0.1:8000")
    assert installation.me(token).status_code == 401


def depart(installation, **changed):
    answer = installation.client.get("/v1/auth/provider/login", params=request(**changed), follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    return answer.headers["location"]


def arrive(installation, back):
    return installation.client.get("/v1/auth/provider/callback", params=back, follow_redirects=False)


def sign_in(installation, other, **claims):
    return arrive(installation, other.visit(depart(installation), **claims))


def test_somebody_signs_in_at_the_other_issuer_and_the_client_gets_a_code_of_ours(installation, other):
    page = installation.client.get("/v1/auth/authorize", params=request())
    assert "Sign in at 127.0.0.1" in page.text
    answer = sign_in(installation, other, sub="g-1", name="Grace", email="Grace@example.com", email_verified=True)
    assert answer.status_code == 303, answer.text
    back = query_of(answer.headers["location"])
    assert back["state"] == "xyz"
    tokens = installation.redeem(back["code"]).json()
    me = installation.me(tokens["access_token"]).json()["data"]
    assert (me["display_name"], me["email"], me["role"]) == ("Grace", "grace@example.com", "user")
    again = sign_in(installation, other, sub="g-1")
    tokens = installation.redeem(query_of(again.headers["location"])["code"]).json()
    assert installation.me(tokens["access_token"]).json()["data"]["user_id"] == me["user_id"]


def test_an_address_that_the_issuer_has_not_verified_is_not_taken_for_theirs(installation, other):
    email = installation.register()
    answer = sign_in(installation, other, sub="unverified", email=email, email_verified=False)
    tokens = installation.redeem(query_of(answer.headers["location"])["code"]).json()
    assert installation.me(tokens["access_token"]).json()["data"]["email"] is None


def test_an_account_with_the_same_address_is_linked_by_its_password_alone(installation, other):
    email = installation.register()
    mine = installation.me(installation.login(email).json()["access_token"]).json()["data"]["user_id"]
    page = sign_in(installation, other, sub="same", email=email, email_verified=True)
    assert page.status_code == 200
    ticket = page.text.split('name="ticket" value="')[1].split('"')[0]
    wrong = installation.client.post(
        "/v1/auth/provider/link", data={"ticket": ticket, "password": "a wrong password"}, follow_redirects=False
    )
    assert wrong.status_code == 401
    spent = installation.client.post(
        "/v1/auth/provider/link", data={"ticket": ticket, "password": PASSWORD}, follow_redirects=False
    )
    assert spent.status_code == 400
    page = sign_in(installation, other, sub="same", email=email, email_verified=True)
    ticket = page.text.split('name="ticket" value="')[1].split('"')[0]
    linked = installation.client.post(
        "/v1/auth/provider/link", data={"ticket": ticket, "password": PASSWORD}, follow_redirects=False
    )
    assert linked.status_code == 303, linked.text
    for answer in (linked, sign_in(installation, other, sub="same")):
        tokens = installation.redeem(query_of(answer.headers["location"])["code"]).json()
        assert installation.me(tokens["access_token"]).json()["data"]["user_id"] == mine


def test_a_way_back_leads_into_the_browser_that_left_and_once(installation, other):
    back = other.visit(depart(installation), sub="browser")
    cookie = installation.client.cookies.get(COOKIE)
    installation.client.cookies.clear()
    assert arrive(installation, back).status_code == 400
    installation.client.cookies.set(COOKIE, "another browser")
    assert arrive(installation, back).status_code == 400
    installation.client.cookies.clear()
    installation.client.cookies.set(COOKIE, cookie)
    assert arrive(installation, {**back, "state": "invented"}).status_code == 400
    assert arrive(installation, back).status_code == 303
    assert arrive(installation, back).status_code == 400


def test_a_way_back_ends_after_ten_minutes(installation, other):
    back = other.visit(depart(installation))
    installation.clock.seconds += 600
    assert arrive(installation, back).status_code == 400


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "another client"}, 401),
        ({"aud": AUDIENCE}, 401),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, 400),
        ({"iss": "https://evil.example"}, 401),
        ({"exp": SECONDS - 1, "iat": SECONDS - 100}, 401),
        ({"sub": None}, 401),
        ({"nonce": "replayed"}, 400),
    ],
)
def test_an_id_token_with_one_thing_wrong_is_refused(installation, other, claims, status):
    answer = sign_in(installation, other, **claims)
    assert answer.status_code == status, answer.text
    assert "location" not in answer.headers


def test_a_code_that_the_issuer_does_not_take_or_an_issuer_that_is_mixed_up_ends_the_sign_in(installation, other):
    back = other.visit(depart(installation))
    answer = arrive(installation, {**back, "code": "invented"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    back = other.visit(depart(installation))
    assert arrive(installation, {**back, "iss": "https://evil.example"}).status_code == 400
    back = other.visit(depart(installation))
    assert arrive(installation, {"error": "access_denied", "state": back["state"]}).status_code == 400
