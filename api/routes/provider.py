"""Sign-in at another issuer (OpenID Connect): there, back, and the password that links an account."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import Body, QueryParameter
from msgspec import Meta

from api import operations
from api.errors import shown
from api.identity import pages
from api.identity.accounts import Accounts
from api.identity.errors import GrantRefused, NoProvider, TokenInvalid
from api.identity.grants import AuthorizationRequest, Grants
from api.identity.principal import OPEN
from api.identity.provider import Arrival, Provider
from api.identity.redirects import away, cookie_name, remembered, to_client
from api.routes.auth import TAG
from api.routes.oauth import Challenge, ClientId, Method, RedirectUri, ResponseType, ScopeAsked, State


class LinkForm(msgspec.Struct, frozen=True):
    """What the page of the linking sends."""

    ticket: Annotated[str, Meta(max_length=200, description="Says which sign-in this is.")]
    password: Annotated[str, Meta(max_length=256, description="Password of the account here.")]


@operations.page(
    "/auth/provider/login",
    operation_id="depart_to_provider",
    summary="Sign in at the other issuer",
    tag=TAG,
    status_code=303,
    problems=[404],
    takes_any_parameter=True,
)
async def depart_to_provider(
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
    """Leads to the issuer that the settings name. Parameters as of `/v1/auth/authorize`, which links to here."""
    asked = AuthorizationRequest(client_id, redirect_uri, code_challenge, asked_scope, client_state)
    grants.check(asked, response_type=response_type, method=code_challenge_method)
    departure = await _known(provider).depart(asked)
    answer = away(departure.address)
    answer.cookies.append(remembered(departure.browser, grants.issuer))
    return answer


@operations.page(
    "/auth/provider/callback",
    operation_id="arrive_from_provider",
    summary="Back from the other issuer",
    tag=TAG,
    status_code=303,
    problems=[401, 404],
    takes_any_parameter=True,
)
async def arrive_from_provider(
    request: Request[Any, Any, Any],
    grants: NamedDependency[Grants],
    provider: NamedDependency[Provider | None],
    own_state: Annotated[
        str,
        QueryParameter(
            name="state",
            description="State that was sent along.",
            max_length=200,
            examples=[Example(value="af0ifjsldkj")],
        ),
    ] = "",
    code: Annotated[str, QueryParameter(description="Code of the other issuer.", max_length=4_000)] = "",
    error: Annotated[str, QueryParameter(description="Why it gives none.", max_length=200)] = "",
    iss: Annotated[str | None, QueryParameter(description="Who answers (RFC 9207).", max_length=2_000)] = None,
) -> Response[str]:
    """Where the other issuer sends people back to; leads on to the client with a code of ours.

    Somebody new gets an account. Where an account has the same address already, a page asks for its password once.
    """
    local = _known(provider)
    if error or not code:
        raise GrantRefused(
            "access_denied", f"code: must come back from the issuer; got {shown(error or 'none')}. Begin again."
        )
    browser = request.cookies.get(cookie_name(grants.issuer), "")
    arrival = await local.arrive(state=own_state, browser=browser, code=code, issuer=iss)
    if arrival.found is None and arrival.ticket:
        return pages.link(arrival.asked, ticket=arrival.ticket)
    return await _onwards(arrival, grants)


@operations.write(
    "POST",
    "/auth/provider/link",
    operation_id="link_to_provider",
    summary="What the page of the linking sends",
    tag=TAG,
    scope=OPEN,
    status_code=303,
    media_types=[operations.FORM],
    problems=[401, 404, 429],
)
async def link_to_provider(
    request: Request[Any, Any, Any],
    grants: NamedDependency[Grants],
    accounts: NamedDependency[Accounts],
    provider: NamedDependency[Provider | None],
    data: Annotated[LinkForm, Body(media_type=RequestEncodingType.URL_ENCODED, description="The form.")],
) -> Response[str]:
    """Links the person at the other issuer to the account here; leads on to the client with a code."""
    browser = request.cookies.get(cookie_name(grants.issuer), "")
    arrival = await _known(provider).link(accounts, ticket=data.ticket, browser=browser, password=data.password)
    return await _onwards(arrival, grants)


async def _onwards(arrival: Arrival, grants: Grants) -> Response[str]:
    if arrival.found is None:
        raise TokenInvalid("its account is not open")
    return to_client(arrival.asked, code=await grants.code(arrival.found, arrival.asked), issuer=grants.issuer)


def _known(provider: Provider | None) -> Provider:
    if provider is None:
        raise NoProvider
    return provider
