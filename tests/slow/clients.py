"""Slow senders by hand: what slowhttptest does, and what it does not, as many as asked for, in one thread."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from threading import Event, Thread

_PROMISED = 100_000


class Way(Enum):
    """How a sender is slow."""

    SILENT = "connects and says nothing"
    HEADERS = "one header after another, without end"
    BODY = "a body of 100 kB, byte by byte"
    LONG_BODY = "80 kB at once, then byte by byte"
    CHUNKS = "chunks of one byte, without end"
    EXPECTING = "asks whether to go on, then goes on byte by byte"
    READING = "asks for the description and does not read it"

    def opening(self) -> bytes:
        """What is sent at once."""
        post = b"POST /push/drs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\n"
        length = b"Content-Length: %d\r\n" % _PROMISED
        return {
            Way.SILENT: b"",
            Way.HEADERS: post,
            Way.BODY: post + length + b"\r\n<a>",
            Way.LONG_BODY: post + length + b"\r\n" + b" " * 80_000,
            Way.CHUNKS: post + b"Transfer-Encoding: chunked\r\n\r\n1\r\n<\r\n",
            Way.EXPECTING: post + length + b"Expect: 100-continue\r\n\r\n",
            Way.READING: b"GET /push/drs?wsdl HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 8,
        }[self]

    def more(self) -> bytes:
        """What is sent from time to time."""
        return {Way.HEADERS: b"X-More: 1\r\n", Way.CHUNKS: b"1\r\n \r\n", Way.READING: b"", Way.SILENT: b""}.get(
            self, b" "
        )


class SlowSenders:
    """``count`` connections to ``port`` that are slow in that ``way``; one that is closed is opened again."""

    def __init__(self, port: int, count: int, way: Way, wrap: Callable[[socket.socket], socket.socket] | None) -> None:
        self._port, self._count, self._way, self._wrap = port, count, way, wrap
        self._stopped = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self.opened = 0
        self.open: dict[socket.socket, float] = {}

    def all_opened(self) -> bool:
        """Whether as many as asked for have been connected."""
        return self.opened >= self._count

    def _work(self) -> None:
        while not self._stopped.is_set():
            while len(self.open) < self._count and not self._stopped.is_set():
                self._open_one()
            for sock in list(self.open):
                self._go_on(sock)
            self._stopped.wait(0.25)
        for sock in self.open:
            sock.close()

    def _open_one(self) -> None:
        sock = socket.socket()
        try:
            if self._way is Way.READING:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.settimeout(5)
            sock.connect(("127.0.0.1", self._port))
            sock = self._wrap(sock) if self._wrap is not None else sock
            sock.sendall(self._way.opening())
            sock.setblocking(False)
        except OSError:
            sock.close()
            self._stopped.wait(0.05)
            return
        self.open[sock] = time.monotonic()
        self.opened += 1

    def _go_on(self, sock: socket.socket) -> None:
        try:
            if self._way is not Way.READING and self._is_closed(sock):
                raise ConnectionError
            with suppress(BlockingIOError):
                sock.send(self._way.more())
        except OSError:
            del self.open[sock]
            sock.close()

    @staticmethod
    def _is_closed(sock: socket.socket) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            return bool(selector.select(0)) and not sock.recv(4096)

    def __enter__(self) -> SlowSenders:
        self._thread.start()
        return self

    def __exit__(self, *_of_an_error: object) -> None:
        self._stopped.set()
        self._thread.join(30)


@contextmanager
def slow_senders(
    port: int, count: int, way: Way, wrap: Callable[[socket.socket], socket.socket] | None = None
) -> Iterator[SlowSenders]:
    """Slow senders while the block lasts."""
    with SlowSenders(port, count, way, wrap) as senders:
        yield senders
