"""Disks that fill up and disks that fail: no yes without a row, and all is well again once they do their work.

A push that was refused may still be found later, whole: its pages can have reached the file before the disk failed.
That is allowed, as a resend of it is a repeat.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import StartReceiver
from tests.support.inbox import stored
from tests.support.postgres import Cluster
from tests.support.processes import workers
from tests.support.pushes import confirmation, element, unavailability
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

from .auditor import assert_whole
from .crash import crash
from .scale import campaign, is_full, report
from .sending import Load
from .small_disk import SmallDisk
from .tracing import Strace
from .traffic import Traffic

PUSHES = 2_000 if is_full() else 120
FAULTS = 100 if is_full() else 10
CRASHES = 20 if is_full() else 1
FAILURES = {
    "every fdatasync fails": "fdatasync:error=EIO",
    "every third fdatasync fails": "fdatasync:error=EIO:when=1+3",
    "every 20th write fails": "pwrite64:error=EIO:when=3+20",
    "no space at every 10th write": "pwrite64:error=ENOSPC:when=5+10",
    "every 20th read fails": "pread64:error=EIO:when=2+20",
}
if not is_full():
    FAILURES = {name: FAILURES[name] for name in ("every third fdatasync fails",)}


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with SmallDisk(8) as found:
        yield found


def refusals(load: Load) -> int:
    return sum(d.status == 503 for d in load.ledger.deliveries)


def backends(cluster: Cluster) -> list[int]:
    """The server's processes that work for a receiver; none while it begins again."""
    try:
        with psycopg.connect(cluster.url) as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'receiver'"
            ).fetchall()
    except psycopg.OperationalError:
        return []
    return [row[0] for row in found]


def fail_once(cluster: Cluster, folder: Path, call: str) -> None:
    """Have the system call fail in some process of the server's that works for a receiver."""
    found = wait_until(lambda: backends(cluster), 60, "the receiver is connected")
    with Strace(found, folder, "-e", f"inject={call}:error=EIO:when=2") as trace:
        wait_until(lambda: trace.injected, 60, "the disk has failed")


def recovers(receiver: Receiver, load: Load) -> float:
    """Wait for the next yes; returns the seconds until then."""
    began, index = time.monotonic(), len(load.ledger.deliveries)
    wait_until(lambda: any(d.acknowledged for d in load.ledger.since(index)), 60, "pushes are taken again")
    return time.monotonic() - began


def is_whole(receiver: Receiver, load: Load) -> None:
    """All was stored in the end, and still is when nothing is left in the memory of any process of the receiver's."""
    assert load.ledger.settled == load.pushes
    assert_whole(load.ledger, receiver.rows)
    crash(receiver)
    assert_whole(load.ledger, receiver.rows)
    if receiver.database_url.startswith("sqlite"):
        assert receiver.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


@campaign
def test_a_full_disk_under_sqlite(disk: SmallDisk, tmp_path: Path) -> None:
    with Receiver(f"sqlite:///{disk.folder / 'receiver.db'}", tmp_path) as receiver:
        before = workers(receiver)
        with Load(receiver.port, Traffic(30, undated=False, largest_batch=9).stories(150), clients=4) as load:
            wait_until(lambda: load.ledger.settled >= 20, 60, "pushes are taken")
            disk.fill()
            wait_until(lambda: refusals(load) >= FAULTS, 60, "pushes are refused")
            assert receiver.get("/healthz").status == 200
            disk.empty()
            seconds = recovers(receiver, load)
        assert workers(receiver) == before
        is_whole(receiver, load)
    report("disk full (sqlite)", refused=refusals(load), recovered_seconds=seconds, **load.ledger.figures())


def test_a_push_too_large_for_the_disk_under_sqlite(disk: SmallDisk, tmp_path: Path) -> None:
    """It is refused, and takes no room from those that fit, with nobody there to clear up."""
    many = "".join(unavailability(ResourceId=f"W{n}", Comments="x" * 200) for n in range(5_000))
    with Receiver(f"sqlite:///{disk.folder / 'receiver.db'}", tmp_path) as receiver:
        before = workers(receiver)
        # In the log, and for the file to grow by, when the disk is full.
        assert receiver.push(confirmation(bookingId="1000") + f"<!--{'x' * 500_000}-->").status == 200
        assert receiver.push(element("unavailabilities", many)).status == 503
        assert receiver.push(confirmation(bookingId="1001") + f"<!--{'x' * 9_000_000}-->").status == 503
        assert '"internal"' not in receiver.log.read_text()
        for number in range(300):
            assert receiver.push(confirmation(bookingId=str(number))).status == 200
        assert workers(receiver) == before
        assert receiver.one("SELECT count(*) AS n FROM v1_pushes")["n"] == 301
        assert receiver.one("SELECT count(*) AS n FROM v1_unavailabilities")["n"] == 0
        assert receiver.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


