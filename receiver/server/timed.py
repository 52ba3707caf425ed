"""How long senders are waited for, and sockets that know until when."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long senders are waited for, in seconds, and the largest body that is taken, in bytes.

    ``head`` is for the request line and headers, ``body`` for the whole request, ``reply`` for a reply to be taken.
    """

    head: float
    body: float
    reply: float
    most_body: int


class TimedSocket(socket.socket):
    """``until`` (of the monotonic clock) bounds all reading together; a timeout bounds each wait alone.

    A sender of one byte at a time is never silent for long, and must not keep a thread all the same. Reading later
    raises TimeoutError.
    """

    until: float | None = None
    is_whole = False  # whether all of the request is here already

    def has_unsent(self) -> bool:
        """Whether the other side has not taken all that was sent to it yet."""
        unsent = bytearray(struct.calcsize("i"))
        try:
            fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, unsent)
        except OSError:
            return False
        return any(unsent)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        timeout = self.gettimeout()
        if self.until is None or timeout == 0:
            return super().recv(bufsize, flags)
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left if timeout is None else min(left, timeout))
        try:
            return super().recv(bufsize, flags)
        finally:
            self.settimeout(timeout)
