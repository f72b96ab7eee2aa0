"""dbt as the pipelines run it, and a small market with everything that makes prices awkward."""

import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psycopg
import pytest

from orchestration.dbt import invoke
from warehouse.connect import WRITER, connect, with_role
from warehouse.embedded import EmbeddedServer

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
FIGURES = (
    "revenue", "cost_of_revenue", "gross_profit", "net_income", "shares_outstanding", "total_assets", "total_equity",
    "short_term_debt", "long_term_debt", "operating_cash_flow", "capex",
)  # fmt: skip


class Dbt(NamedTuple):
    """Runs dbt on one database; no state outside `target`."""

    socket_folder: Path
    database: str
    target: Path
    project: Path = PROJECT

    def run(self, *arguments: str, **settings: object) -> None:
        """Run dbt in this process, as the pipelines do; `settings` travel by the environment, as in production."""
        given = {f"FACTORLOOM_DBT_{name.upper()}": str(value) for name, value in settings.items()}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (self._environment() | given).items():
                patch.setenv(name, value)
            done = invoke(arguments, folder=self.project)
        assert done.success, done.exception or [
            f"{result.node.name}: {result.message}"
            for result in done.result
            if result.status not in ("success", "pass")
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "DBT_TARGET_PATH": str(self.target / "target"),
            "DBT_LOG_PATH": str(self.target / "logs"),
            "FACTORLOOM_DBT_HOST": str(self.socket_folder),
            "FACTORLOOM_DBT_USER": "postgres",
            "FACTORLOOM_DBT_DATABASE": self.database,
            "FACTORLOOM_DBT_ROLE": WRITER,
        }


class Store(NamedTuple):
    """A warehouse and the dbt that builds it."""

    url: str
    dbt: Dbt

    def connect(self) -> psycopg.Connection:
        """Connect as the pipelines do."""
        return connect(self.url)

    def read(self, sql: str) -> pd.DataFrame:
        """Read the answer of a query."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])

    def insert(self, table: str, rows: pd.DataFrame) -> None:
        """Append rows to a table."""
        columns = ", ".join(rows.columns)
        records = rows.astype(object).where(rows.notna(), None).itertuples(index=False, name=None)
        statement = f"copy {table} ({columns}) from stdin"
        with self.connect() as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
            for record in records:
                copy.write_row(record)


@pytest.fixture(scope="module")
def new_store(
    server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Store]]:
    """Make migrated warehouses, as many as a module asks for; they end with it."""
    made: list[str] = []

    def make(name: str) -> Store:
        database = f"dbt_{os.getpid()}_{tmp_path_factory.getbasetemp().name.replace('-', '_')}_{name}_{len(made)}"
        with connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {database} template {template}")
            connection.execute(f"grant create, temporary on database {database} to {WRITER}")
        made.append(database)
        target = tmp_path_factory.mktemp(name)
        return Store(with_role(server.url(database), WRITER), Dbt(server.socket_folder, database, target))

    yield make
    with connect(server.url("postgres"), autocommit=True) as connection:
        for database in made:
            connection.execute(f"drop database {database} with (force)")


class Market(NamedTuple):
    """The rows of `raw`, and the regressions, of a small random market."""

    tables: dict[str, pd.DataFrame]

    def known_on(self, day: dt.date) -> "Market":
        """Return what has arrived by the end of a day; instruments are described as today."""
        end = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=1)
        day_columns = {"raw.dividends": "ex_date", "raw.splits": "ex_date", "research.rolling_measures": "as_of_date"}
        tables = {}
        for name, rows in self.tables.items():
            if name in ("raw.instruments", "raw.instrument_aliases"):
                tables[name] = rows
            elif name == "raw.fundamentals":
                tables[name] = rows[rows["published_at"] < end]
            else:
                tables[name] = rows[rows[day_columns.get(name, "trade_date")] <= day]
        return Market(tables)

    def load(self, store: Store, *, without: "Market | None" = None) -> None:
        """Append the market's rows, but for those of another state of it."""
        for name, rows in self.tables.items():
            new = rows if without is None else rows[~rows.index.isin(without.tables[name].index)]
            if len(new):
                store.insert(name, new)


