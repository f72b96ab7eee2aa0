"""/v1/webhook-endpoints/{id}/...: what was sent to a webhook, sent again, tried out, signed with a new secret."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter, QueryParameter
from msgspec import Meta

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.database import Database, Transaction
from api.identity.principal import Principal
from api.parameters import Cursor, Limit
from api.refusals import EndpointUnknown
from api.writes import Answer, KeyWelcome, user_of, writing
from warehouse.queries import channels, deliveries
from warehouse.queries.deliveries import Delivery, State
from warehouse.secrets import KeyRing, new_webhook_secret

TAG = "Alerts"
EXAMPLE_ID = UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c5f")
EndpointId = Annotated[
    UUID, PathParameter(description="Id of the webhook endpoint.", examples=[Example(value=str(EXAMPLE_ID))])
]
Instant = Annotated[dt.datetime, Meta(tz=True)]
AT = dt.datetime(2024, 6, 27, 20, 5, tzinfo=dt.UTC)
EXAMPLE = Delivery(
    delivery_id=UUID("0d9c8b7a-1111-4222-8333-444455556666"),
    channel_id=EXAMPLE_ID,
    kind="webhook",
    address="https://example.com/hook",
    type="alert.triggered",
    message="ACME: price 101.5 is at or above 100.",
    state="pending",
    attempts=2,
    next_attempt_at=AT + dt.timedelta(minutes=5),
    last_status=503,
    last_error="http_503",
    created_at=AT,
    finished_at=None,
)


class Rotated(msgspec.Struct, frozen=True):
    """A new signing secret, shown this once."""

    endpoint_id: Annotated[UUID, Meta(description="The endpoint.")]
    secret: Annotated[str, Meta(description="Secret that signs from now on, shown this once.")]
    previous_secret_until: Annotated[dt.datetime, Meta(description="Until then the former secret signs as well.")]


class Outgoing(msgspec.Struct, frozen=True):
    """What was asked for is on its way."""

    endpoint_id: Annotated[UUID, Meta(description="The endpoint.")]
    n_deliveries: Annotated[int, Meta(description="Deliveries that go out for it. Unit count.")]


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries are sent again: one, or those that were given up within a range."""

    delivery_id: Annotated[UUID | None, Meta(description="One delivery, however it has ended.")] = None
    since: Annotated[Instant | None, Meta(description="Of events from then on.")] = None
    until: Annotated[Instant | None, Meta(description="Of events until then.")] = None


@operations.read(
    "/webhook-endpoints/{endpoint_id:uuid}/deliveries",
    operation_id="list_deliveries",
    summary="List what was sent to a webhook",
    tag=TAG,
    scope="write:alerts",
    problems=[404, 410],
    example=Page([EXAMPLE], answers.Meta()),
)
async def list_deliveries(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    cursors: NamedDependency[Cursors],
    endpoint_id: EndpointId,
    delivery_state: Annotated[
        State | None,
        QueryParameter(
            name="state", description="Only in this state; dead = given up.", examples=[Example(value="dead")]
        ),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Delivery]:
    """Return deliveries, the newest first, each with how its last try went."""
    async with database.as_user(principal) as transaction:
        await _require_endpoint(transaction, principal, endpoint_id)
        rows = await deliveries.newest(
            transaction, user_of(principal), endpoint_id, state=delivery_state,
            before=cursors.read(cursor, tuple[dt.datetime, UUID]) if cursor else None, limit=limit + 1,
        )  # fmt: skip
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.created_at, last.delivery_id) if last else None)


