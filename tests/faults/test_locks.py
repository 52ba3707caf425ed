"""A database that is there and does nothing: locked by another, or stopped in its tracks.

No yes without a row, a no within bounds for everyone who asks, no threads that pile up, and all is well afterwards.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.conftest import StartReceiver
from tests.support.postgres import Cluster
from tests.support.processes import children, workers
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

from .auditor import assert_whole
from .scale import campaign, is_full, report
from .sending import Load
from .traffic import Traffic

# As the receiver comes, or so that a few seconds show the same.
SECONDS, TIMEOUT = (60.0, "10") if is_full() else (2.0, "0.5")
FROZEN, STATEMENT_TIMEOUT = (75.0, "30") if is_full() else (7.0, "1")
PUSHES = 2_000 if is_full() else 100
CLIENTS = 16  # more than the receiver has threads
TABLES = "pushes, push_bodies, notifications, repeats, bookings, unavailabilities, changes"


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another holds all that a push needs, and does not end."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=60)
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()
        return
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {TABLES} IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """Every process of the cluster stands still: connections stay open, and nothing answers."""
    pids = [cluster.pid, *children(cluster.pid)]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def threads(receiver: Receiver) -> int:
    """How many threads the receiver's workers have."""
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in workers(receiver))


def watch(receiver: Receiver, load: Load, seconds: float) -> dict[str, float]:
    """Ask after the receiver's health for that long, and until pushes have been refused; the worst of what is seen."""
    index, began = len(load.ledger.deliveries), time.monotonic()
    worst, most = 0.0, 0

    def enough() -> bool:
        nonlocal worst, most
        asked = time.monotonic()
        assert receiver.get("/healthz").status == 200
        worst = max(worst, time.monotonic() - asked)
        most = max(most, threads(receiver))
        refused = any(d.status == 503 for d in load.ledger.since(index))
        return refused and time.monotonic() - began >= seconds

    wait_until(enough, seconds + 120, "pushes are refused")
    since = load.ledger.since(index)
    assert not [d.failure for d in since if d.failure]
    longest = max(d.seconds for d in since)
    return {"refused": len(since), "longest_reply": longest, "longest_healthz": worst, "threads": most}


@campaign
def test_a_locked_database(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, env={"RECEIVER_DATABASE_TIMEOUT": TIMEOUT})
    before = workers(receiver)
    with Load(receiver.port, Traffic(40, undated=False).stories(PUSHES), clients=CLIENTS) as load:
        wait_until(lambda: load.ledger.settled >= 2 * CLIENTS, 60, "pushes are taken")
        usual = threads(receiver)
        with locked(database_url):
            seen = watch(receiver, load, SECONDS)
        index, freed = len(load.ledger.deliveries), time.monotonic()
        wait_until(lambda: any(d.acknowledged for d in load.ledger.since(index)), 60, "pushes are taken again")
        seconds = time.monotonic() - freed
    assert load.ledger.settled == load.pushes
    assert_whole(load.ledger, receiver.rows)
    assert workers(receiver) == before
    assert seen["threads"] <= usual + CLIENTS
    wait_until(lambda: threads(receiver) <= usual + 1, 60, "threads that were needed meanwhile have ended")
    name = f"locked for {SECONDS:g} s ({database_url.partition(':')[0]})"
    report(name, recovered_seconds=seconds, **seen, **load.ledger.figures())


@campaign
def test_a_frozen_postgresql(private_cluster: Cluster, start_receiver: StartReceiver) -> None:
    """Whoever was waiting for it hears a no while it still stands: nothing of the receiver's waits for it to wake."""
    env = {"RECEIVER_DATABASE_TIMEOUT": TIMEOUT, "RECEIVER_STATEMENT_TIMEOUT": STATEMENT_TIMEOUT}
    receiver = start_receiver(private_cluster.url, env=env)
    before = workers(receiver)
    with Load(receiver.port, Traffic(41, undated=False).stories(PUSHES), clients=CLIENTS) as load:
        wait_until(lambda: load.ledger.settled >= 2 * CLIENTS, 60, "pushes are taken")
        usual = threads(receiver)
        stopped = time.monotonic()
        with frozen(private_cluster):
            seen = watch(receiver, load, FROZEN)
        index, freed = len(load.ledger.deliveries), time.monotonic()
        wait_until(lambda: any(d.acknowledged for d in load.ledger.since(index)), 60, "pushes are taken again")
        seconds = time.monotonic() - freed
    waited = [d for d in load.ledger.deliveries if d.ended_at - d.seconds <= stopped and d.ended_at >= freed]
    assert not waited
    assert load.ledger.settled == load.pushes
    assert_whole(load.ledger, receiver.rows)
    assert workers(receiver) == before
    assert seen["threads"] <= usual + CLIENTS
    wait_until(lambda: threads(receiver) <= usual + 1, 60, "threads that were needed meanwhile have ended")
    report(f"frozen for {FROZEN:g} s (postgresql)", recovered_seconds=seconds, **seen, **load.ledger.figures())
