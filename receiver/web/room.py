"""Room on the disk for the counts that worker processes share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

# Enough for thirty sources; prometheus_client makes its files larger by itself when that is used up.
_BYTES = 256 * 1024


class Room:
    """The files of this process's counts, made with their space taken.

    prometheus_client maps its files into memory and leaves their space to be taken when a count is first written: on a
    full disk that ends the process by SIGBUS, which nothing can catch, between a push's commit and its reply.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds, self._made_by = tuple(kinds), 0
        self._lock = Lock()

    def make(self) -> None:
        """See that there is room; OSError when there is none, and then nothing may be counted."""
        folder, process = os.environ.get("PROMETHEUS_MULTIPROC_DIR"), os.getpid()
        if folder is None or self._made_by == process:
            return
        with self._lock:
            for kind in self._kinds:
                _take(Path(folder) / f"{kind}_{process}.db")
            self._made_by = process


def _take(path: Path) -> None:
    """A file that another process of this id has left is gone on with. Whoever adds up never meets an empty one."""
    made = path if path.exists() else path.with_suffix(".new")
    try:
        with made.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, _BYTES)
        made.replace(path)
    except OSError:
        path.with_suffix(".new").unlink(missing_ok=True)
        raise
