"""Strategies for the values that fields may hold, as they stand on the wire and as they are meant."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from receiver.fields import Field, FieldType

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOUR = timedelta(hours=1)
_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)


@dataclass(frozen=True)
class Sent:
    """``wire`` is the text of the element, ``value`` what a record holds of it in canonical form."""

    wire: str
    value: object


def _allowed(character: str) -> bool:
    """Characters of XML 1.0 (2.2), the two that end every plane left out."""
    code = ord(character)
    return character in "\t\n\r" or (code >= 0x20 and code & 0xFFFE != 0xFFFE)


@cache
def xml_characters() -> st.SearchStrategy[str]:
    """Any character that an XML document may hold: astral ones, quotes, and the controls that are let through."""
    odd = st.sampled_from("\t\n\r \u0085\u00a0\u2028\u200f\ufeff&<>'\"]é€ßİ\U0001f600\U0002070e")
    return odd | st.characters(codec="utf-8").filter(_allowed)


@cache
def texts(most: int | None, *, blank: bool = True) -> st.SearchStrategy[str]:
    """Texts of 1 to ``most`` characters; ``blank``: also of nothing but white space."""
    length = most or 400
    usual = st.sampled_from(["480", "1.00", "0.0", "N373049", "L835574", "00032896", "FIRST", " padded ", "Zoë's", "0"])
    short = st.text(xml_characters(), min_size=1, max_size=8)
    full = short.map(lambda t: (t * length)[:length])
    found = usual | short | full
    return found if blank else found.filter(lambda t: bool(t.strip(" \t\r\n")))


def _digits(most: int) -> st.SearchStrategy[str]:
    return st.integers(0, 10**most - 1).map(str)


@cache
def integers() -> st.SearchStrategy[str]:
    """Whole numbers of at most 18 digits, leading zeros and signs included."""
    zeros = st.integers(0, 30).map(lambda n: "0" * n)
    return st.builds("{}{}{}".format, st.sampled_from(["", "-", "+"]), zeros, _digits(18))


@cache
def booking_ids() -> st.SearchStrategy[str]:
    """Text holding an integer, of at most 50 characters."""
    zeros = st.integers(0, 3).map(lambda n: "0" * n)
    return st.builds("{}{}{}".format, st.sampled_from(["", "-", "+"]), zeros, _digits(46) | _digits(6))


@dataclass(frozen=True)
class Time:
    """A wall time as written. ``late``: written as 24:00 of the day before. ``zone``: ``Z``, an offset, or nothing."""

    wall: datetime
    zone: str = ""
    late: bool = False

    @property
    def day(self) -> datetime:
        return self.wall - timedelta(days=1) if self.late else self.wall

    def clock(self, *, seconds: bool) -> str:
        """The time of day, fraction excluded."""
        if self.late:
            return "24:00:00" if seconds else "24:00"
        return self.wall.strftime("%H:%M:%S" if seconds else "%H:%M")

    def iso(self, fraction: str = "") -> str:
        """``2021-05-27T14:21:01``, with ``fraction`` (digits) and zone."""
        d = self.day
        digits = f".{fraction}" if fraction else ""
        return f"{d.year:04d}-{d.month:02d}-{d.day:02d}T{self.clock(seconds=True)}{digits}{self.zone}"

    def vendor(self, *, seconds: bool, upper: bool) -> str:
        """``02-JUL-2021 08:00``; has no zone."""
        d = self.day
        month = _MONTHS[d.month - 1].upper() if upper else _MONTHS[d.month - 1]
        return f"{d.day:02d}-{month}-{d.year:04d} {self.clock(seconds=seconds)}"

    def day_first(self, *, seconds: bool) -> str:
        """``14/06/2016 13:53:38``; has no zone."""
        d = self.day
        return f"{d.day:02d}/{d.month:02d}/{d.year:04d} {self.clock(seconds=seconds)}"

    def spellings(self) -> list[str]:
        """Every way to write this instant that the forms allow."""
        found = [self.iso(), self.iso("000"), self.iso("0000000000")]
        if not self.zone:
            short = (False, True) if self.wall.second == 0 else (True,)
            found += [self.vendor(seconds=s, upper=u) for s in short for u in (False, True)]
            found += [self.day_first(seconds=s) for s in short]
        return found


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, calendar.monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() + 1) % 7)


def london_utc(wall: datetime) -> datetime:
    """Wall time in London, years 1996 and later, as UTC by the rule itself: the earlier of two, the offset from before
    the change for a skipped one."""
    spring = _last_sunday(wall.year, 3) + 2 * _HOUR
    autumn = _last_sunday(wall.year, 10) + 2 * _HOUR
    summer = spring <= wall < autumn
    return (wall - _HOUR if summer else wall).replace(tzinfo=UTC)


def instant(time: Time) -> datetime:
    """What ``time`` means at a site in London, in UTC; zoneless ones from 1996 on."""
    if time.zone in ("", "Z"):
        return time.wall.replace(tzinfo=UTC) if time.zone else london_utc(time.wall)
    offset = timedelta(hours=int(time.zone[1:3]), minutes=int(time.zone[4:6]))
    utc = time.wall + offset if time.zone[0] == "-" else time.wall - offset
    return utc.replace(tzinfo=UTC)


_FORMATS = ("%d-%b-%Y %H:%M", "%d-%b-%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")


def meant(text: str) -> datetime | None:
    """The instant of a valid DateTime at a site in London, in UTC; None when it lies outside all years."""
    late = len(re.findall("[T ]24:", text))
    text = re.sub("([T ])24:", r"\g<1>00:", text)
    try:
        day = _wall(text) + timedelta(days=late)
        if day.tzinfo is not None:
            return day.astimezone(UTC)
        return london_utc(day) if day.year >= 1996 else day.replace(tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)
    except OverflowError:
        return None


def _wall(text: str) -> datetime:
    if text[4] == "-":
        return datetime.fromisoformat(text)
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - wall time
        except ValueError:
            continue
    raise ValueError(text)


_CHANGES = [datetime(2021, 3, 28, 1, 30), datetime(2021, 10, 31, 1, 30), datetime(2021, 7, 2, 8), datetime(2020, 2, 29)]
_ENDS = [_FIRST, _LAST, datetime(1752, 9, 3, 12), datetime(9999, 12, 31)]
_OFFSETS = st.builds(
    "{}{:02d}:{:02d}".format, st.sampled_from("+-"), st.integers(0, 13), st.sampled_from([0, 30, 45, 59])
)
ZONES = st.sampled_from(["Z", "+01:00", "-00:00", "+14:00", "-14:00"]) | _OFFSETS


@st.composite
def times(draw: st.DrawFn, first: datetime = _FIRST, last: datetime = _LAST, *, ends: bool = True) -> Time:
    """Times of whole seconds, changes of the clocks among them, and (``ends``) the first and last that there are."""
    walls = st.sampled_from(_CHANGES + (_ENDS if ends else [])) | st.datetimes(first, last)
    wall = draw(walls).replace(microsecond=0)
    zone = draw(st.just("") | ZONES)
    midnight = (wall.hour, wall.minute, wall.second) == (0, 0, 0) and wall > _FIRST
    return Time(wall, zone, late=midnight and draw(st.booleans()))


@st.composite
def written_times(draw: st.DrawFn, of: st.SearchStrategy[Time] | None = None) -> str:
    """A time in one of the three forms, fractions included."""
    time = draw(times() if of is None else of)
    if not time.late and draw(st.integers(0, 3)) == 0:
        return time.iso(draw(st.sampled_from(["5", "123", "123456", "1234567899", "999999999999"])))
    return draw(st.sampled_from(time.spellings()))


def _padded(found: st.SearchStrategy[str]) -> st.SearchStrategy[Sent]:
    pads = st.sampled_from(["", "", "", " ", "\n\t", "\r\n"])
    return st.builds(lambda before, value, after: Sent(before + value + after, value), pads, found, pads)


@cache
def field_values(field: Field, of_times: st.SearchStrategy[Time] | None = None) -> st.SearchStrategy[Sent]:
    """Valid, non-empty values of ``field``. ``texts`` fields are not for here: they hold elements."""
    match field.type:
        case FieldType.TEXT:
            return texts(field.length, blank=not field.identifies).map(lambda t: Sent(t, t))
        case FieldType.INTEGER:
            return _padded(integers())
        case FieldType.BOOKING_ID:
            return _padded(booking_ids())
        case FieldType.DATETIME:
            return _padded(written_times(of_times))
        case FieldType.TEXTS:
            raise ValueError(field.name)
