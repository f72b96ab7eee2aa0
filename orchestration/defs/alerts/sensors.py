"""Rules are held against new data, and what they announce is sent, inside the ticks: a run takes seconds to start."""

import datetime as dt
import json

import dagster as dg

from orchestration.defs.alerts.assets import (
    ALERT_EVENTS,
    DELIVERIES,
    announcement_counts,
    delivery_clock,
    delivery_counts,
    evaluate_rules,
    send_due,
)
from orchestration.defs.alerts.checks import OVERDUE_CHECK, overdue_result
from orchestration.outbox import sentence_of
from orchestration.resources import MarketData, Warehouse
from warehouse.queries import deliveries
from warehouse.queries.alert_evaluation import read_marks, tables_are_built
from warehouse.queries.alerts import has_active_rules

# Prices can be restated without a mark moving at the right moment, so now and then a look is taken all the same.
LOOK_AGAIN = dt.timedelta(minutes=15)


@dg.sensor(
    minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Holds alert rules against the newest quotes, closes and rankings whenever one of them has changed, "
    "and writes what they announce into the outbox.",
)  # fmt: skip
def alert_evaluation(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, market_data: MarketData
) -> dg.SensorResult | dg.SkipReason:
    """Evaluate the rules if anything they look at has changed; the cursor saves work, a repeated tick does no harm."""
    installation = market_data.installation
    now = installation.clock()
    with warehouse.connection() as connection:
        if not tables_are_built(connection):
            return dg.SkipReason("the tables of prices are not built yet; the first run of the pipeline makes them")
        if not has_active_rules(connection):
            return dg.SkipReason("no alert rule is active")
        marks = read_marks(connection)
        if not _is_worth_a_look(context.cursor, marks, now):
            return dg.SkipReason("no quote, close, ranking or rule has changed since the last look")
        evaluated = evaluate_rules(connection, installation)
        numbers = announcement_counts(connection, evaluated)
    return dg.SensorResult(
        skip_reason=evaluated.sentence(),
        cursor=json.dumps({"marks": marks, "looked_at": now.isoformat()}),
        asset_events=[dg.AssetMaterialization(ALERT_EVENTS, metadata=numbers)] if evaluated.n_announced else [],
    )


@dg.sensor(
    minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what waits in the outbox, as signed webhooks, mail and Slack messages, and tries again what "
    "failed by a schedule of ten tries within 76 hours.",
)  # fmt: skip
def alert_delivery(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, market_data: MarketData
) -> dg.SensorResult:
    """Send what is due; the cursor holds the last verdict of the check, which is reported when it changes."""
    installation = market_data.installation
    clock = delivery_clock(installation)
    events: list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation] = []
    with warehouse.connection() as connection:
        due_at = deliveries.next_due_at(connection)
        connection.commit()
        if due_at is None:
            reason = "nothing is due"
        elif due_at > clock():
            reason = f"nothing is due before {due_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
        else:
            delivered = send_due(connection, installation)
            reason = sentence_of(delivered)
            events.append(dg.AssetMaterialization(DELIVERIES, metadata=delivery_counts(connection, delivered)))
        check = overdue_result(connection, now=clock())
    verdict = "passed" if check.passed else "failed"
    if verdict != context.cursor:
        events.append(_evaluation_of(check))
    return dg.SensorResult(skip_reason=reason, cursor=verdict, asset_events=events)


def _is_worth_a_look(cursor: str | None, marks: str, now: dt.datetime) -> bool:
    if cursor is None:
        return True
    last = json.loads(cursor)
    return bool(last["marks"] != marks) or now - dt.datetime.fromisoformat(last["looked_at"]) >= LOOK_AGAIN


def _evaluation_of(check: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=DELIVERIES,
        check_name=OVERDUE_CHECK,
        passed=check.passed,
        metadata=check.metadata,
        severity=check.severity,
        description=check.description,
    )
