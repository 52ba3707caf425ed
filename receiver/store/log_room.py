"""SQLite's write-ahead log on a disk that is nearly full: copied into the file while there still is room to do so.

A log is only given up once all of it is in the database's file, and that may have to grow for it. A log that took the
last of the disk could not be copied again before somebody else gives room back.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import PoolProxiedConnection

# What is copied is in the log and in the file for a moment, and the next transaction comes on top.
_SHARE = 4
# With less left than this, one large push could take all of it, and leave none for what is in the log before it.
_TIGHT_BYTES = 512 * 1024 * 1024


class LogRoom:
    """The log of the database in ``file``, beside the room that its disk has left; ``lend`` gives a connection."""

    def __init__(self, file: Path, lend: Callable[[], PoolProxiedConnection]) -> None:
        self._lend, file = lend, file.resolve()
        self._folder, self._log = file.parent, file.with_name(f"{file.name}-wal")

    def make(self, *, for_much: bool) -> None:
        """Copy the log if it is large for its disk; before a transaction that may write much, sooner.

        By whoever is about to write, in no transaction yet. Waits for nobody: where it cannot be done now, whoever
        writes next tries again. Raises what ``lend`` raises.
        """
        if not self._is_large(for_much=for_much):
            return
        lent = self._lend()
        try:
            connection: Any = lent.driver_connection
            patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
            connection.execute("PRAGMA busy_timeout = 0")
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {patience}")
        finally:
            lent.close()

    def _is_large(self, *, for_much: bool) -> bool:
        try:
            size = self._log.stat().st_size
            disk = os.statvfs(self._folder)
        except OSError:
            return False
        room = disk.f_bavail * disk.f_frsize
        return size > (0 if for_much and room < _TIGHT_BYTES else room // _SHARE)
