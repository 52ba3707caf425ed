"""Emptying the spool: what waited goes through the corridor in the order in which it came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from receiver.errors import SpoolDamaged, StoreConflict, StoreError, StoreUnavailable
from receiver.intake.intake import Intake
from receiver.intake.source import Source
from receiver.spool import Spool

_MOST_LEFT = 20
_log = structlog.get_logger()


@dataclass(frozen=True)
class Drained:
    """What one round did: pushes ``stored``, ``damaged`` ones set aside, and ``left`` where they are for another round.

    Left are those of sources that are not known, and those that the database refuses while it takes others.
    """

    stored: int = 0
    damaged: int = 0
    left: int = 0


class Drainer:
    """Hands spooled pushes to the corridor; of all threads and processes of a host one does so at a time."""

    def __init__(
        self, spool: Spool, intake: Intake, sources: Mapping[str, Source], require_ready: Callable[[], None]
    ) -> None:
        self._spool, self._intake, self._sources = spool, intake, sources
        self._require_ready = require_ready

    def drain(self, stop: Callable[[], bool]) -> Drained:
        """Store what waits until nothing does or ``stop`` says so; nothing when another drains already.

        Raises StoreError while the database cannot take them (it may be behind its migrations: a receiver with a spool
        starts without its database), SpoolError when the disk fails. A push is removed
        only after its commit; one that a crash left in both places is known by its id.
        """
        waiting = self._spool.pending()
        if not waiting:
            return Drained()
        self._require_ready()
        with self._spool.draining() as mine:
            if not mine:
                return Drained()
            return self._through(self._spool.pending(), stop)

    def _through(self, waiting: list[str], stop: Callable[[], bool]) -> Drained:
        stored = damaged = left = unknown = 0
        for name in waiting:
            if stop():
                break
            try:
                push = self._spool.read(name)
            except SpoolDamaged:
                self._spool.set_aside(name)
                _log.error("spooled_push_damaged", name=name)
                damaged += 1
                continue
            source = self._sources.get(push.source)
            if source is None:
                unknown += 1
                continue
            try:
                self._intake.take_spooled(push, source)
            except (StoreUnavailable, StoreConflict):
                raise
            except StoreError as error:
                # One push that the database does not take must not keep all others waiting behind it.
                _log.error("spooled_push_refused", push_id=push.push_id, reason=error.reason, detail=str(error))
                left += 1
                if left > _MOST_LEFT:
                    raise
                continue
            self._spool.remove(name)
            stored += 1
        if stored or damaged:
            _log.info("spool_drained", stored=stored, damaged=damaged, left=left + unknown)
        return Drained(stored, damaged, left + unknown)
