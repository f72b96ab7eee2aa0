"""/v1/webhook-endpoints: where messages go. What was sent there, and secrets, stand in `api/routes/deliveries.py`."""

import datetime as dt
import uuid
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body
from msgspec import Meta

from api import answers, operations
from api.answers import One, Page
from api.database import Database
from api.identity.principal import Principal
from api.refusals import AddressRefused, Conflict, EndpointUnknown
from api.routes.deliveries import EXAMPLE_ID, TAG, EndpointId
from api.writes import Answer, user_of, writing
from warehouse.queries import channel_requests, channels, quotas
from warehouse.queries.channel_requests import Endpoint
from warehouse.records.channels import DEFAULT_EVENT_TYPES, check_channel
from warehouse.records.errors import RecordRefused
from warehouse.secrets import KeyRing, new_webhook_secret

MOST_ENDPOINTS = 20
AT = dt.datetime(2024, 6, 27, 20, 5, tzinfo=dt.UTC)
EXAMPLE = Endpoint(EXAMPLE_ID, "https://example.com/hook", ["alert.*"], True, None, AT, None, AT)


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook endpoint to be made."""

    url: Annotated[str, Meta(min_length=1, max_length=2_000, description="A public https address on port 443.")]
    event_types: Annotated[
        tuple[Annotated[str, Meta(max_length=60)], ...],
        Meta(min_length=1, max_length=20, description="Types of events to be sent, each whole or ending in a star."),
    ] = DEFAULT_EVENT_TYPES


class EndpointMade(msgspec.Struct, frozen=True):
    """A new webhook endpoint and its secret, which is shown this once."""

    endpoint_id: Annotated[UUID, Meta(description="Id of the endpoint.")]
    url: Annotated[str, Meta(description="Where messages go.")]
    secret: Annotated[str, Meta(description="Secret that signs messages (Standard Webhooks), shown this once.")]


@operations.write(
    "POST", "/webhook-endpoints", operation_id="create_webhook_endpoint", summary="Have messages sent", tag=TAG,
    scope="write:alerts", status_code=201, problems=[409, 422],
    example=One(
        EndpointMade(EXAMPLE_ID, "https://example.com/hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), answers.Meta()
    ),
)  # fmt: skip
async def create_webhook_endpoint(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    secret_keys: NamedDependency[KeyRing],
    webhook_allow: NamedDependency[tuple[str, ...]],
    data: Annotated[
        NewEndpoint, Body(title="New endpoint", examples=[Example(value={"url": "https://example.com/hook"})])
    ],
) -> Response[One[EndpointMade]]:
    """Store an address and ask its receiver whether it wants messages: it is in use once it has answered by 2xx."""
    try:
        check_channel("webhook", data.url, event_types=data.event_types, allow=webhook_allow)
    except RecordRefused as refused:
        raise AddressRefused(str(refused)) from refused
    endpoint_id, secret = uuid.uuid4(), new_webhook_secret()
    sealed = secret_keys.seal(secret, bound_to=str(endpoint_id))
    async with writing(database, principal, request) as write:
        await quotas.alone(write.transaction, write.user_id, "webhook endpoints")
        if await channel_requests.count(write.transaction, write.user_id) >= MOST_ENDPOINTS:
            raise Conflict(f"webhook endpoints: at most {MOST_ENDPOINTS} may be yours; they are. Delete one first.")
        await channel_requests.insert(
            write.transaction, write.user_id, endpoint_id, url=data.url, event_types=data.event_types, sealed=sealed,
            now=write.now,
        )  # fmt: skip
        type_, message = channels.QUESTION
        await write.event(type_, str(endpoint_id), {"channel_id": str(endpoint_id), "message": message})
        await write.event("webhook_endpoint.changed", str(endpoint_id), {"change": "created"})
        write.note("webhook_endpoint.created", str(endpoint_id))
        made = EndpointMade(endpoint_id, data.url, secret)
        return await write.end(
            Answer(One(made, answers.meta()), 201, f"/v1/webhook-endpoints/{endpoint_id}/deliveries")
        )


@operations.read(
    "/webhook-endpoints", operation_id="list_webhook_endpoints", summary="List webhook endpoints", tag=TAG,
    scope="write:alerts", example=Page([EXAMPLE], answers.Meta()),
)  # fmt: skip
async def list_webhook_endpoints(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Page[Endpoint]:
    """Return the caller's endpoints, oldest first, and how their receivers do. Secrets are not among it."""
    async with database.as_user(principal) as transaction:
        return Page(await channel_requests.of_user(transaction, user_of(principal)), answers.meta())


@operations.write(
    "DELETE", "/webhook-endpoints/{endpoint_id:uuid}", operation_id="delete_webhook_endpoint",
    summary="Delete a webhook endpoint", tag=TAG, scope="write:alerts", status_code=204, media_types=(),
    problems=[404],
)  # fmt: skip
async def delete_webhook_endpoint(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    endpoint_id: EndpointId,
) -> None:
    """Delete an endpoint with everything that was or was to be sent to it."""
    async with writing(database, principal, request) as write:
        if not await channel_requests.delete(write.transaction, write.user_id, endpoint_id):
            raise EndpointUnknown(endpoint_id)
        await write.event("webhook_endpoint.changed", str(endpoint_id), {"change": "deleted"})
        write.note("webhook_endpoint.deleted", str(endpoint_id))
        await write.end(Answer(None, 204))
