"""DateTimes as DRS writes them, read as instants (facts, section 2, DateTime)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from receiver.fields.patterns import month_numbers

_OFFSET = r"[+-](?:(?:0\d|1[0-3]):?[0-5]\d|14:?00)"
_ISO = re.compile(
    rf"(\d{{4}})-(\d{{2}})-(\d{{2}})T(\d{{2}}):(\d{{2}})(?::(\d{{2}})(?:\.(\d+))?)?(Z|{_OFFSET})?", re.ASCII
)
_USUAL_LENGTH = 64
_VENDOR = re.compile(r"(\d{2})-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{2})/(\d{2})/(\d{4}) (\d{2}):(\d{2})(?::(\d{2}))?", re.ASCII)


class Oddity(StrEnum):
    """Why an instant is a choice, or not to be had."""

    AMBIGUOUS = "ambiguous_time"
    NONEXISTENT = "nonexistent_time"
    OUT_OF_RANGE = "out_of_range_time"


@dataclass(frozen=True)
class Moment:
    """``utc`` is the instant, aware, in UTC; None when it lies outside years 1 to 9999. ``oddity`` says what is odd."""

    utc: datetime | None
    oddity: Oddity | None = None


def _wall(text: str) -> tuple[datetime, int, str | None] | None:
    """Date with hour 24 taken as hour 0, the days to add for that, and the zone as written."""
    if found := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = found.groups()
    elif found := _VENDOR.fullmatch(text):
        day, name, year, hour, minute, second = found.groups()
        month, fraction, zone = str(month_numbers().get(name.upper(), 0)), None, None
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year, hour, minute, second = found.groups()
        fraction = zone = None
    else:
        return None
    midnight = hour == "24"
    if midnight and (minute != "00" or int(second or 0) or (fraction or "").strip("0")):
        return None
    micros = int((fraction or "")[:6].ljust(6, "0"))
    parts = (
        int(year),
        int(month),
        int(day),
        0 if midnight else int(hour),
        int(minute),
        int(second or 0),
        micros,
    )
    return datetime(*parts), int(midnight), zone  # noqa: DTZ001 - wall time: the caller gives it its zone


def _offset(zone: str) -> timezone:
    if zone == "Z":
        return UTC
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))


def _oddity(local: datetime, zone: ZoneInfo) -> Oddity | None:
    first, second = (
        local.replace(tzinfo=zone, fold=0).utcoffset(),
        local.replace(tzinfo=zone, fold=1).utcoffset(),
    )
    if first == second or first is None or second is None:
        return None
    return Oddity.AMBIGUOUS if first > second else Oddity.NONEXISTENT


def read_moment(text: str, zone: ZoneInfo) -> Moment:
    """The instant that ``text`` names; without a zone of its own it is local wall time in ``zone``.

    24:00 is the next midnight. Of two instants that an autumn clock change gives one wall time, the earlier is
    taken; a wall time skipped in spring is read with the offset from before the change. Both are flagged. Fractions
    beyond microseconds are cut. Raises ValueError when the text is none of the three forms or no date.
    """
    # A fraction may have millions of digits: what is remembered must be small.
    return _remembered(text, zone) if len(text) <= _USUAL_LENGTH else _moment(text, zone)


@lru_cache(maxsize=4096)
def _remembered(text: str, zone: ZoneInfo) -> Moment:
    return _moment(text, zone)


@lru_cache(maxsize=4096)
def written(instant: datetime) -> str:
    """An instant in UTC as ISO 8601; remembered, as records of one push have many in common."""
    return instant.isoformat()


def _moment(text: str, zone: ZoneInfo) -> Moment:
    found = _wall(text)
    if found is None:
        raise ValueError(text)
    wall, days, written = found
    try:
        wall += timedelta(days=days)
        if written is not None:
            return Moment(wall.replace(tzinfo=_offset(written)).astimezone(UTC))
        oddity = _oddity(wall, zone)
        return Moment(wall.replace(tzinfo=zone).astimezone(UTC), oddity)
    except OverflowError:
        return Moment(None, Oddity.OUT_OF_RANGE)
