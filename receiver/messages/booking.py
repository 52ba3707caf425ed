"""What a booking becomes, event by event: a pure fold, so that any order of arrival ends in one state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from receiver.fields import FieldTable, Kind

from .plain import Plain
from .rules import Rules
from .typed import Columns, columns, entries

_RANK = {Kind.CONFIRMATION: 0, Kind.CANCELLATION: 1, Kind.COMPLETION: 2}
# Undated events have the time of their arrival, and among themselves the order they stood in.
_UNDATED = 3
_CODES = "theBookingCodes"
# A completion's order says these of the booking where the booking itself does not: order column -> booking column.
_FROM_ORDER = {
    "order_secondary_order_number": "secondary_order_number",
    "order_tertiary_order_number": "tertiary_order_number",
    "order_contract": "contract",
    "order_location_id": "location_id",
    "order_target_date": "target_date",
}


class BookingStatus(StrEnum):
    """Where a booking stands."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class Change(StrEnum):
    """What a change in the feed says happened."""

    CREATED = "created"
    UPDATED = "updated"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    REMOVED = "removed"


class Order(NamedTuple):
    """The order of a booking's events: event time, then of dated ones confirmation before cancellation before
    completion (the vendor's times have seconds only), then arrival, then place in the push. All times are UTC."""

    event_at: datetime
    rank: int
    received_at: datetime
    notification_id: str


class HeardRecord(Protocol):
    """What an event is made of: a judged notification, or one as it was stored."""

    @property
    def kind(self) -> Kind: ...
    @property
    def values(self) -> Mapping[str, object]: ...
    @property
    def changed_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class BookingEvent:
    """One notification as a booking sees it. ``dated``: the sender gave the event's time, else it is arrival's."""

    kind: Kind
    order: Order
    dated: bool
    fields: Columns
    codes: tuple[Columns, ...] | None
    completes: bool = False
    completion_status: str | None = None
    successful: bool | None = None


@dataclass(frozen=True)
class Booking:
    """A booking's current state. ``fields`` are the columns of the field table that were ever sent.

    ``last`` is the newest event in event order; ``applied_id`` and ``applied_key`` are of the notification applied last
    in order of arrival. ``ever_confirmed``: some confirmation has been folded in. Times are UTC.
    """

    source: str
    booking_id: str
    first_received_at: datetime
    last_received_at: datetime
    fields: Mapping[str, object] = field(default_factory=dict)
    codes: tuple[Columns, ...] = ()
    last: Order | None = None
    applied_id: str | None = None
    applied_key: str | None = None
    ever_confirmed: bool = False
    changed_at: datetime | None = None
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None
    completion_status: str | None = None
    completed_successfully: bool | None = None
    completed_by: str | None = None

    @property
    def status(self) -> BookingStatus:
        """Completed or cancelled by whichever came later; completed when both came at once."""
        if self.completed_at is not None and (self.cancelled_at is None or self.completed_at >= self.cancelled_at):
            return BookingStatus.COMPLETED
        return BookingStatus.CONFIRMED if self.cancelled_at is None else BookingStatus.CANCELLED


def _event(
    heard: HeardRecord, fields: Columns, codes: list[Columns] | None, received_at: datetime, notification_id: str
) -> BookingEvent:
    kept = None if codes is None else tuple({k: v for k, v in c.items() if v is not None} for c in codes)
    dated = heard.changed_at is not None
    rank = _RANK[heard.kind] if dated else _UNDATED
    order = Order(heard.changed_at or received_at, rank, received_at, notification_id)
    return BookingEvent(heard.kind, order, dated, fields, kept)


def plain_event(heard: HeardRecord, plain: Plain, received_at: datetime, notification_id: str) -> BookingEvent:
    """The same as ``booking_event`` of a notification that was read in one pass, and is no completion."""
    return _event(heard, plain.columns, plain.entries.get(_CODES), received_at, notification_id)


def booking_event(
    heard: HeardRecord, rules: Rules, table: FieldTable, received_at: datetime, notification_id: str
) -> BookingEvent:
    """A valid notification about a booking as an event. ``received_at``: when it first arrived, UTC."""
    kind, zone, values = heard.kind, rules.zone, heard.values
    entry = table.kinds[kind]
    fields = columns(values, entry, zone)
    codes = entries(values, entry.group(_CODES), zone) if entry.has_group(_CODES) else None
    event = _event(heard, fields, codes, received_at, notification_id)
    if kind is not Kind.COMPLETION:
        return event
    order_values = values.get("theOrder")
    inner = columns(order_values, entry.group("theOrder"), zone) if isinstance(order_values, dict) else {}
    for column, name in _FROM_ORDER.items():
        if inner.get(column) is not None:
            fields.setdefault(name, inner[column])
    return _outcome(replace(event, fields=fields), rules)


