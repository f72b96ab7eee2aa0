"""Access tokens: those that hold, and a corpus of those that must not (RFC 8725, RFC 9068)."""

import asyncio
import base64
import hashlib
import hmac
import json
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from api.identity.bearers import OWN_LIFETIME
from api.identity.errors import TokenInvalid
from api.identity.signing import SigningKeys, signing_keys
from api.identity.tokens import ACCESS_TYPES, Rules, issue, verified
from tests.api.conftest import BOB, NOW
from warehouse.owner_files import SecretError
from warehouse.settings import Settings

ISSUER = "http://127.0.0.1:8000"
SECONDS = int(NOW.timestamp())
OTHER_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


@pytest.fixture(scope="module")
def signer(installation):
    """The installation's own private key and its id, as its operator could read them."""
    seed = bytes.fromhex((installation.home / "keys" / "signing_keys").read_text().strip())
    (published,) = installation.client.get("/.well-known/jwks.json").json()["keys"]
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed), published["kid"]


def encoded(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changed):
    whole = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": BOB.user_id,
        "client_id": "desktop",
        "iat": SECONDS,
        "exp": SECONDS + 600,
        "jti": "1",
        "scope": "read:market write:portfolio",
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def signed(signer, *, key=None, headers=None, **changed):
    """Sign claims as the installation does; `...` leaves a claim or a header out."""
    private, key_id = signer
    whole = {"alg": "EdDSA", "typ": "at+jwt", "kid": key_id, **(headers or {})}
    head = encoded({name: value for name, value in whole.items() if value is not ...})
    body = f"{head}.{encoded(claims(**changed))}"
    return f"{body}.{encoded((key or private).sign(body.encode()))}"


def test_a_token_that_holds_says_whose_it_is_and_what_it_may(installation, signer):
    me = installation.me(signed(signer)).json()["data"]
    assert (me["user_id"], me["scopes"]) == (BOB.user_id, ["read:market", "write:portfolio"])
    for good in (
        {"aud": [ISSUER, "https://else.example"]},
        {"headers": {"typ": "AT+JWT"}},
        {"headers": {"typ": "application/at+jwt"}},
        {"nbf": SECONDS + 60},
        {"iat": SECONDS + 60},
        {"exp": SECONDS + 1},
    ):
        assert installation.me(signed(signer, **good)).status_code == 200, good


def test_a_token_cannot_make_an_administrator_of_a_user(installation, signer):
    me = installation.me(signed(signer, scope="admin read:market", role="admin")).json()["data"]
    assert (me["role"], me["scopes"]) == ("user", ["read:market"])


