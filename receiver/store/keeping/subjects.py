"""Finding what the tables hold of a person, an order or a booking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table, select
from sqlalchemy.engine import RowMapping

from receiver.fields import Kind
from receiver.messages import AbsenceKey
from receiver.messages.subject import Subject, SubjectKind
from receiver.messages.typed import moment_of

from ..lookup import after, among
from ..store import Store
from .erasure import is_searched, redacted_row

_ROWS = 1000
_ALSO = frozenset({"source", "kind", "booking_id", "resource_id"})

Booking = tuple[str, str]
Absence = tuple[str, AbsenceKey]


@dataclass
class Found:
    """What tells of a subject: ``bookings`` and ``absences`` with all that was heard of them (``notifications``), and
    rows of other tables of which some columns do. ``counts`` by table, or table and column. ``left`` are keys that
    cannot be taken out alone."""

    bookings: set[Booking] = field(default_factory=set)
    absences: set[Absence] = field(default_factory=set)
    notifications: set[str] = field(default_factory=set)
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)


class Finder:
    """Reads every table for a subject. ``zones`` are those of sources' wall times; ``source`` limits it to one."""

    def __init__(self, store: Store, subject: Subject, zones: Mapping[str, ZoneInfo], source: str | None) -> None:
        self._store, self._tables, self._subject = store, store.tables, subject
        self._zones, self._source = zones, source
        self.found = Found()

    def slices(self) -> Iterator[int]:
        """Do the work: each step reads a thousand rows at most, and gives how many it read. Raises StoreError."""
        t = self._tables
        for table in (t.bookings, t.codes, t.completions):
            if self._subject.kind is not SubjectKind.PERSON:
                yield from self._each(table, self._owned_booking)
        if self._subject.kind is SubjectKind.PERSON:
            yield from self._each(t.unavailabilities, self._owned_absence)
        yield from self._each(t.notifications, self._notification)
        for table in (t.bookings, t.codes, t.completions, t.resources, t.business_data, t.unavailabilities, t.pushes):
            yield from self._each(table, self._mention)
        for table in (t.replays.decisions, t.replays.replays):  # what people wrote, or looked for
            yield from self._each(table, self._mention)
        self._late_ones()
        found = self.found
        found.counts.update(
            {"bookings": len(found.bookings), "unavailabilities": len(found.absences)}
            | {"notifications": len(found.notifications)}
        )

    def _late_ones(self) -> None:
        """What was heard of bookings that were found only later in the search."""
        n, found = self._tables.notifications, self.found
        for source in sorted({s for s, _ in found.bookings}):
            ids = sorted(i for s, i in found.bookings if s == source)
            with self._store.reading() as connection:
                its = (n.c.source == source, among(connection, n.c.booking_id, ids))
                found.notifications.update(connection.scalars(select(n.c.id).where(*its)))

    def _each(self, table: Table, look: Callable[[Table, RowMapping], None]) -> Iterator[int]:
        key = list(table.primary_key.columns)
        columns = [c for c in table.columns if c in key or is_searched(table, c) or c.name in _ALSO]
        last: RowMapping | None = None
        while True:
            query = select(*columns).order_by(*key).limit(_ROWS)
            if self._source is not None and "source" in table.c:
                query = query.where(table.c.source == self._source)
            if last is not None:
                query = query.where(after(key, [last[c] for c in key]))
            with self._store.reading() as connection:
                rows = connection.execute(query).mappings().all()
            for row in rows:
                look(table, row)
            yield len(rows)
            if len(rows) < _ROWS:
                return
            last = rows[-1]

    def _owned_booking(self, table: Table, row: RowMapping) -> None:
        if self._subject.owns(Kind.CONFIRMATION, dict(row)):
            self.found.bookings.add((row[table.c.source], row[table.c.booking_id]))

    def _owned_absence(self, table: Table, row: RowMapping) -> None:
        values = {"ResourceId": row[table.c.resource_id], "OperativeId": row[table.c.operative_id]}
        if self._subject.owns(Kind.UNAVAILABILITY, values):
            key = AbsenceKey(row[table.c.resource_id], row[table.c.period_start], row[table.c.period_end])
            self.found.absences.add((row[table.c.source], key))

    def _notification(self, table: Table, row: RowMapping) -> None:
        source, values, found = row[table.c.source], row[table.c["values"]], self.found
        kind = Kind(row[table.c.kind])
        booking = (source, row[table.c.booking_id])
        if self._subject.owns(kind, values):
            found.notifications.add(row[table.c.id])
            if self._subject.kind is not SubjectKind.PERSON and row[table.c.booking_id] is not None:
                found.bookings.add(booking)
        elif self._is_of_absence(table, row) if kind is Kind.UNAVAILABILITY else booking in found.bookings:
            found.notifications.add(row[table.c.id])
        else:
            self._mention(table, row)

    def _is_of_absence(self, table: Table, row: RowMapping) -> bool:
        return self._absence_of(table, row) in self.found.absences

    def _absence_of(self, table: Table, row: RowMapping) -> Absence | None:
        zone, values = self._zones.get(row[table.c.source]), row[table.c["values"]]
        if zone is None or row[table.c.resource_id] is None:
            return None
        try:
            start, end = (moment_of(values, name, zone) for name in ("PeriodStart", "PeriodEnd"))
        except ValueError:
            return None
        if start is None or end is None:
            return None
        return row[table.c.source], AbsenceKey(row[table.c.resource_id], start, end)

    def _mention(self, table: Table, row: RowMapping) -> None:
        if self._is_erased_whole(table, row):
            return
        key = list(table.primary_key.columns)
        changed = redacted_row(self._subject, table, row)
        if changed:
            self.found.rows.setdefault(table.name, []).append(tuple(row[c] for c in key))
            self.found.counts.update(f"{table.name}.{name}" for name in changed)
        if self._subject.kind is SubjectKind.PERSON:
            texts_of_key = [c.name for c in key if c.name in ("booking_id", "resource_id")]
            held = [n for n in texts_of_key if self._subject.within(str(row[table.c[n]]))]
            self.found.left.update(f"{table.name}.{name}" for name in held)

    def _is_erased_whole(self, table: Table, row: RowMapping) -> bool:
        if table is self._tables.unavailabilities:
            key = AbsenceKey(row[table.c.resource_id], row[table.c.period_start], row[table.c.period_end])
            return (row[table.c.source], key) in self.found.absences
        if "booking_id" in table.c and table is not self._tables.notifications:
            return (row[table.c.source], row[table.c.booking_id]) in self.found.bookings
        return False
