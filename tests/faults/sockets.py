"""Which process holds the other end of a connection, and by which name the kernel knows it there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Held:
    """A process's end of a connection; ``path`` is what its descriptor links to, e.g. ``socket:[4711]``."""

    pid: int
    path: str


def holder(pids: Iterable[int], *, local_port: int, remote_port: int) -> Held | None:
    """Who of the processes holds the loopback connection between those ports; None for nobody."""
    path = f"socket:[{_inode(local_port, remote_port)}]"
    for pid in pids:
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if str(link.readlink()) == path:
                        return Held(pid, path)
    return None


def _inode(local_port: int, remote_port: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        ports = [int(column.rpartition(":")[2], 16) for column in columns[1:3]]
        if ports == [local_port, remote_port]:
            return columns[9]
    return ""
