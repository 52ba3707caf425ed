"""Stored notifications as a booking's events again, many of them: what does not make a booking's state is not read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from receiver.fields import Field, FieldTable, FieldType, Group, Kind, KindTable
from receiver.messages import Booking, BookingEvent, BookingFold, Rules
from receiver.messages.booking import Order, booking_columns, booking_event
from receiver.messages.moments import read_moment
from receiver.messages.typed import Columns, column_value
from receiver.store.rebuild import decoded

_CODES = "theBookingCodes"
_ORDER = "theOrder"
# Beside a booking's own columns: what tells whether a completion completes it, and what its order says of it.
_OUTCOME = frozenset({"task_life_cycle_status", "completion_status"})
# As ``booking_event`` ranks them.
_CONFIRMED, _UNDATED = 0, 3
_MOST_SHAPES = 500
_TEXTS = frozenset({str, type(None)})


class Recalled(NamedTuple):
    """A notification as it was stored. Times are UTC; ``values`` is JSON."""

    id: str
    kind: Kind
    text: str
    changed_at: datetime | None
    received_at: datetime
    applied: bool
    content_key: str
    erased: bool

    @property
    def values(self) -> Mapping[str, object]:
        """What it says, by canonical name."""
        return decoded(self.text)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is read of values that have certain names: which of them become which ``columns``, those of them that are
    ``texts``, and how the others are read."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    readers: tuple[tuple[str, Callable[[object], object]], ...]


class _Part:
    """Reads the fields of a kind or group that are wanted: the same columns as ``typed.columns`` gives."""

    def __init__(self, fields: tuple[Field, ...], zone: ZoneInfo) -> None:
        self._readers = {f.name: (f.column, _reader(f, zone)) for f in fields}
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def read(self, values: Mapping[str, object]) -> Columns:
        names = tuple(values)
        shape = self._shapes.get(names) or self._shape(names)
        found: Columns = dict(zip(shape.columns, map(values.__getitem__, shape.names), strict=True))
        if not _TEXTS.issuperset(map(type, found.values())):
            found.update({c: str(found[c]) for c in shape.texts if found[c] is not None})
        for column, read in shape.readers:
            value = found[column]
            if value is not None:
                found[column] = read(value)
        return found

    def _shape(self, names: tuple[str, ...]) -> _Shape:
        """Remembered, as a source mostly sends the same."""
        known = tuple(name for name in names if name in self._readers)
        readers = [self._readers[name] for name in known]
        texts = tuple(column for column, read in readers if read is None)
        others = tuple((column, read) for column, read in readers if read is not None)
        found = _Shape(known, tuple(column for column, _ in readers), texts, others)
        if len(self._shapes) < _MOST_SHAPES:  # anyone can invent names
            self._shapes[names] = found
        return found

    def read_said(self, values: Mapping[str, object]) -> Columns:
        """Without what is empty."""
        found = self.read(values)
        if None in found.values():
            return {column: value for column, value in found.items() if value is not None}
        return found


def _reader(found: Field, zone: ZoneInfo) -> Callable[[object], object] | None:
    """How a value that is not empty is read; None where it is text, and stays so."""
    if found.type is FieldType.DATETIME:
        return lambda value: read_moment(str(value), zone).utc
    if found.type in (FieldType.TEXT, FieldType.BOOKING_ID):
        return None
    if found.type is FieldType.INTEGER:
        return lambda value: int(value) if isinstance(value, str) else int(str(value))
    return lambda value: column_value(found, value, zone)


class Recalling:
    """Makes events of what was stored, and folds them: the same as ``booking_event`` and ``BookingFold``."""

    def __init__(self, table: FieldTable, rules: Rules) -> None:
        self._rules, self._fold = rules, BookingFold(table)
        self._wanted = frozenset(booking_columns(table))
        self._table = FieldTable({kind: self._needed(found) for kind, found in table.kinds.items()}, table.groups)
        self._parts = {kind: _Part(found.fields, rules.zone) for kind, found in self._table.kinds.items()}
        self._codes = _Part(table.kinds[Kind.CONFIRMATION].group(_CODES).fields, rules.zone)

    def _needed(self, table: KindTable) -> KindTable:
        fields = tuple(f for f in table.fields if f.column in self._wanted | _OUTCOME)
        return replace(table, fields=fields, groups=tuple(map(self._needed_of_order, table.groups)))

    def _needed_of_order(self, group: Group) -> Group:
        if group.name != _ORDER:
            return group
        wanted = {f"order_{column}" for column in self._wanted}
        return replace(group, fields=tuple(f for f in group.fields if f.column in wanted), groups=())

    def state(self, source: str, booking_id: str, heard: list[Recalled]) -> Booking:
        """What the booking is after all that was heard of it, but for what was applied last. Raises ValueError."""
        if len(heard) == 1 and heard[0].kind is Kind.CONFIRMATION:
            return self._confirmed(source, booking_id, heard[0])
        first = min(r.received_at for r in heard)
        last = max(r.received_at for r in heard)
        return self._fold.fold(Booking(source, booking_id, first, last), map(self.event, heard))

    def event(self, heard: Recalled) -> BookingEvent:
        """The event that ``booking_event`` makes of it, with those fields alone that matter to a booking."""
        if heard.kind is Kind.CONFIRMATION:
            values = heard.values
            order, dated = _order(heard, _CONFIRMED), heard.changed_at is not None
            return BookingEvent(heard.kind, order, dated, self._fields(values), self._codes_of(values))
        return booking_event(heard, self._rules, self._table, heard.received_at, heard.id)

    def _fields(self, values: Mapping[str, object]) -> Columns:
        return self._parts[Kind.CONFIRMATION].read(values)

    def _codes_of(self, values: Mapping[str, object]) -> tuple[Columns, ...] | None:
        found = values.get(_CODES)
        if not isinstance(found, list):
            return None
        read = self._codes.read_said
        return tuple([read(entry) for entry in found if isinstance(entry, dict)])

    def _confirmed(self, source: str, booking_id: str, heard: Recalled) -> Booking:
        """After one confirmation and nothing else, as most bookings are: the fold's first step, without folding."""
        values, received = heard.values, heard.received_at
        return Booking(
            source,
            booking_id,
            received,
            received,
            fields=self._fields(values),
            codes=self._codes_of(values) or (),
            last=_order(heard, _CONFIRMED),
            ever_confirmed=True,
            changed_at=heard.changed_at,
        )


def _order(heard: Recalled, rank: int) -> Order:
    if heard.changed_at is None:
        return Order(heard.received_at, _UNDATED, heard.received_at, heard.id)
    return Order(heard.changed_at, rank, heard.received_at, heard.id)
