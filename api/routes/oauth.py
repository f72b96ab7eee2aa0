"""The built-in issuer: /v1/auth/authorize, /v1/auth/token, /v1/auth/revoke, its keys and its metadata."""

from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import Body, QueryParameter
from msgspec import Meta

from api import operations
from api.errors import shown
from api.identity import pages
from api.identity.accounts import Accounts
from api.identity.errors import CredentialsWrong, GrantRefused, LoginLocked
from api.identity.grants import AuthorizationRequest, Grants, Tokens
from api.identity.principal import OPEN, SCOPES
from api.identity.provider import Provider
from api.identity.redirects import to_client
from api.identity.signing import ALGORITHM, SigningKeys
from api.routes.auth import TAG, TOKENS

CODE_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
ASKED = {
    "response_type": "code",
    "client_id": "desktop",
    "redirect_uri": "http://127.0.0.1:49152/callback",
    "code_challenge": CODE_CHALLENGE,
    "code_challenge_method": "S256",
    "state": "af0ifjsldkj",
}


class SignInForm(msgspec.Struct, frozen=True):
    """What the page of the sign-in sends."""

    response_type: Annotated[str, Meta(description="Always code.")]
    client_id: Annotated[str, Meta(max_length=64, description="Name of the client.")]
    redirect_uri: Annotated[str, Meta(max_length=2_000, description="Where the code goes.")]
    code_challenge: Annotated[str, Meta(max_length=128, description="SHA-256 of the verifier, base64url.")]
    code_challenge_method: Annotated[str, Meta(description="Always S256.")]
    email: Annotated[str, Meta(max_length=254, description="Address of the account.")]
    password: Annotated[str, Meta(max_length=256, description="Its password.")]
    scope: Annotated[str, Meta(max_length=200, description="What the tokens may do.")] = ""
    state: Annotated[str, Meta(max_length=1_000, description="Comes back with the code.")] = ""


class TokenForm(msgspec.Struct, frozen=True):
    """A code or a refresh token to be exchanged."""

    grant_type: Annotated[str, Meta(description="authorization_code or refresh_token.")]
    client_id: Annotated[
        str, Meta(max_length=64, description="Name of the client; `first-party` after /v1/auth/login.")
    ]
    code: Annotated[str, Meta(max_length=200, description="The code.")] = ""
    redirect_uri: Annotated[str, Meta(max_length=2_000, description="Where the code went.")] = ""
    code_verifier: Annotated[str, Meta(max_length=128, description="What the challenge was made from.")] = ""
    refresh_token: Annotated[str, Meta(max_length=200, description="The refresh token.")] = ""


class RevokeForm(msgspec.Struct, frozen=True):
    """A refresh token to be ended."""

    token: Annotated[str, Meta(max_length=2_000, description="The refresh token.")]


class KeySet(msgspec.Struct, frozen=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: Annotated[list[dict[str, str]], Meta(description="The public keys that tokens of this issuer verify with.")]


class Metadata(msgspec.Struct, frozen=True):
    """What a client must know of the issuer (RFC 8414)."""

    issuer: Annotated[str, Meta(description="Its name.")]
    authorization_endpoint: Annotated[str, Meta(description="Where a person is sent to.")]
    token_endpoint: Annotated[str, Meta(description="Where a code is exchanged.")]
    revocation_endpoint: Annotated[str, Meta(description="Where a sign-in is ended.")]
    jwks_uri: Annotated[str, Meta(description="Its keys.")]
    scopes_supported: Annotated[list[str], Meta(description="What tokens may be allowed.")]
    response_types_supported: Annotated[list[str], Meta(description="Codes alone.")]
    grant_types_supported: Annotated[list[str], Meta(description="No password grant, no implicit one.")]
    code_challenge_methods_supported: Annotated[list[str], Meta(description="S256 alone.")]
    token_endpoint_auth_methods_supported: Annotated[list[str], Meta(description="Clients are public.")]
    authorization_response_iss_parameter_supported: Annotated[bool, Meta(description="RFC 9207.")]


def metadata_of(issuer: str) -> Metadata:
    """Return the metadata of an issuer with this name."""
    return Metadata(
        issuer,
        f"{issuer}/v1/auth/authorize",
        f"{issuer}/v1/auth/token",
        f"{issuer}/v1/auth/revoke",
        f"{issuer}/.well-known/jwks.json",
        sorted(SCOPES),
        ["code"],
        ["authorization_code", "refresh_token"],
        ["S256"],
        ["none"],
        True,
    )


def asked_for(name: str, description: str, example: str | None = None) -> Any:
    """Describe a parameter of an authorization request."""
    examples = [] if example is None else [Example(value=example)]
    return QueryParameter(name=name, description=description, max_length=2_000, examples=examples)


ResponseType = Annotated[str, asked_for("response_type", "Always code.", "code")]
ClientId = Annotated[str, asked_for("client_id", "Name of the client.", "desktop")]
RedirectUri = Annotated[str, asked_for("redirect_uri", "Where the code goes.", ASKED["redirect_uri"])]
Challenge = Annotated[str, asked_for("code_challenge", "SHA-256 of the verifier, base64url.", CODE_CHALLENGE)]
Method = Annotated[str, asked_for("code_challenge_method", "Always S256.", "S256")]
ScopeAsked = Annotated[str, asked_for("scope", "What the tokens may do; empty for all that the account may.")]
State = Annotated[str, asked_for("state", "Comes back with the code.", ASKED["state"])]


@operations.page(
    "/auth/authorize",
    operation_id="authorize",
    summary="The page of the sign-in",
    tag=TAG,
    example=pages.EXAMPLE,
    takes_any_parameter=True,
)
async def authorize(
    grants: NamedDependency[Grants],
    provider: NamedDependency[Provider | None],
    response_type: ResponseType = "",
    client_id: ClientId = "",
    redirect_uri: RedirectUri = "",
    code_challenge: Challenge = "",
    code_challenge_method: Method = "",
    asked_scope: ScopeAsked = "",
    client_state: State = "",
) -> Response[str]:
    """Where a client sends a person, with a challenge of its own (RFC 7636); the code comes back to `redirect_uri`.

    A request that is not in order is refused here with 400; nothing goes to an address that may be somebody else's.
    """
    asked = AuthorizationRequest(client_id, redirect_uri, code_challenge, asked_scope, client_state)
    grants.check(asked, response_type=response_type, method=code_challenge_method)
    return pages.sign_in(asked, provider=provider.name if provider else None)


@operations.write(
    "POST",
    "/auth/authorize",
    operation_id="authorize_with_password",
    summary="What the page of the sign-in sends",
    tag=TAG,
    scope=OPEN,
    status_code=303,
    media_types=[operations.FORM],
    problems=[401, 429],
)
async def authorize_with_password(
    grants: NamedDependency[Grants],
    accounts: NamedDependency[Accounts],
    provider: NamedDependency[Provider | None],
    data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED, description="The form.")],
) -> Response[str]:
    """Leads back to the client with `code`, `state` and `iss`; with a wrong password, the page once more, as 401."""
    asked = AuthorizationRequest(data.client_id, data.redirect_uri, data.code_challenge, data.scope, data.state)
    grants.check(asked, response_type=data.response_type, method=data.code_challenge_method)
    try:
        found = await accounts.signed_in(data.email, data.password)
    except (CredentialsWrong, LoginLocked) as problem:
        page = pages.sign_in(
            asked,
            provider=provider.name if provider else None,
            wrong="Address and password do not go together." if problem.status == 401 else problem.detail,
            status_code=problem.status,
        )
        page.headers.update(problem.headers)
        return page
    return to_client(asked, code=await grants.code(found, asked), issuer=grants.issuer)


