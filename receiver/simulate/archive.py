"""Deleted bookings, kept in two archiving tables; a periodic extraction makes them cancellations (facts, section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .job import Booking


@dataclass(frozen=True)
class Deletion:
    """A line of the first table: which booking was deleted, by whom and when (naive local time)."""

    number: int
    booking_id: str
    user: str
    deleted_at: datetime


class DeletionArchive:
    """The two tables: deletions, and the bookings as they stood when they were deleted. A rebuild leaves both alone."""

    def __init__(self) -> None:
        self._deletions: list[Deletion] = []
        self._bookings: dict[int, Booking] = {}
        self._extracted = 0

    def add(self, booking: Booking) -> None:
        """Keep a booking that a user has just deleted."""
        number = self._extracted + len(self._deletions) + 1
        self._deletions.append(Deletion(number, booking.booking_id, booking.user, booking.changed))
        self._bookings[number] = booking

    def extract(self) -> list[Booking]:
        """The bookings deleted since the last extraction, in order of deletion; none is extracted twice."""
        found = [self._bookings.pop(deletion.number) for deletion in self._deletions]
        self._extracted += len(self._deletions)
        self._deletions.clear()
        return found
