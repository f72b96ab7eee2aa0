"""What alerts leave behind. The sensors of this folder write these tables and report here when they have."""

import dagster as dg

from orchestration.metadata import OWNER

ALERT_EVENTS = dg.AssetKey(["app", "alert_events"])
DELIVERIES = dg.AssetKey(["app", "deliveries"])

alert_events = dg.AssetSpec(
    ALERT_EVENTS,
    deps=[["marts", "fct_daily_prices"], ["raw", "quotes"], ["research", "rankings"]],
    description="One row per announcement of an alert rule: it fired, or it recovered. Written inside the ticks of the "
    "sensor alert_evaluation, in the transaction that moves the rule's state; no episode is announced twice.",
    group_name="alerts",
    owners=[OWNER],
    kinds={"postgres"},
    metadata={"dagster/table_name": "app.alert_events"},
)

deliveries = dg.AssetSpec(
    DELIVERIES,
    deps=[ALERT_EVENTS],
    description="One row per announcement and webhook endpoint: the outbox. Sent inside the ticks of the sensor "
    "alert_delivery, at least once and always under the same webhook-id; ten tries within 76 hours.",
    group_name="alerts",
    owners=[OWNER],
    kinds={"postgres"},
    metadata={"dagster/table_name": "app.deliveries"},
)
