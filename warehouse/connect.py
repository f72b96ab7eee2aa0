"""How to reach the databases of an installation: addresses by role, psycopg connections.

Pipelines act as `factorloom_writer`, the API as `factorloom_api`; only migrations act as the owner.
"""

from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg

from warehouse.embedded import EmbeddedServer
from warehouse.settings import Settings

WAREHOUSE_DATABASE = "factorloom"
DAGSTER_DATABASE = "dagster"
WRITER = "factorloom_writer"
API = "factorloom_api"


def embedded_server(settings: Settings) -> EmbeddedServer:
    """Return the embedded server of an installation; it may not run."""
    return EmbeddedServer(Path(settings.home) / "postgres")


def owner_url(settings: Settings) -> str:
    """Return the address of the warehouse for migrations."""
    if settings.database_url is not None:
        return _libpq(settings.database_url.get_secret_value())
    return embedded_server(settings).url(WAREHOUSE_DATABASE)


def writer_url(settings: Settings) -> str:
    """Return the address of the warehouse for pipelines."""
    return with_role(owner_url(settings), WRITER)


def api_url(settings: Settings) -> str:
    """Return the address of the warehouse for the API: its own where one is set, else ours with the API's role."""
    if settings.api_database_url is not None:
        return _libpq(settings.api_database_url.get_secret_value())
    return with_role(owner_url(settings), API)


def read_url(settings: Settings) -> str:
    """Return the address that the API's reads of market data and research go to: a replica where one is set."""
    if settings.api_read_database_url is not None:
        return _libpq(settings.api_read_database_url.get_secret_value())
    return api_url(settings)


def dagster_url(settings: Settings) -> str:
    """Return the address of Dagster's own database, as SQLAlchemy wants it.

    The driver is named: with a bare `postgresql://` SQLAlchemy 2.1 takes psycopg 3, and Dagster's NOTIFY fails.
    """
    if settings.dagster_database_url is not None:
        url = _libpq(settings.dagster_database_url.get_secret_value())
    else:
        url = embedded_server(settings).url(DAGSTER_DATABASE)
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def with_role(url: str, role: str) -> str:
    """Return the address with `set role` applied to each connection.

    >>> with_role("postgresql://h/d", "r")
    'postgresql://h/d?options=-c%20role%3Dr'
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query["options"] = f"{query.get('options', '')} -c role={role}".strip()
    return _with_query(url, query)


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """Open a psycopg connection; use it as a context manager, which commits or rolls back."""
    return psycopg.connect(url, autocommit=autocommit, application_name="factorloom")


def _libpq(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


def _with_query(url: str, query: dict[str, str]) -> str:
    return urlunsplit(urlsplit(url)._replace(query=urlencode(query, quote_via=quote)))
