"""Letting go of connections without waiting for anyone."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

SECONDS = 10.0
_LEAST_BYTES = 16 * 1024 * 1024
_STEP = 64 * 1024


@dataclass
class _Leaving:
    since: float
    read: int = 0


class Leaving:
    """Connections to which nothing more is sent: what still comes is read for a while and forgotten (RFC 9112, 9.6).

    Closed at once, a connection with bytes unread is reset, and the sender may lose the reply. So the rest of a body
    that was refused is read here and not by a thread: up to twice ``most_body`` (bytes), in any case 16 MiB.
    ``close`` ends a connection for good. For use by the one thread that owns the poller.
    """

    def __init__(self, close: Callable[[Any], None], most_body: int) -> None:
        self._close = close
        self._most = max(2 * most_body, _LEAST_BYTES)
        self._leaving: dict[Any, _Leaving] = {}

    def begin(self, conn: Any, poller: selectors.BaseSelector) -> None:
        """Say to the other side that nothing more is sent."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        self._leaving[conn] = _Leaving(time.monotonic())
        poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn, poller))

    def _drain(self, conn: Any, poller: selectors.BaseSelector, sock: socket.socket) -> None:
        if (leaving := self._leaving.get(conn)) is None:
            return
        try:
            read = len(sock.recv(_STEP))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            read = 0
        leaving.read += read
        if not read or leaving.read > self._most:
            self._end(conn, poller)

    def sweep(self, now: float, poller: selectors.BaseSelector, seconds: float = SECONDS) -> None:
        """Close those that have been leaving for ``seconds``; ``now`` is of the monotonic clock."""
        for conn in [conn for conn, leaving in self._leaving.items() if leaving.since + seconds <= now]:
            self._end(conn, poller)

    def end_oldest(self, poller: selectors.BaseSelector) -> bool:
        """Make room for another: whether there was one to close. It has had its reply."""
        oldest = next(iter(self._leaving), None)
        if oldest is None:
            return False
        self._end(oldest, poller)
        return True

    def _end(self, conn: Any, poller: selectors.BaseSelector) -> None:
        del self._leaving[conn]
        poller.unregister(conn.sock)
        self._close(conn)
