"""Bookings as their notifications say they are, beside what the tables hold: what differs, and what may be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from receiver.fields import FieldTable, Kind
from receiver.messages import Booking, Rules
from receiver.messages.booking import booking_change
from receiver.messages.completion import completion
from receiver.store.bookings import field_columns
from receiver.store.changes import Changed
from receiver.store.rebuild import Rows, Slice, Told
from receiver.store.stretches import Entity
from receiver.store.tables import Tables

from .recalling import Recalled, Recalling

_OWN = (
    *("status", "changed_at", "cancelled_at", "completed_at", "completion_status", "completed_successfully"),
    *("completed_by", "ever_confirmed", "first_received_at", "last_received_at", "applied_id", "applied_key"),
    *("last_event_at", "last_event_rank", "last_event_received_at", "last_event_id"),
)
# A state that names a notification which is not stored any more, as it was, has lost some of its history.
_NAMES = ("applied_id", "completed_by", "last_event_id")

Row = Sequence[Any]


@dataclass
class Restated:
    """What came of one stretch: how many notifications were folded into how many ``states``; those that could not be,
    as their history is not ``whole``; and those that differ, with those of them that are ``stored``, and by table those
    that have rows there, and what is to be written in their place."""

    notifications: int = 0
    states: int = 0
    not_whole: int = 0
    differing: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, dict[str, Rows]] = field(default_factory=dict)
    changes: list[Changed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Again:
    """A booking of which the tables do not say what its history does. ``row``: what they say, None for nothing."""

    heard: list[Recalled]
    row: Row | None
    state: Booking


class BookingsRestated:
    """Folds the bookings of stretches again. ``now`` gives aware UTC, for what the feed is told."""

    def __init__(self, tables: Tables, table: FieldTable, rules: Rules, now: Callable[[], datetime]) -> None:
        self._tables, self._table, self._rules, self._now = tables, table, rules, now
        self._recalling = Recalling(table, rules)
        self._fields = field_columns(tables)
        names = [c.name for c in tables.bookings.columns]
        if names != ["source", "booking_id", *self._fields, *_OWN]:
            raise ValueError("the columns of bookings are not what is written of a rebuilt one")
        self._place = {name: names.index(name) for name in names}
        self._of_code = [c.name for c in tables.codes.columns][3:]
        self._of_completion = {
            t.name: [c.name for c in t.columns] for t in (tables.completions, tables.resources, tables.business_data)
        }

    def restate(self, part: Slice) -> Restated:
        """Read the stretch, and find what differs. Writes nothing."""
        found = Restated()
        heard = recalled(part)
        stored = {row[1]: row for row in part.stored(self._tables.bookings)}
        lists = [self._tables.codes, *(self._tables.metadata.tables[name] for name in self._of_completion)]
        below = {t.name: _by_booking(part.stored(t)) for t in lists}
        found.notifications = sum(map(len, heard.values()))
        found.states = len(heard.keys() | stored.keys())
        again = {}
        for booking_id, its in heard.items():
            row = stored.get(booking_id)
            state = self._state(booking_id, its, row)
            if state is None:
                found.not_whole += 1
            elif row is None or self._differs(state, its, row, below):
                again[booking_id] = _Again(its, row, state)
        found.not_whole += len(stored.keys() - heard.keys())
        told = _by_key(part.told(again)) if again else {}
        for booking_id, one in again.items():
            self._note(found, one, told.get(booking_id, []), below)
        return found

    def _state(self, booking_id: str, heard: list[Recalled], row: Row | None) -> Booking | None:
        """What the booking is, but for what was applied last; None when its history is not whole."""
        if any(r.erased for r in heard):
            return None
        try:
            state = self._recalling.state(self._rules.source, booking_id, heard)
        except ValueError:
            return None
        return state if row is None or self._tells_all(row, heard, state) else None

    def _tells_all(self, row: Row, heard: list[Recalled], state: Booking) -> bool:
        """Whether the stored state shows no trace of a notification that is not among ``heard``."""
        at = self._place
        if (
            row[at["first_received_at"]] < state.first_received_at
            or row[at["last_received_at"]] > state.last_received_at
        ):
            return False
        ids = {r.id for r in heard}
        return all(row[at[name]] is None or row[at[name]] in ids for name in _NAMES)

    def _differs(
        self, state: Booking, heard: list[Recalled], row: Row, below: Mapping[str, Mapping[str, Rows]]
    ) -> bool:
        applied = self._still_applied(heard, row)
        if applied is None or self._row(state, applied) != tuple(row):
            return True
        expected = self._rows_below(state, heard)
        return any(below[name].get(state.booking_id, []) != rows for name, rows in expected.items())

    def _still_applied(self, heard: list[Recalled], row: Row) -> Recalled | None:
        """The notification that the stored state says was applied last, where that can be."""
        named = row[self._place["applied_id"]]
        return next((r for r in heard if r.id == named and r.applied), None)

    def _note(
        self, found: Restated, one: _Again, told: Sequence[Told], below: Mapping[str, Mapping[str, Rows]]
    ) -> None:
        """Have the state written, unless the feed knows of something that is no longer in its history."""
        ids, state = {r.id for r in one.heard}, one.state
        if not ids.issuperset([t.notification_id for t in told]):
            found.not_whole += 1
            return
        applied = self._still_applied(one.heard, one.row) if one.row is not None else None
        applied = applied or last_applied(one.heard, told)
        row = self._row(state, applied)
        expected = self._rows_below(state, one.heard)
        rows = {name: its for name, its in expected.items() if below[name].get(state.booking_id, []) != its}
        if one.row is None or row != tuple(one.row):
            rows[self._tables.bookings.name] = [row]
        if not rows:
            return
        found.differing.add(state.booking_id)
        if one.row is not None:
            found.stored.add(state.booking_id)
        for name, its in rows.items():
            found.rows.setdefault(name, {})[state.booking_id] = its
            if state.booking_id in below[name] if name in below else one.row is not None:
                found.wrong.setdefault(name, []).append(state.booking_id)
        before = None if one.row is None else self._before(one.row, below[self._tables.codes.name])
        # One that is missing from the tables is news only if the feed has never told of it.
        change = booking_change(before, state) if before is not None or not told else None
        if change is not None and state.last is not None:
            by = applied.id if applied is not None else state.last.notification_id
            source, at = self._rules.source, state.last.event_at
            found.changes.append(Changed(source, Entity.BOOKING.value, state.booking_id, change, by, at, self._now()))

    def _row(self, state: Booking, applied: Recalled | None) -> tuple[Any, ...]:
        last, fields = state.last, state.fields
        return (
            state.source,
            state.booking_id,
            *map(fields.get, self._fields),
            state.status.value,
            state.changed_at,
            state.cancelled_at,
            state.completed_at,
            state.completion_status,
            state.completed_successfully,
            state.completed_by,
            state.ever_confirmed,
            state.first_received_at,
            state.last_received_at,
            applied.id if applied is not None else None,
            applied.content_key if applied is not None else None,
            *((last.event_at, last.rank, last.received_at, last.notification_id) if last is not None else (None,) * 4),
        )

    def _rows_below(self, state: Booking, heard: list[Recalled]) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of the booking's codes, completion and lists, by table."""
        source, booking_id, names = state.source, state.booking_id, self._of_code
        codes = [(source, booking_id, n, *map(c.get, names)) for n, c in enumerate(state.codes, start=1)]
        found: dict[str, list[tuple[Any, ...]]] = {self._tables.codes.name: codes}
        if state.completed_by is None:
            return {**found, **{name: [] for name in self._of_completion}}
        own = self._completion(state, heard)
        for name, columns in self._of_completion.items():
            found[name] = [
                tuple(map({**entry, "source": source, "booking_id": booking_id, "position": n}.get, columns))
                for n, entry in enumerate(own.get(name, ()), start=1)
            ]
        return found

    def _completion(self, state: Booking, heard: list[Recalled]) -> dict[str, Sequence[Mapping[str, object]]]:
        """What completed the booking, as the entries of its tables."""
        by = next(r for r in heard if r.id == state.completed_by)
        said = completion(by.values, self._table, self._rules.zone, by.id)
        return {
            self._tables.completions.name: [{**said.columns, "notification_id": by.id}],
            self._tables.resources.name: said.resources,
            self._tables.business_data.name: said.business_data,
        }

    def _before(self, row: Row, codes: Mapping[str, Rows]) -> Booking:
        """The stored state, as far as the feed tells of it."""
        said = {name: row[n] for name, n in self._place.items()}
        first, last = said["first_received_at"], said["last_received_at"]
        listed = [dict(zip(self._of_code, c[3:], strict=True)) for c in codes.get(said["booking_id"], ())]
        return Booking(
            said["source"],
            said["booking_id"],
            first,
            last,
            fields={name: said[name] for name in self._fields},
            codes=tuple({k: v for k, v in code.items() if v is not None} for code in listed),
            **{name: said[name] for name in _OWN[1:6]},
        )


