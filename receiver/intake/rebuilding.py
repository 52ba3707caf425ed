"""Current state rebuilt from the notifications: the story of one stretch of it, and the owner of the transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from receiver.errors import StoreConflict, StoreUnavailable
from receiver.fields import FieldTable
from receiver.store import rebuild
from receiver.store.rebuild import Slice
from receiver.store.store import Store
from receiver.store.stretches import Entity, Stretch, Stretches

from .restating import BookingsRestated
from .restating_absences import AbsencesRestated
from .source import Source

_RACES = 20
_ROWS = 4_000


@dataclass(frozen=True)
class Rebuilt:
    """What was done: notifications folded, states looked at, those that were wrong or missing and are written (in a dry
    run: would be), those left alone as their history is not whole, and changes that the feed is told."""

    notifications: int = 0
    states: int = 0
    bookings: int = 0
    unavailabilities: int = 0
    not_whole: int = 0
    changes: int = 0

    def __add__(self, other: Rebuilt) -> Rebuilt:
        return Rebuilt(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


AlsoRebuilt = Callable[[Any, Rebuilt, Stretch], object]
"""What else a transaction is to do before it commits, with its connection, told what was done of which stretch."""


class Rebuilding:
    """Makes current state what the notifications say it is. ``now`` gives aware UTC.

    Only what differs is written, so that doing it again does nothing, and after a stop it goes on. ``rows``: about how
    many notifications are folded in one transaction.
    """

    def __init__(
        self,
        store: Store,
        table: FieldTable,
        sources: Mapping[str, Source],
        now: Callable[[], datetime],
        rows: int = _ROWS,
    ) -> None:
        self._store, self._table, self._sources, self._now, self._rows = store, table, sources, now, rows
        self._bookings: dict[str, BookingsRestated] = {}

    def unknown(self) -> list[str]:
        """Sources of which something is stored and nothing is known: theirs is left alone."""
        return [name for name in Stretches(self._store, self._rows).sources() if name not in self._sources]

    def stretches(
        self, source: str | None = None, *, among: Collection[str] | None = None, beyond: Stretch | None = None
    ) -> Iterator[Stretch]:
        """All that is to be rebuilt, or one source's, or that of those ``among`` all, in parts that can be done in any
        order; those after the part ``beyond``. Raises StoreError."""
        cut = Stretches(self._store, self._rows)
        for name in [source] if source is not None else cut.sources():
            if name not in self._sources or (among is not None and name not in among):
                continue
            for entity in Entity:
                whole = Stretch(entity, name)
                if beyond is not None:
                    if (name, entity) < (beyond.source, beyond.entity):
                        continue
                    if (name, entity) == (beyond.source, beyond.entity):
                        if beyond.upto is None:
                            continue
                        whole = replace(whole, after=beyond.upto)
                yield from cut.of(whole)

    def prepare(self) -> None:
        """Before the first stretch is rebuilt. Raises StoreError."""
        rebuild.prepare(self._store)

    def rebuild(self, stretch: Stretch, *, dry_run: bool = False, also: AlsoRebuilt | None = None) -> Rebuilt:
        """Rebuild one stretch in one transaction. With ``dry_run`` nothing is written. Raises StoreError.

        Where pushes got there first it is done in smaller parts, down to a single state; ``also`` is done in the
        transaction of each.
        """
        if dry_run or not self._overlaps:
            with rebuild.reading(self._store, stretch) as part:
                found = self._do(part, stretch, write=False)
            if dry_run or not found.bookings + found.unavailabilities:
                if also is not None:
                    with self._store.transaction() as connection:
                        also(connection, found, stretch)
                return found
        return self._rebuild(stretch, self._rows, also)

    @property
    def _overlaps(self) -> bool:
        """Whether what only reads keeps nobody waiting in a transaction that may write."""
        return self._store.engine.dialect.name == "postgresql"

    def _rebuild(self, stretch: Stretch, rows: int, also: AlsoRebuilt | None) -> Rebuilt:
        for _ in range(_RACES if rows == 1 else 1):
            try:
                with rebuild.writing(self._store, stretch) as part:
                    found = self._do(part, stretch, write=True)
                    if also is not None:
                        also(part.connection, found, stretch)
                    return found
            except StoreConflict:
                continue
        if rows == 1:
            raise StoreUnavailable("Other transactions got there first every time.")
        fewer = max(1, rows // 8)
        parts = Stretches(self._store, fewer).of(stretch)
        return sum((self._rebuild(p, fewer, also) for p in parts), Rebuilt())

    def _do(self, part: Slice, stretch: Stretch, *, write: bool) -> Rebuilt:
        if stretch.entity is Entity.BOOKING:
            return self._rebuild_bookings(part, stretch, write=write)
        return self._rebuild_absences(part, stretch, write=write)

    def _rebuild_bookings(self, part: Slice, stretch: Stretch, *, write: bool) -> Rebuilt:
        tables, source = self._store.tables, stretch.source
        if source not in self._bookings:
            self._bookings[source] = BookingsRestated(tables, self._table, self._sources[source].rules, self._now)
        found = self._bookings[source].restate(part)
        if write and found.differing:
            if found.stored:
                part.lock(found.stored)
            for table in (tables.bookings, tables.codes, tables.completions, tables.resources, tables.business_data):
                rows = found.rows.get(table.name, {})
                part.replace(table, found.wrong.get(table.name, ()), [row for its in rows.values() for row in its])
            part.tell(found.changes)
        written = len(found.differing)
        return Rebuilt(found.notifications, found.states, written, 0, found.not_whole, len(found.changes))

    def _rebuild_absences(self, part: Slice, stretch: Stretch, *, write: bool) -> Rebuilt:
        tables, rules = self._store.tables, self._sources[stretch.source].rules
        found, wrong, right = AbsencesRestated(tables, self._table, rules, self._now).restate(part)
        if write and right:
            part.lock({row[1] for row in right})
            part.exchange(tables.unavailabilities, wrong, right)
            part.tell(found.changes)
        return Rebuilt(found.notifications, found.states, 0, len(right), found.not_whole, len(found.changes))
