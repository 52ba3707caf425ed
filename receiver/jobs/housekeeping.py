"""Keeping house: what has been kept long enough goes, a little at a time, once an interval for all processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog

from receiver.store.duties import Duties
from receiver.store.keeping.retention import Expired, Keep, Retention
from receiver.store.store import Store

DUTY = "housekeeping"
_log = structlog.get_logger()


@dataclass(frozen=True)
class Kept:
    """What one round did: ``expired`` by kind, and whether it came to its end (``finished``) or was stopped."""

    expired: Expired
    finished: bool


class Housekeeping:
    """Erases what has been kept as long as ``keep`` says, every ``interval`` (None: only when asked).

    ``now`` gives aware UTC; ``pause`` waits for as many seconds as it is given.
    """

    def __init__(
        self,
        store: Store,
        keep: Keep,
        interval: timedelta | None,
        now: Callable[[], datetime],
        pause: Callable[[float], object],
    ) -> None:
        self._store, self._keep, self._interval = store, keep, interval
        self._now, self._pause = now, pause
        self._duties = Duties(store)

    def run_if_due(self, stop: Callable[[], bool]) -> Kept | None:
        """Do the work unless some process began it less than an interval ago; None when there was nothing to do.

        Raises StoreError when the database fails; what was done until then stays done.
        """
        if self._interval is None or not self._duties.claim(DUTY, self._now(), self._interval):
            return None
        kept = self.run(stop)
        if kept.finished:
            self._duties.finished(DUTY, self._now())
        _log.info("housekeeping_done", finished=kept.finished, **_figures(kept.expired))
        return kept

    def run(self, stop: Callable[[], bool], show: Callable[[Expired], None] = lambda _: None) -> Kept:
        """Do the work now, telling ``show`` after each step what has been done. ``stop`` is asked between steps.

        After each step the database is left alone for as long as the step took: a push never waits for more than one.
        Raises StoreError.
        """
        total = Expired()
        began = monotonic()
        for expired in Retention(self._store, self._keep, self._now()).slices():
            total += expired
            show(total)
            if stop():
                return Kept(total, finished=False)
            self._pause(monotonic() - began)
            began = monotonic()
        return Kept(total, finished=True)


def _figures(expired: Expired) -> dict[str, int]:
    return {name: count for name, count in vars(expired).items() if count}