@operations.write(
    "POST",
    "/auth/token",
    operation_id="exchange",
    summary="Exchange a code or a refresh token",
    tag=TAG,
    scope=OPEN,
    status_code=200,
    media_types=[operations.FORM],
    example=TOKENS,
)
async def exchange(
    grants: NamedDependency[Grants],
    data: Annotated[
        TokenForm,
        Body(
            media_type=RequestEncodingType.URL_ENCODED,
            description="A code with its verifier, or a refresh token.",
            examples=[Example(value={"grant_type": "refresh_token", "client_id": "desktop", "refresh_token": "…"})],
        ),
    ],
) -> Tokens:
    """An access token and the next refresh token. A code is good once, for a minute; a refresh token is good once.

    Whoever shows either a second time ends the sign-in it came from: two have it, and one of them is a thief. A refusal
    carries `error` as RFC 6749 names it.
    """
    if data.grant_type == "authorization_code":
        return await grants.redeem_code(
            data.code, client_id=data.client_id, redirect_uri=data.redirect_uri, code_verifier=data.code_verifier
        )
    if data.grant_type == "refresh_token":
        return await grants.refresh(data.refresh_token, client_id=data.client_id)
    raise GrantRefused(
        "unsupported_grant_type",
        f"grant_type: must be authorization_code or refresh_token; got {shown(data.grant_type)}. Use one of these.",
    )


@operations.write(
    "POST",
    "/auth/revoke",
    operation_id="revoke",
    summary="End a sign-in",
    tag=TAG,
    scope=OPEN,
    status_code=204,
    media_types=[operations.FORM],
)
async def revoke(
    grants: NamedDependency[Grants],
    data: Annotated[RevokeForm, Body(media_type=RequestEncodingType.URL_ENCODED, description="The refresh token.")],
) -> None:
    """Ends every refresh token of the sign-in; access tokens end within ten minutes. An unknown token ends nothing."""
    await grants.revoke(data.token)


@operations.read(
    "/.well-known/jwks.json",
    operation_id="list_signing_keys",
    summary="The issuer's keys",
    tag=TAG,
    scope=OPEN,
    example=KeySet(
        [
            {
                "crv": "Ed25519",
                "kty": "OKP",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                "use": "sig",
                "alg": ALGORITHM,
            }
        ]
    ),
)
async def list_signing_keys(signing: NamedDependency[SigningKeys]) -> KeySet:
    """The public keys that access tokens verify with; services beside this one take them from here."""
    return msgspec.convert(signing.published(), KeySet)


@operations.read(
    "/.well-known/oauth-authorization-server",
    operation_id="describe_issuer",
    summary="The issuer's metadata",
    tag=TAG,
    scope=OPEN,
    example=metadata_of("http://127.0.0.1:8000"),
)
async def describe_issuer(grants: NamedDependency[Grants]) -> Metadata:
    """Addresses and abilities of the built-in issuer (RFC 8414)."""
    return metadata_of(grants.issuer)
