"""SIGKILL at any moment: what was told yes is there and whole, everything else absent or whole, each effect once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.conftest import StartReceiver
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, head

from .auditor import audit, expect_none
from .scale import campaign, report, scale
from .sending import Load
from .supervisor import Victim, alive, kill, start_again
from .traffic import Traffic

_VICTIMS = [Victim.WORKER, Victim.WORKER, Victim.MASTER, Victim.ALL]


def _killed_along(receiver: Receiver, load: Load, kills: int, chance: Random, patience: float) -> tuple[str, float]:
    """Kill that often, spread over the whole load; what was killed, and the longest time until it served again."""
    killed: Counter[Victim] = Counter()
    slowest = 0.0
    for number in range(kills):
        goal = (number + 0.5) * load.pushes / kills

        def far_enough(goal: float = goal) -> bool:
            return load.ledger.settled >= goal or load.done

        wait_until(far_enough, patience, f"{goal:.0f} pushes are settled")
        # Every kind of victim in the first few, then any.
        victim = _VICTIMS[number] if number < len(_VICTIMS) else chance.choice(_VICTIMS)
        killed[victim] += 1
        orphans = kill(receiver, victim, chance)
        if not receiver.running:
            slowest = max(slowest, start_again(receiver, orphans, patience))
            assert not alive(orphans)
    return " ".join(f"{victim}:{number}" for victim, number in sorted(killed.items())), slowest


@campaign
def test_killed_at_random_under_load(database_url: str, start_receiver: StartReceiver) -> None:
    size = scale()
    receiver = start_receiver(database_url, workers=2)
    began = time.monotonic()
    with Load(receiver.port, Traffic(11).stories(size.kill_pushes)) as load:
        killed, slowest = _killed_along(receiver, load, size.kills, Random(11), size.patience)
    found = audit(load.ledger, receiver.rows)
    figures = load.ledger.figures()
    report(
        "SIGKILL at random under load",
        database=database_url.partition(":")[0],
        **figures,
        kills=killed,
        seconds=time.monotonic() - began,
        serving_again_after_s_most=slowest,
        findings=len(found),
    )
    expect_none(found)
    assert figures["settled"] == figures["pushes"] >= size.kill_pushes
    assert figures["no_reply"] > 0, "no kill hit anything"


def test_workers_end_with_the_first_process(sqlite_url: str, start_receiver: StartReceiver) -> None:
    """Even when a push is only half there: what is left behind would hold the address, and take nothing from it."""
    receiver = start_receiver(sqlite_url, workers=2, env={"RECEIVER_GRACEFUL_TIMEOUT": "300"})
    with RawConnection(receiver) as connection:
        connection.send(head("Content-Length: 100", "Expect: 100-continue"))
        connection.await_go_ahead()
        orphans = kill(receiver, Victim.MASTER, Random(1))
        assert orphans
        wait_until(lambda: not alive(orphans), 30, "the workers end")
    receiver.start()
    assert receiver.push(confirmation()).status == 200


def test_a_server_that_was_killed_leaves_no_folder_for_ever(
    sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    counts = tmp_path / "counts"
    counts.mkdir()
    (counts / "receiver-metrics-of-somebody").mkdir()
    receiver = start_receiver(sqlite_url, env={"TMPDIR": str(counts)})
    kill(receiver, Victim.ALL, Random(1))
    left = set(counts.iterdir())
    start_again(receiver, set(), 60)
    other = start_receiver(sqlite_url, env={"TMPDIR": str(counts)})  # clears away what nobody uses, and that alone
    assert len(left) == 2
    assert len(left & set(counts.iterdir())) == 1
    assert len(set(counts.iterdir())) == 3
    for running in (receiver, other):
        running.push(confirmation())
        assert b"receiver_pushes_total" in running.get("/metrics").body
