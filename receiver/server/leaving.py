"""Letting go of connections without waiting for anyone."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

_SECONDS = 2.0
_BYTES = 64 * 1024
_STEP = 64 * 1024


@dataclass
class _Leaving:
    until: float
    read: int = 0


class Leaving:
    """Connections to which nothing more is sent: what still comes from them is read for a moment (RFC 9112, 9.6).

    Closed at once, a connection with bytes unread is reset, and the sender may lose the reply. ``close`` ends one for
    good. For use by the one thread that owns the poller.
    """

    def __init__(self, close: Callable[[Any], None]) -> None:
        self._close = close
        self._leaving: dict[Any, _Leaving] = {}

    def begin(self, conn: Any, poller: selectors.BaseSelector) -> None:
        """Say to the other side that nothing more is sent."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        self._leaving[conn] = _Leaving(time.monotonic() + _SECONDS)
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
        if not read or leaving.read > _BYTES:
            self._end(conn, poller)

    def sweep(self, now: float, poller: selectors.BaseSelector) -> None:
        """Close those whose moment is over; ``now`` is of the monotonic clock."""
        for conn in [conn for conn, leaving in self._leaving.items() if leaving.until <= now]:
            self._end(conn, poller)

    def _end(self, conn: Any, poller: selectors.BaseSelector) -> None:
        del self._leaving[conn]
        poller.unregister(conn.sock)
        self._close(conn)
