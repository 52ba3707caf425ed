"""The ends that stories must come to, in the words of the receiver's views; times are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from .activity import ActivityRow, RowState
from .job import Absence, AbsenceState, Booking, BookingState

SITE_ZONE = "Europe/London"


@dataclass(frozen=True)
class BookingEnd:
    """A booking as ``v1_bookings`` must show it. A field that is suppressed is never heard of: None."""

    booking_id: str
    status: BookingState
    planning_window_start: datetime | None
    planning_window_end: datetime | None
    primary_order_number: str
    completion_status: str | None


@dataclass(frozen=True)
class AbsenceEnd:
    """An absence as ``v1_unavailabilities`` must show it."""

    resource_id: str
    period_start: datetime
    period_end: datetime
    status: AbsenceState


def to_utc(local: datetime) -> datetime:
    """Naive Europe/London wall time as an instant (facts, section 2, DateTime)."""
    return local.replace(tzinfo=ZoneInfo(SITE_ZONE)).astimezone(UTC)


class Knowable:
    """Which ends can be known from what was sent, row by row.

    Not those of a damaged record or of one that was given up. Where the date of a booking's events is suppressed the
    order of arrival counts: then the end is known only if there was one event, or if every row was written in the
    order of events (a cancellation waits for its extraction) and went out in order, at the first attempt.
    """

    def __init__(self, rows: Iterable[ActivityRow], *, dated: bool, reordered: bool) -> None:
        self._dated, self._reordered = dated, reordered
        self._rows: dict[str, list[ActivityRow]] = {}
        for row in rows:
            self._rows.setdefault(row.subject, []).append(row)

    def knows(self, subject: str) -> bool:
        """Whether the end of the subject can be known."""
        rows = self._rows.get(subject, [])
        if not rows or any(row.damage or row.state is not RowState.ACTIONED for row in rows):
            return False
        if self._dated or isinstance(rows[0].what, Absence) or len(rows) == 1:
            return True
        changes = [row.what.changed for row in rows if isinstance(row.what, Booking)]
        in_order = not self._reordered and changes == sorted(changes)
        return in_order and all(row.attempts == 1 for row in rows)


def booking_end(booking: Booking, suppressed: frozenset[str]) -> BookingEnd:
    """The end of a booking's story. ``suppressed``: names of fields that are left out, lower-cased."""

    def sent(name: str, moment: datetime) -> datetime | None:
        return None if name in suppressed else to_utc(moment)

    return BookingEnd(
        booking_id=booking.booking_id,
        status=booking.state,
        planning_window_start=sent("planningwindowstart", booking.window.start),
        planning_window_end=sent("planningwindowend", booking.window.end),
        primary_order_number=booking.order.number,
        completion_status=None if "taskcompletionstatus" in suppressed else booking.outcome,
    )


def absence_end(absence: Absence, suppressed: frozenset[str]) -> AbsenceEnd:
    """The end of an absence's story. Without Action everything means created (facts, section 2), and nothing goes."""
    window = absence.window
    state = AbsenceState.ACTIVE if "action" in suppressed else absence.state
    return AbsenceEnd(absence.worker.resource, to_utc(window.start), to_utc(window.end), state)
