"""What Prometheus reads of this process, on an address of its own: never beside what the public can reach.

Requests are counted by operation, not by path, so that the number of series stays small; those that match no operation
count as `none`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from warehouse.queries.datasets import Dataset

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NO_OPERATION = "none"


class Metrics:
    """The figures of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._requests = Counter(
            "factorloom_http_requests", "Requests answered.", ["method", "operation", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "factorloom_http_request_seconds",
            "Time until the first byte of the answer.",
            ["operation"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._database_seconds = Histogram(
            "factorloom_database_seconds",
            "Time that a request spent in the database, waiting for a connection included.",
            ["operation"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "factorloom_http_requests_in_progress", "Requests being answered.", registry=self.registry
        )
        # Of a labelled metric the look-up of a child takes longer than counting.
        self._counter = lru_cache(maxsize=4096)(self._requests.labels)
        self._timers = lru_cache(maxsize=1024)(
            lambda operation: (self._seconds.labels(operation), self._database_seconds.labels(operation))
        )

    def count(
        self, method: str, operation: str | None, status: int | None, *, seconds: float, database_seconds: float
    ) -> None:
        """Count one answered request; one whose connection broke before its answer has status 0."""
        name = operation or NO_OPERATION
        self._counter(method if method in METHODS else "other", name, str(status or 0)).inc()
        whole, database = self._timers(name)
        whole.observe(seconds)
        if database_seconds:
            database.observe(database_seconds)

    def watch_pools(self, pools: Mapping[str, Callable[[], Mapping[str, int]]]) -> None:
        """Show what each pool of connections says of itself, by its name, whenever it is asked."""
        self.registry.register(_Pools(pools))

    def watch_datasets(self, datasets: Callable[[], Sequence[Dataset]]) -> None:
        """Show how new each table is, whenever it is asked."""
        self.registry.register(_Datasets(datasets))

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Serve the figures from a thread; returns what ends it."""
        server, thread = start_http_server(port, host, self.registry)

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return end


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Pools(Collector):
    def __init__(self, pools: Mapping[str, Callable[[], Mapping[str, int]]]) -> None:
        self._pools = pools

    def collect(self) -> Iterator[Any]:
        said = {pool: stats() for pool, stats in self._pools.items()}
        for name, key, text in (
            ("factorloom_pool_connections", "pool_size", "Connections of the pool."),
            ("factorloom_pool_connections_free", "pool_available", "Connections that nobody uses."),
            ("factorloom_pool_requests_waiting", "requests_waiting", "Requests that wait for a connection."),
        ):
            family = GaugeMetricFamily(name, text, labels=["pool"])
            for pool, stats in said.items():
                family.add_metric([pool], stats.get(key, 0))
            yield family


class _Datasets(Collector):
    def __init__(self, datasets: Callable[[], Sequence[Dataset]]) -> None:
        self._datasets = datasets

    def collect(self) -> Iterator[Any]:
        changed = GaugeMetricFamily(
            "factorloom_dataset_changed_timestamp_seconds", "When the content last changed.", labels=["dataset"]
        )
        newest = GaugeMetricFamily(
            "factorloom_dataset_newest_timestamp_seconds", "Newest day in it, at midnight UTC.", labels=["dataset"]
        )
        for row in self._datasets():
            changed.add_metric([row.dataset], row.changed_at.timestamp())
            if row.as_of_date is not None:
                newest.add_metric([row.dataset], _midnight(row))
        yield changed
        yield newest


def _midnight(row: Dataset) -> float:
    # Days since 1970-01-01, which is day 719163.
    return (row.as_of_date.toordinal() - 719_163) * 86_400.0 if row.as_of_date else 0.0
