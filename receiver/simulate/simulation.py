"""The simulated DRS as a whole: days of stories, the activity table they fill, and the service that tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from receiver.fields import FieldTable, Kind

from .activity import ActivityTable
from .archive import DeletionArchive
from .dialect import Dialect
from .ends import AbsenceEnd, BookingEnd, Knowable, absence_end, booking_end
from .faults import Faults, Mischief
from .job import Booking
from .sender import Sender
from .service import BackgroundService, Figures
from .sheet import Sheet
from .story import Happening, Story, stories_of_day

# The day's first run, at 00:30, extracts the absences that were scheduled the day before (facts, section 1).
_FIRST_RUN = time(0, 30)


@dataclass(frozen=True)
class Plan:
    """What is simulated. ``interval``: simulated time between the service's runs; ``max_attempts``: of one row."""

    seed: int = 1
    stories: int = 48
    dialects: tuple[Dialect, ...] = (Dialect(),)
    faults: Faults = field(default_factory=Faults)
    suppressed: tuple[str, ...] = ()
    interval: timedelta = timedelta(hours=4)
    max_attempts: int = 20


@dataclass(frozen=True)
class Progress:
    """Where the simulation is: ``clock`` is naive Europe/London wall time in the simulated day, the rest are counts.

    ``unconnected``: the last so many runs found no receiver to take the connection.
    """

    clock: datetime | None
    waiting: int
    actioned: int
    failed: int
    unconnected: int
    figures: Figures


class Simulation:
    """Plays days. Everything but the network is decided by the plan and the day; the caller lets real time pass."""

    def __init__(self, plan: Plan, fields: FieldTable, sender: Sender) -> None:
        self._plan = plan
        self.table = ActivityTable()
        self._archive = DeletionArchive()
        self._absences: list[Happening] = []
        self._mischief = Mischief(plan.faults, plan.seed)
        self._sheet = Sheet(fields, plan.suppressed)
        self._service = BackgroundService(
            self.table,
            fields,
            sender,
            dialects=plan.dialects,
            mischief=self._mischief,
            sheet=self._sheet,
            max_attempts=plan.max_attempts,
        )
        self._clock: datetime | None = None
        self._stories: list[Story] = []
        self._unconnected = self._added = 0

    @property
    def progress(self) -> Progress:
        """Where the simulation is now."""
        table = self.table
        return Progress(
            clock=self._clock,
            waiting=table.waiting,
            actioned=table.actioned,
            failed=table.failed,
            unconnected=self._unconnected,
            figures=replace(self._service.figures),
        )

    def play(self, day: date) -> Iterator[Progress]:
        """One day (local), a run at a time, until 00:30 of the next; rows may be left waiting."""
        self.table.purge()
        self._stories = stories_of_day(self._plan.seed, day, self._plan.stories)
        coming = sorted((h for s in self._stories for h in s.happenings), key=lambda h: h.at)
        begin = datetime.combine(day, _FIRST_RUN)
        for moment in _moments(begin, begin + timedelta(days=1), self._plan.interval):
            due = [h for h in coming if h.at <= moment]
            del coming[: len(due)]
            for happening in due:
                self._happen(happening)
            self._extract(moment)
            self._clock = moment
            yield self._run()

    def drain(self) -> Iterator[Progress]:
        """Runs until no row waits."""
        while self.table.waiting:
            yield self._run()

    def ends(self) -> list[BookingEnd | AbsenceEnd]:
        """The ends of the last day's stories, of those that can be known (see ``Knowable``)."""
        suppressed = self._sheet.suppressed
        dated = all(self._service.is_dated(kind) for kind in Kind if kind is not Kind.UNAVAILABILITY)
        knowable = Knowable(self.table, dated=dated, reordered=self._plan.faults.reorder)
        return [
            booking_end(what, suppressed) if isinstance(what, Booking) else absence_end(what, suppressed)
            for story in self._stories
            for what in story.ends
            if knowable.knows(what.subject)
        ]

    def _run(self) -> Progress:
        self._unconnected = 0 if self._service.run() else self._unconnected + 1
        return self.progress

    def _happen(self, happening: Happening) -> None:
        """Deletions and absences are kept for their extractions; everything else is a row at once."""
        if happening.kind is Kind.UNAVAILABILITY:
            self._absences.append(happening)
        elif happening.kind is Kind.CANCELLATION and isinstance(happening.what, Booking):
            self._archive.add(happening.what)
        else:
            self._add(happening, happening.at)

    def _extract(self, moment: datetime) -> None:
        """Cancellations at every run, absences by night (facts, section 1)."""
        for booking in self._archive.extract():
            self._add(Happening(booking.changed, booking), moment)
        if moment.time() == _FIRST_RUN:
            for happening in self._absences:
                self._add(happening, moment)
            self._absences.clear()

    def _add(self, happening: Happening, created_at: datetime) -> None:
        self._added += 1
        self.table.add(happening.kind, happening.what, created_at, self._mischief.damage(self._added))


def _moments(first: datetime, last: datetime, interval: timedelta) -> Iterator[datetime]:
    moment = first
    while moment < last:
        yield moment
        moment += interval
    yield last
