"""What a DateTime, an Integer and a booking id look like, as regular expressions that XSD and Python read alike.

Only constructs with one meaning in both are used: no ``\\d`` (any script's digits in XSD), no named groups.
"""

from __future__ import annotations

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LONG = (1, 3, 5, 7, 8, 10, 12)
_SHORT = (4, 6, 9, 11)

_YEAR = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_FOURTH = "(0[48]|[2468][048]|[13579][26])"
_LEAP_YEAR = f"([0-9]{{2}}{_FOURTH}|{_FOURTH}00)"
_MINUTES = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SHORT_TIME = f"({_MINUTES}(:[0-5][0-9])?|24:00(:00)?)"
_ISO_TIME = f"({_MINUTES}(:[0-5][0-9](\\.[0-9]+)?)?|24:00(:00(\\.0+)?)?)"
_ZONE = "(Z|[+\\-]((0[0-9]|1[0-3]):?[0-5][0-9]|14:?00))?"


def month_numbers() -> dict[str, int]:
    """English month abbreviations, upper case, to 1..12."""
    return {name: number for number, name in enumerate(_MONTHS, start=1)}


def _name(month: int) -> str:
    return "".join(f"[{letter}{letter.lower()}]" for letter in _MONTHS[month - 1])


def _digits(month: int) -> str:
    return f"{month:02d}"


def _any(options: list[str]) -> str:
    return "(" + "|".join(options) + ")"


def _day_first(month: str, separator: str) -> str:
    """A calendar date, day before month before year, that exists in the Gregorian calendar."""
    spell = _name if month == "name" else _digits
    long, short = _any([spell(m) for m in _LONG]), _any([spell(m) for m in _SHORT])
    february, s = spell(2), separator
    return _any(
        [
            f"(0[1-9]|[12][0-9]|3[01]){s}{long}{s}{_YEAR}",
            f"(0[1-9]|[12][0-9]|30){s}{short}{s}{_YEAR}",
            f"(0[1-9]|1[0-9]|2[0-8]){s}{february}{s}{_YEAR}",
            f"29{s}{february}{s}{_LEAP_YEAR}",
        ]
    )


def _iso_date() -> str:
    long, short = _any([_digits(m) for m in _LONG]), _any([_digits(m) for m in _SHORT])
    return _any(
        [
            f"{_YEAR}-{long}-(0[1-9]|[12][0-9]|3[01])",
            f"{_YEAR}-{short}-(0[1-9]|[12][0-9]|30)",
            f"{_YEAR}-02-(0[1-9]|1[0-9]|2[0-8])",
            f"{_LEAP_YEAR}-02-29",
        ]
    )


def iso_datetime() -> str:
    """``2021-05-27T14:21:01``, seconds optional, with a fraction, ``Z`` or an offset where sent."""
    return f"{_iso_date()}T{_ISO_TIME}{_ZONE}"


def vendor_datetime() -> str:
    """``01-JUN-2005 13:30`` or with seconds; month in any case."""
    return f"{_day_first('name', '-')} {_SHORT_TIME}"


def day_first_datetime() -> str:
    """``14/06/2016 13:53:38``, seconds optional."""
    return f"{_day_first('digits', '/')} {_SHORT_TIME}"


def datetime_patterns() -> tuple[str, ...]:
    """The three forms of a DateTime (facts, section 2)."""
    return iso_datetime(), vendor_datetime(), day_first_datetime()


def integer() -> str:
    """A whole number that fits 64 bits.

    Written so that each character can be read in one way only: a matcher keeps a note of every other, and a value
    may have millions.
    """
    return "[+\\-]?(0+([1-9][0-9]{0,17})?|[1-9][0-9]{0,17})"


def booking_id() -> str:
    """Text holding an integer."""
    return "[+\\-]?[0-9]+"


def not_blank() -> str:
    """Any text with something other than white space in it."""
    return "[\\s\\S]*[^ \\t\\n\\r][\\s\\S]*"
