"""Accounts with a password, and the keys of scripts."""

import asyncio
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest

from api.identity import passwords
from api.identity.passwords import Passwords
from tests.api.conftest import ALICE, BOB
from tests.api.identity.conftest import PASSWORD


@pytest.mark.parametrize("name", ["Ada", "Zoë Ødegård-O'Neil", "علی\u200cرضا", "山田 太郎", "🙋🏽\u200d♀️ x"])
def test_an_account_may_have_the_name_of_any_script(installation, name):
    body = {"email": installation.new_address(), "password": PASSWORD, "display_name": name}
    made = installation.client.post("/v1/auth/register", json=body)
    assert (made.status_code, made.json()["data"]["display_name"]) == (201, name)


def test_somebody_registers_signs_in_and_is_told_who_they_are(installation):
    email = installation.register("Ada.Lovelace@Example.COM")
    answer = installation.login(email.lower())
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    me = installation.me(tokens["access_token"]).json()["data"]
    assert (me["email"], me["display_name"], me["role"]) == ("ada.lovelace@example.com", "Somebody", "user")
    assert me["scopes"] == ["read:market", "run:jobs", "write:alerts", "write:portfolio"]


def test_the_database_holds_neither_passwords_nor_tokens(installation):
    email = installation.register()
    tokens = installation.login(email).json()
    with installation.owner() as owner:
        (password_hash,) = owner.execute("select password_hash from app.users where email = %s", [email]).fetchone()
        stored = owner.execute("select token_hash from app.refresh_tokens").fetchall()
    assert argon2.extract_parameters(password_hash).type is argon2.low_level.Type.ID
    assert argon2.extract_parameters(password_hash).memory_cost >= 19_456
    assert tokens["refresh_token"] not in {token for (token,) in stored}


def test_an_address_makes_one_account_however_many_ask_at_once(installation):
    email = installation.new_address()
    body = {"email": email, "password": PASSWORD, "display_name": "Twin"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: installation.client.post("/v1/auth/register", json=body), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email-taken"}


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ada"},
        {"email": "ada@"},
        {"email": "a@b@c.example"},
        {"email": "ada@example.com\n"},
        {"email": "ada\r\nBcc: all@example.com"},
        {"email": "a\u0000@example.com"},
        {"email": "x" * 300 + "@example.com"},
        {"password": "short"},
        {"password": "x" * 257},
        {"password": ""},
        {"display_name": ""},
        {"display_name": "a\u0000b"},
        {"display_name": "Ada\n"},
        {"display_name": "x" * 101},
        {"display_name": " "},
        {"display_name": "\u3000"},
        {"display_name": "\u200d"},
        {"display_name": "Ada\u202egro.elpmaxe"},
        {"display_name": "A\u200bda"},
        {"display_name": "\ufeffAda"},
        {"display_name": "Ada\x9b"},
        {"role": "admin"},
        {"scopes": ["admin"]},
        {"user_id": ALICE.user_id},
        {"email": None},
        {"email": ["a@example.com"]},
    ],
)
def test_accounts_that_are_none_are_refused_and_so_is_every_field_that_is_not_theirs(installation, body):
    whole = {"email": "new@example.com", "password": PASSWORD, "display_name": "New", **body}
    answer = installation.client.post("/v1/auth/register", json=whole)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid")


@pytest.mark.parametrize(
    "email", ["a\x00b@example.com", "ada", "' or '1'='1' --", "ada@example.com\n", "ａda@example.com"]
)
def test_an_address_that_is_none_opens_nothing(installation, email):
    assert installation.login(email).status_code == 401


def test_lone_surrogates_are_refused(installation):
    body = rb'{"email": "a@example.com", "password": "\ud800 and eleven more", "display_name": "A"}'
    answer = installation.client.post("/v1/auth/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_a_wrong_password_and_an_unknown_address_are_told_in_the_same_words_after_the_same_work(
    installation, monkeypatch
):
    email, stranger = installation.register(), installation.new_address()
    done = []
    verify = argon2.PasswordHasher.verify

    def counted(hasher, password_hash, password):
        done.append(argon2.extract_parameters(password_hash))
        return verify(hasher, password_hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    answers = [installation.login(address, "a wrong password") for address in (email, stranger)]
    told = [{**answer.json(), "instance": ""} for answer in answers]
    assert told[0] == told[1]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert len(done) == 2
    assert done[0] == done[1]


@pytest.mark.parametrize("has_account", [True, False])
def test_after_five_failures_each_further_attempt_waits_twice_as_long(installation, has_account):
    email = installation.register() if has_account else installation.new_address()
    assert [installation.login(email, "wrong password").status_code for _ in range(5)] == [401] * 5
    waits = []
    for _ in range(12):
        locked = installation.login(email)
        assert (locked.status_code, locked.json()["code"]) == (429, "login-locked")
        waits.append(int(locked.headers["retry-after"]))
        installation.clock.seconds += waits[-1]
        assert installation.login(email, "wrong password").status_code == 401
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    installation.clock.seconds += 900
    if has_account:
        assert installation.login(email).status_code == 200
        assert [installation.login(email, "wrong password").status_code for _ in range(4)] == [401] * 4
        assert installation.login(email).status_code == 200


def test_attempts_side_by_side_count_each_for_itself(installation):
    email = installation.register()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: installation.login(email, "wrong password").status_code, range(12)))
    assert set(answers) <= {401, 429, 503}
    assert answers.count(401) <= 5


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_login(installation):
    email = installation.register()
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with installation.owner() as owner:
        owner.execute("update app.users set password_hash = %s where email = %s", [old, email])
        assert installation.login(email).status_code == 200
        (fresh,) = owner.execute("select password_hash from app.users where email = %s", [email]).fetchone()
    assert not passwords.is_outdated(fresh)
    assert installation.login(email).status_code == 200


