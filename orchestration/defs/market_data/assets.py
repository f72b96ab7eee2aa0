"""Market data as the source said it, in schema raw."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pandas as pd

from orchestration.code_versions import code_version_of
from orchestration.defs.market_data.entities import (
    benchmark_bars_entity,
    daily_bars_entity,
    dividends_entity,
    instruments_entity,
    quotes_entity,
    splits_entity,
    ticker_events_entity,
)
from orchestration.ingestion import Entity, ingest
from orchestration.installation import Installation
from orchestration.metadata import OWNER, Checked, merge_metadata, picture, table, table_metadata
from orchestration.partitions import sessions_partitions, window_of
from orchestration.plots import coverage_figure
from orchestration.resources import MarketData, Warehouse
from orchestration.sources.protocols import capabilities
from orchestration.sources.quoting import quote_batches
from orchestration.sources.records import Batch
from transforms.bar_verdicts import bar_verdicts as judge_bars
from transforms.bar_verdicts import withdrawn
from transforms.identity import alias_periods
from transforms.source_priority import first_of_each
from warehouse.merge import MergeResult
from warehouse.queries import market_data as queries
from warehouse.queries import refreshes

GROUP = "market_data"
KINDS = {"python", "postgres"}
# A vendor that does not answer is asked again; what we compute ourselves is not retried.
RETRIES = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
ACCOUNTING = "every_record_is_accounted_for"
BEGINNING = dt.date(1900, 1, 1)
# Tag of a run that asks a vendor although its last answer is still fresh: for what it has corrected since.
ASK_AGAIN = "factorloom/ask_again"
# How far back the picture of the coverage reaches.
DAYS_SHOWN = 730


def accounting(table_name: str) -> list[dg.AssetCheckSpec]:
    """Return the blocking check that no record was lost."""
    return [
        dg.AssetCheckSpec(
            ACCOUNTING,
            asset=dg.AssetKey(["raw", table_name]),
            blocking=True,
            description="received = inserted + updated + unchanged + quarantined + exact duplicates",
            partitions_def=None,
        )
    ]


def raw_table(
    name: str, *, deps: Sequence[dg.AssetsDefinition] = (), group: str = GROUP, by_session: bool = False
) -> Callable[[Callable[..., Checked]], dg.AssetsDefinition]:
    """Make an asset of what a source tells: asked within the vendors' pool, asked again, every record accounted for."""
    return dg.asset(
        key=["raw", name],
        deps=deps,
        group_name=group,
        kinds=KINDS,
        owners=[OWNER],
        pool="vendor_api",
        retry_policy=RETRIES,
        check_specs=accounting(name),
        partitions_def=sessions_partitions() if by_session else None,
        backfill_policy=dg.BackfillPolicy.single_run() if by_session else None,
    )


def ingest_window(
    warehouse: Warehouse,
    installation: Installation,
    entity: Entity,
    *window: dt.date,
    more: Callable[[], Mapping[str, Any]] = dict,
) -> dg.MaterializeResult[None]:
    """Ask the source for an entity, store the answer and report: the body of every asset that takes records in.

    A vendor that has answered the whole of the same question within the time to live of history is not asked again,
    but by a run with the tag ASK_AGAIN. `more` is asked when all records are stored.
    """
    source, question = installation.source, _question(installation, entity, window)
    is_due = not _is_answered(warehouse, installation, question)
    batches = received(installation, entity.name, *window) if is_due else iter(())
    ingested = ingest(warehouse, source.name, entity, batches)
    if is_due and not ingested.left_out:
        _note_answer(warehouse, installation, question)
    asked = {} if is_due else {"not_asked": f"answered within {installation.settings.history_ttl_hours} hours"}
    described = {"source": source.name, **asked, **table_metadata(warehouse, entity.table)}
    return dg.MaterializeResult(
        metadata={**ingested.metadata(), **described, **more()}, check_results=[ingested.accounting_check()]
    )


def _question(installation: Installation, entity: Entity, window: Sequence[dt.date]) -> str | None:
    """Return what a vendor is asked, as a key; None where the answer is never kept from being asked for again.

    What is the case today (instruments, holidays) is asked for each time, and what a source on this machine has too.
    """
    is_kept = bool(window) or entity.is_of_a_day
    if not is_kept or not getattr(installation.source, "is_metered", False):
        return None
    settings = installation.settings
    asked = "|".join([*settings.live_symbols, *settings.live_fallbacks, settings.live_benchmark])
    digest = hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
    return " ".join([entity.name, *map(str, window), digest])


