"""Replays of everything there is, also killed at random moments: is the state afterwards byte for byte what it was?

``python -m tests.admin.replaying --notifications 1000000``: fills PostgreSQL through the corridor, some of it held by
settings that are changed then. On one copy a walk and a rebuild run without a disturbance; on another they are killed
again and again, and go on. Both must leave the same rows, and have counted the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from receiver.jobs.replaying import Asked
from receiver.messages import Rules
from receiver.store.finding.filter import Filter
from receiver.store.replays.jobs import Replay, ReplayKind, ReplayState

from ..support.postgres import Cluster, empty_database, plain_url
from ..support.pushes import cancellation, confirmation, element, fields, unavailability
from ..support.receiver import Receiver
from ..support.waiting import wait_until
from .desk import Office, office

Say = Callable[[str], object]
STRICT = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))
STATE = (
    *("bookings", "booking_codes", "completions", "completion_resources", "completion_business_data"),
    *("unavailabilities", "notifications", "repeats", "pushes", "push_bodies"),
)
DAMAGED = ("bookings", "booking_codes", "completions", "unavailabilities")
_SUM = "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), {}, 16))::bit(64)::bigint::numeric), 0) FROM {} t"
_BATCH = 200


def _completion(booking: str) -> str:
    done = {"bookingId": booking, "primaryOrderNumber": "L1", "taskCompletionDate": "2021-07-02T11:40:00"}
    return element("bookingCompletion", fields({**done, "contract": "H01", "taskCompletionStatus": "CO"}))


def _records(n: int) -> list[str]:
    """Four notifications about one booking, and one about a worker; one booking in fifty lacks what is required."""
    booking, contract = str(n), None if n % 50 == 7 else "H01"
    code = [{"bookingCodeSORCode": f"N{n}", "quantity": "1.00"}] if n % 3 == 0 else []
    return [
        confirmation(bookingId=booking, contract=contract, codes=code),
        confirmation(bookingId=booking, contract=contract, changedDate="2021-06-01T10:00:00", bookingReason="moved"),
        cancellation(bookingId=booking, changedDate=None) if n % 4 == 0 else _completion(booking),
        confirmation(bookingId="no number" if n % 97 == 5 else f"{n}9", changedDate=None, contract=contract),
        unavailability(ResourceId=f"W{n}"),
    ]


def _push(found: Office, bookings: Sequence[int], apart: int) -> None:
    """In batches by kind, as DRS sends them; every so many-th booking by pushes ``apart``, some of them twice."""
    together = [_records(n) for n in bookings if n % apart]
    for number in range(5):
        for name in ("bookingConfirmation", "bookingCancellation", "bookingCompletion", "unavailability"):
            batch = [records[number] for records in together if records[number].startswith(f"<{name}>")]
            plural = "unavailabilities" if name == "unavailability" else f"{name}s"
            if batch:
                found.push(element(plural, "".join(batch)))
    for n in bookings:
        if n % apart == 0:
            records = _records(n)
            for body in records if n % (2 * apart) else [*records, records[0]]:
                found.push(body)


def _fill_part(url: str, first: int, last: int, apart: int) -> None:
    with office(url, STRICT) as found:
        for start in range(first, last, _BATCH):
            _push(found, range(start, min(last, start + _BATCH)), apart)


def fill(url: str, notifications: int, processes: int = 2, apart: int = 40) -> None:
    """Push that many notifications, about, through the corridor, which holds some that its settings will take later."""
    with office(url, STRICT):
        pass
    bookings = max(1, notifications // 5)
    ends = [1 + n * bookings // processes for n in range(processes + 1)]
    parts = [(url, first, last, apart) for first, last in pairwise(ends)]
    if processes == 1:
        _fill_part(*parts[0])
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as workers:
        for future in [workers.submit(_fill_part, *part) for part in parts]:
            future.result()


@contextmanager
def copy(cluster_url: str, url: str) -> Iterator[str]:
    """A database with the same rows as the one at ``url``, which nobody may be using."""
    with empty_database(cluster_url) as made:
        names = [sql.Identifier(str(make_url(u).database)) for u in (made, url)]
        with psycopg.connect(plain_url(cluster_url), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(names[0]))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        yield made


def digests(url: str) -> dict[str, tuple[Any, ...]]:
    """Of each table that must not differ: how many rows, and two sums over what stands in them."""
    found = {}
    with psycopg.connect(plain_url(url)) as connection:
        for table in STATE:
            name = sql.Identifier(table)
            sums = [connection.execute(sql.SQL(_SUM).format(sql.Literal(at), name)).fetchone() for at in (1, 17)]
            found[table] = tuple(value for row in sums for value in row or ())
    return found


def damage(url: str) -> int:
    """Lose a third of current state; gives how many rows."""
    lost = 0
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        for table in DAMAGED:
            key = "resource_id" if table == "unavailabilities" else "booking_id"
            which = sql.SQL("DELETE FROM {} WHERE hashtext({}) % 3 = 0").format(
                sql.Identifier(table), sql.Identifier(key)
            )
            lost += connection.execute(which).rowcount
    return lost


@dataclass(frozen=True)
class Ran:
    """One replay that came to its end, how long that took (seconds), and how often it was killed."""

    replay: Replay
    seconds: float
    kills: int
    outcomes: int


def run(url: str, kind: ReplayKind, kills: int, chance: random.Random, *, at_once: bool) -> Ran:
    """Run a replay of all there is by the command, killed so many times at moments left to ``chance``.

    ``at_once``: who goes on has the name of the killed one, and need not wait until that one is given up.
    """
    began, killed = time.perf_counter(), 0
    with office(url) as found:
        replaying = found.replaying()
        made = replaying.start(Asked(kind, Filter(), "campaign", "a test"))
        targets = sorted(chance.randrange(made.total) for _ in range(kills))
        while not replaying.get(made.id).is_over:
            process = subprocess.Popen(
                _command(made.id, at_once=at_once),
                env=Receiver(url, Path()).environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                if not targets:
                    process.wait(timeout=3600)
                    continue
                target = targets.pop(0)
                wait_until(
                    lambda t=target, p=process: replaying.get(made.id).done >= t or p.poll() is not None,  # type: ignore[misc]
                    3600,
                    "the replay gets there",
                )
                killed += process.poll() is None
            finally:
                process.kill()
                process.wait()
            if not at_once:
                wait_until(lambda: _is_given_up(found, made.id), 60, "the lease of the killed one is over")
        done = replaying.get(made.id)
        if done.state is not ReplayState.FINISHED:
            raise RuntimeError(f"the replay ended as {done.state}: {done.said}")
        return Ran(done, time.perf_counter() - began, killed, len(_outcomes(url, made.id)))


def _command(replay_id: str, *, at_once: bool) -> list[str]:
    command = [sys.executable, "-m", "receiver", "replay", "--json", "--job", replay_id]
    return [*command, "--owner", "campaign", "--parent", str(os.getpid())] if at_once else command


def _is_given_up(found: Office, replay_id: str) -> bool:
    replay = found.replaying().get(replay_id)
    return replay.owner_until is None or replay.owner_until < found.now()


def _outcomes(url: str, replay_id: str) -> list[tuple[Any, ...]]:
    query = "SELECT push_id, position, outcome, detail FROM replay_outcomes WHERE replay_id = %s ORDER BY 1, 2"
    with psycopg.connect(plain_url(url)) as connection:
        return connection.execute(query, [replay_id]).fetchall()


def compare(cluster_url: str, filled: str, kills: int, chance: random.Random, say: Say, *, at_once: bool) -> list[Ran]:
    """A walk, then damage and a rebuild, on two copies of a filled database: undisturbed on one, killed on the other.

    Raises RuntimeError where they do not end the same.
    """
    ran: list[list[Ran]] = []
    ended, told = [], []
    for times in (0, kills):
        with copy(cluster_url, filled) as url:
            walk = run(url, ReplayKind.WALK, times, chance, at_once=at_once)
            say(f"walk, {walk.kills} kills: {walk.seconds:.1f} s, {walk.replay.counts}")
            after_walk = digests(url)
            again = run(url, ReplayKind.WALK, 0, chance, at_once=at_once)
            say(f"walk again: {again.seconds:.1f} s, {again.replay.counts}")
            lost = damage(url)
            rebuild = run(url, ReplayKind.REBUILD, times, chance, at_once=at_once)
            say(f"rebuild of {lost} lost rows, {rebuild.kills} kills: {rebuild.seconds:.1f} s, {rebuild.replay.counts}")
            if digests(url) != after_walk:
                raise RuntimeError("the state that was rebuilt, or walked again, is not what it was")
            ran.append([walk, again, rebuild])
            ended.append(after_walk)
            told.append(_outcomes(url, walk.replay.id))
    if ended[0] != ended[1]:
        raise RuntimeError(f"the states differ: {[t for t in STATE if ended[0][t] != ended[1][t]]}")
    if told[0] != told[1]:
        raise RuntimeError("the outcomes differ")
    for quiet, killed in zip(*ran, strict=True):
        same = replace(killed.replay, counts=quiet.replay.counts, done=quiet.replay.done)
        if same != killed.replay:
            raise RuntimeError(f"counted {killed.replay.counts}, and undisturbed {quiet.replay.counts}")
    return [*ran[0], *ran[1]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when all of it ended the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.admin.replaying", description=__doc__)
    parser.add_argument("--notifications", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args(argv)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)

    def say(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    say(f"seed {seed}")
    with (
        Cluster() as cluster,
        tempfile.TemporaryDirectory(prefix="receiver-replaying-"),
        empty_database(cluster.url) as url,
    ):
        began = time.perf_counter()
        fill(url, arguments.notifications)
        with psycopg.connect(plain_url(url), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            counted = connection.execute("SELECT count(*), count(DISTINCT push_id) FROM notifications").fetchone()
        say(f"filled in {time.perf_counter() - began:.0f} s: {counted} notifications, pushes")
        found = compare(cluster.url, url, arguments.kills, random.Random(seed), say, at_once=False)
    figures = [
        {
            "kind": r.replay.kind,
            "kills": r.kills,
            "seconds": round(r.seconds, 1),
            "done": r.replay.done,
            **r.replay.counts,
        }
        for r in found
    ]
    print(json.dumps(figures, indent=1))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
