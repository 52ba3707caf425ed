"""Keeping figures: counts, causes, words and times of replies, made a little after the pushes and beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic

from receiver.errors import StoreConflict
from receiver.store.duties import Duties
from receiver.store.figures import grouping as causes_grouping
from receiver.store.figures import reply_times
from receiver.store.figures.counts import Counts
from receiver.store.finding import words
from receiver.store.store import Store

DUTY = "figures"
_INTERVAL = timedelta(seconds=55)
_LONGEST = 45.0  # seconds of one round: what is left then is for the next, of whichever process
_AT_ONCE = 1000
_AT_FIRST = 10.0  # seconds


class Figuring:
    """Keeps counts, causes and words up to date, one process for all. ``keep``: how long pushes are kept.

    ``now`` gives aware UTC; ``pause`` waits for as many seconds as it is given.
    """

    def __init__(
        self,
        store: Store,
        keep: timedelta | None,
        now: Callable[[], datetime],
        pause: Callable[[float], object],
    ) -> None:
        self._store, self._now, self._pause = store, now, pause
        self._has_waited = False
        self._counts, self._duties = Counts(store, keep), Duties(store)

    def run_if_due(self, stop: Callable[[], bool]) -> bool:
        """Do the work unless a process began it less than a minute ago; whether it was done. Raises StoreError.

        The first time it waits a little: a server that has just been started has pushes to answer.
        """
        if not self._has_waited:
            self._has_waited = True
            self._pause(_AT_FIRST)
            if stop():
                return False
        if not self._duties.claim(DUTY, self._now(), _INTERVAL):
            return False
        self.run(stop, _LONGEST)
        self._duties.finished(DUTY, self._now())
        return True

    def run(self, stop: Callable[[], bool], seconds: float | None = None) -> bool:
        """Do the work now, in steps, for ``seconds`` at most (None: to its end); whether it came to its end.

        After each step the database is left alone for as long as the step took. Raises StoreError.
        """
        end = monotonic() + seconds if seconds is not None else None
        self._step(lambda: self._counts.refresh(self._now()))
        for work in (self._group, self._counts_behind, self._words):
            while not stop():
                if end is not None and monotonic() > end:
                    return False
                if not self._step(work):
                    break
        self._step(lambda: causes_grouping.recount(self._store))
        return not stop()

    def _step(self, work: Callable[[], object]) -> bool:
        """One short piece of work; whether there was something to do."""
        began = monotonic()
        try:
            did = bool(work())
        except StoreConflict:
            did = False  # another does the same now
        if did:
            self._pause(monotonic() - began)
        return did

    def _group(self) -> bool:
        return causes_grouping.group_new(self._store, self._now(), 1) > 0

    def _counts_behind(self) -> bool:
        return self._counts.catch_up(self._now())

    def _words(self) -> bool:
        return words.index_words(self._store, self._now(), _AT_ONCE) >= _AT_ONCE


class Timing:
    """Stores how long this process's replies took, every ``seconds`` and when it stops.

    ``take`` gives what is remembered, seconds by source; ``pause`` waits, and comes back at once when it is to stop.
    """

    def __init__(
        self,
        store: Store,
        take: Callable[[], Mapping[str, list[float]]],
        now: Callable[[], datetime],
        pause: Callable[[float], object],
        seconds: float = 60.0,
    ) -> None:
        self._store, self._take, self._now, self._pause, self._seconds = store, take, now, pause, seconds

    def run(self, stop: Callable[[], bool]) -> int:
        """Wait, and store; how many there were. Raises StoreError: those are lost, as figures may be."""
        if not stop():
            self._pause(self._seconds)
        return reply_times.store_times(self._store, self._take(), self._now())
