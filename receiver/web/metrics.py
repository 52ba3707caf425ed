"""Prometheus metrics, right with any number of worker processes: counted in shared files, or read from the database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from receiver.errors import SpoolError, StoreError
from receiver.fields import Kind
from receiver.intake.receipt import Receipt
from receiver.spool import Spool
from receiver.store import notifications, pushes
from receiver.store.figures.reply_times import ReplyTimes
from receiver.store.store import Store

from .room import Room
from .silence import Silence

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_NOT_STORED = frozenset({"failed", "spooled"})
_log = structlog.get_logger()


@contextmanager
def _not_at_the_cost_of_the_reply() -> Iterator[None]:
    """Shared counts are files: one that was cleared away, or a full disk, must not turn a stored push into a no."""
    try:
        yield
    except OSError as error:
        _log.warning("not_counted", error=type(error).__name__)


class Metrics:
    """What is counted as pushes are answered; ``reply_times`` are kept for the database as well."""

    def __init__(self, reply_times: ReplyTimes | None = None) -> None:
        self._times = reply_times if reply_times is not None else ReplyTimes()
        self.registry = CollectorRegistry()
        self._room = Room(["counter", "histogram"])
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
        # Sources, kinds and outcomes are few, and to look up their counts is most of counting.
        self._pushes_of, self._seconds_of = cache(self._pushes.labels), cache(self._seconds.labels)

    def answered(self, source: str, receipt: Receipt, seconds: float) -> None:
        """Count a push that was answered, and how long that took."""
        self._times.add(source, seconds)
        with _not_at_the_cost_of_the_reply():
            self._room.make()
            outcome = "spooled" if receipt.spooled else receipt.outcome
            self._pushes_of(source, receipt.kind or "unknown", outcome).inc()
            self._seconds_of(source).observe(seconds)

    def turned_away(self, source: str, reason: str) -> None:
        """Count a request that was not let in, too large or cut short."""
        with _not_at_the_cost_of_the_reply():
            self._room.make()
            self._turned_away.labels(source, reason).inc()

    def exposition(self, figures: Iterable[Collector]) -> bytes:
        """Everything in Prometheus's text format: all processes' counts, and what ``figures`` read."""
        everything = generate_latest(self._of_all_processes())
        own = CollectorRegistry()
        for collector in figures:
            own.register(collector)
        return everything + generate_latest(own)

    def stored(self) -> dict[tuple[str, str], float]:
        """How many pushes this receiver's processes have stored, by source and kind."""
        found: dict[tuple[str, str], float] = {}
        for family in self._of_all_processes().collect():
            for sample in family.samples:
                if sample.name == "receiver_pushes_total" and sample.labels["outcome"] not in _NOT_STORED:
                    key = sample.labels["source"], sample.labels["kind"]
                    found[key] = found.get(key, 0) + sample.value
        return found

    def _of_all_processes(self) -> CollectorRegistry:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry


class StoredFigures(Collector):
    """Figures that the database knows best, whichever process or receiver is asked. Nothing while it is down."""

    def __init__(
        self, store: Store, sources: Sequence[str], now: Callable[[], datetime], metrics: Metrics, silence: Silence
    ) -> None:
        self._store, self._sources, self._now = store, sources, now
        self._metrics, self._silence = metrics, silence

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
        # With the clock put back, what comes is older than the last: only the number stored shows that it has come.
        now, stored = self._now(), self._metrics.stored()
        with self._store.reading() as connection:
            for source in self._sources:
                for kind in Kind:
                    last = pushes.last_received(connection, self._store.tables, source, kind)
                    if last is not None:
                        news = last, stored.get((source, kind), 0)
                        seconds = self._silence.seconds((source, kind), news, (now - last).total_seconds())
                        silence.add_metric([source, kind], seconds)
            counts = notifications.count_held(connection, self._store.tables)
            for source in dict.fromkeys([*self._sources, *counts]):
                held.add_metric([source], counts.get(source, 0))


class SpoolFigures(Collector):
    """How full the spool of this host is. Nothing while its disk cannot be read."""

    def __init__(self, spool: Spool, now: Callable[[], datetime]) -> None:
        self._spool, self._now = spool, now

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Pushes that wait and since when, damaged ones, bytes in use and allowed."""
        try:
            state = self._spool.state()
        except SpoolError as error:
            _log.warning("metrics_without_spool", reason=error.reason)
            return
        waited = max(0.0, self._now().timestamp() - state.oldest) if state.oldest is not None else 0.0
        for name, text, value in (
            ("pushes", "Pushes that wait in the spool.", state.pushes),
            ("damaged", "Spooled pushes that were set aside: they are not what was written.", state.damaged),
            ("bytes", "Disk used by the spool.", state.size_bytes),
            ("limit_bytes", "Most disk that the spool may use.", state.most_bytes),
            ("oldest_seconds", "Seconds that the first push in the spool has waited.", waited),
        ):
            yield GaugeMetricFamily(f"receiver_spool_{name}", text, value=value)