@campaign
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_disk_under_sqlite(
    sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path, failure: str
) -> None:
    receiver = start_receiver(sqlite_url)
    before = workers(receiver)
    with Load(receiver.port, Traffic(31, undated=False).stories(PUSHES), clients=4) as load:
        wait_until(lambda: load.ledger.settled >= 10, 60, "pushes are taken")
        with Strace(before, tmp_path, "-e", f"inject={FAILURES[failure]}") as trace:
            wait_until(lambda: trace.injected >= FAULTS, 60, "the disk has failed")
            assert receiver.get("/healthz").status == 200
        seconds = recovers(receiver, load)
    assert workers(receiver) == before
    is_whole(receiver, load)
    figures = load.ledger.figures()
    report(f"{failure} (sqlite)", failed=trace.injected, recovered_seconds=seconds, **figures)
    assert figures["unavailable"]


@campaign
def test_a_full_disk_under_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PostgreSQL itself gives up (it does when it cannot write its log), its keeper starts it again."""
    with SmallDisk(200) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        cluster = Cluster()
        monkeypatch.undo()
        env = {"RECEIVER_DATABASE_TIMEOUT": "2"}
        with cluster, Receiver(cluster.url, tmp_path, env=env) as receiver:
            before = workers(receiver)
            with Load(receiver.port, Traffic(32, undated=False).stories(PUSHES), clients=4) as load:
                wait_until(lambda: load.ledger.settled >= 20, 60, "pushes are taken")
                disk.fill()
                wait_until(lambda: refusals(load) >= FAULTS, 60, "pushes are refused")
                assert receiver.get("/healthz").status == 200
                disk.empty()
                ended = not cluster.running
                cluster.start()
                seconds = recovers(receiver, load)
            assert workers(receiver) == before
            is_whole(receiver, load)
        report("disk full (postgresql)", ended=ended, recovered_seconds=seconds, **load.ledger.figures())


@campaign
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"] if is_full() else ["fdatasync"])
def test_a_failing_disk_under_postgresql(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path, call: str
) -> None:
    """PostgreSQL ends every session when its log does not reach the disk, and begins again from what is there."""
    receiver = start_receiver(private_cluster.url, env={"RECEIVER_DATABASE_TIMEOUT": "2"})
    before = workers(receiver)
    seconds = 0.0
    with Load(receiver.port, Traffic(33, undated=False).stories(CRASHES * 100), clients=4) as load:
        for _ in range(CRASHES):
            seconds = max(seconds, recovers(receiver, load))
            fail_once(private_cluster, tmp_path, call)
            assert not load.done
    panics = (private_cluster.folder / "log").read_text(errors="replace").count("PANIC:")
    assert workers(receiver) == before
    is_whole(receiver, load)
    report(f"{call} fails (postgresql)", panics=panics, slowest_recovery=seconds, **load.ledger.figures())
    assert call != "fdatasync" or panics >= CRASHES


def test_a_full_disk_under_counts_and_log(disk: SmallDisk, tmp_path: Path) -> None:
    """What is counted and logged is not worth a push: neither its yes nor the worker that says it."""
    counts = disk.folder / "counts"
    receiver = Receiver(
        f"sqlite:///{tmp_path / 'receiver.db'}", tmp_path, env={"PROMETHEUS_MULTIPROC_DIR": str(counts)}
    )
    receiver.log = disk.folder / "log"
    with receiver:
        before = workers(receiver)
        disk.fill()
        for number in range(20):
            answer = receiver.push(confirmation(bookingId=str(number)))
            assert answer.status == 200
            assert stored(receiver, answer)["outcome"] == "stored"
        assert receiver.get("/metrics").status == 200
        assert workers(receiver) == before
        crash(receiver)  # one that starts on a full disk takes pushes as well
        assert receiver.push(confirmation(bookingId="20")).status == 200
        assert "receiver_pushes_total{" not in receiver.get("/metrics").body.decode()
        disk.empty()
        assert receiver.push(confirmation(bookingId="21")).status == 200
        assert "receiver_pushes_total{" in receiver.get("/metrics").body.decode()
