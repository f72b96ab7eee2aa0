"""Strategies on paper from their settings to rows: read, walk, write."""

import datetime as dt
import json
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from orchestration.installation import Installation
from orchestration.resources import Warehouse
from orchestration.strategy_registry import Registry, make_strategy
from orchestration.trading_rows import SCHEMAS, rows_of, strategy_rows
from transforms.brokers import Broker, PaperBroker
from transforms.days import Days, as_days
from transforms.paper_account import Account
from transforms.strategies.strategy import ALWAYS, Board
from transforms.strategies.walk import Version, Walked, walk
from transforms.tape import Tape
from transforms.trial_honesty import siblings_overfitting
from warehouse.merge import MergeResult, Window, merge
from warehouse.queries import paper_trading as queries
from warehouse.queries.trading import BENCHMARK_BETWEEN, DELISTED

PRICES = ("open", "high", "low", "close", "volume")
RANK = "rank_"


class Definition(NamedTuple):
    """A strategy with the versions of its settings, oldest first."""

    strategy_id: str
    strategy_type: str
    capital: float
    versions: tuple[Version, ...]


class Traded(NamedTuple):
    """What a strategy did from a session on, by table of research."""

    definition: Definition
    first_date: dt.date
    walked: Walked
    by_table: dict[str, pd.DataFrame]


class Market(NamedTuple):
    """What strategies decide by, and what their orders are filled at."""

    board: Board
    tape: Tape


def seed_versions(warehouse: Warehouse, registry: Registry) -> None:
    """Write the settings of the file for strategies that have none; from then on the table counts."""
    with warehouse.connection() as connection:
        for strategy_id, entry in registry.strategies.items():
            values = {
                "strategy_id": strategy_id, "is_active": entry.active, "parameters": json.dumps(entry.parameters),
            }  # fmt: skip
            connection.execute(queries.SEED_VERSION, values)


def read_definitions(warehouse: Warehouse, registry: Registry) -> list[Definition]:
    """Return the strategies of the file with the versions of the table, in the order of the file."""
    found: dict[str, list[Version]] = {}
    for row in warehouse.read(queries.VERSIONS).to_pylist():
        entry = registry.strategies.get(row["strategy_id"])
        if entry is not None:
            strategy = make_strategy(row["strategy_id"], entry.type, json.loads(row["parameters"]))
            version = Version(row["version"], row["effective_date"], row["is_active"], strategy)
            found.setdefault(row["strategy_id"], []).append(version)
    return [
        Definition(name, entry.type, entry.capital, tuple(found[name]))
        for name, entry in registry.strategies.items()
        if name in found
    ]


def trade(
    warehouse: Warehouse,
    installation: Installation,
    registry: Registry,
    definitions: Sequence[Definition],
    window: tuple[dt.date, dt.date],
    *,
    begin: dt.date,
) -> list[Traded]:
    """Walk every strategy through a window, and on to its newest session: what comes later rests on it.

    Parameters
    ----------
    warehouse, installation, registry
    definitions
    window
        First and last session.
    begin
        First session of a strategy that has no account yet.

    Returns
    -------
    list of Traded
        Nothing of those whose first session has not come.
    """
    first, last = window
    stored = {row["strategy_id"]: row for row in warehouse.read(queries.ACCOUNTS_BEFORE, [first]).to_pylist()}
    newest = [row["trade_date"] for row in warehouse.read(queries.NEWEST_ACCOUNTS).to_pylist()]
    last = max([last, *newest])
    starts = {one.strategy_id: _start(one, stored.get(one.strategy_id), installation, begin) for one in definitions}
    at_work = [one for one in definitions if (start := starts[one.strategy_id]) is not None and start <= last]
    if not at_work:
        return []
    earliest = min(start for start in starts.values() if start is not None)
    market = read_market(warehouse, installation, [one.versions for one in at_work], (earliest, last))
    benchmark = warehouse.read_frame(BENCHMARK_BETWEEN, [earliest, last]).set_index("trade_date")["return_1d"]
    traded = []
    for one in at_work:
        start, row = starts[one.strategy_id], stored.get(one.strategy_id)
        account = Account.opened(one.capital) if row is None else read_account(row["account"])
        broker = PaperBroker(one.strategy_id, registry.broker)
        walked = _walk(one, account, market, broker, installation, start)  # type: ignore[arg-type] # not None: at work
        tables = rows_of(one.strategy_id, walked, benchmark, good_till_dates(installation))
        traded.append(Traded(one, walked.days[0].trade_date, walked, tables))
    return traded


