"""What must hold of the settings that say who may look: keys, clients, and the other issuer."""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from warehouse.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEYS = re.compile(r"[0-9a-f]{64}(,[0-9a-f]{64})*")
OAUTH_CLIENT = re.compile(r"([a-z][a-z0-9_-]{0,63})=([a-z][a-z0-9+.-]*:[\x21-\x7e]+)")


def identity_problems(settings: "Settings") -> list[str]:
    """Return what is wrong, a sentence each."""
    return [*_key_problems(settings), *_client_problems(settings), *_issuer_problems(settings)]


def _key_problems(settings: "Settings") -> list[str]:
    keys = {
        "FACTORLOOM_SIGNING_KEYS": settings.signing_keys,
        "FACTORLOOM_ENCRYPTION_KEYS": settings.encryption_keys,
    }
    problems = [
        f"{name} must be 64 hexadecimal digits, lower case, or several such separated by commas "
        "(the value is not shown). Make one with `openssl rand -hex 32`"
        for name, secret in keys.items()
        if secret is not None and not KEYS.fullmatch(secret.get_secret_value())
    ]
    missing = [name for name, secret in keys.items() if secret is None]
    if missing and settings.api_host not in LOOPBACK:
        problems.append(
            f"{' and '.join(missing)} must be set while FACTORLOOM_API_HOST is not a loopback address; "
            f"got {settings.api_host}. Make one with `openssl rand -hex 32`"
        )
    return problems


def _client_problems(settings: "Settings") -> list[str]:
    return [
        "FACTORLOOM_OAUTH_CLIENTS must list name=address, the name in lower case, the address whole and without a "
        f"fragment; got {entry!r}"
        for entry in settings.oauth_clients
        if not OAUTH_CLIENT.fullmatch(entry) or "#" in entry or "*" in entry
    ]


def _issuer_problems(settings: "Settings") -> list[str]:
    needing = {
        "FACTORLOOM_OIDC_AUDIENCE": settings.oidc_audience,
        "FACTORLOOM_OIDC_CLIENT_ID": settings.oidc_client_id,
    }
    given = [name for name, value in needing.items() if value is not None]
    if settings.oidc_issuer is None:
        return [f"FACTORLOOM_OIDC_ISSUER must be set when {given[0]} is"] if given else []
    problems = []
    if not _is_issuer(settings.oidc_issuer):
        problems.append(
            "FACTORLOOM_OIDC_ISSUER must be an https address, or an http one of this machine, without query or "
            f"fragment; got {settings.oidc_issuer}"
        )
    if not given:
        problems.append(f"{' or '.join(needing)} must be set when FACTORLOOM_OIDC_ISSUER is")
    if settings.oidc_issuer == settings.public_address:
        problems.append("FACTORLOOM_OIDC_ISSUER must be another issuer than this API, whose address it is")
    return problems


def _is_issuer(text: str) -> bool:
    """Tell whether a text is an address that is encrypted or stays on this machine, and can name an issuer."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return is_safe and bool(parts.hostname) and not parts.query and not parts.fragment and not parts.username
