"""The rows about pushes a second and latencies: which legs are run, and which are set against which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from tests.support.postgres import Cluster

from .cluster import database
from .contenders import Contender, PostgresFloor, ReceiverServe, SqliteFloor
from .documents import Form
from .figures import Figure
from .peers import NodeSoap, Spyne
from .rounds import DUPLICATE, FLOOR, NEW, Leg, Rounds, Turn

CLIENT_BOUND = 60e-6


@dataclass(frozen=True)
class Row:
    """A figure of the table: ``of`` over ``base`` (names of legs), by what is read from their turns."""

    name: str
    of: str
    base: str
    required: float | None = None
    aim: float | None = None
    read: Callable[[Turn], float] = lambda turn: turn.load.rate
    at_most: bool = False


def _p50(turn: Turn) -> float:
    return turn.load.quantile(0.5)


def _p99(turn: Turn) -> float:
    return turn.load.quantile(0.99)


def _cpu(turn: Turn) -> float:
    return (turn.server_cpu + turn.database_cpu) / turn.load.pushes


# What --only may name -> its rows. Two workers are the receiver's default.
GROUPS: Mapping[str, Sequence[Row]] = {
    "floor": (
        Row("confirmations a second over the floor's, two workers each", "receiver 2", "floor 2", 0.60, 0.80),
        Row("confirmations a second over the floor's, one worker each", "receiver 1", "floor 1"),
        Row("processor time of a push, server and database, over the floor's", "receiver 2", "floor 2", read=_cpu),
        Row(
            "confirmations in the table's order a second over the floor's, two workers each",
            "receiver 2 ordered",
            "floor 2",
        ),
    ),
    "latency": (
        Row("one client: p50 over the floor's", "receiver 2 alone", "floor 2 alone", 1.7, 1.4, _p50, at_most=True),
        Row("16 clients: p99 over the floor's", "receiver 2", "floor 2", 2.0, 1.3, _p99, at_most=True),
    ),
    "forms": (Row("worst wire form over the best", "receiver 2 worst", "receiver 2 best", 0.8, 0.9),),
    "duplicates": (Row("duplicates a second over new ones", "receiver 2 again", "receiver 2", 1.2, 1.8),),
    "workers": (
        Row("two workers over one", "receiver 2", "receiver 1", 1.5, 1.8),
        Row("the floor's two workers over one", "floor 2", "floor 1"),
    ),
    "sqlite": (Row("SQLite over its own floor", "receiver sqlite", "floor sqlite", 0.5, 0.7),),
    "peers": (
        Row("confirmations a second over spyne's, two workers each", "receiver 2", "spyne 2", 1.9, 2.4),
        Row("confirmations a second over node-soap's on two processes", "receiver 2", "node 2", 1.0, 1.3),
        Row("confirmations a second of one worker over node-soap's on one process", "receiver 1", "node 1"),
        Row("spyne over the floor, two workers each", "spyne 2", "floor 2"),
        Row("node-soap on two processes over the floor", "node 2", "floor 2"),
    ),
}


@dataclass(frozen=True)
class Bench:
    """What a run has: the cluster, a folder for databases and logs (on a disk), how long and how often."""

    cluster: Cluster
    folder: Path
    rounds: int
    seconds: float
    say: Callable[[str], None]

    def wal_bytes(self) -> int:
        """Bytes of WAL written since the cluster was made."""
        with psycopg.connect(self.cluster.url, autocommit=True) as connection:
            found = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        assert found is not None
        return int(found[0])


def measure(bench: Bench, groups: Sequence[str]) -> tuple[list[Figure], dict[str, object]]:
    """The figures of those groups, and what each leg came to.

    Raises LoadFailed and RowsMissing where a contender does not store what it says it stored.
    """
    rows = [row for group in groups for row in GROUPS[group]]
    wanted = {name for row in rows for name in (row.of, row.base)}
    with ExitStack() as running:
        legs = [leg for leg in _legs(bench, running, wanted) if leg.name in wanted]
        _start(bench, running, [leg.contender for leg in legs])
        rounds = Rounds(bench.seconds, bench.cluster.pid, bench.wal_bytes)
        bench.say("warming up")
        rounds.warm_up(legs)
        found = []
        for number in range(bench.rounds):
            bench.say(f"round {number + 1} of {bench.rounds}")
            found.append(rounds.round(legs if number % 2 == 0 else legs[::-1]))
    return [_figure(row, found) for row in rows], {leg.name: _told(leg, found) for leg in legs}


def _start(bench: Bench, running: ExitStack, contenders: Iterable[Contender]) -> None:
    """Start each contender once, all at the same time."""
    found = {contender.name: contender for contender in contenders}
    bench.say(f"starting {', '.join(found)}")
    for contender in found.values():
        contender.prepare()
        running.callback(contender.stop)
    with ThreadPoolExecutor(len(found)) as pool:
        for started in [pool.submit(contender.start) for contender in found.values()]:
            started.result()


def _legs(bench: Bench, running: ExitStack, wanted: set[str]) -> list[Leg]:
    """Every leg whose contender is wanted, none of them started; those set against each other stand together."""
    legs: list[Leg] = []

    def new(name: str) -> str:
        return running.enter_context(database(bench.cluster, f"bench_{name}"))

    def is_wanted(name: str) -> bool:
        return any(found.split()[:2] == name.split() for found in wanted)

    def add(contender: Contender, each: Mapping[str, int], *others: Callable[[Contender], Leg]) -> None:
        legs.append(Leg(contender.name, contender, each, contender.form))
        legs.extend(other(contender) for other in others)

    if is_wanted("floor 1"):
        add(PostgresFloor("floor 1", bench.folder, new("floor1"), 1), FLOOR)
    if is_wanted("receiver 1"):
        add(ReceiverServe("receiver 1", bench.folder, new("receiver1"), 1), NEW)
    if is_wanted("floor 2"):
        alone = _variant("alone", FLOOR, clients=1)
        add(PostgresFloor("floor 2", bench.folder, new("floor2"), 2), FLOOR, alone)
    if is_wanted("receiver 2"):
        others = (
            _variant("alone", NEW, clients=1),
            _variant("ordered", NEW, form=Form.ORDERED),
            _variant("best", NEW, form=Form.BEST),
            _variant("worst", NEW, form=Form.WORST),
            _variant("again", DUPLICATE, again=True),
        )
        add(ReceiverServe("receiver 2", bench.folder, new("receiver2"), 2), NEW, *others)
    if is_wanted("spyne 2"):
        add(Spyne("spyne 2", bench.folder, new("spyne2"), 2), NEW)
    if is_wanted("node 2"):
        add(NodeSoap("node 2", bench.folder, new("node2"), 2), NEW)
    if is_wanted("node 1"):
        add(NodeSoap("node 1", bench.folder, new("node1"), 1), NEW)
    if is_wanted("floor sqlite"):
        add(SqliteFloor("floor sqlite", bench.folder), FLOOR)
    if is_wanted("receiver sqlite"):
        add(ReceiverServe("receiver sqlite", bench.folder, f"sqlite:///{bench.folder / 'receiver.db'}", 1), NEW)
    return legs


def _variant(
    name: str, each: Mapping[str, int], *, form: Form = Form.AS_SENT, clients: int = 16, again: bool = False
) -> Callable[[Contender], Leg]:
    def make(contender: Contender) -> Leg:
        return Leg(f"{contender.name} {name}", contender, each, form, clients, again)

    return make


def _figure(row: Row, found: Sequence[Mapping[str, Turn]]) -> Figure:
    ratios = [row.read(turns[row.of]) / row.read(turns[row.base]) for turns in found]
    return Figure(row.name, ratios, row.required, row.aim, row.at_most, {"of": row.of, "over": row.base})


def _told(leg: Leg, found: Sequence[Mapping[str, Turn]]) -> dict[str, object]:
    """Medians of what the leg came to, per push where that means something."""
    turns = [turns[leg.name] for turns in found]

    def middle(read: Callable[[Turn], float], digits: int = 1) -> float:
        return round(median(read(turn) for turn in turns), digits)

    return {
        "pushes": sum(turn.load.pushes for turn in turns),
        "per_second": middle(lambda t: t.load.rate),
        "p50_ms": middle(lambda t: _p50(t) * 1e3, 3),
        "p99_ms": middle(lambda t: _p99(t) * 1e3, 3),
        "client_cpu_us": middle(lambda t: t.load.client_cpu_per_push * 1e6),
        "server_cpu_us": middle(lambda t: t.server_cpu / t.load.pushes * 1e6),
        "database_cpu_us": middle(lambda t: t.database_cpu / t.load.pushes * 1e6),
        "wal_bytes": middle(lambda t: t.wal_bytes / t.load.pushes),
    }
