"""How long senders are waited for, and sockets that know until when."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# With less than this not taken, any reply still fits what the kernel keeps.
_MATTERS = 8 * 1024


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
    """A socket that never blocks in the kernel: it waits only where there is something to wait for.

    Nearly every request is here whole before a thread takes it up, and every reply fits what the kernel keeps, so that
    telling the kernel before each how long to wait would be most of the work. ``until`` (of the monotonic clock) bounds
    all reading together, a timeout each wait alone: a sender of one byte at a time is never silent for long, and must
    not keep a thread all the same. Waiting longer raises TimeoutError.
    """

    until: float | None = None
    is_whole = False  # whether all of the request is here already

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        super().setblocking(False)
        self._longest: float | None = None
        self._held: bytearray | None = None
        self._sent = 0

    def setblocking(self, flag: bool, /) -> None:
        """As a socket's; nothing is told to the kernel."""
        self._longest = None if flag else 0.0

    def settimeout(self, value: float | None, /) -> None:
        """As a socket's; nothing is told to the kernel."""
        self._longest = value

    def gettimeout(self) -> float | None:
        """As a socket's."""
        return self._longest

    def has_unsent(self) -> bool:
        """Whether the other side has not taken all that was sent to it, where that is so much that it matters."""
        if self._sent < _MATTERS:
            return False
        unsent = bytearray(struct.calcsize("i"))
        try:
            fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, unsent)
        except OSError:
            return False
        if not any(unsent):
            self._sent = 0
        return any(unsent)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        while True:
            if self.until is not None and self._longest != 0 and self.until <= time.monotonic():
                raise TimeoutError
            try:
                return super().recv(bufsize, flags)
            except BlockingIOError:
                self._wait(select.POLLIN, self.until)

    def hold(self) -> None:
        """Keep what is sent from now on, to be sent at once."""
        self._held = bytearray()

    def release(self) -> None:
        """Send what was held."""
        held, self._held = self._held, None
        if held:
            self.sendall(held)

    def forget(self) -> None:
        """Hold nothing any more, and send nothing of what was held."""
        self._held = None

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        if self._held is not None:
            self._held += data
            return
        left = memoryview(data)
        while left:
            try:
                sent = super().send(left, flags)
            except BlockingIOError:
                self._wait(select.POLLOUT, None)
                continue
            self._sent += sent
            left = left[sent:]

    def _wait(self, event: int, until: float | None) -> None:
        """Wait for the other side. Raises BlockingIOError where nothing is to be waited for, TimeoutError later."""
        longest = self._longest
        if longest == 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if until is not None:
            left = max(0.0, until - time.monotonic())
            longest = left if longest is None else min(left, longest)
        poll = select.poll()
        poll.register(self.fileno(), event)
        if not poll.poll(None if longest is None else longest * 1000):
            raise TimeoutError