def _is_answered(warehouse: Warehouse, installation: Installation, question: str | None) -> bool:
    if question is None or ASK_AGAIN in dg.AssetExecutionContext.get().run.tags:
        return False
    seconds, now = installation.settings.history_ttl_hours * 3600, installation.clock()
    with warehouse.connection() as connection:
        return refreshes.is_answered(
            connection, source=installation.source.name, entity=question, now=now, seconds=seconds
        )


def _note_answer(warehouse: Warehouse, installation: Installation, question: str | None) -> None:
    if question is not None:
        with warehouse.connection() as connection:
            refreshes.note_answer(
                connection, source=installation.source.name, entity=question, now=installation.clock()
            )


def _currencies(warehouse: Warehouse, installation: Installation) -> dict[str, str]:
    """Return the currency of each listing, by its symbol."""
    rows = warehouse.read(queries.CURRENCIES, [",".join(installation.source_names)]).to_pylist()
    return {row["source_symbol"]: row["currency_code"] for row in rows}


def _coverage(warehouse: Warehouse, installation: Installation, last: dt.date) -> dict[str, Any]:
    since = max(installation.first_session, last - dt.timedelta(days=DAYS_SHOWN))
    names = (installation.source.name, ",".join(installation.source_names))
    sessions = warehouse.read_frame(queries.COVERAGE_BETWEEN, [*names, since, last])
    return {} if sessions.empty else {"coverage": picture(coverage_figure(sessions))}


def received(installation: Installation, entity: str, *window: dt.date) -> Iterator[Batch]:
    """Return what the source has of an entity; nothing where it lacks the capability."""
    if entity not in capabilities(installation.source):
        return iter(())
    batches: Iterator[Batch] = getattr(installation.source, entity)(*window)
    return batches


