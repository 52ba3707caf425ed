"""Threads that answer requests: few at a time as long as all goes well, more where they are stuck."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

STUCK_SECONDS = 0.05


class Threads:
    """``answer``, which raises nothing, is called with what is submitted, each time in one of the threads.

    Python runs one thread at a time, and more of them than have something to wait for only get in each other's way: so
    there are at most ``usual``, the others' requests wait. When none of those was answered for a moment, they are
    stuck (a locked row, a server that is gone), and more go to work, at most ``most``, until it is over.

    ``submit`` and ``relieve`` are for one thread alone, the one that collects requests. The threads do not keep the
    process from ending.
    """

    def __init__(self, usual: int, most: int, answer: Callable[[Any], None]) -> None:
        self._usual, self._most, self._answer = min(usual, most), most, answer
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        self._threads = self._submitted = self._answered = self._seen = 0
        self._since = 0.0
        self._lock = Lock()

    @property
    def is_behind(self) -> bool:
        """Whether a request waits for a thread."""
        return not self._waiting.empty()

    def submit(self, connection: Any) -> None:
        """Have the connection's request answered."""
        self._submitted += 1
        if self._threads < min(self._usual, self._submitted - self._answered):
            self._start()
        self._waiting.put(connection)

    def relieve(self, now: float) -> None:
        """Let more go to work if requests wait and none was answered for a moment; ``now`` of the monotonic clock."""
        if self._answered != self._seen or not self.is_behind:
            self._seen, self._since = self._answered, now
        elif now >= self._since + STUCK_SECONDS:
            for _ in range(min(self._waiting.qsize(), self._most - self._threads)):
                self._start()

    def shutdown(self, *, wait: bool = False) -> None:  # noqa: ARG002 - called as an executor's
        """Let the threads end once they have answered what was submitted."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _start(self) -> None:
        with self._lock:
            self._threads += 1
        Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (connection := self._waiting.get()) is not None:
            self._answer(connection)
            with self._lock:
                self._answered += 1
                if self._threads > self._usual and not self.is_behind:
                    self._threads -= 1
                    return