def test_a_password_is_the_same_however_the_keyboard_composes_it(installation):
    email = installation.register(password="Ångström und Größe")
    assert installation.login(email, "Ångström und Größe").status_code == 200


def test_no_more_than_two_passwords_are_worked_on_at_once(monkeypatch):
    running, most = [0], [0]
    guard, verify = threading.Lock(), argon2.PasswordHasher.verify

    def counted(hasher, password_hash, password):
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            return verify(hasher, password_hash, password)
        finally:
            with guard:
                running[0] -= 1

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)

    async def crowd():
        door = Passwords()
        return await asyncio.gather(*(door.holds(None, "nobody has this password") for _ in range(8)))

    assert asyncio.run(crowd()) == [False] * 8
    assert most[0] <= passwords.AT_A_TIME


def test_a_closed_account_neither_signs_in_nor_goes_on(installation):
    email = installation.register()
    tokens = installation.login(email).json()
    with installation.owner() as owner:
        owner.execute("update app.users set is_active = false where email = %s", [email])
    assert installation.login(email).status_code == 401
    assert installation.me(tokens["access_token"]).status_code == 401
    refreshed = installation.exchange(
        grant_type="refresh_token", client_id="first-party", refresh_token=tokens["refresh_token"]
    )
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")


def test_signing_in_and_failing_to_are_in_the_audit_log_without_the_password(installation):
    email = installation.register()
    installation.login(email, "a wrong password")
    installation.login(email)
    with installation.owner() as owner:
        rows = owner.execute(
            "select action, actor_kind, audit::text from app.audit as audit where target ="
            " (select user_id::text from app.users where email = %s) order by audit_id",
            [email],
        ).fetchall()
    kinds = [(action, kind) for action, kind, _ in rows]
    assert kinds == [("account.registered", "user"), ("login.failed", "anonymous"), ("login.succeeded", "user")]
    assert not any("password" in text or PASSWORD in text for _, _, text in rows)


def test_a_key_is_shown_once_does_what_it_may_and_ends_when_it_is_revoked(installation):
    token = installation.login(installation.register()).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    body = {"label": "notebook", "scopes": ["read:market"], "expires_at": "2024-07-01T00:00:00Z"}
    made = installation.client.post("/v1/api-keys", json=body, headers=headers)
    assert made.status_code == 201, made.text
    key, key_id = made.json()["data"]["key"], made.json()["data"]["api_key_id"]
    me = installation.me(key).json()["data"]
    assert me["scopes"] == ["read:market"]
    listed = installation.client.get("/v1/api-keys", headers=headers)
    assert [entry["api_key_id"] for entry in listed.json()["data"]] == [key_id]
    assert key.rpartition("_")[2] not in listed.text
    # A key makes no key that may more than itself.
    wider = installation.client.post(
        "/v1/api-keys", json={"label": "x", "scopes": ["run:jobs"]}, headers={"Authorization": f"Bearer {key}"}
    )
    assert (wider.status_code, wider.json()["code"]) == (403, "not-allowed")
    # Nor does it end one that may more; itself it may end.
    other = installation.client.post("/v1/api-keys", json={"label": "x", "scopes": ["run:jobs"]}, headers=headers)
    stronger = f"/v1/api-keys/{other.json()['data']['api_key_id']}"
    ended = installation.client.delete(stronger, headers={"Authorization": f"Bearer {key}"})
    assert (ended.status_code, ended.json()["code"]) == (403, "not-allowed")
    own = {"Authorization": f"Bearer {other.json()['data']['key']}"}
    assert installation.client.delete(stronger, headers=own).status_code == 204
    assert installation.client.delete(f"/v1/api-keys/{key_id}", headers=headers).status_code == 204
    assert installation.me(key).status_code == 401
    assert installation.client.delete(f"/v1/api-keys/{key_id}", headers=headers).status_code == 404
    assert installation.client.get("/v1/api-keys", headers=headers).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"label": "x", "scopes": []}, 400),
        ({"label": "x", "scopes": ["everything"]}, 400),
        ({"label": "a\u0000b", "scopes": ["read:market"]}, 400),
        ({"label": "x", "scopes": ["read:market"], "expires_at": "2020-01-01T00:00:00Z"}, 400),
        ({"label": "x", "scopes": ["read:market"], "expires_at": "2030-01-01T00:00:00"}, 400),
        ({"label": "x", "scopes": ["read:market"], "user_id": ALICE.user_id}, 400),
        ({"label": "x", "scopes": ["admin"]}, 403),
    ],
)
def test_keys_that_must_not_be_are_not_made(installation, body, status):
    assert installation.client.post("/v1/api-keys", json=body, headers=BOB.headers).status_code == status


def test_an_account_has_fifty_keys_at_most(installation):
    token = installation.login(installation.register()).json()["access_token"]
    headers, body = {"Authorization": f"Bearer {token}"}, {"label": "x", "scopes": ["read:market"]}
    made = [installation.client.post("/v1/api-keys", json=body, headers=headers).status_code for _ in range(51)]
    assert made == [201] * 50 + [409]


def test_what_is_nobodys_business_asks_who_is_there(installation):
    for path in ("/v1/auth/me", "/v1/api-keys"):
        answer = installation.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_signing_key_lies_in_the_home_for_its_owner_alone(installation):
    path = installation.home / "keys" / "signing_keys"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) == 64
    (key,) = installation.client.get("/.well-known/jwks.json").json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert path.read_text().strip() not in str(key)