@operations.write(
    "POST",
    "/webhook-endpoints/{endpoint_id:uuid}/replay",
    operation_id="replay_deliveries",
    summary="Send again",
    tag=TAG,
    scope="write:alerts",
    status_code=202,
    problems=[404, 409, 422],
    example=One(Outgoing(EXAMPLE_ID, 3), answers.Meta()),
)
async def replay_deliveries(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    endpoint_id: EndpointId,
    data: Annotated[
        Replay,
        Body(
            title="Which",
            description="One delivery, or those given up within a range; without either all that were given up.",
            examples=[Example(value={"since": "2024-06-27T00:00:00Z"})],
        ),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Outgoing]]:
    """Let deliveries begin anew, with all their tries and under the ids that they had."""
    async with writing(database, principal, request, idempotency_key) as write:
        if (known := await write.answered()) is not None:
            return known
        await _require_endpoint(write.transaction, principal, endpoint_id)
        states = ("dead",) if data.delivery_id is None else deliveries.ENDED
        parameters = {
            "now": write.now,
            "user_id": write.user_id,
            "channel_id": endpoint_id,
            "delivery_id": data.delivery_id,
            "since": data.since or deliveries.BEGINNING,
            "until": data.until or deliveries.END,
            "states": list(states),
        }
        n_replayed = await write.transaction.execute(deliveries.REPLAY, parameters)
        await write.transaction.execute(deliveries.WAKE)
        write.note("deliveries.replayed", str(endpoint_id), n_deliveries=n_replayed)
        return await write.end(Answer(One(Outgoing(endpoint_id, n_replayed), answers.meta()), 202))


@operations.write(
    "POST",
    "/webhook-endpoints/{endpoint_id:uuid}/rotate",
    operation_id="rotate_webhook_secret",
    summary="Sign with a new secret",
    tag=TAG,
    scope="write:alerts",
    status_code=200,
    media_types=(),
    problems=[404],
    example=One(Rotated(EXAMPLE_ID, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", AT), answers.Meta()),
)
async def rotate_webhook_secret(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    secret_keys: NamedDependency[KeyRing],
    endpoint_id: EndpointId,
) -> Response[One[Rotated]]:
    """Make a new signing secret; for a day messages carry the signatures of both, so that receivers can change over."""
    secret = new_webhook_secret()
    sealed = secret_keys.seal(secret, bound_to=str(endpoint_id))
    async with writing(database, principal, request) as write:
        until = write.now + dt.timedelta(hours=channels.ROTATION_HOURS)
        parameters = {
            "channel_id": endpoint_id,
            "user_id": write.user_id,
            "secret_encrypted": sealed.content,
            "secret_key_id": sealed.key_id,
            "until": until,
        }
        if not await write.transaction.execute(channels.ROTATE, parameters):
            raise EndpointUnknown(endpoint_id)
        write.note("webhook_endpoint.rotated", str(endpoint_id))
        return await write.end(Answer(One(Rotated(endpoint_id, secret, until), answers.meta()), 200))


@operations.write(
    "POST",
    "/webhook-endpoints/{endpoint_id:uuid}/test",
    operation_id="test_webhook_endpoint",
    summary="Send a test message",
    tag=TAG,
    scope="write:alerts",
    status_code=202,
    media_types=(),
    problems=[404, 409, 422],
    example=One(Outgoing(EXAMPLE_ID, 1), answers.Meta()),
)
async def test_webhook_endpoint(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    endpoint_id: EndpointId,
    idempotency_key: KeyWelcome,
) -> Response[One[Outgoing]]:
    """Send a message of type channel.test; an endpoint that has not been confirmed is asked once more instead."""
    async with writing(database, principal, request, idempotency_key) as write:
        if (known := await write.answered()) is not None:
            return known
        is_verified = await _require_endpoint(write.transaction, principal, endpoint_id)
        type_, message = channels.TEST if is_verified else channels.QUESTION
        await write.event(type_, str(endpoint_id), {"channel_id": str(endpoint_id), "message": message})
        write.note("webhook_endpoint.tested", str(endpoint_id))
        return await write.end(Answer(One(Outgoing(endpoint_id, 1), answers.meta()), 202))


class _Standing(msgspec.Struct, frozen=True):
    is_verified: bool


async def _require_endpoint(transaction: Transaction, principal: Principal, endpoint_id: UUID) -> bool:
    """Return whether an endpoint of the caller's has been confirmed.

    Raises
    ------
    EndpointUnknown
        If there is none, or it is somebody else's.
    """
    parameters = {"channel_id": endpoint_id, "user_id": user_of(principal)}
    rows = await transaction.rows(_Standing, channels.STANDING, parameters)
    if not rows:
        raise EndpointUnknown(endpoint_id)
    return rows[0].is_verified
