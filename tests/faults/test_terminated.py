"""Backends ended in the middle of COMMIT: whether it took effect or not, no yes without a row, and each effect once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import psycopg
import pytest

from tests.conftest import StartReceiver
from tests.support.postgres import Cluster
from tests.support.waiting import wait_until

from .auditor import audit, expect_none
from .scale import campaign, report, scale
from .sending import Load
from .traffic import Traffic

# What a COMMIT does before it takes effect: it can only be ended there without one.
_SLOW_BEFORE = """
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON pushes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slowly();
"""
_COMMITTING = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query = 'COMMIT' AND wait_event = %s"


@contextmanager
def _slow_before(administrator: psycopg.Connection) -> Iterator[str]:
    """COMMIT waits before it takes effect."""
    administrator.execute(_SLOW_BEFORE)
    yield "PgSleep"
    administrator.execute("DROP TRIGGER slowly ON pushes")


@contextmanager
def _slow_after(administrator: psycopg.Connection) -> Iterator[str]:
    """COMMIT waits after it has taken effect: for a copy that is not there."""
    administrator.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    administrator.execute("SELECT pg_reload_conf()")
    try:
        yield "SyncRep"
    finally:
        administrator.execute("ALTER SYSTEM RESET synchronous_standby_names")
        administrator.execute("SELECT pg_reload_conf()")


def _terminate(administrator: psycopg.Connection, event: str, wanted: int, share: float, patience: float) -> int:
    """End backends that wait for the event in COMMIT, that share of those found, until so many have been."""
    chance = Random(14)
    ended: set[int] = set()

    def some() -> list[int]:
        return [pid for (pid,) in administrator.execute(_COMMITTING, [event]).fetchall() if chance.random() < share]

    while len(ended) < wanted:
        for pid in wait_until(some, patience, "a COMMIT is under way"):
            (done,) = administrator.execute("SELECT pg_terminate_backend(%s)", [pid]).fetchone() or (False,)
            ended |= {pid} if done else set()
    return len(ended)


@campaign
@pytest.mark.parametrize("effect", ["without effect", "with effect"])
def test_backends_ended_during_commit(private_cluster: Cluster, start_receiver: StartReceiver, effect: str) -> None:
    size = scale()
    receiver = start_receiver(private_cluster.url, workers=2)
    slow, share = (_slow_before, 0.3) if effect == "without effect" else (_slow_after, 1.0)
    began = time.monotonic()
    with (
        psycopg.connect(private_cluster.url, autocommit=True) as administrator,
        Load(receiver.port, Traffic(14).endless()) as load,
    ):
        with slow(administrator) as event:
            ended = _terminate(administrator, event, (size.terminated + 1) // 2, share, size.patience)
            meanwhile = load.ledger.figures()
        load.finish()
    found = audit(load.ledger, receiver.rows)
    figures = load.ledger.figures()
    report(
        f"terminated in COMMIT, {effect}",
        terminated=ended,
        **figures,
        acknowledged_meanwhile=meanwhile["acknowledged"],
        seconds=time.monotonic() - began,
        findings=len(found),
    )
    expect_none(found)
    assert figures["settled"] == figures["pushes"]
