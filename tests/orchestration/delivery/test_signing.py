"""Signatures are those of the Standard Webhooks specification."""

import base64
import datetime as dt

import pytest
from standardwebhooks import Webhook

from orchestration.delivery.errors import SecretMalformed
from orchestration.delivery.signing import signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_the_signature_is_the_published_example() -> None:
    # From the documentation of the scheme's first implementation.
    headers = signed_headers(
        b'{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        sent_at=dt.datetime.fromtimestamp(1614265330, dt.UTC),
        secrets=[SECRET],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
def test_the_official_library_accepts_both_secrets_while_one_replaces_the_other(secret: str) -> None:
    body = '{"type":"alert.triggered"}'
    now = dt.datetime.now(dt.UTC)
    headers = signed_headers(body.encode(), message_id="d1", sent_at=now, secrets=[SECRET, NEXT_SECRET])
    assert Webhook(secret).verify(body, headers) == {"type": "alert.triggered"}


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SecretMalformed) as raised:
        signed_headers(b"{}", message_id="d1", sent_at=dt.datetime.now(dt.UTC), secrets=[secret])
    assert not secret.removeprefix("whsec_") or secret not in str(raised.value)
