"""Records settled against what is stored: repeat, held, superseded or applied, with their effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.fields import FieldTable, Kind
from receiver.messages import Absence, Booking, BookingEvent, BookingFold, Change, Notification
from receiver.messages.absence import absence_change, absence_key, absence_step
from receiver.messages.booking import booking_change, booking_event
from receiver.messages.chronicle import Chronicle
from receiver.messages.completion import completion
from receiver.store import notifications
from receiver.store.changes import Changed, ChangeLog
from receiver.store.notifications import Entry, Known, NotificationStatus
from receiver.store.replays.decisions import Decision
from receiver.store.tables import Tables

from .receipt import RecordOutcome, Tally
from .repeats import Arrival, Repeats
from .source import Source
from .work import Work, read_work, write_work

Also = Callable[[Connection, Tally], object]
"""What else a transaction is to do before it commits, told what came of the records."""
AlsoDecided = Callable[[Connection, Decision], object]
"""The same, told what was decided."""


@dataclass(frozen=True)
class _Place:
    """Where a notification goes: a new row, or that of the held one it is a delivery of. ``received_at`` UTC."""

    id: str
    received_at: datetime
    held: Known | None

    def key_of(self, notification: Notification) -> str:
        """What the notification says: of one that lost something to an erasure, what it said before."""
        if self.held is not None and self.held.erased:
            return self.held.content_key
        return notification.content_key


class Settling:
    """Settles the batches of one push inside one transaction. ``before`` is as Repeats has it.

    ``log`` is the transaction's own, where several pushes share it; ``tally`` is what is counted in.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        table: FieldTable,
        source: Source,
        arrival: Arrival,
        before: dict[int, Known],
        new_id: Callable[[], object],
        log: ChangeLog | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._connection, self._tables, self._table = connection, tables, table
        self._source, self._arrival = source, arrival
        self._repeats = Repeats(connection, tables, arrival, before)
        self._new_id = new_id
        self._fold = BookingFold(table)
        self._log = log or ChangeLog(connection, tables)
        self._chronicles: dict[str, Chronicle] = {}
        self._now = arrival.received_at
        self.tally = tally or Tally()
        self.released: set[str] = set()
        """The ids of held notifications that are held no longer."""

    def settle(self, batch: Sequence[Notification]) -> None:
        """Settle ``batch`` in its order. Raises StoreConflict when another transaction got there first."""
        if self._repeats.whole is not None:
            self._decided(batch, self._repeats.whole)
            return
        work = read_work(self._connection, self._tables, self._source.name, batch)
        # Asked only now that the current states are locked: what is stored of them was written before this moment.
        self._now = self._arrival.now()
        for notification in batch:
            self.tally.kind = self.tally.kind or notification.kind
            settled = self._repeats.settled(notification)
            if settled is not None:
                self._repeat(work, notification, settled)
            elif not notification.valid:
                self._hold(work, notification)
            elif notification.kind is Kind.UNAVAILABILITY:
                self._absence(work, notification)
            else:
                self._booking(work, notification)
        write_work(self._connection, self._tables, self._source.name, self._arrival.push_id, work, self._log)

    def _decided(self, batch: Sequence[Notification], whole: Known) -> None:
        """Records of bytes that could not be read once, and that a person has decided about: nothing comes of them."""
        for notification in batch:
            self.tally.kind = self.tally.kind or notification.kind
            self.tally.repeats += 1
            self.tally.note(notification, RecordOutcome.SETTLED_BEFORE)
            self.tally.heard_before(whole.received_at)

    def _hold(self, work: Work, notification: Notification) -> None:
        same = work.known.get(notification.content_key, [])
        before = self._repeats.waiting(notification, same) or next(iter(same), None)
        if before is not None:
            self._repeat(work, notification, before)
            return
        self.tally.held += 1
        self.tally.remember(notification)
        self.tally.note(notification, RecordOutcome.HELD)
        place = _Place(str(self._new_id()), self._arrival.received_at, None)
        self._keep(work, notification, notification.content_key, NotificationStatus.HELD, place)

    def _repeat(self, work: Work, notification: Notification, of: Known) -> None:
        if of.status is NotificationStatus.HELD:
            self.tally.held_before += 1
            self.tally.remember(notification)
            self.tally.note(notification, RecordOutcome.HELD)
        else:
            # Also what the settings would refuse today: it has been taken, and the sender may hear so again.
            self.tally.repeats += 1
            self.tally.note(notification, RecordOutcome.SETTLED_BEFORE)
        self.tally.heard_before(of.received_at)
        if self._arrival.is_new:
            work.repeats[notification.position] = of.id

    def _place(self, notification: Notification, same: Sequence[Known], state: Booking | Absence | None) -> _Place:
        held = self._repeats.waiting(notification, same)
        if held is None:
            newest = state.last_received_at if state is not None else None
            return _Place(str(self._new_id()), self._arrival.after(newest, self._now), None)
        return _Place(held.id, held.received_at, held)

    def _keep(self, work: Work, n: Notification, key: str, status: NotificationStatus, place: _Place) -> None:
        """Note the notification for writing, and for telling repeats of it in this push."""
        source, push_id = self._source.name, self._arrival.push_id
        entry = Entry(place.id, push_id, source, place.received_at, n, key, status)
        (work.settled if place.held else work.new).append(entry)
        same = work.known.setdefault(n.content_key, [])
        same[:] = [k for k in same if k.id != place.id]
        same.append(Known(place.id, n.content_key, key, status, place.received_at))
        if place.held is not None:
            self._repeats.no_longer_waits(n)
            self.released.add(place.id)
            if self._arrival.is_new:
                work.repeats[n.position] = place.id

    def _count(self, notification: Notification, applied: bool) -> NotificationStatus:
        self.tally.note(notification, RecordOutcome.APPLIED if applied else RecordOutcome.SUPERSEDED)
        if applied:
            self.tally.applied += 1
            return NotificationStatus.APPLIED
        self.tally.superseded += 1
        return NotificationStatus.SUPERSEDED

    def _changed(
        self, work: Work, entity: str, key: str, change: Change | None, place: _Place, occurred_at: datetime
    ) -> None:
        if change is not None:
            work.changes.append(Changed(self._source.name, entity, key, change, place.id, occurred_at, self._now))

    # Bookings

    def _booking(self, work: Work, notification: Notification) -> None:
        booking_id = str(notification.booking_id)
        before = work.bookings.get(booking_id)
        same = work.known.get(notification.content_key, [])
        key, again = self._repeats.event(notification, same, before)
        if again is not None:
            self._repeat(work, notification, again)
            return
        place = self._place(notification, same, before)
        event = booking_event(notification, self._source.rules, self._table, place.received_at, place.id)
        after, applied = self._next(work, before, event, booking_id)
        if applied:
            after = replace(after, applied_id=place.id, applied_key=place.key_of(notification))
        self._keep(work, notification, key, self._count(notification, applied), place)
        work.events.setdefault(booking_id, []).append(event)
        work.bookings[booking_id] = after
        work.touched.add(booking_id)
        if before is None or before.codes != after.codes:
            work.recoded.add(booking_id)
        if after.completed_by == place.id:
            zone = self._source.rules.zone
            work.completions[booking_id] = completion(notification.values, self._table, zone, place.id)
        self._changed(work, "booking", booking_id, booking_change(before, after), place, event.order.event_at)

    def _next(self, work: Work, before: Booking | None, event: BookingEvent, booking_id: str) -> tuple[Booking, bool]:
        """The state after the event, and whether it counts as applied; a late one is folded in where it belongs."""
        received = event.order.received_at
        first = min(received, before.first_received_at) if before else received
        last = max(received, before.last_received_at) if before else received
        empty = Booking(self._source.name, booking_id, first, last)
        state = replace(before, first_received_at=first, last_received_at=last) if before else empty
        if state.last is None or event.order >= state.last:
            if booking_id in self._chronicles:
                self._chronicles[booking_id].add(event)
            return self._fold.step(state, event), not self._fold.is_overtaken(state, event)
        after = self._chronicle(work, booking_id).add(event)
        after = replace(
            after,
            first_received_at=first,
            last_received_at=last,
            applied_id=state.applied_id,
            applied_key=state.applied_key,
        )
        return after, after.completed_by == event.order.notification_id

    def _chronicle(self, work: Work, booking_id: str) -> Chronicle:
        """All that was heard of a booking before, read once for a push."""
        found = self._chronicles.get(booking_id)
        if found is None:
            heard = notifications.history(self._connection, self._tables, self._source.name, booking_id)
            events = [booking_event(h, self._source.rules, self._table, h.received_at, h.id) for h in heard]
            nothing = Booking(self._source.name, booking_id, self._now, self._now)
            found = Chronicle(self._fold, nothing, [*events, *work.events.get(booking_id, [])])
            self._chronicles[booking_id] = found
        return found

    # Unavailabilities

    def _absence(self, work: Work, notification: Notification) -> None:
        key = absence_key(notification)
        before = work.absences.get(key)
        same = work.known.get(notification.content_key, [])
        event, again = self._repeats.event(notification, same, before)
        if again is not None:
            self._repeat(work, notification, again)
            return
        place = self._place(notification, same, before)
        received = place.received_at
        applied = before is None or before.last_at is None or received >= before.last_at
        state = before or Absence(self._source.name, key, received, received)
        if before is not None:
            first, last = min(received, before.first_received_at), max(received, before.last_received_at)
            state = replace(before, first_received_at=first, last_received_at=last)
        if applied:
            said = place.key_of(notification)
            state = absence_step(state, notification, self._source.rules, self._table, received, place.id, said)
        self._keep(work, notification, event, self._count(notification, applied), place)
        work.absences[key] = state
        work.absent.add(key)
        self._changed(work, "unavailability", str(key), absence_change(before, state), place, received)