def _outcome(event: BookingEvent, rules: Rules) -> BookingEvent:
    word = event.fields.get("task_life_cycle_status")
    code = event.fields.get("completion_status")
    completes = word is None or str(word).strip().lower() in rules.complete_words
    successful = None
    if rules.success_codes is not None and isinstance(code, str):
        successful = code.strip().lower() in rules.success_codes
    status = code if isinstance(code, str) else None
    return replace(event, completes=completes, completion_status=status, successful=successful)


def booking_columns(table: FieldTable) -> tuple[str, ...]:
    """The columns of the field table that a booking's current state holds."""
    kinds = (table.kinds[Kind.CONFIRMATION], table.kinds[Kind.CANCELLATION])
    names = [f.column for kind in kinds for f in kind.fields if f.name not in ("bookingId", "changedDate")]
    return tuple(dict.fromkeys(names))


class BookingFold:
    """Folds events into a booking's state."""

    def __init__(self, table: FieldTable) -> None:
        self._columns = frozenset(booking_columns(table))

    def step(self, state: Booking, event: BookingEvent) -> Booking:
        """The state after ``event``, which is the newest in event order.

        What is missing leaves the earlier value alone, what is empty clears it. A confirmation clears a cancellation,
        never a completion; an undated one of a booking that was cancelled before any confirmation was heard is the one
        that the cancellation overtook: it fills what is empty and leaves it cancelled.
        """
        sent = {k: v for k, v in event.fields.items() if k in self._columns}
        overtaken = self.is_overtaken(state, event)
        if overtaken:
            sent = {k: v for k, v in sent.items() if state.fields.get(k) is None}
        after: dict[str, Any] = {
            "fields": {**state.fields, **sent},
            "last": event.order,
            "ever_confirmed": state.ever_confirmed or event.kind is Kind.CONFIRMATION,
        }
        if event.codes is not None:
            after["codes"] = event.codes
        if event.dated and event.kind is not Kind.COMPLETION:
            after["changed_at"] = event.order.event_at
        if event.kind is Kind.CANCELLATION:
            after["cancelled_at"] = event.order.event_at
        elif event.kind is Kind.CONFIRMATION and not overtaken:
            after["cancelled_at"] = None
        if event.completes:
            after["completed_at"] = event.order.event_at
            after["completion_status"] = event.completion_status
            after["completed_successfully"] = event.successful
            after["completed_by"] = event.order.notification_id
        return Booking(**{**vars(state), **after})  # twice as quick as replace

    @staticmethod
    def is_overtaken(state: Booking, event: BookingEvent) -> bool:
        """Whether ``event`` is an undated confirmation that came after the booking, never confirmed, was cancelled."""
        if event.kind is not Kind.CONFIRMATION or event.dated or state.ever_confirmed or state.last is None:
            return False
        return state.cancelled_at is not None and state.last.received_at <= event.order.received_at

    def fold(self, empty: Booking, events: Iterable[BookingEvent]) -> Booking:
        """The state after all ``events``, whatever order they are given in."""
        state = empty
        for event in sorted(events, key=lambda e: e.order):
            state = self.step(state, event)
        return state


def booking_change(before: Booking | None, after: Booking) -> Change | None:
    """What the feed says of the step from ``before`` (None: never heard of) to ``after``; None for nothing."""
    if before is not None and _shown(before) == _shown(after):
        return None
    if before is None and after.status is BookingStatus.CONFIRMED:
        return Change.CREATED
    if after.status is BookingStatus.CANCELLED:
        again = before is not None and before.status is after.status and before.cancelled_at == after.cancelled_at
        return Change.UPDATED if again else Change.CANCELLED
    if after.status is BookingStatus.COMPLETED:
        again = before is not None and before.status is after.status and before.completed_at == after.completed_at
        return Change.UPDATED if again else Change.COMPLETED
    return Change.UPDATED


def _shown(state: Booking) -> tuple[object, ...]:
    fields = {k: v for k, v in state.fields.items() if v is not None}
    return (
        fields,
        state.codes,
        state.changed_at,
        state.cancelled_at,
        state.completed_at,
        state.completion_status,
        state.completed_successfully,
    )
