"""/v1/api-keys: keys for scripts. A key is shown once, when it is made."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter
from msgspec import Meta

from api import answers, operations
from api.answers import One, Page
from api.database import Database
from api.errors import ParameterError, ParameterInvalid
from api.identity import api_keys
from api.identity.audit import audit
from api.identity.errors import ApiKeyUnknown, NotAllowed, TooManyKeys
from api.identity.principal import SCOPES, SIGNED_IN, Principal, Scope
from api.routes.auth import TAG, Line
from api.writes import refuse_key
from warehouse.queries import api_keys as stored
from warehouse.queries import quotas
from warehouse.queries.api_keys import KeyListed
from warehouse.secrets import hash_of

MAX_KEYS = 50
Instant = Annotated[dt.datetime, Meta(tz=True)]


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made."""

    label: Annotated[Line, Meta(description="What you call it.")]
    scopes: Annotated[
        list[Scope], Meta(min_length=1, max_length=5, description="What it may do; none that you may not.")
    ]
    expires_at: Annotated[Instant | None, Meta(description="When it ends, null = never.")] = None


class ApiKeyMade(msgspec.Struct, frozen=True):
    """A key that was just made, with its secret."""

    api_key_id: Annotated[str, Meta(description="Public part of the key.")]
    key: Annotated[str, Meta(description="The whole key. It is shown this once; keep it.")]
    label: Annotated[str, Meta(description="What its owner calls it.")]
    scopes: Annotated[list[str], Meta(description="What it may do.")]
    expires_at: Annotated[dt.datetime | None, Meta(description="When it ends, null = never.")]


NEW = NewApiKey("nightly notebook", ["read:market", "run:jobs"])
MADE = ApiKeyMade("5d41402abc4b", f"fl_5d41402abc4b_{'0' * 64}", NEW.label, ["read:market", "run:jobs"], None)
LISTED = KeyListed(
    "5d41402abc4b", NEW.label, ["read:market", "run:jobs"], dt.datetime(2024, 6, 28, 9, 30, tzinfo=dt.UTC), None, None
)


@operations.write(
    "POST",
    "/api-keys",
    operation_id="create_api_key",
    summary="Make an API key",
    tag=TAG,
    scope=SIGNED_IN,
    status_code=201,
    problems=[409],
    example=One(MADE, answers.Meta()),
)
async def create_api_key(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: Annotated[
        NewApiKey, Body(description="The key to be made.", examples=[Example(value=msgspec.to_builtins(NEW))])
    ],
) -> Response[One[ApiKeyMade]]:
    """Make a key for a script, with some of the scopes that the caller has; the answer alone shows its secret."""
    refuse_key(request)
    wanted = frozenset(data.scopes)
    for scope in sorted(wanted):
        if not principal.may(scope):
            raise NotAllowed(scope)
    made = api_keys.make()
    async with database.as_user(principal) as transaction:
        if data.expires_at is not None and data.expires_at <= transaction.now:
            raise ParameterInvalid([ParameterError("expires_at", "invalid", "must be later than now")])
        await quotas.alone(transaction, principal.owner_id, "API keys")
        if len(await stored.standing(transaction, principal.owner_id, now=transaction.now)) >= MAX_KEYS:
            raise TooManyKeys(MAX_KEYS)
        await stored.add(
            transaction,
            api_key_id=made.api_key_id,
            user_id=principal.owner_id,
            key_hash=hash_of(made.secret),
            scopes=sorted(wanted),
            label=data.label,
            now=transaction.now,
            expires_at=data.expires_at,
        )
        await audit(transaction, principal, "api_key.created", made.api_key_id, scopes=" ".join(sorted(wanted)))
    shown = ApiKeyMade(made.api_key_id, made.text, data.label, sorted(wanted), data.expires_at)
    return Response(One(shown, answers.meta()), headers={"Location": f"/v1/api-keys/{made.api_key_id}"})


@operations.read(
    "/api-keys",
    operation_id="list_api_keys",
    summary="List your API keys",
    tag=TAG,
    scope=SIGNED_IN,
    example=Page([LISTED], answers.Meta()),
)
async def list_api_keys(principal: NamedDependency[Principal], database: NamedDependency[Database]) -> Page[KeyListed]:
    """Your keys that hold, the newest first, without their secrets; at most 50."""
    async with database.as_user(principal) as transaction:
        return Page(await stored.standing(transaction, principal.owner_id, now=transaction.now), answers.meta())


@operations.write(
    "DELETE",
    "/api-keys/{api_key_id:str}",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    tag=TAG,
    scope=SIGNED_IN,
    status_code=204,
    media_types=(),
    problems=[404],
)
async def revoke_api_key(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    api_key_id: Annotated[
        str,
        PathParameter(
            pattern=r"^[0-9a-f]{12}$",
            description="Public part of the key, as /v1/api-keys lists it.",
            examples=[Example(value=MADE.api_key_id)],
        ),
    ],
) -> None:
    """End a key at once. It cannot be undone. What may do less than the key cannot end it, except itself."""
    async with database.as_user(principal) as transaction:
        for key in await stored.standing(transaction, principal.owner_id, now=transaction.now):
            if key.api_key_id == api_key_id:
                _require_as_much(principal, key)
        if not await stored.revoke(transaction, principal.owner_id, api_key_id, now=transaction.now):
            raise ApiKeyUnknown
        await audit(transaction, principal, "api_key.revoked", api_key_id)


def _require_as_much(principal: Principal, key: KeyListed) -> None:
    """Refuse whoever may do less than the key; `admin` is of no use to an account that is no administrator's."""
    useful = SCOPES if principal.role == "admin" else SCOPES - {"admin"}
    for scope in sorted(useful - principal.scopes):
        if scope in key.scopes:
            raise NotAllowed(scope)