@raw_table("ticker_events")
def ticker_events(warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol and day of change: what an instrument was called before."""
    installation = market_data.installation
    return ingest_window(warehouse, installation, ticker_events_entity())


@raw_table("instruments", deps=[ticker_events])
def instruments(warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol and instrument that had it: the instruments as the source described them last."""
    installation = market_data.installation
    # What is known keeps its id, whichever source answers today.
    names = ",".join(installation.source_names)
    known = warehouse.read_frame(queries.KNOWN_INSTRUMENTS, [names])
    entity = instruments_entity(installation, known, warehouse.read_frame(queries.TICKER_EVENTS, [names]))
    return ingest_window(warehouse, installation, entity)


@dg.asset(
    key=["raw", "instrument_aliases"], deps=[instruments], group_name=GROUP, kinds=KINDS, owners=[OWNER]
)  # fmt: skip
def instrument_aliases(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per source, symbol and period of validity: which instrument a symbol meant on a day."""
    written = write_aliases(warehouse, market_data.installation)
    return dg.MaterializeResult(
        metadata={**merge_metadata(written), **table_metadata(warehouse, "raw.instrument_aliases")}
    )


def write_aliases(warehouse: Warehouse, installation: Installation) -> MergeResult:
    """Write which instrument each symbol meant when, by the instruments and renamings that are stored."""
    names = installation.source_names
    owners = warehouse.read_frame(queries.KNOWN_INSTRUMENTS, [",".join(names)])
    events = warehouse.read_frame(queries.TICKER_EVENTS, [",".join(names)])
    aliases = alias_periods(owners, events=events)
    # A source that answers in another's place is asked by that one's symbols, so they mean the same there.
    aliases = pd.concat([aliases.assign(source=name) for name in names], ignore_index=True)
    return warehouse.merge("raw.instrument_aliases", aliases)


@raw_table("daily_bars", deps=[instruments], by_session=True)
def daily_bars(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol and session; a re-run changes only what the source changed."""
    installation, (first, last) = market_data.installation, window_of(context)
    entity = daily_bars_entity(installation, first, last, _currencies(warehouse, installation))
    return ingest_window(
        warehouse, installation, entity, first, last, more=lambda: _coverage(warehouse, installation, last)
    )


@raw_table("benchmark_bars", by_session=True)
def benchmark_bars(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, index symbol and session: the market index that returns are compared with."""
    installation, (first, last) = market_data.installation, window_of(context)
    entity = benchmark_bars_entity(installation, first, last)
    return ingest_window(warehouse, installation, entity, first, last)


@raw_table("dividends", deps=[instruments], by_session=True)
def dividends(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol and ex-date: cash dividends as declared."""
    installation, window = market_data.installation, window_of(context)
    return ingest_window(warehouse, installation, dividends_entity(), *window)


@raw_table("splits", deps=[instruments], by_session=True)
def splits(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol and ex-date: share splits."""
    installation, window = market_data.installation, window_of(context)
    return ingest_window(warehouse, installation, splits_entity(), *window)


@dg.asset(
    key=["raw", "bar_verdicts"], deps=[daily_bars, splits, dividends], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP, kinds=KINDS, owners=[OWNER],
    code_version=code_version_of(judge_bars),
)  # fmt: skip
def bar_verdicts(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per bar and soft rule: bars that cannot be trusted, or were suspected and proved consistent.

    Judged over the whole history, since a wrong-day bar shows only when the other day is known, and over the bars that
    count where several sources have one. Writes differences: what the rules no longer find is cleared.
    """
    sources = market_data.installation.source_names
    bars = _that_count(warehouse, market_data.installation, queries.BARS_OF_SOURCE, day="trade_date")
    split_days = _that_count(warehouse, market_data.installation, queries.SPLITS_OF_SOURCE, day="ex_date")
    paid = _that_count(warehouse, market_data.installation, queries.DIVIDENDS_OF_SOURCE, day="ex_date")
    verdicts = judge_bars(bars, splits=split_days, dividends=paid)
    stored = warehouse.read_frame(queries.VERDICTS_OF_SOURCES, [",".join(sources)])
    gone = withdrawn(stored, found=verdicts, bars=bars)
    written = warehouse.merge("raw.bar_verdicts", pd.concat([verdicts, gone], ignore_index=True))
    counts = verdicts.groupby(["rule", "verdict"]).size().reset_index(name="bars")
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "suspect_bars": int((verdicts["verdict"] == "suspect").sum()),
            "withdrawn_verdicts": len(gone),
            "by_rule": table(counts),
            "sample": table(verdicts.head(10)),
            **table_metadata(warehouse, "raw.bar_verdicts"),
        }
    )


def _that_count(warehouse: Warehouse, installation: Installation, query: str, *, day: str) -> pd.DataFrame:
    between = (installation.first_session, installation.last_session())
    frames = {
        name: warehouse.read_history(query, [name], day=day, between=between) for name in installation.source_names
    }
    return first_of_each(frames, key=["source_symbol", day])


@dg.asset(
    key=["raw", "quotes"], deps=[instruments], group_name=GROUP, kinds=KINDS, owners=[OWNER], pool="vendor_api",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
)  # fmt: skip
def quotes(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per source, symbol and instant: prices during the session; kept 30 days."""
    return take_quotes(warehouse, market_data)


def take_quotes(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """Store the newest quote of every instrument, of the first source that answers, and say how many.

    A vendor that somebody has asked within the time to live of a quote is not asked again.
    """
    installation = market_data.installation
    source, now = installation.source, installation.clock()
    seconds = 0 if getattr(source, "is_simulated", False) else installation.settings.quote_ttl_seconds
    with _asking(warehouse, source.name, "quotes", now=now, seconds=seconds) as is_due:
        batches = quote_batches(source, None, now) if is_due else iter(())
        entity = quotes_entity(installation, _currencies(warehouse, installation))
        ingested = ingest(warehouse, source.name, entity, batches)
    if not ingested.n_received:
        return dg.MaterializeResult(metadata={"received": 0})
    return dg.MaterializeResult(metadata={**ingested.metadata(), **table_metadata(warehouse, "raw.quotes")})


@contextmanager
def _asking(warehouse: Warehouse, source: str, entity: str, *, now: dt.datetime, seconds: int) -> Iterator[bool]:
    """Tell whether a source is to be asked; where it then fails, the next one may ask at once."""
    if seconds == 0:
        yield True
        return
    with warehouse.connection() as connection:
        is_due = refreshes.claim(connection, source=source, entity=entity, now=now, seconds=seconds)
    try:
        yield is_due
    except BaseException:
        if is_due:
            with warehouse.connection() as connection:
                refreshes.release(connection, source=source, entity=entity, now=now)
        raise