@pytest.fixture(scope="session")
def market() -> Market:
    """24 instruments, 330 sessions: splits, dividends, gaps, suspect bars, a break in prices, adjusted prices."""
    rng = np.random.default_rng(11)
    days = [day.date() for day in pd.bdate_range("2022-01-03", periods=330)]
    n = 24
    symbols = [f"S{i:02d}" for i in range(n)]
    bars, dividends, splits = [], [], []
    for i, symbol in enumerate(symbols):
        returns = rng.standard_t(4, len(days)) * 0.012
        price = rng.uniform(20, 200) * np.exp(np.cumsum(returns))
        shares = np.ones(len(days))
        if i % 3 == 0:
            at = int(rng.integers(30, 325))
            ratio = [(2, 1), (3, 2), (1, 5)][i // 3 % 3]
            shares[at:] *= ratio[0] / ratio[1]
            splits.append((symbol, days[at], *map(float, ratio)))
        if i % 2 == 0:
            # Every other payer has one ex-date on a day without a session.
            for k, at in enumerate(range(int(rng.integers(2, 60)), len(days), 63)):
                off = dt.timedelta(days=2 if k == 1 and days[at].weekday() == 4 else 0)
                dividends.append((symbol, days[at] + off, round(price[at - 1] / shares[at - 1] * 0.006, 2)))
        for t, day in enumerate(days):
            if rng.random() < 0.01 or (i == 5 and t < 40):
                continue
            close = round(price[t] / shares[t], 2)
            volume = int(rng.lognormal(12.0 if i != 7 else 8.0, 0.5) * shares[t])
            adjustment = "splits_dividends" if i == 3 else "none"
            bars.append(
                (
                    symbol,
                    day,
                    round(close * 1.001, 2),
                    round(close * 1.01, 2),
                    round(close * 0.99, 2),
                    close,
                    volume,
                    adjustment,
                )
            )
    columns = ["source_symbol", "trade_date", "open", "high", "low", "close", "volume", "adjustment"]
    bar_rows = pd.DataFrame(bars, columns=columns).assign(source="made_up", currency_code="USD")
    chosen = bar_rows.sample(40, random_state=3).sort_index()
    verdicts = chosen[["source", "source_symbol", "trade_date"]].assign(
        rule=["unadjusted_split" if k == 20 else "wrong_day" for k in range(40)],
        verdict=["cleared" if k % 10 == 9 else "suspect" for k in range(40)],
        known_from_date=chosen["trade_date"],
        detail="made up",
    )
    ids = {symbol: f"id-{symbol}" for symbol in symbols}
    listed = pd.DataFrame({"source_symbol": symbols, "ticker": symbols, "instrument_id": ids.values()}).assign(
        source="made_up"
    )
    sectors = [None if i == 0 else "Energy" if i % 2 else "Health" for i in range(n)]
    measures = bar_rows[["source_symbol", "trade_date"]].rename(columns={"trade_date": "as_of_date"})
    measures = measures.assign(
        instrument_id=measures.pop("source_symbol").map(ids),
        beta_252d=rng.normal(1, 0.3, len(measures)),
        idiosyncratic_volatility_252d=rng.uniform(0.1, 0.5, len(measures)),
        n_observations=252,
    )
    levels = 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
    return Market({
        "raw.instruments": listed.assign(
            is_active=True, currency_code="USD", sector=sectors,
            member_to_date=[days[300] if i == 9 else None for i in range(n)],
        ),
        "raw.instrument_aliases": listed.assign(valid_from_date=dt.date(2000, 1, 1)),
        "raw.daily_bars": bar_rows,
        "raw.bar_verdicts": verdicts,
        "raw.dividends": pd.DataFrame(dividends, columns=["source_symbol", "ex_date", "amount"]).assign(
            source="made_up", currency_code="USD"
        ),
        "raw.splits": pd.DataFrame(splits, columns=["source_symbol", "ex_date", "shares_new", "shares_old"]).assign(
            source="made_up"
        ),
        "raw.fundamentals": _statements(rng, symbols, days[-2]),
        "raw.benchmark_bars": pd.DataFrame({"trade_date": days, "close": levels}).assign(
            source="made_up", source_symbol="INDEX", currency_code="USD"
        ),
        "research.rolling_measures": measures,
    })  # fmt: skip


def _statements(rng: np.random.Generator, symbols: list[str], newest_day: dt.date) -> pd.DataFrame:
    """Seven years each, published 30 to 90 days after the period; some restated, one on the newest day, some late."""
    rows: list[dict[str, Any]] = []
    for symbol in symbols[:-1]:
        scale = float(rng.lognormal(18, 1))
        for year in range(2016, 2023):
            published = pd.Timestamp(f"{year + 1}-01-31 14:00", tz="UTC") + pd.Timedelta(
                hours=float(rng.integers(0, 60 * 24))
            )
            for delay in [0, *([200.0] if rng.random() < 0.3 else []), *([400.0] if rng.random() < 0.1 else [])]:
                figures = {name: float(round(scale * rng.uniform(0.2, 2))) for name in FIGURES}
                figures["net_income"] -= scale * 0.6
                figures["capex"] *= -0.1
                rows.append({
                    "source": "made_up", "source_symbol": symbol, "statement": "annual", "currency_code": "USD",
                    "period_end_date": dt.date(year, 12, 31), "published_at": published + pd.Timedelta(days=delay),
                    "published_at_basis": "published", **figures,
                })  # fmt: skip
            scale *= 1.07
    statements = pd.DataFrame(rows)
    statements = statements[statements["published_at"] < pd.Timestamp("2023-12-31", tz="UTC")]
    restated = statements.iloc[[0]].assign(
        revenue=statements["revenue"].iloc[0] + 1,
        published_at=pd.Timestamp(newest_day, tz="UTC") + pd.Timedelta(hours=15),
    )
    return pd.concat([statements, restated], ignore_index=True)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parsed project; parsing needs no database."""
    target = tmp_path_factory.mktemp("manifest")
    Dbt(target, "none", target).run("parse")
    manifest: dict[str, Any] = json.loads((target / "target" / "manifest.json").read_text())
    return manifest
