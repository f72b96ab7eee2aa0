"""Everything of identity that one installation needs, made from its settings."""

from collections.abc import Callable
from typing import NamedTuple

from api.database import Database
from api.identity.accounts import Accounts
from api.identity.bearers import Bearers
from api.identity.clients import Clients
from api.identity.gate import Gate
from api.identity.grants import Grants
from api.identity.issuers import Issuer
from api.identity.provider import Provider, provider_of
from api.identity.signing import SigningKeys, signing_keys
from warehouse.settings import Settings


class Identity(NamedTuple):
    """Made once; handlers ask for its parts by name."""

    gate: Gate
    accounts: Accounts
    grants: Grants
    provider: Provider | None
    signing: SigningKeys
    other: Issuer | None

    async def close(self) -> None:
        """Close what is open to others."""
        if self.other is not None:
            await self.other.close()


def identity_of(settings: Settings, database: Database, *, monotonic: Callable[[], float]) -> Identity:
    """Return what the settings ask for. Nobody is asked for anything before the first request.

    Raises
    ------
    SecretError
        If the file of the signing keys is open to others or not as it was written.
    """
    signing = signing_keys(settings)
    other = Issuer(settings.oidc_issuer, monotonic=monotonic) if settings.oidc_issuer else None
    bearers = Bearers(database, signing, issuer=settings.public_address, other=other, audience=settings.oidc_audience)
    return Identity(
        Gate(database, bearers, reads_market=settings.api_anonymous),
        Accounts(database, is_open=settings.api_registration),
        Grants(database, signing, Clients(settings.oauth_clients), issuer=settings.public_address),
        provider_of(settings, database, other),
        signing,
        other,
    )
