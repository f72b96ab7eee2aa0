"""Tells of new batches, and handles events, inside the ticks. What has been told or handled stands in the database."""

import json

import dagster as dg
import psycopg

from orchestration.defs.alerts.assets import evaluate_rules
from orchestration.installation import Installation
from orchestration.job_runs import CORRELATION_TAG
from orchestration.resources import MarketData, Warehouse
from warehouse.queries import batch_events, event_handlings
from warehouse.queries.alert_evaluation import tables_are_built
from warehouse.queries.alerts import has_active_rules
from warehouse.queries.event_handlings import Unhandled

HOLDINGS = "holding_signals"
MOST_EVENTS = 50


@dg.sensor(
    minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes one event into the log for each new version of prices, quotes, signals, news and tones: "
    "counts, the newest day and the symbols that stand out, under the id of the request or run that made it.",
)  # fmt: skip
def batches_told(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, market_data: MarketData
) -> dg.SensorResult | dg.SkipReason:
    """Tell of versions that have no event; the cursor keeps those that had nothing to tell from being asked again."""
    seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    n_written = 0
    with warehouse.connection() as connection:
        if not tables_are_built(connection):
            return dg.SkipReason("the tables are not built yet; the first run of the pipeline makes them")
        new = [one for one in batch_events.untold(connection) if seen.get(one.dataset) != one.version]
        if not new:
            return dg.SkipReason("no table has a version that was not told of")
        for one in new:
            correlation_id = _correlation_of(context.instance, one.dataset)
            n_written += batch_events.tell(
                connection, one, now=market_data.installation.clock(), correlation_id=correlation_id
            )
    cursor = json.dumps(seen | {one.dataset: one.version for one in new})
    return dg.SensorResult(skip_reason=f"told of {len(new)} new versions in {n_written} events", cursor=cursor)


@dg.sensor(
    minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks up the signals of holdings when new ones were generated or a portfolio has changed, and holds "
    "alert rules against new holdings; owners are told which signals have changed.",
)  # fmt: skip
def holding_signals(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, market_data: MarketData
) -> dg.SkipReason:
    """Handle signal.generated and portfolio.changed, each event once, in the transaction of what it leads to."""
    with warehouse.connection() as connection:
        events = event_handlings.unhandled(
            connection, HOLDINGS, ["signal.generated", "portfolio.changed"], limit=MOST_EVENTS
        )
        if not events:
            return dg.SkipReason("no signal and no portfolio has changed")
        for event in events:
            with connection.transaction():
                outcome = handle(connection, market_data.installation, event)
                event_handlings.mark_handled(connection, HOLDINGS, event, outcome, now=market_data.installation.clock())
    return dg.SkipReason(f"handled {len(events)} events")


def handle(connection: psycopg.Connection, installation: Installation, event: Unhandled) -> str:
    """Do what an event asks for, and say what came of it."""
    now = installation.clock()
    if event.type == "signal.generated":
        n_refreshed = event_handlings.refresh_holdings(connection, event, portfolio_id=None, now=now)
        return f"refreshed the signals of {n_refreshed} holdings"
    if event.payload.get("change") != "holdings":
        return "nothing that is held has changed"
    n_refreshed = event_handlings.refresh_holdings(connection, event, portfolio_id=event.subject, now=now)
    looked = ""
    if tables_are_built(connection) and has_active_rules(connection):
        looked = f"; {evaluate_rules(connection, installation).sentence()}"
    return f"refreshed the signals of {n_refreshed} holdings{looked}"


def _correlation_of(instance: dg.DagsterInstance, dataset: str) -> str | None:
    """Return the id of the request that made the newest version of a table, else of the run that did."""
    event = instance.get_latest_materialization_event(dg.AssetKey(dataset.split(".")))
    run = instance.get_run_by_id(event.run_id) if event is not None else None
    return None if run is None else run.tags.get(CORRELATION_TAG, run.run_id)
