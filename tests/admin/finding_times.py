"""How long a page of 50 takes on a large database: every criterion alone, and every two together.

``python -m tests.admin.finding_times`` fills a database of a throw-away cluster first, which takes some minutes; with
``--database`` one that ``tests.admin.filling`` has filled is used as it is. Each filter is asked for its first page and
for one deep inside, several times. Prints a table of the slowest and the percentiles of all; ``--json`` writes each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

from sqlalchemy import text

from receiver.fields import Kind, field_table
from receiver.jobs.figures import Figuring
from receiver.store import engine as engines
from receiver.store.figures.causes import causes
from receiver.store.finding import pushes as finding
from receiver.store.finding.filter import Filter
from receiver.store.finding.records import find_records
from receiver.store.notifications import NotificationStatus
from receiver.store.pushes import Outcome
from receiver.store.store import Store

from ..performance.cluster import bench_cluster
from ..support.postgres import empty_database
from .filling import fill

_PAGE = 50


@dataclass(frozen=True)
class Timed:
    """One filter: what was asked, how many a page had, and milliseconds of each try."""

    filter: dict[str, object]
    page: str
    found: int
    milliseconds: list[float]

    @property
    def most(self) -> float:
        return max(self.milliseconds)


def filters(store: Store) -> list[Filter]:
    """Rare values, frequent ones, and those that nothing has."""
    with store.reading() as connection:
        first = finding.find_pushes(connection, store.tables, Filter(), limit=1)[0]
        by_size = sorted(causes(connection, store.tables, limit=1000), key=lambda c: c.total)
    middle = first.received_at - timedelta(days=150)
    return [
        *(Filter(sources=s) for s in (("drs",), ("test",), ("north", "south"), ("none",))),
        *(Filter(kind=kind) for kind in Kind),
        *(Filter(outcome=outcome) for outcome in Outcome),
        *(Filter(status=status) for status in NotificationStatus),
        *(Filter(booking_id=i) for i in ("100000123", "100300000", "none")),
        *(Filter(order=i) for i in ("L100000123", "S122", "P22", "none")),
        *(Filter(resource=i) for i in ("W70", "W4321", "none")),
        *(Filter(cause=c) for c in (by_size[0].id, by_size[-1].id, "none")),
        *(Filter(words=w) for w in ("genrep", "rear gate", "lift", "dog", "zebra", "training", "none")),
        *(Filter(words=w) for w in ("jsmith plumber", "sick genrep", "l100000123 carpenter")),
        *(Filter(push_id=i) for i in (first.id, "none")),
        *(Filter(since=middle), Filter(until=middle), Filter(since=middle, until=middle + timedelta(hours=1))),
        Filter(since=middle, until=middle + timedelta(days=30)),
    ]


def pairs(single: Sequence[Filter]) -> Iterator[Filter]:
    """Every two that ask for different things."""
    for one, other in itertools.combinations(single, 2):
        first, second = ({k: v for k, v in vars(f).items() if v is not None} for f in (one, other))
        if not first.keys() & second.keys():
            yield replace(one, **second)


def timed(store: Store, f: Filter, tries: int) -> list[Timed]:
    """The first page, and the one after the place in the middle of all time."""
    middle = datetime.now(UTC) - timedelta(days=150)
    pages: list[tuple[str, tuple[datetime, str] | None]] = [("first", None), ("deep", (middle, ""))]
    results = []
    for name, place in pages:
        spent = []
        for _ in range(tries):
            with store.reading() as connection:
                began = time.perf_counter()
                found = finding.find_pushes(connection, store.tables, f, place, _PAGE)
                spent.append((time.perf_counter() - began) * 1000)
        results.append(Timed(f.to_json(), name, len(found), [round(ms, 1) for ms in spent]))
    return results


def others(store: Store, single: Sequence[Filter], tries: int) -> list[Timed]:
    """Counting, and pages of records, by each criterion alone."""
    results = []
    for f in [Filter(), *single]:
        for name in ("count", "records"):
            spent = []
            for _ in range(tries):
                with store.reading() as connection:
                    began = time.perf_counter()
                    if name == "count":
                        number = finding.count(connection, store.tables, f).number
                    else:
                        number = len(find_records(connection, store.tables, f))
                    spent.append((time.perf_counter() - began) * 1000)
            results.append(Timed(f.to_json(), name, number, [round(ms, 1) for ms in spent]))
    return results


def summary(found: Sequence[Timed]) -> dict[str, float]:
    """Milliseconds: the percentiles over all tries of all filters, and the slowest."""
    every = sorted(ms for t in found for ms in t.milliseconds)
    cuts = quantiles(every, n=100)
    return {"tries": len(every), "p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "p99": round(cuts[98], 1)} | {
        "most": every[-1],
        "over 200 ms, percent": round(100 * sum(ms > 200 for ms in every) / len(every), 2),
    }


@contextmanager
def _filled(given: str | None, pushes: int) -> Iterator[Store]:
    if given is not None:
        store = Store(engines.create(given), field_table())
        yield store
        store.close()
        return
    with bench_cluster() as cluster, empty_database(cluster.url) as url:
        fill(url, pushes, lambda said: print(said, flush=True))
        with _filled(url, pushes) as store:
            print("grouping, counting, indexing", flush=True)
            Figuring(store, None, lambda: datetime.now(UTC), lambda _: None).run(lambda: False)
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
            yield store


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="a database that is filled already")
    parser.add_argument("--pushes", type=int, default=1_000_000)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--pairs", type=int, help="so many pairs, drawn by lot; all without it")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with _filled(options.database, options.pushes) as store:
        single = filters(store)
        both = list(pairs(single))
        if options.pairs is not None:
            both = random.Random(1).sample(both, min(options.pairs, len(both)))
        found = {
            "alone": [t for f in [Filter(), *single] for t in timed(store, f, options.tries)],
            "in pairs": [t for f in both for t in timed(store, f, options.tries)],
            "counts and records": others(store, single, options.tries),
        }
    for name, results in found.items():
        print(f"\n{name}: {summary(results)}")
        for t in sorted(results, key=lambda t: -t.most)[:12]:
            print(f"{t.most:8.1f} ms  {t.page:7} {t.found:6}  {t.filter}")
    if options.json is not None:
        told = {name: {"summary": summary(r), "each": [asdict(t) for t in r]} for name, r in found.items()}
        options.json.write_text(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
