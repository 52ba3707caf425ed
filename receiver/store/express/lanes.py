"""Connections kept for strands: one strand at a time uses each, and the next need not ask the pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sqlalchemy import PoolProxiedConnection

from receiver.strands import TICK_SECONDS, Strand, Strands, here


class Lanes:
    """As a rule at most ``usual`` connections, which ``lend`` gives and may block for. For the strands of one loop.

    A strand that finds all of them in use waits for one. When none was given back for a moment they are stuck (a
    locked row, a server that is gone), and it is lent one more, as long as the pool has any.
    """

    def __init__(self, lend: Callable[[], PoolProxiedConnection], usual: int) -> None:
        self._lend, self._usual = lend, usual
        self._idle: list[PoolProxiedConnection] = []
        self._waiting: deque[Strand] = deque()
        self._granted: dict[Strand, PoolProxiedConnection | None] = {}
        self._open = self._given = 0

    def take(self, strands: Strands) -> PoolProxiedConnection:
        """A connection, to be given back: who came first gets the first. Raises what ``lend`` raises."""
        if self._idle:
            return self._idle.pop()
        found = self._wait(strands) if self._open >= self._usual else None
        return found or self._one_more(strands)

    def _wait(self, strands: Strands) -> PoolProxiedConnection | None:
        """The connection that was given back when it was this strand's turn; None where it is to open one."""
        strand = here()
        self._waiting.append(strand)
        while strand not in self._granted:
            given = self._given
            strands.park(TICK_SECONDS)
            if given == self._given and strand in self._waiting:
                self._waiting.remove(strand)
                return None
        return self._granted.pop(strand)

    def _one_more(self, strands: Strands) -> PoolProxiedConnection:
        self._open += 1
        try:
            return strands.elsewhere(self._lend)
        except BaseException:
            self._open -= 1
            raise

    def give(self, strands: Strands, lent: PoolProxiedConnection) -> None:
        """Take back a connection that is as it was lent."""
        self._given += 1
        if self._open > self._usual and not self._waiting:
            self._open -= 1
            lent.close()
            return
        if not self._grant(strands, lent):
            self._idle.append(lent)

    def lose(self, strands: Strands, lent: PoolProxiedConnection) -> None:
        """Take back one that failed. The idle ones may have lost the same server."""
        for one in (lent, *self._idle):
            one.invalidate()
            one.close()
            self._open -= 1
        self._idle.clear()
        self._grant(strands, None)

    def _grant(self, strands: Strands, found: PoolProxiedConnection | None) -> bool:
        """Have the first of those who wait go on with what was found, None to open one; False where nobody waits."""
        if not self._waiting:
            return False
        strand = self._waiting.popleft()
        self._granted[strand] = found
        strands.wake(strand, found=True)  # or its time was up just now, and it goes on anyway
        return True
