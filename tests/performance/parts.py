"""What is measured by itself, after the rows about pushes a second: bulk, rebuild and start-up in the bench's cluster.

Growth is not among them: filling a database with ten million notifications takes half an hour, and 40 GB
(``python -m tests.performance.growth``).
"""

from __future__ import annotations

from collections.abc import Callable

from . import bulk, rebuild, startup
from .cluster import database
from .figures import Figure
from .pushes import Bench

_RECORDS = 100_000


def _bulk(bench: Bench) -> list[Figure]:
    body = bulk.absences(_RECORDS)
    rounds = [bulk.measure(bench.cluster.url, body, _RECORDS, bench.folder) for _ in range(min(bench.rounds, 3))]
    times = [r.push_seconds / r.copy_seconds for r in rounds]
    memory = [r.memory_above_idle / 2**20 for r in rounds]
    return [
        Figure("100,000 unavailabilities in one push, over psql's COPY of the same rows", times, 4, 2.7, at_most=True),
        Figure("the same: memory of the worker above idle, MB", memory, 120, 60, at_most=True),
    ]


def _rebuild(bench: Bench) -> list[Figure]:
    return rebuild.figures(bench)


def _startup(bench: Bench) -> list[Figure]:
    with database(bench.cluster, "startup") as url:
        return startup.measure(startup.contenders(bench.folder, url), bench.rounds)[0]


PARTS: dict[str, Callable[[Bench], list[Figure]]] = {"bulk": _bulk, "rebuild": _rebuild, "startup": _startup}