def write_traded(warehouse: Warehouse, traded: Sequence[Traded]) -> dict[str, MergeResult]:
    """Write what strategies did; those that go on from the same session in one transaction."""
    written = dict.fromkeys(SCHEMAS, MergeResult())
    for first in sorted({one.first_date for one in traded}):
        group = [one for one in traded if one.first_date == first]
        last = max(one.walked.days[-1].trade_date for one in group)
        listed = ", ".join(f"'{one.definition.strategy_id}'" for one in group)
        with warehouse.transaction() as connection:
            for name, (day, schema) in SCHEMAS.items():
                frame = pd.concat([one.by_table[name] for one in group], ignore_index=True)
                window = Window(day, first, last, f"t.strategy_id in ({listed})")
                written[name] += merge(connection, f"research.{name}", schema.table(frame), window=window)
    return written


def write_strategies(warehouse: Warehouse, traded: Sequence[Traded], currency_code: str) -> MergeResult:
    """Write what strategies are, their settings in force, and how likely the best of all accounts is overfitted."""
    rows = strategy_rows(traded, currency_code)
    if rows.empty:
        return MergeResult()
    returns = warehouse.read_frame(queries.RETURNS).pivot(index="trade_date", columns="strategy_id", values="return_1d")
    return warehouse.merge("research.strategies", rows.assign(overfitting_probability=siblings_overfitting(returns)))


def read_market(
    warehouse: Warehouse,
    installation: Installation,
    versions: Sequence[Sequence[Version]],
    window: tuple[dt.date, dt.date],
) -> Market:
    """Read what strategies look at, from as many sessions before a window on as they look back."""
    strategies = [one.strategy for of_one in versions for one in of_one]
    wanted = {name for strategy in strategies for name in strategy.inputs} | set(ALWAYS)
    back = max((strategy.lookback_sessions for strategy in strategies), default=1)
    sessions = installation.sessions(None, window[1])
    place = max(bisect_left(sessions, window[0]) - back, 0)
    span = [sessions[place], window[1]]
    bars = _read_bars(warehouse, installation, sessions[place:])
    measures = {"close_adj": bars.spread("close_adj")}
    measures |= _looked_up(warehouse, wanted, span, bars.days, bars.instruments)
    return Market(Board(bars.days, bars.instruments, measures), bars.tape(warehouse))


def read_tape(warehouse: Warehouse, installation: Installation, sessions: Sequence[dt.date]) -> Tape:
    """Read the prices of some sessions, in the reporting currency."""
    return _read_bars(warehouse, installation, sessions).tape(warehouse)


def read_account(text: str) -> Account:
    """Read an account as a table keeps it."""
    return msgspec.json.decode(text, type=Account)


def good_till_dates(installation: Installation) -> "Mapping[int, dt.date]":
    """Return the sessions by number, some months beyond the newest."""
    ahead = min(installation.last_session() + dt.timedelta(days=400), installation.calendar.last_known_session)
    return dict(enumerate(installation.calendar.sessions(installation.first_session, ahead)))


def _start(
    one: Definition, stored: Mapping[str, Any] | None, installation: Installation, begin: dt.date
) -> dt.date | None:
    """Return the session that a strategy goes on with, None where it has not come."""
    if stored is None:
        wanted = max(begin, one.versions[0].effective_date)
        sessions = installation.sessions(wanted)
        return sessions[0] if sessions else None
    sessions = installation.sessions(stored["trade_date"])
    return sessions[1] if len(sessions) > 1 else None


