"""A replay in a process of its own, started by a server: it may take its time, and pushes do not wait for it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_NICE = 10


def begin(replay_id: str, owner: str) -> Callable[[], bool]:
    """Start working on it as ``owner``; what is given tells whether the process is still there."""
    command = [sys.executable, "-m", "receiver", "replay", "--job", replay_id, "--owner", owner]
    command += ["--parent", str(os.getpid())]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - ourselves, with ids of ours
    return lambda: process.poll() is None


def give_way(parent: int) -> None:
    """In that process: leave the processor to others first, and end with the server that started it.

    It is asked to end then, after the slice under way: a receiver that was stopped leaves nothing behind that works on
    its database, which may be about to be migrated or restored. Nothing is lost: another server goes on at once. That
    the server is gone is only seen on Linux.
    """
    os.nice(_NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
