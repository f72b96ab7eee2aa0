"""Codes with PKCE and refresh tokens: the way through, and a corpus of what must not get through."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.identity.conftest import CALLBACK, PASSWORD, VERIFIER, challenge, query_of, request
from tests.api.waiting import wait_for_waiting


def test_a_client_signs_a_person_in_by_code_and_verifier(installation):
    email = installation.register()
    page = installation.client.get("/v1/auth/authorize", params=request())
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "form-action 'self' http://127.0.0.1:49152;" in page.headers["content-security-policy"]
    assert "script" not in page.text
    form = {**request(), "email": email, "password": PASSWORD}
    answer = installation.client.post("/v1/auth/authorize", data=form, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    back = query_of(answer.headers["location"])
    assert (back["state"], back["iss"]) == ("xyz", "http://127.0.0.1:8000")
    tokens = installation.redeem(back["code"])
    assert tokens.status_code == 200
    assert tokens.headers["cache-control"] == "no-store"
    assert installation.me(tokens.json()["access_token"]).json()["data"]["email"] == email


def test_the_vector_of_the_standard_holds():
    assert challenge(VERIFIER) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_client_gets_the_scopes_that_it_asked_for_and_the_account_has(installation):
    email = installation.register()
    tokens = installation.redeem(installation.code_for(email, scope="read:market admin")).json()
    assert tokens["scope"] == "read:market"


def test_a_page_shows_what_it_was_sent_as_text(installation):
    page = installation.client.get("/v1/auth/authorize", params=request(state='"><script>alert(1)</script>'))
    assert page.status_code == 200
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": ""}, "invalid_client"),
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
        ({"redirect_uri": f"{CALLBACK}/more"}, "invalid_request"),
        ({"redirect_uri": f"{CALLBACK}?next=evil"}, "invalid_request"),
        ({"redirect_uri": f"{CALLBACK}#x"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:49152@evil.example/callback"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1.evil.example/callback"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:49152/callback/../admin"}, "invalid_request"),
        ({"redirect_uri": "http://localhost:49152/callback"}, "invalid_request"),
        ({"redirect_uri": "https://127.0.0.1:49152/callback"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:123456/callback"}, "invalid_request"),
        ({"redirect_uri": "javascript:alert(1)"}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"client_id": "web", "redirect_uri": "https://app.example:8443/done"}, "invalid_request"),
        ({"client_id": "web", "redirect_uri": "https://APP.example/done"}, "invalid_request"),
        ({"client_id": "web", "redirect_uri": CALLBACK}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": ""}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "=" * 43}, "invalid_request"),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
def test_a_request_that_is_not_in_order_is_refused_here_and_goes_nowhere(installation, changed, error):
    asked = request(**changed)
    form = {**asked, "email": "ada@example.com", "password": PASSWORD}
    for answer in (
        installation.client.get("/v1/auth/authorize", params=asked, follow_redirects=False),
        installation.client.post("/v1/auth/authorize", data=form, follow_redirects=False),
        installation.client.get("/v1/auth/provider/login", params=asked, follow_redirects=False),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
        assert "location" not in answer.headers


def test_a_wrong_password_shows_the_page_once_more(installation):
    form = {**request(), "email": installation.new_address(), "password": "wrong password"}
    answer = installation.client.post("/v1/auth/authorize", data=form, follow_redirects=False)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "wrong password" not in answer.text


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": ""},
        {"code_verifier": VERIFIER[:-1]},
        {"code_verifier": VERIFIER[:-1] + "x"},
        {"code_verifier": challenge(VERIFIER)},
        {"code_verifier": VERIFIER + "%00"},
        {"redirect_uri": "http://127.0.0.1:49153/callback"},
        {"redirect_uri": ""},
        {"client_id": "web"},
        {"client_id": "nobody"},
    ],
)
def test_a_code_is_nothing_without_what_belongs_to_it_and_is_gone_with_the_first_try(installation, changed):
    code = installation.code_for(installation.register())
    answer = installation.redeem(code, **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert installation.redeem(code).status_code == 400


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password", "username": "ada@example.com", "password": PASSWORD},
        {"grant_type": "client_credentials"},
        {"grant_type": "implicit"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"},
        {"grant_type": ""},
    ],
)
def test_grants_that_the_best_practice_forbids_do_not_exist(installation, form):
    answer = installation.exchange(client_id="desktop", **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("code", ["", "x", "' or '1'='1", "a\x00b", "x" * 201, "é" * 20])
def test_codes_and_tokens_that_were_never_given_out_buy_nothing(installation, code):
    for answer in (
        installation.redeem(code),
        installation.exchange(grant_type="refresh_token", client_id="desktop", refresh_token=code),
    ):
        assert answer.status_code == 400
        assert answer.json()["code"] in ("grant-refused", "parameter-invalid")
    assert installation.client.post("/v1/auth/revoke", data={"token": code}).status_code in (204, 400)


def test_a_code_ends_after_a_minute(installation):
    code = installation.code_for(installation.register())
    installation.clock.seconds += 60
    assert installation.redeem(code).status_code == 400


def test_a_code_that_is_used_twice_ends_what_came_of_it(installation):
    code = installation.code_for(installation.register())
    first = installation.redeem(code).json()
    assert installation.redeem(code).status_code == 400
    assert refresh(installation, first["refresh_token"]).status_code == 400


def refresh(installation, token, client_id="desktop"):
    return installation.exchange(grant_type="refresh_token", client_id=client_id, refresh_token=token)


def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_whole_sign_in(installation):
    first = installation.redeem(installation.code_for(installation.register())).json()
    second = refresh(installation, first["refresh_token"]).json()
    third = refresh(installation, second["refresh_token"]).json()
    assert installation.me(third["access_token"]).status_code == 200
    stolen = refresh(installation, first["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert refresh(installation, third["refresh_token"]).status_code == 400
    with installation.owner() as owner:
        (n,) = owner.execute("select count(*) from app.audit where action = 'token.reused'").fetchone()
    assert n >= 1


def test_another_client_with_a_refresh_token_ends_the_sign_in_too(installation):
    tokens = installation.redeem(installation.code_for(installation.register())).json()
    assert refresh(installation, tokens["refresh_token"], "web").status_code == 400
    assert refresh(installation, tokens["refresh_token"]).status_code == 400


def test_of_many_who_use_a_token_or_a_code_at_once_one_at_most_gets_something(installation):
    for _ in range(3):
        code = installation.code_for(installation.register())
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _, code=code: installation.redeem(code), range(4)))
        assert [answer.status_code for answer in answers].count(200) == 1
        tokens = installation.redeem(installation.code_for(installation.register())).json()
        with ThreadPoolExecutor(4) as pool:
            again = list(pool.map(lambda _, t=tokens: refresh(installation, t["refresh_token"]), range(4)))
        assert [answer.status_code for answer in again].count(200) == 1
        (winner,) = [answer.json() for answer in again if answer.status_code == 200]
        assert refresh(installation, winner["refresh_token"]).status_code == 400


def test_a_sign_in_ends_when_it_is_revoked_and_after_thirty_days(installation):
    tokens = installation.login(installation.register()).json()
    assert installation.client.post("/v1/auth/revoke", data={"token": tokens["refresh_token"]}).status_code == 204
    assert refresh(installation, tokens["refresh_token"], "first-party").status_code == 400
    old = installation.login(installation.register()).json()
    day = 86_400
    installation.clock.seconds += 29 * day
    newer = refresh(installation, old["refresh_token"], "first-party").json()
    installation.clock.seconds += day
    assert refresh(installation, newer["refresh_token"], "first-party").status_code == 400


@pytest.mark.parametrize("how", ["revoked", "reused"])
def test_the_end_of_a_sign_in_reaches_a_token_that_is_being_made(installation, how):
    first = installation.redeem(installation.code_for(installation.register())).json()
    second = refresh(installation, first["refresh_token"]).json()

    def end():
        if how == "reused":
            return refresh(installation, first["refresh_token"])
        return installation.client.post("/v1/auth/revoke", data={"token": second["refresh_token"]})

    with ThreadPoolExecutor(2) as pool, installation.owner() as owner:
        with owner.transaction():
            # Who adds a token must find its account; so the refresh waits with its next token half made.
            owner.execute("select from app.users for update")
            refreshing = pool.submit(refresh, installation, second["refresh_token"])
            wait_for_waiting(owner, 1)
            ending = pool.submit(end)
            wait_for_waiting(owner, 2)
        third = refreshing.result()
        assert (third.status_code, ending.result().status_code) == (200, 400 if how == "reused" else 204)
    assert refresh(installation, third.json()["refresh_token"]).status_code == 400


def test_a_refreshed_sign_in_never_may_more_than_it_might(installation):
    tokens = installation.redeem(installation.code_for(installation.register(), scope="read:market")).json()
    assert refresh(installation, tokens["refresh_token"]).json()["scope"] == "read:market"


def test_the_metadata_say_what_there_is(installation):
    found = installation.client.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == "http://127.0.0.1:8000"
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["grant_types_supported"] == ["authorization_code", "refresh_token"]
    for name in ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "jwks_uri"):
        path = found[name].removeprefix(found["issuer"])
        assert installation.client.get(path).status_code in (200, 400, 405)


def test_forms_are_forms_and_each_field_is_given_once(installation):
    as_json = installation.client.post("/v1/auth/token", json={"grant_type": "refresh_token"})
    assert (as_json.status_code, as_json.json()["code"]) == (415, "media-type-unsupported")
    twice = installation.client.post(
        "/v1/auth/token",
        content="grant_type=refresh_token&client_id=desktop&refresh_token=a&refresh_token=b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert twice.status_code == 400


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/v1/auth/token", "grant_type=refresh_token&refresh_token=x"),
        ("/v1/auth/token", "client_id=desktop"),
        ("/v1/auth/token", ""),
        ("/v1/auth/token", "grant_type=refresh_token&grant_type=refresh_token&client_id=desktop&refresh_token=x"),
        ("/v1/auth/token?debug=1", "grant_type=refresh_token&client_id=desktop&refresh_token=x"),
        ("/v1/auth/token", f"grant_type=refresh_token&client_id=desktop&refresh_token={'x' * 201}"),
        ("/v1/auth/revoke", ""),
        ("/v1/auth/revoke", "token=x&token=y"),
        ("/v1/auth/authorize", "email=ada@example.com"),
    ],
)
def test_a_form_that_is_not_in_order_is_refused_in_the_words_of_the_standard(installation, path, form):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = installation.client.post(path, content=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), answer.text


def test_problems_elsewhere_do_not_speak_of_a_sign_in(installation):
    answer = installation.client.post("/v1/auth/login", json={})
    assert answer.status_code == 400
    assert "error" not in answer.json()