WRONG = {
    "another issuer": {"iss": "https://evil.example"},
    "an issuer with a slash more": {"iss": f"{ISSUER}/"},
    "no issuer": {"iss": ...},
    "an issuer that is a list": {"iss": [ISSUER]},
    "another audience": {"aud": "https://else.example"},
    "an audience that only begins like ours": {"aud": f"{ISSUER}/v2"},
    "no audience": {"aud": ...},
    "an empty audience": {"aud": []},
    "an audience that is a number": {"aud": 1},
    "an expired one": {"iat": SECONDS - 700, "exp": SECONDS - 1},
    "one that expires now": {"iat": SECONDS - 600, "exp": SECONDS},
    "no expiry": {"exp": ...},
    "an expiry that is text": {"exp": str(SECONDS + 600)},
    "an expiry that is true": {"exp": True},
    "an expiry beyond time": {"exp": 1e300},
    "an expiry that is null": {"exp": None},
    "one that is good for a day": {"exp": SECONDS + 86_400},
    "no birth": {"iat": ...},
    "a birth that is to come": {"iat": SECONDS + 61, "exp": SECONDS + 600},
    "one that is not good yet": {"nbf": SECONDS + 61},
    "a beginning that is text": {"nbf": "now"},
    "nobody": {"sub": ...},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "a subject without end": {"sub": "x" * 300},
    "a subject that is no account": {"sub": str(uuid4())},
    "a subject that is no id": {"sub": "' or 1=1 --"},
    "a subject with a zero byte": {"sub": "a\x00b"},
    "an ID token's type": {"headers": {"typ": "JWT"}},
    "no type": {"headers": {"typ": ...}},
    "a type that is a number": {"headers": {"typ": 1}},
    "no key id": {"headers": {"kid": ...}},
    "an empty key id": {"headers": {"kid": ""}},
    "a key id that is a path": {"headers": {"kid": "../../../../dev/null"}},
    "a key id that is a query": {"headers": {"kid": "' union select 'x"}},
    "a key id that is a number": {"headers": {"kid": 1}},
    "critical extensions": {"headers": {"crit": ["exp"]}},
    "a compressed one": {"headers": {"zip": "DEF"}},
    "an unencoded one": {"headers": {"b64": False}},
    "keys from its own address": {"headers": {"jku": "http://127.0.0.1:9/keys"}},
    "a certificate from its own address": {"headers": {"x5u": "http://127.0.0.1:9/cert"}},
    "a certificate of its own": {"headers": {"x5c": ["MII"]}},
    "a key of its own": {
        "key": OTHER_KEY,
        "headers": {
            "jwk": {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": encoded(OTHER_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
            }
        },
    },
    "another key": {"key": OTHER_KEY},
    "another algorithm's name": {"headers": {"alg": "ES256"}},
    "no algorithm": {"headers": {"alg": ...}},
    "none, but signed": {"headers": {"alg": "none"}},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_a_token_with_one_thing_wrong_is_refused(installation, signer, changed):
    refused(installation, signed(signer, **changed))


def refused(installation, token):
    answer = installation.me(token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid"), answer.text
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert token not in answer.text
    assert "Traceback" not in answer.text


def test_what_is_not_signed_by_us_is_refused_whatever_it_says(installation, signer):
    private, key_id = signer
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = signed(signer)
    head, body, signature = good.split(".")
    corpus = []
    for name in ("none", "None", "NONE", "nOnE", ""):
        unsigned = encoded({"alg": name, "typ": "at+jwt", "kid": key_id})
        corpus += [f"{unsigned}.{body}.", f"{unsigned}.{body}.{signature}", f"{unsigned}.{body}"]
    # The public key taken for a shared secret.
    for algorithm, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        for secret in (public, pem, pem.strip(), encoded(public).encode(), b""):
            text = f"{encoded({'alg': algorithm, 'typ': 'at+jwt', 'kid': key_id})}.{body}"
            corpus.append(f"{text}.{encoded(hmac.new(secret, text.encode(), digest).digest())}")
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for algorithm in ("RS256", "PS256"):
        corpus.append(jwt.encode(claims(), rsa_key, algorithm=algorithm, headers={"kid": key_id, "typ": "at+jwt"}))
    altered = encoded({**claims(), "sub": "00000000-0000-7000-8000-000000000001"})
    corpus += [
        f"{head}.{altered}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{encoded(bytes(64))}",
        f"{head}.{body}.{encoded(b'')}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}",
        f"{head}..{signature}",
        f".{body}.{signature}",
        "..",
        "a.b.c",
        "null",
        f"{encoded(b'null')}.{body}.{signature}",
        f"{encoded(b'[]')}.{body}.{signature}",
        f"{encoded(b'{')}.{body}.{signature}",
        f"{encoded(b'[' * 2_000)}.{body}.{signature}",
        f"{head}.{encoded(b'[]')}.{signature}",
        f"{head}.{encoded(b'{' * 2_000)}.{signature}",
        f"{head}.{encoded(b'{}')}.{signature}",
        f"{head}.{encoded(bytes([255, 254]))}.{signature}",
        f"{head}.{body}.{signature}" + "A" * 9_000,
        f"{head}\u00e9.{body}.{signature}",
    ]
    for token in corpus:
        refused(installation, token)
    assert installation.me(good).status_code == 200


def test_our_tokens_are_those_that_the_standards_describe(installation):
    token = installation.login(installation.register()).json()["access_token"]
    header, body = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    (key,) = installation.client.get("/.well-known/jwks.json").json()["keys"]
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key["kid"]}
    assert set(body) == {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope"}
    assert jwt.decode(
        token, jwt.PyJWK(key).key, algorithms=["EdDSA"], audience=ISSUER, issuer=ISSUER, options={"verify_exp": False}
    )
    # RFC 7638: the id of a key is the hash of its required members, in order, without spaces.
    thumb = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'
    assert key["kid"] == encoded(hashlib.sha256(thumb.encode()).digest())


def test_after_a_rotation_the_new_key_signs_and_the_old_one_verifies_until_it_is_taken_out():
    old, new = b"\x01" * 32, b"\x02" * 32
    rules = Rules(ISSUER, ISSUER, ACCESS_TYPES, OWN_LIFETIME)

    def issued(keys):
        return issue(keys, issuer=ISSUER, user_id=uuid4(), client_id="c", scopes=frozenset(), now=NOW).text

    def is_good(token, keys):
        try:
            asyncio.run(verified(token, keys, rules, lambda: NOW))
        except TokenInvalid:
            return False
        return True

    before, during, after = (SigningKeys(seeds) for seeds in ([old], [new, old], [new]))
    assert [is_good(issued(before), keys) for keys in (before, during, after)] == [True, True, False]
    assert [is_good(issued(during), keys) for keys in (before, during, after)] == [False, True, True]
    assert len(during.published()["keys"]) == 2


def test_keys_of_the_settings_go_before_those_of_the_home(tmp_path):
    own = signing_keys(Settings(home=tmp_path))
    given = signing_keys(Settings(home=tmp_path, signing_keys=SecretStr(f"{'a' * 64},{'b' * 64}")))
    assert own.key_id == signing_keys(Settings(home=tmp_path)).key_id
    assert given.key_id == SigningKeys([bytes.fromhex("a" * 64)]).key_id
    (tmp_path / "keys" / "signing_keys").write_text("no key")
    with pytest.raises(SecretError, match="must hold what was written into it"):
        signing_keys(Settings(home=tmp_path))


def test_a_token_ends_when_it_says(installation):
    token = installation.login(installation.register()).json()["access_token"]
    before = installation.clock.seconds
    installation.clock.seconds += 599
    assert installation.me(token).status_code == 200
    installation.clock.seconds += 1
    assert installation.me(token).status_code == 401
    installation.clock.seconds = before
