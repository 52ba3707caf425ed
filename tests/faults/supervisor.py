"""Killing a receiver's processes, and starting it again as a supervisor would."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from random import Random

from tests.support.processes import workers
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until


class Victim(StrEnum):
    """What is killed: one worker, the first process alone, or all at once."""

    WORKER = "worker"
    MASTER = "master"
    ALL = "all"


def alive(pids: Iterable[int]) -> set[int]:
    """Those of the processes that have not ended."""
    found = set()
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if state not in "ZX":
                found.add(pid)
    return found


def kill(receiver: Receiver, victim: Victim, chance: Random) -> set[int]:
    """SIGKILL; returns the workers that are left without their first process."""
    of = workers(receiver)
    if victim is Victim.WORKER:
        if of:
            _kill(chance.choice(sorted(of)))
        return set()
    receiver.stop(signal.SIGKILL)
    if victim is Victim.ALL:
        for pid in of:
            _kill(pid)
    return of


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def start_again(receiver: Receiver, orphans: set[int], patience: float) -> float:
    """Start, again and again until it serves, as a supervisor does that knows nothing of what was left behind.

    Workers that outlive their first process must end by themselves: until then they hold the port, and may answer.
    Returns the seconds that it took.
    """
    began = time.monotonic()
    while time.monotonic() < began + patience:
        try:
            receiver.start()
        except AssertionError:  # it ended at once: the port is not free yet
            continue
        wait_until(lambda: not alive(orphans), patience, "workers end that have lost their first process")
        if _serves(receiver):
            return time.monotonic() - began
    raise AssertionError(f"not serving again within {patience:g} s; its log: {receiver.log.read_text()[-2000:]}")


def _serves(receiver: Receiver) -> bool:
    """Whether what was started comes to answer, now that nobody else does; False when it ends instead."""

    def decided() -> bool:
        if not receiver.running:
            return True
        with suppress(OSError):
            return receiver.get("/healthz").status == 200
        return False

    wait_until(decided, 30, "the receiver answers, or has ended")
    return receiver.running
