"""Processes and what they have started, as the machine lists them."""

from __future__ import annotations

from pathlib import Path

from .receiver import Receiver


def workers(receiver: Receiver) -> set[int]:
    """Ids of the processes that the receiver's first process has started and that have not ended."""
    return children(receiver.pid)


def children(pid: int) -> set[int]:
    """Ids of the processes that the process has started and that have not ended."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(stat.parent.name))
    return found
