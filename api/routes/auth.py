"""Accounts of this installation: POST /v1/auth/register, POST /v1/auth/login, GET /v1/auth/me."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body
from msgspec import Meta

from api import answers, operations
from api.answers import One
from api.database import Database
from api.identity.accounts import Accounts, principal_of
from api.identity.errors import TokenInvalid
from api.identity.grants import Grants, Tokens
from api.identity.principal import OPEN, SIGNED_IN, Principal
from warehouse.queries import accounts as stored
from warehouse.queries.accounts import Account

TAG = "Identity"
# Control characters, and what turns other text around or cannot be seen; joiners inside a word are part of scripts.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
# It begins with something to see, and ends without the line break that `$` alone would let pass.
LINE_PATTERN = rf"^[^\s\u200c\u200d{_UNSEEN}][^{_UNSEEN}]*(?!\n)$"
Line = Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE_PATTERN)]
Email = Annotated[str, Meta(min_length=3, max_length=254, description="Address, in upper or lower case alike.")]


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to be made."""

    email: Email
    password: Annotated[str, Meta(min_length=12, max_length=256, description="At least 12 characters, any of them.")]
    display_name: Annotated[Line, Meta(description="Name to show.")]


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Address and password."""

    email: Email
    password: Annotated[str, Meta(min_length=1, max_length=256, description="The password.")]


class Me(msgspec.Struct, frozen=True):
    """The account that a key or token belongs to, and what this key or token may do."""

    user_id: Annotated[UUID, Meta(description="Id of the account.")]
    email: Annotated[str | None, Meta(description="Address, null for the local owner.")]
    display_name: Annotated[str, Meta(description="Name to show.")]
    role: Annotated[str, Meta(description="user or admin.")]
    scopes: Annotated[list[str], Meta(description="What this key or token may do.")]
    created_at: Annotated[dt.datetime, Meta(description="When the account was made.")]


NEW = NewAccount("ada@example.com", "correct horse battery", "Ada")
ME = Me(
    UUID("0197a1de-0000-7000-8000-000000000001"),
    "ada@example.com",
    "Ada",
    "user",
    ["read:market", "run:jobs", "write:alerts", "write:portfolio"],
    dt.datetime(2024, 6, 28, 9, 30, tzinfo=dt.UTC),
)
TOKENS = Tokens(
    "eyJhbGciOiJFZERTQSIsImtpZCI6IuKApiIsInR5cCI6ImF0K2p3dCJ9…",
    "Bearer",
    600,
    "c2lnbmVkLWluLWFuZC1nb29kLW9uY2U",
    "read:market run:jobs write:alerts write:portfolio",
)


@operations.write(
    "POST",
    "/auth/register",
    operation_id="register",
    summary="Make an account",
    tag=TAG,
    scope=OPEN,
    status_code=201,
    problems=[403, 409],
    example=One(ME, answers.Meta()),
)
async def register(
    accounts: NamedDependency[Accounts],
    data: Annotated[
        NewAccount, Body(description="The account to be made.", examples=[Example(value=msgspec.to_builtins(NEW))])
    ],
) -> Response[One[Me]]:
    """Make an account of role `user` that signs in with a password. Where registration is closed: 403."""
    made = await accounts.register(data.email, data.password, data.display_name)
    return Response(One(_me(made, principal_of(made)), answers.meta()), headers={"Location": "/v1/auth/me"})


@operations.write(
    "POST",
    "/auth/login",
    operation_id="login",
    summary="Sign in with a password",
    tag=TAG,
    scope=OPEN,
    status_code=200,
    problems=[401, 429],
    example=TOKENS,
)
async def login(
    accounts: NamedDependency[Accounts],
    grants: NamedDependency[Grants],
    data: Annotated[
        Credentials,
        Body(
            description="Address and password.",
            examples=[Example(value={"email": NEW.email, "password": NEW.password})],
        ),
    ],
) -> Tokens:
    """Tokens for a local account, for programs of this installation itself; other clients use `/v1/auth/authorize`.

    After five failed attempts for an address each further one must wait, twice as long each time, up to 15 minutes.
    """
    return await grants.first_party(await accounts.signed_in(data.email, data.password))


@operations.read(
    "/auth/me",
    operation_id="get_me",
    summary="Whose key or token this is",
    tag=TAG,
    scope=SIGNED_IN,
    example=One(ME, answers.Meta()),
)
async def me(principal: NamedDependency[Principal], database: NamedDependency[Database]) -> One[Me]:
    """The account that the key or token belongs to, and what this key or token may do."""
    async with database.as_user(principal) as transaction:
        found = await stored.by_id(transaction, principal.owner_id)
    if found is None:
        raise TokenInvalid("its account is not open")
    return One(_me(found, principal), answers.meta())


def _me(found: Account, principal: Principal) -> Me:
    return Me(found.user_id, found.email, found.display_name, found.role, sorted(principal.scopes), found.created_at)
