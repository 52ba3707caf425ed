"""Life stories of bookings and absences, told step by step, each with the end it must come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from receiver.fields import Kind

from .desk import Desk
from .job import Absence, Booking, BookingState
from .numbers import Numbers

_What = TypeVar("_What", Booking, Absence)
_KINDS = {
    BookingState.CONFIRMED: Kind.CONFIRMATION,
    BookingState.CANCELLED: Kind.CANCELLATION,
    BookingState.COMPLETED: Kind.COMPLETION,
}


@dataclass(frozen=True)
class Happening:
    """Something that DRS will tell: what it was ``at`` that naive local time."""

    at: datetime
    what: Booking | Absence

    @property
    def kind(self) -> Kind:
        """The kind of notification that it makes."""
        return Kind.UNAVAILABILITY if isinstance(self.what, Absence) else _KINDS[self.what.state]


@dataclass(frozen=True)
class Story:
    """``happenings`` in order of time, and ``ends``: every booking and absence of the story as it stands at last."""

    name: str
    happenings: tuple[Happening, ...]
    ends: tuple[Booking | Absence, ...]


class _Teller:
    """Collects what happens, and what each booking and absence was last."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.happenings: list[Happening] = []
        self.ends: dict[str, Booking | Absence] = {}

    def tell(self, what: _What) -> _What:
        """It is so from now on."""
        self.happenings.append(Happening(self._desk.now, what))
        self.ends[what.subject] = what
        return what


def _scheduled(desk: Desk, teller: _Teller) -> None:
    teller.tell(desk.book(desk.order(), 6))


def _scheduled_for_winter(desk: Desk, teller: _Teller) -> None:
    """A service visit so far ahead that the clocks change before it."""
    teller.tell(desk.book(desk.order(rates=1), 183))


def _moved_twice(desk: Desk, teller: _Teller) -> None:
    booking = teller.tell(desk.book(desk.order(), 3))
    booking = teller.tell(desk.move(booking, 5, "Tenant changed"))
    teller.tell(desk.move(booking, 9))


def _followed_on(desk: Desk, teller: _Teller) -> None:
    order = desk.order()
    first = teller.tell(desk.book(order, 0))
    teller.tell(desk.complete(first, "FOLLOW ON"))
    teller.tell(desk.book(order, 7, sequence="FOLLOW ON", after=first))


def _multi_day(desk: Desk, teller: _Teller) -> None:
    """Each booking of a multi-day job says FIRST (facts, section 2)."""
    order = desk.order(rates=3)
    for day in (4, 5, 6):
        teller.tell(desk.book(order, day))


def _completed(desk: Desk, teller: _Teller) -> None:
    teller.tell(desk.complete(teller.tell(desk.book(desk.order(), 0)), "CO"))


def _moved_and_completed(desk: Desk, teller: _Teller) -> None:
    booking = teller.tell(desk.book(desk.order(), 1))
    booking = teller.tell(desk.move(booking, 0, "Tenant changed"))
    teller.tell(desk.complete(booking, "CO"))


def _refused(desk: Desk, teller: _Teller) -> None:
    """Two visits of one order, both turned away (facts, section 4: COMPLETED includes visits that failed)."""
    order = desk.order()
    visits = [teller.tell(desk.book(order, 0)) for _ in range(2)]
    for visit in visits:
        teller.tell(desk.complete(visit, "REFUSAL"))


def _no_access(desk: Desk, teller: _Teller) -> None:
    order = desk.order()
    first = teller.tell(desk.book(order, 0))
    teller.tell(desk.complete(first, "NO ACCESS"))
    teller.tell(desk.book(order, 4, sequence="2nd visit", after=first))


def _cancelled(desk: Desk, teller: _Teller) -> None:
    teller.tell(desk.cancel(teller.tell(desk.book(desk.order(), 8))))


def _replaced(desk: Desk, teller: _Teller) -> None:
    """The first booking of an order is cancelled after the second was made: the second stays."""
    order = desk.order()
    first = teller.tell(desk.book(order, 2))
    teller.tell(desk.book(order, 3))
    teller.tell(desk.cancel(first))


def _reinstated(desk: Desk, teller: _Teller) -> None:
    booking = teller.tell(desk.book(desk.order(), 10))
    booking = teller.tell(desk.cancel(booking))
    teller.tell(desk.reinstate(booking))


def _holiday(desk: Desk, teller: _Teller) -> None:
    desk.yesterday_afternoon()
    teller.tell(desk.absence(14, timedelta(days=10), "Holiday", ""))


def _dentist(desk: Desk, teller: _Teller) -> None:
    desk.yesterday_afternoon()
    absence = teller.tell(desk.absence(2, timedelta(hours=2), "Appointment", "Dentist"))
    desk.now += timedelta(days=1)
    teller.tell(desk.amend(absence, "Dentist, back by 12"))


def _well_again(desk: Desk, teller: _Teller) -> None:
    desk.yesterday_afternoon()
    absence = teller.tell(desk.absence(1, timedelta(days=3), "Sickness", "Self-certified"))
    desk.now += timedelta(days=1)
    teller.tell(desk.remove(absence))


def _training_extended(desk: Desk, teller: _Teller) -> None:
    """A new span is a new absence, and the old one is taken back."""
    desk.yesterday_afternoon()
    absence = teller.tell(desk.absence(20, timedelta(days=1), "Training", "Asbestos awareness"))
    desk.now += timedelta(days=1)
    teller.tell(desk.remove(absence))
    teller.tell(desk.extend(absence, timedelta(days=1)))


_STORIES: tuple[Callable[[Desk, _Teller], None], ...] = (
    _moved_twice,
    _completed,
    _cancelled,
    _holiday,
    _refused,
    _followed_on,
    _multi_day,
    _dentist,
    _scheduled,
    _replaced,
    _no_access,
    _well_again,
    _moved_and_completed,
    _reinstated,
    _training_extended,
    _scheduled_for_winter,
)


def story_names() -> tuple[str, ...]:
    """Every kind of story, in words, in the order a day tells them."""
    return tuple(tell.__name__.strip("_").replace("_", " ") for tell in _STORIES)


def stories_of_day(seed: int, day: date, number: int) -> list[Story]:
    """That many stories of one day (local), each kind in turn; the same for the same seed, day and number."""
    numbers = Numbers(seed, day)
    told = []
    for n in range(number):
        which = n % len(_STORIES)
        desk = Desk(seed, day, numbers, n)
        teller = _Teller(desk)
        _STORIES[which](desk, teller)
        told.append(Story(story_names()[which], tuple(teller.happenings), tuple(teller.ends.values())))
    return told
