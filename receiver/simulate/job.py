"""What DRS knows of its own jobs: orders, the bookings that visit them, and absences. Times are local to the site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .council import Place, Rate, Trade, Worker


class BookingState(StrEnum):
    """Where a booking stands in DRS, in the words of the receiver's view ``v1_bookings``."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class AbsenceState(StrEnum):
    """Whether an absence holds, in the words of the receiver's view ``v1_unavailabilities``."""

    ACTIVE = "active"
    REMOVED = "removed"


@dataclass(frozen=True)
class Window:
    """A span of naive local time."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Order:
    """A repair order. ``raised`` and ``target`` are local; ``number`` is the first interfacing system's."""

    order_id: int
    number: str
    secondary: str
    tertiary: str
    contract: str
    place: Place
    trade: Trade
    rates: tuple[Rate, ...]
    priority: str
    raised: datetime
    target: datetime
    comments: str
    operatives: int
    user: str


@dataclass(frozen=True)
class Booking:
    """One visit to an order, as it stands after its last change (``changed``, local).

    ``outcome`` is the site's outcome code once the visit has ended at ``ended`` (local).
    """

    booking_id: str
    order: Order
    token: str
    window: Window
    reason: str
    sequence: str
    original: str | None
    user: str
    changed: datetime
    worker: Worker
    state: BookingState = BookingState.CONFIRMED
    outcome: str | None = None
    ended: datetime | None = None
    comments: str = ""

    @property
    def subject(self) -> str:
        """What the booking is known by."""
        return self.booking_id


@dataclass(frozen=True)
class Absence:
    """A worker who is off for a span of local time; ``action`` is DRS's word for what was done to it last."""

    worker: Worker
    window: Window
    action: str
    reason: str
    comments: str
    state: AbsenceState = AbsenceState.ACTIVE

    @property
    def subject(self) -> str:
        """What the absence is known by: an absence has no id of its own (facts, section 2)."""
        return f"{self.worker.resource}/{self.window.start}/{self.window.end}"
