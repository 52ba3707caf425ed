"""When a source's pushes are to be expected: how long its silence may last, counted in its working hours.

DRS says nothing when it has nothing to say, so silence is only news where there is usually something. Confirmations are
made while people work; unavailabilities are sent each night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from receiver.fields import Kind

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONDAY_TO_FRIDAY = frozenset(WEEK[:5])
_DAY = timedelta(days=1)
_MOST = timedelta(days=366)  # longer silence is not counted hour by hour


class SilenceState(StrEnum):
    """What silence means: nothing is expected yet or at all, something should come soon, or should have come."""

    QUIET = "quiet"
    DUE = "due"
    SILENT = "silent"


@dataclass(frozen=True)
class Expected:
    """How long the silence of a kind may last; ``all_hours``: at any time, else only working hours count."""

    allowed: timedelta
    all_hours: bool = False


def _usual() -> dict[Kind, Expected]:
    return {
        Kind.CONFIRMATION: Expected(timedelta(hours=4)),
        Kind.UNAVAILABILITY: Expected(timedelta(hours=26), all_hours=True),
    }


@dataclass(frozen=True)
class Rhythm:
    """When a source works, in its own wall time, and what is expected of it; a kind without entry never is.

    ``begin`` is before ``end``; midnight as the end (00:00) is that of the next day.
    """

    days: frozenset[str] = _MONDAY_TO_FRIDAY
    begin: time = time(8)
    end: time = time(18)
    expected: Mapping[Kind, Expected] = field(default_factory=_usual)


@dataclass(frozen=True)
class Silence:
    """How long nothing came, in seconds: ``seconds`` by the clock, ``working_seconds`` of those in working hours.

    ``allowed_seconds`` is what is allowed of the one that counts for the kind, None where nothing is expected. Of what
    never came the seconds are None: silence then begins with the first push ever.
    """

    seconds: float | None
    working_seconds: float | None
    allowed_seconds: float | None
    state: SilenceState


def silence(rhythm: Rhythm, kind: Kind, last: datetime | None, now: datetime, zone: ZoneInfo) -> Silence:
    """What it means that the last push of that kind came at ``last`` (None: never), at ``now``; both aware.

    It is due when a quarter of what is allowed is left. What lies ahead, as a clock put back leaves it, is now.
    """
    expected = rhythm.expected.get(kind)
    allowed = expected.allowed.total_seconds() if expected is not None else None
    if last is None:
        return Silence(None, None, allowed, SilenceState.QUIET)
    seconds = max(0.0, (now - last).total_seconds())
    working = working_time(rhythm, last, now, zone).total_seconds()
    counted = seconds if expected is not None and expected.all_hours else working
    if allowed is None or counted <= allowed * 0.75:
        state = SilenceState.QUIET
    else:
        state = SilenceState.SILENT if counted > allowed else SilenceState.DUE
    return Silence(seconds, working, allowed, state)


def working_time(rhythm: Rhythm, since: datetime, until: datetime, zone: ZoneInfo) -> timedelta:
    """How much of the time from ``since`` to ``until`` lies in working hours; nothing when it is the wrong way round.

    An hour that the clocks skip is none, and one that they have twice is two. At most the last year is counted.
    """
    since, total = max(since, until - _MOST), timedelta()
    if since >= until:
        return total
    day, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last:
        if WEEK[day.weekday()] in rhythm.days:
            begin, end = hours_of(rhythm, day, zone)
            total += max(timedelta(), min(end, until) - max(begin, since))
        day += _DAY
    return total


def hours_of(rhythm: Rhythm, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When work begins and ends on that day, UTC."""
    last_day = day + _DAY if rhythm.end == time(0) else day
    begin = datetime.combine(day, rhythm.begin, zone).astimezone(UTC)
    return begin, datetime.combine(last_day, rhythm.end, zone).astimezone(UTC)
