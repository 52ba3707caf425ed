"""What a batch of records reads first and writes last: set-based, so that a batch costs few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from receiver.fields import Kind
from receiver.messages import Absence, AbsenceKey, Booking, BookingEvent, Notification
from receiver.messages.absence import absence_key
from receiver.messages.completion import Completion
from receiver.store import bookings, notifications, unavailabilities
from receiver.store.changes import Changed, ChangeLog
from receiver.store.notifications import Entry, Known
from receiver.store.tables import Tables


@dataclass
class Work:
    """One batch: what was known when it began, kept up to date as its records are settled, and what is to be written.

    ``bookings`` and ``absences`` are current states, ``known`` notifications by content. ``events`` are those of this
    batch by booking, which the database does not hold yet.
    """

    known: dict[str, list[Known]]
    bookings: dict[str, Booking]
    absences: dict[AbsenceKey, Absence]
    stored_bookings: frozenset[str]
    stored_absences: frozenset[AbsenceKey]
    new: list[Entry] = field(default_factory=list)
    settled: list[Entry] = field(default_factory=list)
    repeats: dict[int, str] = field(default_factory=dict)
    events: dict[str, list[BookingEvent]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    recoded: set[str] = field(default_factory=set)
    absent: set[AbsenceKey] = field(default_factory=set)
    completions: dict[str, Completion] = field(default_factory=dict)
    changes: list[Changed] = field(default_factory=list)


def read_work(connection: Connection, tables: Tables, source: str, batch: Sequence[Notification]) -> Work:
    """Everything stored that the batch touches; current states are locked until the transaction ends."""
    valid = [n for n in batch if n.valid]
    found = bookings.load(connection, tables, source, (n.booking_id for n in valid if n.booking_id is not None))
    keys = (absence_key(n) for n in valid if n.kind is Kind.UNAVAILABILITY)
    absences = unavailabilities.load(connection, tables, source, keys)
    known = notifications.by_content(connection, tables, source, (n.content_key for n in batch))
    return Work(known, found, absences, frozenset(found), frozenset(absences))


def write_work(connection: Connection, tables: Tables, source: str, push_id: str, work: Work, log: ChangeLog) -> None:
    """Write all of the batch. Raises StoreConflict when another transaction wrote some of it first."""
    notifications.add(connection, tables, work.new)
    notifications.settle(connection, tables, work.settled)
    notifications.add_repeats(connection, tables, push_id, list(work.repeats.items()))
    # In one order always, so that two transactions cannot wait for each other.
    touched = [work.bookings[i] for i in sorted(work.touched)]
    bookings.save(
        connection,
        tables,
        [b for b in touched if b.booking_id not in work.stored_bookings],
        [b for b in touched if b.booking_id in work.stored_bookings],
    )
    bookings.save_codes(connection, tables, source, [work.bookings[i] for i in sorted(work.recoded)])
    bookings.save_completions(connection, tables, source, work.completions)
    absent = [work.absences[k] for k in sorted(work.absent)]
    unavailabilities.save(
        connection,
        tables,
        [a for a in absent if a.key not in work.stored_absences],
        [a for a in absent if a.key in work.stored_absences],
    )
    log.add(work.changes)
