"""The scheduling desk of one day: what people and DRS's own rules do to orders, bookings and absences."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

from . import council
from .chance import chance
from .job import Absence, AbsenceState, Booking, BookingState, Order, Window
from .numbers import Numbers

_SLOTS = ((time(8), time(12)), (time(12), time(17)), (time(8), time(17)))


class Desk:
    """Works through one story: ``now`` is its naive local time, which each step moves on.

    Stories start between 08:00 and 13:00, and no step takes longer than 90 minutes, so that they end on the same day
    and no time in them is one that a clock change skips or repeats.
    """

    def __init__(self, seed: int, day: date, numbers: Numbers, story: int) -> None:
        self._choice = chance(seed, day, "story", story)
        self._numbers = numbers
        self.day = day
        self.now = datetime.combine(day, time(8)) + timedelta(seconds=self._choice.randrange(5 * 3600))

    def later(self, least: int = 10, most: int = 90) -> datetime:
        """Let some minutes pass."""
        self.now += timedelta(seconds=self._choice.randrange(least * 60, most * 60))
        return self.now

    def yesterday_afternoon(self) -> None:
        """Go back to the day before, after lunch: what the next night's extraction finds."""
        self.now = datetime.combine(self.day - timedelta(days=1), time(13))
        self.later()

    def window(self, days_ahead: int) -> Window:
        """A slot that tenants are offered, that many days from today; today, the coming hours."""
        if not days_ahead:
            soon = self.now.replace(minute=0, second=0)
            return Window(soon, soon + timedelta(hours=8))
        start, end = self._choice.choice(_SLOTS)
        day = self.day + timedelta(days=days_ahead)
        return Window(datetime.combine(day, start), datetime.combine(day, end))

    def order(self, *, rates: int = 2) -> Order:
        """A new order of a trade, with up to that many lines of the schedule of rates."""
        choice = self._choice
        trade = choice.choice(council.TRADES)
        street, post_code, latitude, longitude = choice.choice(council.STREETS)
        number = self._numbers.order_number()
        house = choice.randrange(1, 180)
        place = council.Place(f"LOC{house:06d}", f"{house} {street}", street, post_code, latitude, longitude)
        return Order(
            order_id=self._numbers.order_id(),
            number=number,
            secondary=choice.choice(("", f"WO-{number}")),
            tertiary=choice.choice(("", "", f"CRM/{number}")),
            contract=choice.choice(council.CONTRACTS),
            place=place,
            trade=trade,
            rates=tuple(choice.sample(trade.rates, min(rates, len(trade.rates)))),
            priority=choice.choice(council.PRIORITIES),
            raised=self.now,
            target=datetime.combine(self.day + timedelta(days=21), time(23, 59)),
            comments=choice.choice(council.JOB_COMMENTS),
            operatives=choice.choice((1, 1, 2)),
            user=choice.choice(council.SCHEDULERS),
        )

    def book(self, order: Order, days_ahead: int, *, sequence: str = "FIRST", after: Booking | None = None) -> Booking:
        """A new booking of the order. ``after``: the one it follows."""
        booking_id = self._numbers.booking_id()
        return Booking(
            booking_id=booking_id,
            order=order,
            token=self._numbers.token(booking_id),
            window=self.window(days_ahead),
            reason="FIRST" if after is None else sequence,
            sequence=sequence,
            original=after.booking_id if after else None,
            user=self._choice.choice(council.SCHEDULERS),
            changed=self.later(1, 20),
            worker=self._worker(),
        )

    def move(self, booking: Booking, days_ahead: int, reason: str | None = None) -> Booking:
        """The booking in another window, for a reason."""
        why = reason or self._choice.choice(council.MOVE_REASONS)
        user = self._choice.choice(council.SCHEDULERS)
        window = self.window(days_ahead)
        return replace(booking, window=window, reason=why, user=user, changed=self.later())

    def cancel(self, booking: Booking) -> Booking:
        """The booking deleted by a user."""
        user = self._choice.choice(council.SCHEDULERS)
        return replace(booking, state=BookingState.CANCELLED, user=user, changed=self.later())

    def reinstate(self, booking: Booking) -> Booking:
        """A cancelled booking scheduled again under its own id."""
        return replace(booking, state=BookingState.CONFIRMED, changed=self.later())

    def complete(self, booking: Booking, outcome: str) -> Booking:
        """The visit is over, well or not."""
        ended = self.later()
        comments = self._choice.choice(council.OPERATOR_COMMENTS)
        return replace(
            booking, state=BookingState.COMPLETED, outcome=outcome, ended=ended, changed=ended, comments=comments
        )

    def absence(self, days_ahead: int, length: timedelta, reason: str, comments: str) -> Absence:
        """A worker off from 09:00, or all day where the length is in whole days."""
        self.later()
        whole = length % timedelta(days=1) == timedelta(0)
        start = datetime.combine(self.day + timedelta(days=days_ahead), time(0 if whole else 9))
        worker = replace(self._worker(), resource=self._numbers.resource())
        return Absence(worker, Window(start, start + length), "ADD", reason, comments)

    def amend(self, absence: Absence, comments: str) -> Absence:
        """Something other than the absence's span is put right."""
        self.later()
        return replace(absence, action="AMEND", comments=comments)

    def extend(self, absence: Absence, by: timedelta) -> Absence:
        """The absence in its new span; DRS takes the old one back beside it."""
        return replace(absence, window=Window(absence.window.start, absence.window.end + by), action="ADD")

    def remove(self, absence: Absence) -> Absence:
        """The worker is there after all."""
        self.later()
        return replace(absence, action="DELETE", state=AbsenceState.REMOVED)

    def _worker(self) -> council.Worker:
        number = self._choice.randrange(len(council.WORKERS))
        return council.Worker(f"W{10 + number}", f"EMP{4400 + number:05d}", council.WORKERS[number])