def recalled(part: Slice) -> dict[str, list[Recalled]]:
    """What was heard in the stretch, by key."""
    found: dict[str, list[Recalled]] = {}
    kinds = {kind.value: kind for kind in Kind}
    make = Recalled._make
    for key, of, kind, *rest in part.heard():
        found.setdefault(key, []).append(make((of, kinds[kind], *rest)))
    return found


def last_applied(heard: Iterable[Recalled], told: Iterable[Told]) -> Recalled | None:
    """Which of them was applied last, in order of arrival; None when none was.

    An id tells when it was made, to the millisecond: for one that was held at first, that is too early, and the feed
    knows better.
    """
    applied = [r for r in heard if r.applied]
    if len(applied) == 1:
        return applied[0]
    recorded = {t.notification_id: int(t.recorded_at.timestamp() * 1000) for t in told}
    return max(applied, key=lambda r: (max(recorded.get(r.id, 0), _made_at(r.id)), r.id), default=None)


def _made_at(notification_id: str) -> int:
    """When an id was made: milliseconds since 1970, UTC; 0 when it does not tell."""
    try:
        return int(notification_id[:13].replace("-", ""), 16)
    except ValueError:
        return 0


def _by_booking(rows: Rows) -> dict[str, Rows]:
    return {key: [tuple(row) for row in its] for key, its in groupby(rows, key=itemgetter(1))}


def _by_key(told: Iterable[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {}
    for one in told:
        found.setdefault(one.key, []).append(one)
    return found
