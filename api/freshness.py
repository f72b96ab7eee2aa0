"""What is fresh: the clock, and how long a quote is."""

import datetime as dt

from warehouse.clock import clock_of
from warehouse.settings import Settings


class Freshness:
    """Tells how old an answer may be."""

    def __init__(self, settings: Settings) -> None:
        self._clock = clock_of(settings)
        self.quote_ttl_seconds = settings.quote_ttl_seconds

    def now(self) -> dt.datetime:
        """Return the instant that answers are given at."""
        return self._clock()

    def period(self) -> str:
        """Number the stretches of a quote's life: in the next one an answer about what is stale may be another."""
        return str(int(self._clock().timestamp()) // self.quote_ttl_seconds)
