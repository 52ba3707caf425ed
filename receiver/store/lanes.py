"""Connections kept for strands: one strand at a time uses each, and the next need not ask the pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import PoolProxiedConnection

from receiver.strands import TICK_SECONDS, Strand, Strands, here

_A_PLACE = object()  # for a connection to be opened


class Lanes:
    """As a rule at most ``usual`` connections, which ``lend`` gives and may block for. For the strands of one loop.

    A strand that finds all of them in use waits for one. When none was given back for a moment they are stuck (a
    locked row, a server that is gone), and it is lent one more, as long as the pool has any.
    """

    def __init__(self, lend: Callable[[], PoolProxiedConnection], usual: int) -> None:
        self._lend, self._usual = lend, usual
        self._idle: list[PoolProxiedConnection] = []
        self._waiting: deque[Strand] = deque()
        self._open = self._given = 0

    def take(self, strands: Strands) -> PoolProxiedConnection:
        """A connection, to be given back: who came first gets the first. Raises what ``lend`` raises."""
        while not self._idle and self._open >= self._usual:
            given, strand = self._given, here()
            self._waiting.append(strand)
            found = strands.park(TICK_SECONDS)
            if isinstance(found, PoolProxiedConnection):
                return found
            with suppress(ValueError):  # it may have been its turn at that very moment
                self._waiting.remove(strand)
            if found is None and given == self._given:
                break
        return self._idle.pop() if self._idle else self._one_more(strands)

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
        if not self._wake(strands, lent):
            self._idle.append(lent)

    def lose(self, strands: Strands, lent: PoolProxiedConnection) -> None:
        """Take back one that failed. The idle ones may have lost the same server."""
        for one in (lent, *self._idle):
            one.invalidate()
            one.close()
            self._open -= 1
        self._idle.clear()
        self._wake(strands, _A_PLACE)

    def _wake(self, strands: Strands, found: object) -> bool:
        """Let the first of those who wait go on with what was found; False where nobody waits."""
        while self._waiting:
            if strands.wake(self._waiting.popleft(), found):
                return True
        return False
