"""Figures as pages need them: no older than a minute, and counted again where something was decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from receiver.errors import StoreConflict
from receiver.store.figures import counts as figures
from receiver.store.figures import grouping as causes_grouping
from receiver.store.store import Store

_MOST_GROUPED = 200


class Freshening:
    """``now`` gives aware UTC; ``keep``: how long pushes are kept, None for ever."""

    def __init__(self, store: Store, now: Callable[[], datetime], keep: timedelta | None) -> None:
        self._store, self._now, self._keep = store, now, keep

    def counts(self) -> None:
        """See that the counts of the current hour are no older than a minute. Raises StoreError."""
        figures.refresh(self._store, self._now(), self._keep)

    def causes(self) -> None:
        """See that what was held just now has its cause; a server does so each minute. Raises StoreError."""
        try:
            causes_grouping.group_new(self._store, self._now(), _MOST_GROUPED)
        except StoreConflict:
            return  # another does the same now

    def recount(self, cause_ids: Sequence[str]) -> None:
        """Count again what waits for those causes. Raises StoreError."""
        causes_grouping.recount(self._store, cause_ids)
