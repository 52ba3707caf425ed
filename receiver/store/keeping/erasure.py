"""Erasing a person, an order or a booking from the tables: whole rows, and the columns of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import JSON, BigInteger, Column, Connection, Table, Text, and_, delete, or_, select, update
from sqlalchemy.engine import RowMapping

from receiver.messages import AbsenceKey
from receiver.messages.subject import Subject, SubjectKind, redacted, redacted_findings, texts

from ..changes import ChangeLog
from ..finding import words
from ..lookup import among
from ..notifications import NotificationStatus
from ..store import Store
from ..tables import Tables
from .expiry import delete_booking_rows

_TOMBSTONE: dict[str, object] = {
    "booking_id": None,
    "resource_id": None,
    "changed_at": None,
    "status": NotificationStatus.DISCARDED.value,
    "values": {},
    "warnings": [],
    "problems": [],
}
# What the receiver itself writes: ids, keys and states, none of which a sender chooses.
_OURS = frozenset(
    {
        *("id", "push_id", "notification_id", "source", "sha256", "kind", "outcome", "reason", "body_state", "status"),
        *("content_key", "event_key", "applied_id", "applied_key", "completed_by", "last_event_id", "action", "part"),
        *("decision", "made_by", "correction_push_id", "replay_id", "detail", "state", "wish", "owner", "said"),
        *("place", "counts"),
    }
)
# But for what a field of the same name says, and what people have written.
_FIELDS_OF_OURS = {("unavailabilities", "reason"), ("decisions", "reason"), ("replays", "reason")}


def is_searched(table: Table, column: Column[Any]) -> bool:
    """Whether a sender's values stand in the column."""
    if column.name in _OURS and (table.name, column.name) not in _FIELDS_OF_OURS:
        return False
    if isinstance(column.type, BigInteger):
        return bool(column.nullable)  # a count of ours is always there
    return isinstance(column.type, (Text, JSON))


def redacted_row(subject: Subject, table: Table, row: RowMapping) -> dict[str, object]:
    """The columns of a row that tell of the subject, as they are to be; the key's are left alone."""
    searched = [c for c in table.columns if is_searched(table, c) and not c.primary_key and row.get(c) is not None]
    if not any(subject.within(t) for c in searched for t in texts(row[c])) and not any(
        isinstance(row[c], int) for c in searched
    ):
        return {}
    changed: dict[str, object] = {}
    for column in searched:
        value = row[column]
        if isinstance(value, int):
            if _is_the_number(subject, column, value):
                changed[column.name] = None
        elif table.name == "notifications" and column.name in ("booking_id", "resource_id"):
            if subject.concerns(column.name, value):
                changed[column.name] = None
        elif column.name not in ("warnings", "problems"):
            new = redacted(subject, value, "" if column.name == "values" else column.name)
            if new is not value:
                changed[column.name] = new
    for name in {"warnings", "problems"} & {c.name for c in searched}:
        value = row[table.c[name]]
        findings = redacted_findings(subject, value, cut="values" in changed)
        if findings is not value:
            changed[name] = findings
    return changed


def _is_the_number(subject: Subject, column: Column[Any], value: int) -> bool:
    if subject.kind is SubjectKind.PERSON or subject.kind is SubjectKind.BOOKING:
        return subject.is_number(value) and (
            subject.kind is SubjectKind.PERSON or subject.names.canonical(column.name) == "bookingid"
        )
    return False


class Findings(Protocol):
    """What is to be erased: bookings and absences by source, notifications by id, and rows by table and key."""

    @property
    def bookings(self) -> AbstractSet[tuple[str, str]]: ...
    @property
    def absences(self) -> AbstractSet[tuple[str, AbsenceKey]]: ...
    @property
    def notifications(self) -> AbstractSet[str]: ...
    @property
    def rows(self) -> Mapping[str, Sequence[tuple[Any, ...]]]: ...


class Eraser:
    """Takes out what was found, in short transactions; ``now`` (UTC) is noted where a notification loses something."""

    def __init__(self, store: Store, subject: Subject, now: datetime) -> None:
        self._store, self._tables, self._subject, self._now = store, store.tables, subject, now

    def slices(self, found: Findings) -> Iterator[int]:
        """Do the work, a hundred rows or so at each step; gives how many. Raises StoreError; can be done again."""
        for source in sorted({s for s, _ in found.bookings}):
            for ids in _parts(sorted(i for s, i in found.bookings if s == source), 50):
                with self._store.transaction() as connection:
                    self._bookings(connection, source, ids)
                yield len(ids)
        for absence in sorted(found.absences):
            with self._store.transaction() as connection:
                self._absence(connection, *absence)
            yield 1
        for ids in _parts(sorted(found.notifications), 200):
            with self._store.transaction() as connection:
                n = self._tables.notifications
                self._bury(connection, among(connection, n.c.id, ids))
            yield len(ids)
        for name, keys in found.rows.items():
            for part in _parts(keys, 100):
                with self._store.transaction() as connection:
                    self._redact(connection, self._tables.metadata.tables[name], part)
                yield len(part)

    def _bookings(self, connection: Connection, source: str, ids: Sequence[str]) -> None:
        b, n = self._tables.bookings, self._tables.notifications
        its = (b.c.source == source, among(connection, b.c.booking_id, ids))
        connection.execute(select(b.c.booking_id).where(*its).order_by(b.c.booking_id).with_for_update()).all()
        delete_booking_rows(connection, self._tables, source, ids)
        self._bury(connection, and_(n.c.source == source, among(connection, n.c.booking_id, ids)))

    def _absence(self, connection: Connection, source: str, key: AbsenceKey) -> None:
        u, c = self._tables.unavailabilities, self._tables.changes
        its = (u.c.source == source, u.c.resource_id == key.resource_id)
        its_period = (u.c.period_start == key.period_start, u.c.period_end == key.period_end)
        connection.execute(delete(u).where(*its, *its_period))
        feed = (c.c.source == source, c.c.entity == "unavailability", c.c.entity_key == str(key))
        ChangeLog(connection, self._tables).forget()
        connection.execute(delete(c).where(*feed))

    def _bury(self, connection: Connection, which: Any) -> None:
        """Leave of notifications what tells the same again from news, and nothing else; nor of what people wrote when
        they decided about them."""
        n, d = self._tables.notifications, self._tables.replays.decisions
        words.forget_those(connection, self._tables, which)
        its = d.c.notification_id.in_(select(n.c.id).where(which))
        corrected = d.c.correction_push_id.in_(select(n.c.push_id).where(which))
        connection.execute(update(d).where(or_(its, corrected)).values(reason=""))
        connection.execute(update(n).where(which).values({**_TOMBSTONE, "erased_at": self._now}))

    def _redact(self, connection: Connection, table: Table, keys: Sequence[tuple[Any, ...]]) -> None:
        key = list(table.primary_key.columns)
        for values in sorted(keys):
            its = and_(*(c == v for c, v in zip(key, values, strict=True)))
            row = connection.execute(select(table).where(its).with_for_update()).mappings().one_or_none()
            changed = redacted_row(self._subject, table, row) if row is not None else {}
            if changed:
                if table is self._tables.notifications:
                    changed["erased_at"] = self._now
                    words.forget(connection, self._tables, values)
                connection.execute(update(table).where(its).values(changed))


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def tables_concerned(tables: Tables) -> list[Table]:
    """The tables that erasing takes something out of."""
    return [t for t in tables.metadata.sorted_tables if t.name not in ("duties", "erasures", "repeats")]
