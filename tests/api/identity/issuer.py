"""Another issuer: OpenID Connect over HTTP on this machine, with keys that can be rotated. Written on PyJWT alone."""

import base64
import datetime as dt
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://factorloom.example/api"
CLIENT_ID = "factorloom client"
CLIENT_SECRET = "a secret: with % and +"
MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
TO_JWK = {"RS256": RSAAlgorithm.to_jwk, "ES256": ECAlgorithm.to_jwk, "EdDSA": OKPAlgorithm.to_jwk}


class OtherIssuer:
    """Answers metadata, keys and the token endpoint; people come to it only by `visit`."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.keys: dict[str, tuple[str, Any]] = {}
        self.weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        self.asked: list[str] = []
        self.is_away = False
        self.metadata_changes: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.id_claims: dict[str, Any] = {}
        for algorithm in MAKERS:
            self.rotate(algorithm)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                documents = {"/.well-known/openid-configuration": outer.metadata, "/keys": outer.key_set}
                found = documents.get(self.path)
                self.answer(503 if outer.is_away or found is None else 200, found() if found else {})

            def do_POST(self) -> None:
                outer.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self.answer(*outer.redeem(form, self.headers.get("Authorization", "")))

            def answer(self, status: int, document: object) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, algorithm: str) -> str:
        """Take the keys for an algorithm out and put a new one in; returns its id."""
        self.keys = {key_id: entry for key_id, entry in self.keys.items() if entry[0] != algorithm}
        key_id = f"{algorithm}-{secrets.token_hex(4)}"
        self.keys[key_id] = (algorithm, MAKERS[algorithm]())
        return key_id

    def key_id(self, algorithm: str) -> str:
        return next(key_id for key_id, entry in self.keys.items() if entry[0] == algorithm)

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            **self.metadata_changes,
        }

    def key_set(self) -> dict[str, Any]:
        keys = [
            {**json.loads(TO_JWK[algorithm](key.public_key())), "kid": key_id, "use": "sig", "alg": algorithm}
            for key_id, (algorithm, key) in self.keys.items()
        ]
        # What does not count here must not get in the way of what does.
        weak_key = {**json.loads(RSAAlgorithm.to_jwk(self.weak.public_key())), "kid": "weak", "use": "sig"}
        strange = [{"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}, {"kty": "?"}, "no key", {"kid": 7}, weak_key]
        return {"keys": [*strange, *keys]}

    def token(self, algorithm: str, *, key: Any = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign an access token; a claim of None is left out."""
        seconds = int(self.now.timestamp())
        whole = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": "someone",
            "client_id": "c",
            "iat": seconds,
            "exp": seconds + 300,
            "scope": "openid read:market write:portfolio",
            **claims,
        }
        key_id = self.key_id(algorithm)
        return jwt.encode(
            {name: value for name, value in whole.items() if value is not None},
            key or self.keys[key_id][1],
            algorithm=algorithm,
            headers={"kid": key_id, "typ": "at+jwt", **(headers or {})},
        )

    def visit(self, address: str, *, nonce: str | None = None, **id_claims: Any) -> dict[str, str]:
        """Come as a person whom our side has sent here; returns what goes back to its callback."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.address}/authorize?")
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
            CLIENT_ID,
            "code",
            "S256",
        )
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "nonce": nonce or asked["nonce"]}
        self.id_claims = id_claims
        return {"code": code, "state": asked["state"], "iss": self.address, "session_state": "as Keycloak sends it"}

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Answer at the token endpoint, as strictly as the standards ask for."""
        asked = self.codes.pop(form.get("code", ""), None)
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        holds = (
            asked is not None
            and (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)
            and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if asked is None or not holds:
            return 400, {"error": "invalid_grant"}
        claims = {"aud": CLIENT_ID, "nonce": asked["nonce"], "scope": None, **self.id_claims}
        id_token = self.token("RS256", headers={"typ": "JWT"}, **claims)
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": id_token}
