"""Indices from their definitions to rows: read, decide and walk, describe."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import yaml

from orchestration.installation import Installation
from orchestration.resources import Warehouse
from transforms.days import Days, as_days
from transforms.index_book import Array, Day, Event, Market, Standing, Whole, index_book
from transforms.index_rules import COVARIANCE_SESSIONS, IndexRules, index_targets
from transforms.target_weights import rebalance_rows
from warehouse.merge import MergeResult, Window, merge
from warehouse.queries import indices as queries
from warehouse.queries.trading import DELISTED

# Types are said here: a day without a change has no rows that could tell them.
SCHEMAS = {
    "index_allocations": pa.schema(
        {
            "index_id": pa.string(), "as_of_date": pa.date32(), "instrument_id": pa.string(), "reason": pa.string(),
            "weight_before": pa.float64(), "weight": pa.float64(), "target_weight": pa.float64(),
            "units": pa.float64(), "close_adj": pa.float64(), "price_segment": pa.int32(),
        }
    ),
    "index_values": pa.schema(
        {
            "index_id": pa.string(), "as_of_date": pa.date32(), "value": pa.float64(), "return_1d": pa.float64(),
            "value_net": pa.float64(), "return_net_1d": pa.float64(), "benchmark_return_1d": pa.float64(),
            "divisor": pa.float64(), "n_constituents": pa.int32(),
            "definition_version": pa.int32(), "currency_code": pa.string(),
        }
    ),
    "index_turnover": pa.schema(
        {
            "index_id": pa.string(), "as_of_date": pa.date32(), "reason": pa.string(), "turnover": pa.float64(),
            "cost": pa.float64(),
            "n_added": pa.int32(), "n_removed": pa.int32(), "dropped_limits": pa.list_(pa.string()),
        }
    ),
}  # fmt: skip
TABLES = tuple(SCHEMAS)
BASE = 100.0
SEEDS = Path(__file__).with_name("index_definitions.yaml")


class Levels(NamedTuple):
    """An index before and after costs, index points."""

    value: float
    net: float


class Version(NamedTuple):
    """Rules that count from a day on."""

    version: int
    effective_date: dt.date
    rules: IndexRules


class Definition(NamedTuple):
    """An index with the versions of its rules, oldest first, and sessions that decide since somebody asked for it."""

    index_id: str
    versions: tuple[Version, ...]
    asked_for: frozenset[dt.date] = frozenset()

    @property
    def currency(self) -> str | None:
        """Currency of its levels, None for the reporting currency."""
        return self.versions[0].rules.currency

    def at(self, day: dt.date) -> Version:
        """Return the version in force, the first before its day."""
        return next((one for one in reversed(self.versions) if one.effective_date <= day), self.versions[0])


class Panel(NamedTuple):
    """What indices of one currency look at, in that currency: (n_sessions, n_instruments), both ascending."""

    sessions: Days
    instruments: npt.NDArray[np.object_]
    close_adj: Array
    return_1d: Array
    price_segment: Whole
    gone_after: Whole

    def since(self, row: int) -> Market:
        """Return what a book is valued with, from a row on."""
        return Market(self.close_adj[row:], self.price_segment[row:], self.gone_after - row)

    def spread(self, values: pd.Series, *, missing: float) -> npt.NDArray[Any]:
        """Put values by instrument_id in the order of the instruments."""
        return values.reindex(self.instruments).fillna(missing).to_numpy()


class IndexRows(NamedTuple):
    """The rows of one index from a day on, by table of research."""

    first_date: dt.date
    by_table: dict[str, pd.DataFrame]


def seed_definitions(warehouse: Warehouse) -> None:
    """Write the definitions of the file for indices that have none; from then on the table counts."""
    seeds: dict[str, Any] = yaml.safe_load(SEEDS.read_text())
    with warehouse.connection() as connection:
        for index_id, rules in seeds.items():
            IndexRules(**rules)
            connection.execute(queries.SEED_DEFINITION, {"index_id": index_id, "rules": json.dumps(rules)})


def read_definitions(warehouse: Warehouse) -> list[Definition]:
    """Return every index, by name."""
    found: dict[str, list[Version]] = {}
    for row in warehouse.read(queries.DEFINITIONS).to_pylist():
        version = Version(row["version"], row["effective_date"], IndexRules(**json.loads(row["rules"])))
        found.setdefault(row["index_id"], []).append(version)
    asked_for: dict[str, set[dt.date]] = {}
    for row in warehouse.read(queries.REBALANCES).to_pylist():
        asked_for.setdefault(row["index_id"], set()).add(row["decided_date"])
    return [
        Definition(index_id, tuple(versions), frozenset(asked_for.get(index_id, ())))
        for index_id, versions in found.items()
    ]


def build_indices(
    warehouse: Warehouse,
    installation: Installation,
    definitions: Sequence[Definition],
    window: tuple[dt.date, dt.date],
    *,
    begin: dt.date,
) -> dict[str, IndexRows]:
    """Compute the rows of a window; an index that has none before it is computed from its base.

    Parameters
    ----------
    warehouse, installation
    definitions
    window
        First and last session.
    begin
        First session that decides about an index that has no positions yet.

    Returns
    -------
    dict
        By index; nothing of those that have nothing to hold yet.
    """
    first, last = window
    sessions = as_days(pd.Index(installation.sessions(None, last)))
    standing = warehouse.read_frame(queries.STANDING_BEFORE, [first])
    stands_at, known_until = (
        {str(name): pd.Timestamp(rows[column].iloc[0]).date() for name, rows in standing.groupby("index_id")}
        for column in ("as_of_date", "newest_date")
    )
    begins = _begins(warehouse, definitions, begin, installation.reporting_currency)
    starts = {name: max(stands_at.get(name, own), own) for name, own in begins.items()}
    decides = {one.index_id: _deciding(one, sessions, begins[one.index_id]) for one in definitions}
    days = sorted({day for one in definitions for day in decides[one.index_id] if day >= starts[one.index_id]})
    candidates = _candidates(warehouse, days, definitions)
    built = {}
    begun = [one for one in definitions if starts[one.index_id] <= last]
    for currency, group in _by_currency(begun, installation.reporting_currency):
        panel = read_panel(warehouse, sessions, min(starts[one.index_id] for one in group), currency)
        benchmark = read_benchmark(warehouse, last, currency)
        for one in group:
            name = one.index_id
            before = standing[standing["index_id"] == name]
            span = begins[name], starts[name]
            rows = _build(one, panel, candidates, decides[name], span, before, benchmark)
            if rows is not None:
                # Also what lies between its newest session and the window, where an earlier run ended before it.
                missing = known_until[name] + dt.timedelta(days=1) if name in known_until else begin
                built[name] = _from(rows, min(missing, first))
    return built


def _begins(
    warehouse: Warehouse, definitions: Sequence[Definition], begin: dt.date, reporting: str
) -> dict[str, dt.date]:
    """Return the first session that decides about each index.

    In another currency than the reporting one that is the first with a rate of it: before, only what is quoted in it
    could be held.
    """
    first_rates = warehouse.read(queries.FIRST_RATES).to_pylist()
    known_from = {row["currency_code"]: row["first_date"] for row in first_rates}
    return {
        one.index_id: begin
        if one.currency in (None, reporting)
        else max(begin, known_from.get(one.currency, dt.date.max))
        for one in definitions
    }


def _by_currency(definitions: Sequence[Definition], reporting: str) -> Iterator[tuple[str, list[Definition]]]:
    """Group indices by the currency that they are computed in; those of the reporting currency share one panel."""
    for currency in sorted({one.currency or reporting for one in definitions}):
        yield currency, [one for one in definitions if (one.currency or reporting) == currency]


def write_indices(warehouse: Warehouse, built: Mapping[str, IndexRows], last: dt.date) -> dict[str, MergeResult]:
    """Write indices, those that begin on the same day together; each such group in one transaction."""
    written = dict.fromkeys(TABLES, MergeResult())
    for first in sorted({rows.first_date for rows in built.values()}):
        group = {index_id: rows for index_id, rows in built.items() if rows.first_date == first}
        listed = ", ".join(f"'{index_id}'" for index_id in group)
        window = Window("as_of_date", first, last, f"t.index_id in ({listed})")
        with warehouse.transaction() as connection:
            for name, schema in SCHEMAS.items():
                frames = [rows.by_table[name] for rows in group.values()]
                parts = [pa.Table.from_pandas(frame, schema=schema, preserve_index=False) for frame in frames]
                written[name] += merge(connection, f"research.{name}", pa.concat_tables(parts), window=window)
    return written


def read_panel(warehouse: Warehouse, sessions: Days, start: dt.date, currency_code: str) -> Panel:
    """Read closes and returns in a currency from a year before a day on; a close without a rate is not known."""
    place = int(np.searchsorted(sessions, np.datetime64(start)))
    sessions = sessions[max(place - COVARIANCE_SESSIONS, 0) :]
    span = [pd.Timestamp(sessions[0]).date(), pd.Timestamp(sessions[-1]).date()]
    prices = warehouse.read_frame(queries.CLOSES_BETWEEN, [*span, currency_code])
    columns, instruments = pd.factorize(prices["instrument_id"], sort=True)
    rows = np.searchsorted(sessions, as_days(prices["trade_date"]))
    shape = (len(sessions), len(instruments))
    close, returns, segment = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    close[rows, columns] = prices["close_adj"]
    returns[rows, columns] = prices["return_1d"]
    segment[rows, columns] = prices["price_segment"]
    gone = warehouse.read_frame(DELISTED).set_index("instrument_id")["delisted_date"].reindex(instruments)
    after = np.searchsorted(sessions, as_days(gone), side="right") - 1
    names = np.asarray(instruments, dtype=object)
    return Panel(sessions, names, close, returns, segment, np.where(gone.isna(), len(sessions), after))


def read_benchmark(warehouse: Warehouse, last: dt.date, currency_code: str) -> pd.Series:
    """Read the benchmark's returns in a currency, by session.

    Of a session without a rate nobody knows it; the next one with a rate has the whole move since the last.
    """
    frame = warehouse.read_frame(queries.BENCHMARK_UNTIL, [last, currency_code]).set_index("trade_date")
    if frame["is_own"].all():
        returns: pd.Series = frame["return_1d"]
        return returns
    level = (1 + frame["return_1d"].fillna(0)).cumprod() * frame["exchange_rate"].astype(float)
    return level.dropna().pct_change().reindex(frame.index)


def _deciding(definition: Definition, sessions: Days, begin: dt.date) -> set[dt.date]:
    """Return the sessions that the calendar of the version in force makes decide."""
    counted = sessions[sessions >= np.datetime64(begin)]
    found: set[dt.date] = set()
    for one in definition.versions:
        rows = rebalance_rows(counted, every=one.rules.rebalance)
        days = [pd.Timestamp(day).date() for day in counted[rows]]
        found |= {day for day in days if definition.at(day) is one}
    known = {pd.Timestamp(day).date() for day in counted} if definition.asked_for else set()
    return found | (definition.asked_for & known)


def _candidates(
    warehouse: Warehouse, days: Sequence[dt.date], definitions: Sequence[Definition]
) -> dict[dt.date, pd.DataFrame]:
    if not days:
        return {}
    profiles = sorted({version.rules.profile for one in definitions for version in one.versions})
    frame = warehouse.read_frame(queries.candidates_on(days, profiles)).set_index("instrument_id").sort_index()
    return {pd.Timestamp(str(day)).date(): rows for day, rows in frame.groupby("as_of_date")}


def _build(
    definition: Definition,
    panel: Panel,
    candidates: Mapping[dt.date, pd.DataFrame],
    decides: set[dt.date],
    span: tuple[dt.date, dt.date],
    before: pd.DataFrame,
    benchmark: pd.Series,
) -> IndexRows | None:
    """Walk one index from where it stands; `span` is the session at which it began, and that one."""
    begun, row = (int(np.searchsorted(panel.sessions, np.datetime64(day))) for day in span)
    sessions = panel.sessions[row:]
    days = [pd.Timestamp(day).date() for day in sessions]

    def choose(at: int, weights: Array) -> tuple[Array, tuple[str, ...]]:
        rules = definition.at(days[at]).rules
        offered = candidates.get(days[at])
        if offered is None:
            return np.zeros_like(weights), ()
        held = pd.Series(weights, index=panel.instruments)
        frame = offered.rename(columns={f"score_{rules.profile}": "score"})
        past = panel.return_1d[max(row + at + 1 - COVARIANCE_SESSIONS, 0) : row + at + 1]
        targets = index_targets(
            frame, rules, previous=held[held > 0], return_1d=pd.DataFrame(past, columns=panel.instruments)
        )
        return panel.spread(targets.weights, missing=0.0), targets.dropped_limits

    book_days, events = index_book(
        panel.since(row),
        choose,
        decides=np.array([day in decides for day in days]),
        standing=_standing(before, panel, rows=slice(begun, row + 1)),
        drift_threshold=np.array([definition.at(day).rules.drift_threshold or np.inf for day in days]),
    )
    if not book_days:
        return None
    levels_before = Levels(*before[["value", "value_net"]].iloc[0]) if len(before) else Levels(float("nan"), BASE)
    return IndexRows(
        first_date=days[0],
        by_table={
            "index_allocations": _allocations(definition, events, days, panel),
            "index_values": _levels(definition, book_days, events, days, levels_before, benchmark),
            "index_turnover": _turnover(definition, events, days),
        },
    )


def _standing(before: pd.DataFrame, panel: Panel, *, rows: slice) -> Standing:
    """Return where a book stands; of what it does not hold it knows the last close among `rows`, as one that walked."""
    if before.empty:
        return Standing.empty(len(panel.instruments))
    held = before[before["units"] > 0].set_index("instrument_id")
    units = panel.spread(held["units"], missing=0.0)
    close, segment = panel.close_adj[rows], panel.price_segment[rows]
    newest = np.where(np.isnan(close), -1, np.arange(len(close))[:, None]).max(axis=0)
    columns = np.arange(len(panel.instruments))
    last, last_segment = close[newest, columns], segment[newest, columns]
    known = np.where(newest >= 0, last, np.nan)
    return Standing(
        units=units,
        price=np.where(units > 0, panel.spread(held["close_adj"], missing=float("nan")), known),
        segment=np.where(units > 0, panel.spread(held["price_segment"], missing=0), last_segment).astype(np.int64),
        target=panel.spread(held["target_weight"], missing=0.0),
        divisor=float(before["divisor"].iloc[0]),
    )


def _allocations(
    definition: Definition, events: Sequence[Event], days: Sequence[dt.date], panel: Panel
) -> pd.DataFrame:
    parts = []
    for event in events:
        weight = event.after.weights
        touched = np.flatnonzero((event.weight_before > 0) | (weight > 0))
        reason = np.where(event.is_gone, "delisting", event.reason)
        part = {
            "instrument_id": panel.instruments,
            "reason": reason,
            "weight_before": event.weight_before,
            "weight": weight,
            "target_weight": event.after.target,
            "units": event.after.units,
            "close_adj": event.after.price,
            "price_segment": event.after.segment,
        }
        parts.append(pd.DataFrame(part).iloc[touched].assign(as_of_date=days[event.row]))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=SCHEMAS["index_allocations"].names)
    return frame.assign(index_id=definition.index_id)


def _levels(
    definition: Definition,
    book: Sequence[Day],
    events: Sequence[Event],
    days: Sequence[dt.date],
    before: Levels,
    benchmark: pd.Series,
) -> pd.DataFrame:
    """Return the levels of each session; after costs, each trade lowers the level at its close by what it cost."""
    value = np.array([day.value for day in book])
    previous = np.r_[before.value, value[:-1]]
    dates = [days[day.row] for day in book]
    moved = np.where(np.isnan(previous), 1.0, value / previous)
    costs = {event.row: _cost(definition, event, days) for event in events}
    kept = np.array([1 - costs.get(day.row, 0.0) for day in book])
    # One after the other, so that going on from a level gives the same bits.
    net = np.multiply.accumulate(np.r_[before.net, moved * kept])[1:]
    return pd.DataFrame(
        {
            "index_id": definition.index_id,
            "as_of_date": dates,
            "value": value,
            "return_1d": value / previous - 1,
            "value_net": net,
            "return_net_1d": np.where(np.isnan(previous), np.nan, moved * kept - 1),
            "benchmark_return_1d": benchmark.reindex(pd.DatetimeIndex(dates)).to_numpy(dtype=np.float64),
            "divisor": [day.divisor for day in book],
            "n_constituents": [day.n_constituents for day in book],
            "definition_version": [definition.at(day).version for day in dates],
            "currency_code": definition.currency,
        }
    )


def _cost(definition: Definition, event: Event, days: Sequence[dt.date]) -> float:
    """Return what a trade cost, a fraction of the value; a jump in prices that nobody explains trades nothing."""
    if event.reason == "price_break":
        return 0.0
    return float(event.turnover) * definition.at(days[event.row]).rules.cost_bps / 10_000


def _turnover(definition: Definition, events: Sequence[Event], days: Sequence[dt.date]) -> pd.DataFrame:
    rows = [
        {
            "index_id": definition.index_id,
            "as_of_date": days[event.row],
            "reason": event.reason,
            "turnover": event.turnover,
            "cost": _cost(definition, event, days),
            "n_added": int(((event.after.units > 0) & (event.weight_before == 0)).sum()),
            "n_removed": int(((event.after.units == 0) & (event.weight_before > 0)).sum()),
            "dropped_limits": list(event.dropped_limits),
        }
        for event in events
    ]
    return pd.DataFrame(rows, columns=SCHEMAS["index_turnover"].names)


def _from(rows: IndexRows, first: dt.date) -> IndexRows:
    """Leave out what lies before the window and is only needed to get there."""
    return IndexRows(first, {name: frame[frame["as_of_date"] >= first] for name, frame in rows.by_table.items()})
