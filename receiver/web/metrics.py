"""Prometheus metrics, right with any number of worker processes: counted in shared files, or read from the database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from receiver.errors import StoreError
from receiver.fields import Kind
from receiver.intake import Receipt
from receiver.store import notifications, pushes
from receiver.store.store import Store

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_log = structlog.get_logger()


@contextmanager
def _not_at_the_cost_of_the_reply() -> Iterator[None]:
    """Shared counts are files: one that was cleared away, or a full disk, must not turn a stored push into a no."""
    try:
        yield
    except OSError as error:
        _log.warning("not_counted", error=type(error).__name__)


class Metrics:
    """What is counted as pushes are answered."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._pushes = Counter(
            "receiver_pushes", "Pushes answered.", ["source", "kind", "outcome"], registry=self.registry
        )
        self._turned_away = Counter(
            "receiver_turned_away",
            "Requests turned away at the door.",
            ["source", "reason"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "receiver_reply_seconds",
            "Seconds from request to reply.",
            ["source"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def answered(self, source: str, receipt: Receipt, seconds: float) -> None:
        """Count a push that was answered, and how long that took."""
        with _not_at_the_cost_of_the_reply():
            self._pushes.labels(source, receipt.kind or "unknown", receipt.outcome).inc()
            self._seconds.labels(source).observe(seconds)

    def turned_away(self, source: str, reason: str) -> None:
        """Count a request that was not let in, too large or cut short."""
        with _not_at_the_cost_of_the_reply():
            self._turned_away.labels(source, reason).inc()

    def exposition(self, stored: Collector) -> bytes:
        """Everything in Prometheus's text format: all processes' counts, and what ``stored`` reads."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        everything = generate_latest(registry)
        own = CollectorRegistry()
        own.register(stored)
        return everything + generate_latest(own)


class StoredFigures(Collector):
    """Figures that the database knows best, whichever process or receiver is asked. Nothing while it is down."""

    def __init__(self, store: Store, sources: Sequence[str], now: Callable[[], datetime]) -> None:
        self._store, self._sources, self._now = store, sources, now

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Seconds since the last push of each source and kind; held records of each source."""
        silence = GaugeMetricFamily(
            "receiver_seconds_since_last_push", "Seconds since the last push.", labels=["source", "kind"]
        )
        held = GaugeMetricFamily("receiver_held_records", "Records held for a person.", labels=["source"])
        reachable = GaugeMetricFamily("receiver_database_up", "1 while the database answers.")
        try:
            self._read(silence, held)
            reachable.add_metric([], 1)
        except StoreError as error:
            _log.warning("metrics_without_database", reason=error.reason)
            reachable.add_metric([], 0)
        return [silence, held, reachable]

    def _read(self, silence: GaugeMetricFamily, held: GaugeMetricFamily) -> None:
        now = self._now()
        with self._store.reading() as connection:
            for source in self._sources:
                for kind in Kind:
                    last = pushes.last_received(connection, self._store.tables, source, kind)
                    if last is not None:
                        silence.add_metric([source, kind], max(0.0, (now - last).total_seconds()))
            counts = notifications.count_held(connection, self._store.tables)
            for source in dict.fromkeys([*self._sources, *counts]):
                held.add_metric([source], counts.get(source, 0))
