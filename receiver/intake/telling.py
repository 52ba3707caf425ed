"""A booking's story told from what is stored: all that was heard, in event order, with what each changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from receiver.fields import FieldTable, Kind
from receiver.messages import Booking, BookingFold
from receiver.messages.booking import booking_event
from receiver.messages.story import Difference, differences, shown_state, steps
from receiver.messages.typed import columns
from receiver.store import bookings
from receiver.store.finding import stories
from receiver.store.finding.stories import StoredRecord
from receiver.store.notifications import NotificationStatus
from receiver.store.tables import Tables

from .source import Source

_COUNTS = (NotificationStatus.APPLIED, NotificationStatus.SUPERSEDED)
_PERIOD = ("period_start", "period_end")


@dataclass(frozen=True)
class Heard:
    """One notification in a story. ``event_at`` (UTC): its place in event order; ``dated``: the sender said so.

    ``again``: the later deliveries of the same, each push's id with its arrival (UTC).
    """

    record: StoredRecord
    event_at: datetime
    dated: bool
    differences: tuple[Difference, ...]
    again: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True)
class BookingStory:
    """``state`` is the current one by column (moments UTC), None of a booking of which nothing was applied."""

    source: str
    booking_id: str
    state: Mapping[str, object] | None
    heard: tuple[Heard, ...]


class Telling:
    """Tells stories of bookings."""

    def __init__(self, tables: Tables, table: FieldTable, sources: Mapping[str, Source]) -> None:
        self._tables, self._table, self._sources = tables, table, sources
        self._fold = BookingFold(table)

    def booking(self, connection: Connection, source: str, booking_id: str) -> BookingStory | None:
        """The story of one booking, newest event first; None when nothing was ever heard of it."""
        found = stories.about_booking(connection, self._tables, source, booking_id)
        found = [record for record in found if record.kind is not Kind.UNAVAILABILITY]
        state = bookings.read(connection, self._tables, source, booking_id)
        if not found and state is None:
            return None
        again = stories.repeats(connection, self._tables, [record.id for record in found])
        shown = shown_state(state) if state is not None else None
        heard = self._told(source, booking_id, found, again)
        return BookingStory(source, booking_id, shown, tuple(heard))

    def told(self, connection: Connection, records: Iterable[StoredRecord]) -> dict[str, Heard]:
        """What each of the records changed of its booking or unavailability, by notification."""
        found: dict[str, Heard] = {}
        for record in records:
            if record.is_repeat:
                continue
            if record.kind is Kind.UNAVAILABILITY:
                found |= self._absence(connection, record)
                continue
            if record.booking_id is None:
                continue
            story = self.booking(connection, record.source, record.booking_id)
            heard = story.heard if story is not None else ()
            found |= {one.record.id: one for one in heard if one.record.id == record.id}
        return found

    def _absence(self, connection: Connection, record: StoredRecord) -> dict[str, Heard]:
        """What an unavailability says that the one before it, of the same resource and period, did not."""
        known = self._sources.get(record.source)
        if known is None or record.resource_id is None or record.status not in _COUNTS:
            return {}
        part, zone = self._table.kinds[Kind.UNAVAILABILITY], known.rules.zone

        def said(heard: StoredRecord) -> dict[str, object]:
            return {name: value for name, value in columns(heard.values, part, zone).items() if value is not None}

        its = said(record)
        all_heard = stories.about_resource(connection, self._tables, record.source, record.resource_id)
        earlier = [
            heard
            for heard in all_heard
            if heard.status in _COUNTS and (heard.received_at, heard.id) < (record.received_at, record.id)
        ]
        before = next((s for s in map(said, earlier) if all(s.get(name) == its.get(name) for name in _PERIOD)), {})
        return {record.id: Heard(record, record.received_at, False, differences(before, {**before, **its}))}

    def _told(
        self,
        source: str,
        booking_id: str,
        found: Sequence[StoredRecord],
        again: Mapping[str, list[tuple[str, datetime]]],
    ) -> list[Heard]:
        known = self._sources.get(source)
        changed: dict[str, tuple[datetime, bool, tuple[Difference, ...]]] = {}
        if known is not None:
            events = [
                booking_event(r, known.rules, self._table, r.received_at, r.id) for r in found if r.status in _COUNTS
            ]
            never = datetime.min.replace(tzinfo=UTC)
            for step in steps(self._fold, Booking(source, booking_id, never, never), events):
                order = step.event.order
                changed[order.notification_id] = order.event_at, step.event.dated, step.differences
        told = []
        for record in found:
            usual = record.changed_at or record.received_at, record.changed_at is not None, ()
            event_at, dated, made = changed.get(record.id, usual)
            told.append(Heard(record, event_at, dated, made, tuple(again.get(record.id, ()))))
        return sorted(told, key=lambda h: (h.event_at, h.record.received_at, h.record.id), reverse=True)
