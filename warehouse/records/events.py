"""Types of events in the one log, `app.events`. One event stands for a whole batch: counts, newest day, top symbols."""

from typing import Literal, get_args

EventType = Literal[
    # Of everybody.
    "price.updated",
    "ranking.changed",
    "signal.generated",
    "signal.changed",
    "news.ingested",
    "sentiment.changed",
    "model.drift_detected",
    # Of one user. signal.changed is that too, where it is about holdings.
    "portfolio.changed",
    "alert.changed",
    "alert.triggered",
    "alert.repeated",
    "alert.resolved",
    "alert.inhibited",
    "alert.corrected",
    "webhook_endpoint.changed",
    "job.requested",
    "job.progressed",
    "job.completed",
    "run.failed",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
# Of what a batch has touched, so many symbols are named.
TOP_SYMBOLS = 20