def _walk(
    one: Definition, account: Account, market: Market, broker: Broker, installation: Installation, start: dt.date
) -> Walked:
    row = int(np.searchsorted(market.board.days, np.datetime64(start)))
    number = len(installation.sessions(None, start)) - 1
    return walk(
        account, market.board, market.tape, one.versions, broker, account_id=one.strategy_id, first_row=row,
        first_number=number,
    )  # fmt: skip


class _Bars(NamedTuple):
    """Trusted bars, and where each belongs in arrays of shape (n_dates, n_instruments)."""

    days: Days
    instruments: np.ndarray
    frame: pd.DataFrame
    rows: np.ndarray
    columns: np.ndarray

    def spread(self, name: str) -> np.ndarray:
        """Return a column as an array, NaN where there is no bar."""
        grid = np.full((len(self.days), len(self.instruments)), np.nan)
        grid[self.rows, self.columns] = self.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return grid

    def tape(self, warehouse: Warehouse) -> Tape:
        """Return the prices as accounts look at them."""
        segment = np.zeros((len(self.days), len(self.instruments)), dtype=np.int64)
        segment[self.rows, self.columns] = self.frame["price_segment"]
        last = _last_rows(warehouse, self.days, self.instruments)
        return Tape(self.instruments, {name: self.spread(name) for name in PRICES}, segment, last)


def _read_bars(warehouse: Warehouse, installation: Installation, sessions: Sequence[dt.date]) -> _Bars:
    span = [sessions[0], sessions[-1], installation.reporting_currency]
    frame = warehouse.read_frame(queries.BARS_BETWEEN, span)
    columns, names = pd.factorize(frame["instrument_id"], sort=True)
    days = as_days(pd.Index(sessions))
    rows = np.searchsorted(days, as_days(frame["trade_date"]))
    return _Bars(days, np.asarray(names, dtype=object), frame, rows, columns)


def _looked_up(
    warehouse: Warehouse, wanted: set[str], span: Sequence[dt.date], days: Days, instruments: np.ndarray
) -> dict[str, np.ndarray]:
    """Return indicators and places as arrays of the board's shape."""
    place_of = pd.Series(np.arange(len(instruments)), index=instruments)
    indicators = {name for name in wanted if name != "close_adj" and not name.startswith(RANK)}
    found = {name: np.full((len(days), len(instruments)), np.nan) for name in wanted - {"close_adj"}}
    frame = warehouse.read_frame(queries.indicators_between(indicators), span)
    _fill(found, frame, indicators, days, place_of)
    if len(indicators) < len(found):
        ranks = warehouse.read_frame(queries.RANKS_BETWEEN, span)
        for profile, of_profile in ranks.groupby("profile"):
            name = f"{RANK}{profile}"
            if name in found:
                _fill(found, of_profile.rename(columns={"rank": name}), {name}, days, place_of)
    return found


def _fill(
    found: Mapping[str, np.ndarray], frame: pd.DataFrame, names: Collection[str], days: Days, place_of: "pd.Series[int]"
) -> None:
    columns = place_of.reindex(frame["instrument_id"]).to_numpy(dtype=np.float64)
    is_known = ~np.isnan(columns)
    rows = np.searchsorted(days, as_days(frame["as_of_date"])[is_known])
    for name in names:
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)[is_known]
        found[name][rows, columns[is_known].astype(np.intp)] = values


def _last_rows(warehouse: Warehouse, days: Days, instruments: np.ndarray) -> np.ndarray:
    """Return the row of each instrument's last session, beyond the last row where it is listed still."""
    gone = warehouse.read_frame(DELISTED).set_index("instrument_id")["delisted_date"].reindex(instruments)
    last = np.searchsorted(days, as_days(gone), side="right") - 1
    return np.where(gone.isna(), len(days), last)
