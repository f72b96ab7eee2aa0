"""What alerts leave behind. The sensors of this folder do the same work inside their ticks and report here what it did.

To materialize one of these by hand is a way to have it done now; it is never needed.
"""

import dagster as dg
import psycopg

from orchestration.alerting import Evaluated, evaluate
from orchestration.installation import Installation
from orchestration.metadata import OWNER
from orchestration.outbox import Delivered, deliver_due
from orchestration.resources import MarketData, Warehouse
from orchestration.senders import senders_of
from warehouse.clock import Clock, machine_clock
from warehouse.queries import alerts as alert_queries
from warehouse.queries import deliveries as delivery_queries
from warehouse.secrets import webhook_keys

ALERT_EVENTS = dg.AssetKey(["app", "alert_events"])
DELIVERIES = dg.AssetKey(["app", "deliveries"])

# A tick may take 60 s. Sending stops claiming after 20 s and then waits for one timeout of 15 s at most.
EVALUATION_SECONDS = 30.0
DELIVERY_SECONDS = 20.0


@dg.asset(
    key=ALERT_EVENTS, deps=[["marts", "fct_daily_prices"], ["raw", "quotes"], ["research", "rankings"]],
    group_name="alerts", kinds={"python", "postgres"}, owners=[OWNER],
)  # fmt: skip
def alert_events(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per announcement of an alert rule: it fired, or it recovered.

    Written by the sensor alert_evaluation in the transaction that moves the rule's state; no episode is announced
    twice.
    """
    with warehouse.connection() as connection:
        evaluated = evaluate_rules(connection, market_data.installation)
        return dg.MaterializeResult(metadata=announcement_counts(connection, evaluated))


@dg.asset(
    key=DELIVERIES, deps=[ALERT_EVENTS], group_name="alerts", kinds={"python", "postgres"}, owners=[OWNER],
)  # fmt: skip
def deliveries(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per event and channel that it goes to: the outbox.

    Channels are webhooks, mailboxes and Slack channels. Sent by the sensor alert_delivery or by `factorloom deliver`,
    at least once and always under the same id; ten tries within 76 hours.
    """
    with warehouse.connection() as connection:
        delivered = send_due(connection, market_data.installation)
        return dg.MaterializeResult(metadata=delivery_counts(connection, delivered))


def evaluate_rules(connection: psycopg.Connection, installation: Installation) -> Evaluated:
    """Hold all active rules against the newest data of an installation."""
    return evaluate(
        connection,
        now=installation.clock(),
        calendar=installation.calendar,
        last_session=installation.last_session(),
        timeout_seconds=EVALUATION_SECONDS,
    )


def send_due(connection: psycopg.Connection, installation: Installation) -> Delivered:
    """Send what is due in the outbox of an installation; no transaction must be open."""
    settings = installation.settings
    return deliver_due(
        connection,
        senders_of(settings),
        webhook_keys(settings),
        clock=delivery_clock(installation),
        budget_seconds=DELIVERY_SECONDS,
    )


def delivery_clock(installation: Installation) -> Clock:
    """Return the time that deliveries go by: the installation's, or the machine's where that one is frozen.

    Under a frozen clock no retry would ever fall due, and receivers would refuse each signature as old.
    """
    return installation.clock if installation.settings.now is None else machine_clock


def announcement_counts(connection: psycopg.Connection, evaluated: Evaluated) -> dict[str, int | str]:
    """Return what a look came to and how things stand, for the asset's page."""
    counts = alert_queries.read_counts(connection)._asdict()
    return {
        **evaluated._asdict(),
        **counts,
        "dagster/row_count": counts["n_announcements"],
        "dagster/table_name": "app.alert_events",
    }


def delivery_counts(connection: psycopg.Connection, delivered: Delivered) -> dict[str, int | str]:
    """Return what became of the deliveries tried and how all of them stand, for the asset's page."""
    counts = {
        f"total_{name.removeprefix('n_')}": n for name, n in delivery_queries.read_counts(connection)._asdict().items()
    }
    return {
        **delivered._asdict(),
        **counts,
        "dagster/row_count": sum(counts.values()),
        "dagster/table_name": "app.deliveries",
    }
