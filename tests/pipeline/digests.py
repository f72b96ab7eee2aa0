"""What the tables of an installation hold, in a form that can be compared with another one's."""

import datetime as dt

import psycopg

from tests.pipeline.conftest import Installation

# Written at each change, and so different between two runs that agree in everything else.
STAMPS = ("ingested_at", "computed_at", "decided_at", "first_seen_at", "changed_at", "created_at", "updated_at")
# Where the files of models lie differs between two homes.
ARTIFACTS = '[^ ,"()]*/artifacts/'
SCHEMAS = ("raw", "marts", "factors", "research", "app")
# A backtest is a trial on the data of its day: an installation that has seen more days has more of them.
# And these figures say how a trial stands beside all others on record.
BESIDE_OTHER_TRIALS = ("deflated_sharpe", "overfitting_probability", "n_trials")
# Copies of answers, with addresses of next pages that each home signs with a key of its own.
APART = ("app.published_documents",)
BACKTESTS = ("research.backtests", "research.backtest_equity", "research.backtest_trades", "research.backtest_metrics")


def digests(installation: Installation, where: str = "true") -> dict[str, str]:
    """Return number and content digest of the rows of every table, stamps aside."""
    with installation.connect() as connection:
        return {table: digest(connection, table, where) for table in tables(connection)}


def tables(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "select schemaname || '.' || tablename from pg_tables where schemaname = any(%s) order by 1", [list(SCHEMAS)]
    )
    return [row[0] for row in rows if row[0] not in APART]


def digest(connection: psycopg.Connection, relation: str, where: str = "true", *, without: tuple[str, ...] = ()) -> str:
    """Digest the rows of a table.

    PostgreSQL prints the shortest text that reads back as the same double, so equal texts are equal bits.
    """
    listed = ", ".join(column for column in columns(connection, relation) if column not in (*STAMPS, *without))
    row = connection.execute(
        "select count(*) || ' rows ' || coalesce(sum(hashtextextended(text, 0)), 0) from (select"
        f" regexp_replace(row({listed})::text, '{ARTIFACTS}', '') as text"
        f" from {relation} as t where {where}) as t"
    ).fetchone()
    return row[0]


def columns(connection: psycopg.Connection, relation: str) -> list[str]:
    rows = connection.execute(
        "select quote_ident(attname) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attname",
        [relation],
    )
    return [row[0] for row in rows]


def different(one: dict[str, str], other: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return what two installations do not agree in: {table: both digests}; empty when they agree."""
    names = sorted(one.keys() | other.keys())
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


# By day, what a row may use: everything from prices to rankings. Trades and books are those of the newest trial.
DAYED = {
    "marts.dim_benchmark_prices": "trade_date",
    "marts.fct_daily_prices": "trade_date",
    **{
        f"factors.fct_{name}": "as_of_date"
        for name in (
            "universe_members", "momentum", "volatility", "market_risk", "price_extremes", "liquidity", "size", "value",
            "quality", "growth", "factor_values", "factor_exposures", "sector_exposures",
        )
    },
    "research.rolling_measures": "as_of_date",
    "research.indicators": "as_of_date",
    "research.model_versions": "valid_from_date",
    "research.forecasts": "as_of_date",
    "research.rankings": "as_of_date",
    "research.index_allocations": "as_of_date",
    "research.index_values": "as_of_date",
    "research.index_turnover": "as_of_date",
}  # fmt: skip
# Kept of the newest 22 sessions alone, so an older day has lost them.
REASONS = {"research.rankings": ("reasons", "reason_features", "reason_sizes")}
NEWEST_TRIALS = (
    "(select distinct on (profile) * from research.backtests order by profile, last_date desc, computed_at desc)"
)


def past_digests(installation: Installation, last: str) -> dict[str, str]:
    """Digest the rows up to a day, from prices to the trades and books of the newest backtests."""
    with installation.connect() as connection:
        found = {
            table: digest(connection, table, f"{day} <= '{last}'", without=REASONS.get(table, ()))
            for table, day in DAYED.items()
        }
        for table in ("research.backtest_equity", "research.backtest_trades"):
            found[table] = _of_newest_trials(connection, table, f"trade_date <= '{last}'", without=("backtest_id",))
    return found


def trial_digests(installation: Installation) -> dict[str, str]:
    """Digest everything about the newest backtest of each profile, its id included."""
    with installation.connect() as connection:
        conditions = {"research.backtest_metrics": f"metric not in {BESIDE_OTHER_TRIALS}"}
        return {table: _of_newest_trials(connection, table, conditions.get(table, "true")) for table in BACKTESTS}


def _of_newest_trials(
    connection: psycopg.Connection, table: str, where: str = "true", *, without: tuple[str, ...] = ()
) -> str:
    condition = f"{where} and backtest_id in (select backtest_id from {NEWEST_TRIALS} as newest)"
    if not without:
        return digest(connection, table, condition)
    profiles = connection.execute(f"select profile, backtest_id from {NEWEST_TRIALS} as newest order by 1").fetchall()
    conditions = {profile: f"{where} and backtest_id = '{backtest_id}'" for profile, backtest_id in profiles}
    found = {profile: digest(connection, table, only, without=without) for profile, only in conditions.items()}
    return ", ".join(f"{profile}: {rows}" for profile, rows in found.items())


def rows_by_key(installation: Installation, table: str) -> set[tuple[str | None, dt.date, int]]:
    """Return instrument, day and content hash of the rows of one of the tables by day."""
    with installation.connect() as connection:
        names = columns(connection, table)
        instrument = "instrument_id" if "instrument_id" in names else "null"
        listed = ", ".join(name for name in names if name not in STAMPS)
        text = f"regexp_replace(row({listed})::text, '{ARTIFACTS}', '')"
        rows = connection.execute(f"select {instrument}, {DAYED[table]}, hashtextextended({text}, 0) from {table}")
        return set(rows.fetchall())
