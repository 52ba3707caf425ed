"""``python -m tests.performance.growth``: ingest and feed of a filled database, over those of an empty one.

Two receivers stand on two databases of one cluster, and take turns. A round is a turn of pushes for each, then pages of
the feed from one and the other alternately, at random places and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, time

import psycopg
from sqlalchemy import make_url

from ..support.postgres import Cluster, empty_database, plain_url
from . import load, report
from .cluster import bench_cluster, database
from .contenders import ReceiverServe
from .documents import Form, Requests
from .figures import Figure
from .fill import fill

_PAGE = 1000
_RENDERED_A_SECOND = 2000  # more requests than can be answered
_COUNTERS = """
    SELECT pg_current_wal_insert_lsn() - '0/0', (SELECT wal_fpi FROM pg_stat_wal),
           (SELECT blks_read FROM pg_stat_database WHERE datname = current_database())
"""
Said = Callable[[str], object]


@dataclass(frozen=True)
class Turn:
    """Pushes a second, and what each took of the database: bytes of WAL, whole pages in it, pages read."""

    rate: float
    p99: float
    wal: float
    pages_logged: float
    pages_read: float


class House:
    """One database with a receiver on it."""

    def __init__(self, name: str, url: str, folder: Path) -> None:
        self.name, self._url = name, plain_url(url)
        self._served = ReceiverServe(name, folder, url, 2)
        # Bookings that come later have later numbers, as DRS gives them; a later run begins above an earlier one's.
        self._next = 1_000_000_000 + int(time()) % 4_000_000 * _RENDERED_A_SECOND

    def __enter__(self) -> House:
        self._served.start()
        self._connection = psycopg.connect(self._url, autocommit=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._served.stop()

    def push(self, clients: int, seconds: float) -> Turn:
        """A turn of pushes, each a new booking. Raises LoadFailed."""
        count = int(seconds * _RENDERED_A_SECOND)
        requests = Requests(Form.AS_SENT, self._served.port, self._served.path).render(self._next, count)
        self._next += count
        before, last = self._counters(), self._number('SELECT max("cursor") FROM changes')
        found = load.run(self._served.port, requests, clients, seconds)
        new = self._number(f'SELECT count(*) FROM changes WHERE "cursor" > {last}')
        if new != found.pushes:
            raise RuntimeError(f"{self.name}: {found.pushes} pushes were told yes, {new} changes came of them")
        wal, logged, read = (now - was for now, was in zip(self._counters(), before, strict=True))
        return Turn(found.rate, found.quantile(0.99), wal / found.pushes, logged / found.pushes, read / found.pushes)

    def _number(self, query: str) -> int:
        row = self._connection.execute(query.encode()).fetchone()
        return int(row[0] or 0) if row is not None else 0

    def _counters(self) -> tuple[int, ...]:
        row = self._connection.execute(_COUNTERS).fetchone()
        assert row is not None
        return tuple(int(value) for value in row)

    def has_pages(self) -> bool:
        """Whether the feed holds several pages."""
        return self._number(f"SELECT count(*) FROM (SELECT FROM v1_changes LIMIT {3 * _PAGE}) AS feed") == 3 * _PAGE

    def ends(self) -> tuple[int, int]:
        """The first cursor of the feed, and the one that the last full page follows."""
        row = self._connection.execute(
            'SELECT (SELECT min("cursor") FROM v1_changes), (SELECT "cursor" FROM v1_changes'
            f' ORDER BY "cursor" DESC OFFSET {_PAGE} LIMIT 1)'
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def page(self, after: int) -> float:
        """How many seconds the page after that cursor took, to the last row in hand. Raises RuntimeError if short."""
        began = perf_counter()
        query = f'SELECT * FROM v1_changes WHERE "cursor" > %s ORDER BY "cursor" LIMIT {_PAGE}'
        rows = self._connection.execute(query, [after], prepare=True).fetchall()
        took = perf_counter() - began
        if len(rows) != _PAGE:
            raise RuntimeError(f"{self.name}: a page of {len(rows)} changes after {after}")
        return took

    def read_all(self) -> None:
        """As a reader does that begins at the beginning."""
        self._connection.execute("SELECT sum(length(entity_key)) FROM (SELECT * FROM v1_changes ORDER BY 1) AS feed")


def _pages(houses: Sequence[House], count: int, chance: Random, *, at_end: bool) -> dict[str, list[float]]:
    """Times of ``count`` pages of each house, in turns."""
    ends = {house.name: house.ends() for house in houses}
    found: dict[str, list[float]] = {house.name: [] for house in houses}
    for house in list(houses) * count:
        first, last = ends[house.name]
        found[house.name].append(house.page(last if at_end else chance.randrange(first - 1, last)))
    return found


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def measure(empty: House, filled: House, arguments: argparse.Namespace, say: Said) -> tuple[list[Figure], object]:
    """The figures, and what each turn came to."""
    both, chance = (empty, filled), Random(1)
    say("warming up")
    for house in both:
        house.push(arguments.clients, arguments.seconds)
        while not house.has_pages():
            house.push(arguments.clients, arguments.seconds)
    cold = _pages(both, arguments.pages, chance, at_end=False)
    for house in both:
        house.read_all()
    turns: list[dict[str, Turn]] = []
    pages: dict[str, list[dict[str, list[float]]]] = {"at random places": [], "at the end": []}
    for number in range(arguments.rounds):
        say(f"round {number + 1} of {arguments.rounds}")
        order = both if number % 2 == 0 else both[::-1]
        turns.append({house.name: house.push(arguments.clients, arguments.seconds) for house in order})
        for where, found in pages.items():
            found.append(_pages(order, arguments.pages, chance, at_end=where == "at the end"))
    figures = [_ingest(turns)]
    for where, found in pages.items():
        ratios = [_p95(times["filled"]) / _p95(times["empty"]) for times in found]
        figures.append(Figure(f"feed page {where}, p95: filled over empty", ratios, 1.2, 1.05, at_most=True))
    ratio = [_p95(cold["filled"]) / _p95(cold["empty"])]
    figures.append(Figure("the same at random places that nobody has read since the start", ratio, at_most=True))
    return figures, [{name: vars(turn) for name, turn in found.items()} for found in turns]


def _ingest(turns: Sequence[dict[str, Turn]]) -> Figure:
    ratios = [found["filled"].rate / found["empty"].rate for found in turns]
    names = ("rate", "p99", "wal", "pages_logged", "pages_read")
    told = {
        house: {name: round(median(getattr(found[house], name) for found in turns), 4) for name in names}
        for house in ("empty", "filled")
    }
    return Figure("pushes a second: filled over empty", ratios, 0.9, 0.97, details=told)


@contextmanager
def _filled(arguments: argparse.Namespace, say: Said) -> Iterator[str]:
    """The URL of the filled database: the one given, else one in a cluster of its own that is removed at the end."""
    if arguments.filled is not None:
        yield arguments.filled
        return
    with bench_cluster() as cluster, database(cluster, "filled") as url:
        # What is stored by the transaction that made the table's file needs no log, at this level.
        _restart(cluster, "ALTER SYSTEM SET wal_level = 'minimal'", "ALTER SYSTEM SET max_wal_senders = 0")
        fill(url, arguments.notifications, say)
        _restart(cluster, "ALTER SYSTEM RESET wal_level", "ALTER SYSTEM RESET max_wal_senders")
        yield url


def _restart(cluster: Cluster, *statements: str) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    cluster.stop()
    cluster.start()


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when everything was measured, whatever the figures say."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.growth", description=__doc__)
    parser.add_argument("--notifications", type=int, default=10_000_000, help="about 4 KB of disk each")
    parser.add_argument("--filled", metavar="URL", help="a database that fill() made; its cluster is used and kept")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each turn")
    parser.add_argument("--pages", type=int, default=200, help="of the feed, in each turn")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    arguments = parser.parse_args(argv)

    def say(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    with ExitStack() as open_things:
        url = open_things.enter_context(_filled(arguments, say))
        empty_url = open_things.enter_context(empty_database(make_url(url).render_as_string(hide_password=False)))
        folder = Path(open_things.enter_context(tempfile.TemporaryDirectory(prefix="receiver-growth-")))
        empty, filled = (
            open_things.enter_context(House(name, at, folder)) for name, at in (("empty", empty_url), ("filled", url))
        )
        figures, turns = measure(empty, filled, arguments, say)
    print(report.table(figures))
    if arguments.json is not None:
        settings = {name: value for name, value in vars(arguments).items() if name not in ("json", "filled")}
        found = report.result(figures, {"turns": turns}, settings)
        arguments.json.write_text(json.dumps(found, indent=1) + os.linesep, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
