"""What a client may follow, and the types of events that belong to it."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Topic = Literal["quotes", "rankings", "signals", "news", "models", "portfolios", "alerts", "jobs"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
TYPES: Mapping[Topic, tuple[str, ...]] = {
    "quotes": ("price.updated",),
    "rankings": ("ranking.changed",),
    "signals": ("signal.generated", "signal.changed"),
    "news": ("news.ingested", "sentiment.changed"),
    "models": ("model.drift_detected",),
    "portfolios": ("portfolio.changed",),
    "alerts": (
        "alert.triggered",
        "alert.repeated",
        "alert.resolved",
        "alert.inhibited",
        "alert.corrected",
        "alert.changed",
        "webhook_endpoint.changed",
    ),
    "jobs": ("job.requested", "job.progressed", "job.completed", "run.failed"),
}


def types_of(topics: Iterable[str]) -> frozenset[str]:
    """Return the types of events of some topics."""
    wanted = set(topics)
    return frozenset(name for topic, types in TYPES.items() if topic in wanted for name in types)
