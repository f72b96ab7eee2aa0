"""Messages as signed webhooks."""

import datetime as dt
import uuid
from typing import Any

from standardwebhooks import Webhook

from orchestration.delivery.messages import Message, Outcome
from orchestration.delivery.posting import Poster
from orchestration.delivery.webhooks import MAX_BODY_BYTES, WebhookSender

NEW, OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIz"
TYPE = "alert.triggered"
CREATED_AT = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def message(receiver: Any, payload: str = '{"message":"A: price 1.5 is at or above 1."}', *secrets: str) -> Message:
    return Message(
        "d1",
        uuid.UUID(int=1),
        uuid.UUID(int=2),
        receiver.url,
        "alert.triggered",
        CREATED_AT,
        payload,
        secrets or (NEW,),
    )


def send(receiver: Any, message: Message) -> Outcome:
    sender = WebhookSender(Poster(allow=[receiver.address]))
    return sender.send(message, sent_at=dt.datetime.now(dt.UTC))


def test_a_receiver_gets_a_message_that_the_official_library_verifies(receiver: Any) -> None:
    assert send(receiver, message(receiver)) == Outcome(204, None)
    [request] = receiver.received
    assert Webhook(NEW).verify(request.body, request.headers) == {
        "type": "alert.triggered",
        "timestamp": "2026-11-20T12:00:00Z",
        "data": {"message": "A: price 1.5 is at or above 1."},
    }


def test_while_a_secret_is_replaced_both_verify(receiver: Any) -> None:
    send(receiver, message(receiver, "{}", NEW, OLD))
    [request] = receiver.received
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(request.body, request.headers)


def test_a_body_above_the_limit_is_not_sent(receiver: Any) -> None:
    outcome = send(receiver, message(receiver, f'{{"message":"{"x" * MAX_BODY_BYTES}"}}'))
    assert outcome == Outcome(None, "body_too_large")
    assert receiver.received == []
