"""Versions of the tables that dbt builds and the API serves; tables that are merged into move theirs by themselves."""

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from warehouse.records.questions import content_hash

# A raw table gets its version with its first row, so one without a version holds nothing.
EMPTY = "empty"

# Each table, and the column that tells the newest day it knows.
BUILT: Mapping[str, str | None] = {
    "marts.dim_instruments": "last_trade_date",
    "marts.dim_tickers": None,
    "marts.fct_exchange_rates": "as_of_date",
    "marts.fct_daily_prices": "trade_date",
    "marts.fct_fundamentals": "known_from_date",
    "marts.fct_news_articles": "known_from_date",
    "factors.fct_factor_exposures": "as_of_date",
}

# The whole content: a build of an older window changes rows that no input of now tells of. 1 s per 600,000 rows.
RECORD = """
insert into app.dataset_versions as v (dataset, version, content_digest, as_of_date, n_rows)
select {dataset}, md5(digest::text), digest, as_of_date, n_rows
from (
    select
        coalesce(sum(hash_record_extended(t, 0)::numeric), 0) as digest,
        {newest} as as_of_date,
        count(*) as n_rows
    from {table} as t
) as found
on conflict (dataset) do update set
    version = excluded.version, content_digest = excluded.content_digest, as_of_date = excluded.as_of_date,
    n_rows = excluded.n_rows, changed_at = now()
where (v.version, v.as_of_date, v.n_rows) is distinct from (excluded.version, excluded.as_of_date, excluded.n_rows)
"""


def version_of(names: Sequence[str], known: Mapping[str, str]) -> str | None:
    """Return one version for several tables together, None while one of them has none."""
    versions = [known.get(name, EMPTY if name.startswith("raw.") else None) for name in names]
    found = [version for version in versions if version is not None]
    if not names or len(found) < len(names):
        return None
    return found[0] if len(found) == 1 else content_hash(*found)


def record_built(connection: psycopg.Connection, schema: str) -> None:
    """Write down which content of each table of `BUILT` in a schema stands; a table that is not there yet is left out.

    To be called after the rows are committed: a version may be older than its rows, never newer.
    """
    for name, column in BUILT.items():
        if not name.startswith(f"{schema}."):
            continue
        if connection.execute("select to_regclass(%s)", [name]).fetchone() == (None,):
            continue
        newest = sql.SQL("max({})").format(sql.Identifier(column)) if column else sql.SQL("null::date")
        connection.execute(
            sql.SQL(RECORD).format(dataset=sql.Literal(name), newest=newest, table=sql.Identifier(*name.split(".")))
        )
