"""A loop as a worker's, for tests: descriptors, threads, and turns until all is done."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from receiver.strands import Strands

PATIENCE = 30.0


class Loop:
    """Runs strands to their end. ``calls`` have been made by other threads and wait for the next turn."""

    def __init__(self) -> None:
        self._poller = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(4)
        self.strands = Strands(self._poller, self._threads.submit, self._defer)
        self.under_way = 0

    def __enter__(self) -> Self:
        self._poller.register(self._bell, selectors.EVENT_READ, self._ring)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        self._poller.close()
        self._bell.close()
        self._ringer.close()

    @property
    def watched(self) -> int:
        """How many descriptors are waited for, the loop's own aside."""
        return len(self._poller.get_map()) - 1

    def start(self, work: Callable[[], object]) -> None:
        """Begin a strand."""

        def counted() -> None:
            self.under_way += 1
            work()
            self.under_way -= 1

        self.strands.start(counted)

    def run(self) -> None:
        """Turn until every strand has ended. Fails after half a minute."""
        until = time.monotonic() + PATIENCE
        while self.under_way:
            assert time.monotonic() < until, f"{self.under_way} strands never ended"
            self.turn()

    def turn(self) -> None:
        """One turn, as a worker's."""
        for key, _ in self._poller.select(min(1.0, self.strands.longest)):
            key.data(key.fileobj)
        self.strands.end_waits(time.monotonic())
        self.strands.go_on()

    def _defer(self, call: Callable[..., object], *arguments: object) -> None:
        self._calls.put(lambda: call(*arguments))
        self._ringer.send(b"!")

    def _ring(self, _bell: object) -> None:
        for _ in self._bell.recv(4096):
            self._calls.get()()
