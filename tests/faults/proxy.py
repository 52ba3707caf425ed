"""A TCP proxy on loopback that breaks what it carries: ended, reset, half closed, torn inside a message, late."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from enum import Enum
from random import Random
from types import TracebackType
from typing import Self


class Fault(Enum):
    """What becomes of a connection, or of one block of bytes on it."""

    FIN = "both ends see the end of the other"
    RST = "both ends see a reset"
    HALF_CLOSE = "one direction ends, the other goes on"
    TORN = "some bytes of a message arrive, then a reset"
    LATE = "the bytes arrive later"


class Proxy:
    """Listens on ``port`` and carries every connection to ``target``, a loopback port; a context manager.

    While ``one_in`` is not 0, one in so many blocks meets a fault, chosen by the seed; ``met`` counts them.
    """

    def __init__(self, target: int, seed: int) -> None:
        self._target, self._random = target, Random(seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._stopped = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.one_in = 0
        self.met = dict.fromkeys(Fault, 0)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            _end(connection)

    def _accept(self) -> None:
        with suppress(OSError):  # closed: there is nothing more to accept
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target), timeout=10)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                with self._lock:
                    self._open |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        """One direction, until its source ends or a fault does."""
        try:
            while block := source.recv(65536):
                fault = self._next()
                if fault in (Fault.FIN, Fault.HALF_CLOSE):
                    break
                if fault is Fault.LATE:
                    self._stopped.wait(self._random.random() / 5)
                if fault is Fault.TORN:
                    sink.sendall(block[: len(block) // 2])
                if fault in (Fault.RST, Fault.TORN):
                    break
                sink.sendall(block)
            else:
                fault = None
        except OSError:
            fault = Fault.FIN
        if fault in (None, Fault.HALF_CLOSE):
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
            return
        with self._lock:
            self._open -= {source, sink}
        for end in (source, sink):
            _end(end, reset=fault in (Fault.RST, Fault.TORN))

    def _next(self) -> Fault | None:
        with self._lock:
            if not self.one_in or self._random.randrange(self.one_in):
                return None
            fault = self._random.choice(list(Fault))
            self.met[fault] += 1
            return fault


def _end(connection: socket.socket, *, reset: bool = False) -> None:
    """Close it also for the thread that waits for it."""
    with suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    connection.close()
