"""A database that crashes under load, again and again: nothing told yes is lost, and the receiver goes on by itself."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from tests.conftest import StartReceiver
from tests.support.postgres import Cluster
from tests.support.processes import workers
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

from .auditor import assert_whole, audit, expect_none
from .ledger import Ledger
from .scale import campaign, report, scale
from .sending import Client, Load
from .traffic import Traffic

_ENV = {"RECEIVER_DATABASE_TIMEOUT": "2"}
_WARM = 40  # pushes answered well before each stop


def _stopped_along(cluster: Cluster, ledger: Ledger, stops: int, patience: float) -> list[float]:
    """Crash and start the database that often; for each the seconds until a yes, from when it takes connections."""
    chance = Random(13)
    recovered = []
    for _ in range(stops):
        _await_yes(ledger, len(ledger.deliveries), _WARM, patience)
        cluster.stop("immediate")
        stopped = len(ledger.deliveries)
        # Long enough for every connection to be found dead, or hardly any time at all.
        missed = chance.choice([1, 8, 24])
        wait_until(lambda n=missed, s=stopped: len(ledger.since(s)) >= n, patience, "the outage is noticed")  # type: ignore[misc]
        cluster.start()
        recovered.append(_seconds_to_yes(ledger, patience))
    return recovered


def _await_yes(ledger: Ledger, index: int, number: int, patience: float) -> None:
    def enough() -> bool:
        return sum(d.acknowledged for d in ledger.since(index)) >= number

    wait_until(enough, patience, f"{number} pushes are told yes")


def _seconds_to_yes(ledger: Ledger, patience: float) -> float:
    now, index = time.monotonic(), len(ledger.deliveries)
    _await_yes(ledger, index, 1, patience)
    return min(d.ended_at for d in ledger.since(index) if d.acknowledged) - now


def _all_drained(receiver: Receiver, ledger: Ledger, patience: float) -> float:
    """Wait until everything that a reply has named is in the database, as long as there is more of it all the time;
    returns the seconds that it took."""
    named = {d.push_id for d in ledger.deliveries if d.push_id is not None}
    began, missing = time.monotonic(), len(named) + 1

    def fewer() -> bool:
        return len(named - {row["id"] for row in receiver.rows("SELECT id FROM v1_pushes")}) < missing

    while missing:
        wait_until(fewer, patience, f"fewer than {missing} pushes wait in the spool")
        missing = len(named - {row["id"] for row in receiver.rows("SELECT id FROM v1_pushes")})
    return time.monotonic() - began


def _campaign(name: str, receiver: Receiver, cluster: Cluster, *, spool: bool) -> dict[str, int]:
    size = scale()
    wait_until(lambda: len(workers(receiver)) == receiver.workers, size.patience, "every worker is there")
    before = receiver.pid, workers(receiver)
    with Load(receiver.port, Traffic(13).endless()) as load:
        recovered = _stopped_along(cluster, load.ledger, size.database_stops, size.patience)
        _await_yes(load.ledger, len(load.ledger.deliveries), _WARM, size.patience)
        load.finish()
    drained = _all_drained(receiver, load.ledger, size.patience) if spool else None
    found = audit(load.ledger, receiver.rows, in_order=not spool)
    figures = load.ledger.figures()
    report(
        name,
        stops=size.database_stops,
        **figures,
        yes_again_after_s_most=max(recovered),
        yes_again_after_s_median=sorted(recovered)[len(recovered) // 2],
        drained_after_s=drained,
        findings=len(found),
    )
    expect_none(found)
    assert figures["settled"] == figures["pushes"]
    assert (receiver.pid, workers(receiver)) == before, "a process was replaced"
    return figures


@campaign
def test_crashes_of_the_database_under_load(private_cluster: Cluster, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(private_cluster.url, workers=2, env=_ENV)
    figures = _campaign("database crashes", receiver, private_cluster, spool=False)
    assert figures["unavailable"] > 0


@campaign
def test_crashes_of_the_database_with_a_spool_that_says_yes(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    env = {**_ENV, "RECEIVER_SPOOL": str(tmp_path / "spool"), "RECEIVER_SPOOL_REPLY": "success"}
    receiver = start_receiver(private_cluster.url, workers=2, env=env)
    figures = _campaign("database crashes, spool says yes", receiver, private_cluster, spool=True)
    assert figures["deliveries"] == figures["pushes"], "a push was refused"


@campaign
def test_crashes_of_the_database_with_a_spool_that_says_later(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    """What is kept although its sender was told to come again has no second effect when it does."""
    env = {**_ENV, "RECEIVER_SPOOL": str(tmp_path / "spool")}
    receiver = start_receiver(private_cluster.url, workers=2, env=env)
    figures = _campaign("database crashes, spool says 503", receiver, private_cluster, spool=True)
    assert figures["unavailable"] > 0


_AHEAD = 80


@pytest.mark.parametrize(
    ("reply", "events", "status"),
    [("success", 3, "confirmed"), ("unavailable", 3, "confirmed"), ("unavailable", 2, "cancelled")],
)
def test_undated_events_keep_their_order(
    private_cluster: Cluster, start_receiver: StartReceiver, tmp_path: Path, reply: str, events: int, status: str
) -> None:
    """Confirmed during an outage; cancelled (and confirmed again) right after, while much else waits in the spool."""
    env = {**_ENV, "RECEIVER_SPOOL": str(tmp_path / "spool"), "RECEIVER_SPOOL_REPLY": reply}
    receiver = start_receiver(private_cluster.url, workers=2, env=env)
    ledger = Ledger()
    client = Client(receiver.port, ledger)
    traffic = Traffic(15)
    undated, ahead = traffic.undated_booking(), traffic.stories(_AHEAD)
    assert undated[0].body == undated[2].body
    private_cluster.stop("immediate")
    for story in ahead:
        ledger.add(story[:1])
        client.deliver(story[0])
    ledger.add(undated[:events])
    client.deliver(undated[0])
    private_cluster.start()
    assert all(client.settle(push) for push in undated[reply == "success" : events])
    _all_drained(receiver, ledger, 60)
    assert_whole(ledger, receiver.rows, in_order=False)
    assert receiver.booking(undated[0].events[0].key)["status"] == status
