"""Threads to work in: few at a time as long as all goes well, more where they are stuck."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

Work = Callable[[], object]
STUCK_SECONDS = 0.05


class Threads:
    """What is submitted is called in one of the threads. It must not raise.

    Python runs one thread at a time, and more of them than have something to wait for only get in each other's way: so
    there are at most ``usual``, other work waits. When none of it was done for a moment, they are
    stuck (a locked row, a server that is gone), and more go to work, at most ``most``, until it is over.

    ``submit`` and ``relieve`` are for one thread alone, the one that collects requests. The threads do not keep the
    process from ending.
    """

    def __init__(self, usual: int, most: int) -> None:
        self._usual, self._most = min(usual, most), most
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._threads = self._submitted = self._done = self._seen = 0
        self._since = 0.0
        self._lock = Lock()

    @property
    def is_behind(self) -> bool:
        """Whether work waits for a thread."""
        return not self._waiting.empty()

    def submit(self, work: Work) -> None:
        """Have the work done."""
        self._submitted += 1
        if self._threads < min(self._usual, self._submitted - self._done):
            self._start()
        self._waiting.put(work)

    def relieve(self, now: float) -> None:
        """Let more go to work if some waits and none was done for a moment; ``now`` of the monotonic clock."""
        if self._done != self._seen or not self.is_behind:
            self._seen, self._since = self._done, now
        elif now >= self._since + STUCK_SECONDS:
            for _ in range(min(self._waiting.qsize(), self._most - self._threads)):
                self._start()

    def shutdown(self, *, wait: bool = False) -> None:  # noqa: ARG002 - called as an executor's
        """Let the threads end once they have done what was submitted."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _start(self) -> None:
        with self._lock:
            self._threads += 1
        Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()
            with self._lock:
                self._done += 1
                if self._threads > self._usual and not self.is_behind:
                    self._threads -= 1
                    return
