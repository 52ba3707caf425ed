"""DateTimes: what is one, which instant it is, and what is odd about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from receiver.fields.patterns import datetime_patterns
from receiver.fields.xsd import XSD
from receiver.messages.moments import Moment, Oddity, read_moment
from tests.support.profiles import examples
from tests.support.pushes import fields, unavailability
from tests.support.reading import judged
from tests.support.values import Time, instant, times, written_times

IDENTITY = fields({"bookingId": "1", "primaryOrderNumber": "A1"})
LONDON = ZoneInfo("Europe/London")
PATTERNS = [re.compile(p) for p in datetime_patterns()]


def utc(text: str, zone: str = "Europe/London") -> str:
    found = read_moment(text, ZoneInfo(zone)).utc
    assert found is not None
    assert found.tzinfo is UTC
    return found.replace(tzinfo=None).isoformat()


def accepted(text: str) -> bool:
    try:
        read_moment(text, LONDON)
    except ValueError:
        return False
    return True


def matches(text: str) -> bool:
    return any(p.fullmatch(text) for p in PATTERNS)


def xsd_type() -> etree.XMLSchema:
    facets = "".join(f'<xs:pattern value="{p}"/>' for p in datetime_patterns())
    kind = f'<xs:simpleType><xs:restriction base="xs:string">{facets}</xs:restriction></xs:simpleType>'
    return etree.XMLSchema(
        etree.fromstring(f'<xs:schema xmlns:xs="{XSD}"><xs:element name="at">{kind}</xs:element></xs:schema>')
    )


# What is a DateTime


def near_times() -> st.SearchStrategy[str]:
    """Times that are right, and times with a part or two put out."""
    number = st.integers(0, 99).map("{:02d}".format) | st.sampled_from(
        ["24", "29", "30", "31", "60", "1", "001", "\u0663\u0661"]
    )
    year = st.integers(0, 9999).map("{:04d}".format) | st.sampled_from(["0000", "1900", "2000", "2024", "10000", "21"])
    month = st.sampled_from(["JAN", "feb", "Apr", "dEC", "MAI", "Ja", "JANU", "13", "\u017fep"])
    fraction = st.sampled_from(["", "", "", ".", ".5", ".000", ".1234567890", "," + "5", "." + "0" * 5000])
    zone = st.sampled_from(
        ["", "", "Z", "z", "+01:00", "-14:00", "+14:01", "+15:00", "+1:00", "+0100", "-00:00", "+24:00"]
    )
    seconds = st.just("") | number.map(":{}".format)
    return st.one_of(
        written_times(),
        st.builds("{}-{}-{}T{}:{}{}{}{}".format, year, number, number, number, number, seconds, fraction, zone),
        st.builds("{}-{}-{}T24:00:00{}{}".format, year, number, number, fraction, zone),
        st.builds("{}-{}-{} {}:{}{}".format, number, month, year, number, number, seconds),
        st.builds("{}/{}/{} {}:{}{}".format, number, number, year, number, number, seconds),
        st.builds("{}/{}/{} 24:{}{}".format, number, number, year, number, seconds),
        st.from_regex(PATTERNS[0], fullmatch=True),
        st.text(alphabet="0123456789-/:TZ+. ", max_size=25),
    )


@given(near_times())
@settings(max_examples=examples(30))
@example("2021-05-27T14:21:01\n")
@example("2021-05-27T14:21:01+14:30")
@example("2021-05-27T24:00:00." + "0" * 5000)
@example("1900-02-29T00:00:00")
@example("0000-01-01T00:00:00")
@example("01-jan-2021 24:00:01")
def test_python_reads_exactly_what_the_xsd_takes(text: str) -> None:
    assert accepted(text) == matches(text)


@given(near_times())
@settings(max_examples=examples(10))
def test_the_patterns_mean_the_same_in_python_and_in_xsd(text: str) -> None:
    document = etree.Element("at")
    document.text = text
    assert XSD_TYPE.validate(document) == matches(text)


XSD_TYPE = xsd_type()


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("year", [1, 1900, 2000, 2021, 2024, 2100, 9999])
def test_every_day_of_the_calendar_is_taken_and_no_other(year: int, month: int) -> None:
    for day in range(33):
        try:
            datetime(year, month, day)
        except ValueError:
            exists = False
        else:
            exists = True
        iso = f"{year:04d}-{month:02d}-{day:02d}T12:00:00"
        first = f"{day:02d}/{month:02d}/{year:04d} 12:00"
        assert (matches(iso), accepted(iso), matches(first), accepted(first)) == (exists,) * 4


# Which instant it is


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-07-02T08:00:00", "2021-07-02T07:00:00"),
        ("2021-01-02T08:00:00", "2021-01-02T08:00:00"),
        ("2021-07-02T08:00:00+01:00", "2021-07-02T07:00:00"),
        ("2021-07-02T08:00:00Z", "2021-07-02T08:00:00"),
        ("2021-01-02T08:00:00+01:00", "2021-01-02T07:00:00"),
        ("2021-01-02T08:00:00-05:30", "2021-01-02T13:30:00"),
        ("2021-01-02T08:00:00-00:00", "2021-01-02T08:00:00"),
        ("2021-01-02T08:00:00+14:00", "2021-01-01T18:00:00"),
        ("02-JUL-2021 08:00", "2021-07-02T07:00:00"),
        ("02-jul-2021 08:00:00", "2021-07-02T07:00:00"),
        ("02/07/2021 08:00", "2021-07-02T07:00:00"),
        ("03/04/2021 00:00:00", "2021-04-02T23:00:00"),
        ("2021-07-02T08:00:00.250", "2021-07-02T07:00:00.250000"),
        ("2021-07-02T08:00:00.1234567899", "2021-07-02T07:00:00.123456"),
        ("2021-07-02T08:00:00.9999999999", "2021-07-02T07:00:00.999999"),
        ("2021-07-02T24:00:00", "2021-07-02T23:00:00"),
        ("2021-12-31T24:00:00.000", "2022-01-01T00:00:00"),
        ("31-DEC-2021 24:00", "2022-01-01T00:00:00"),
        ("28/02/2024 24:00:00", "2024-02-29T00:00:00"),
        ("2021-03-27T24:00:00", "2021-03-28T00:00:00"),
        ("2021-10-30T24:00:00", "2021-10-30T23:00:00"),
        ("2021-07-02T24:00:00Z", "2021-07-03T00:00:00"),
        ("1848-06-01T00:00:00", "1848-06-01T00:00:00"),
    ],
)
def test_the_instant_of_a_time_in_london(text: str, expected: str) -> None:
    assert utc(text) == expected
    assert read_moment(text, LONDON).oddity is None


@pytest.mark.parametrize(
    ("text", "zone", "expected", "oddity"),
    [
        ("2021-03-28T01:30:00", "Europe/London", "2021-03-28T01:30:00", Oddity.NONEXISTENT),
        ("2021-03-28T00:59:59", "Europe/London", "2021-03-28T00:59:59", None),
        ("2021-03-28T01:00:00", "Europe/London", "2021-03-28T01:00:00", Oddity.NONEXISTENT),
        ("2021-03-28T02:00:00", "Europe/London", "2021-03-28T01:00:00", None),
        ("2021-10-31T01:30:00", "Europe/London", "2021-10-31T00:30:00", Oddity.AMBIGUOUS),
        ("31-OCT-2021 01:00", "Europe/London", "2021-10-31T00:00:00", Oddity.AMBIGUOUS),
        ("2021-10-31T02:00:00", "Europe/London", "2021-10-31T02:00:00", None),
        ("2021-10-31T01:30:00Z", "Europe/London", "2021-10-31T01:30:00", None),
        ("2021-03-28T01:30:00+01:00", "Europe/London", "2021-03-28T00:30:00", None),
        # Lord Howe moves by half an hour.
        ("2021-04-04T01:45:00", "Australia/Lord_Howe", "2021-04-03T14:45:00", Oddity.AMBIGUOUS),
        ("2021-04-04T01:15:00", "Australia/Lord_Howe", "2021-04-03T14:15:00", None),
        ("2021-10-03T02:15:00", "Australia/Lord_Howe", "2021-10-02T15:45:00", Oddity.NONEXISTENT),
        ("2021-10-03T02:30:00", "Australia/Lord_Howe", "2021-10-02T15:30:00", None),
        ("2021-06-01T12:00:00", "Asia/Kathmandu", "2021-06-01T06:15:00", None),
        ("2021-06-01T12:00:00", "America/St_Johns", "2021-06-01T14:30:00", None),
        ("2021-12-01T12:00:00", "America/St_Johns", "2021-12-01T15:30:00", None),
        # Samoa skipped a whole day.
        ("2011-12-30T12:00:00", "Pacific/Apia", "2011-12-30T22:00:00", Oddity.NONEXISTENT),
        ("2021-06-01T12:00:00", "UTC", "2021-06-01T12:00:00", None),
    ],
)
def test_clock_changes_are_flagged_and_other_zones_are_right(
    text: str, zone: str, expected: str, oddity: Oddity | None
) -> None:
    found = read_moment(text, ZoneInfo(zone))
    assert found == Moment(datetime.fromisoformat(expected).replace(tzinfo=UTC), oddity)


@given(times(datetime(1996, 1, 1), datetime(9998, 12, 31), ends=False))
@settings(max_examples=examples(10))
def test_every_spelling_of_a_time_is_the_instant_by_the_rule(time: Time) -> None:
    assert {read_moment(text, LONDON).utc for text in time.spellings()} == {instant(time)}


@given(
    times(datetime(1900, 1, 2), datetime(2100, 1, 1), ends=False),
    st.sampled_from(sorted(["Africa/Cairo", "Asia/Kathmandu"])),
)
def test_a_time_with_a_zone_means_the_same_at_every_site(time: Time, zone: str) -> None:
    if time.zone:
        text = time.iso()
        assert read_moment(text, ZoneInfo(zone)) == read_moment(text, LONDON)
        assert read_moment(text, LONDON).oddity is None


@given(
    st.datetimes(datetime(1997, 1, 1), datetime(2037, 12, 31)),
    st.sampled_from(["Europe/London", "Australia/Lord_Howe"]),
)
@settings(max_examples=examples(10))
def test_an_instant_written_as_wall_time_is_read_back(moment: datetime, zone: str) -> None:
    """Or, where two instants have one wall time, is flagged."""
    aware = moment.replace(tzinfo=UTC)
    local = aware.astimezone(ZoneInfo(zone))
    found = read_moment(local.replace(tzinfo=None).isoformat(timespec="microseconds"), ZoneInfo(zone))
    assert found.oddity is not Oddity.NONEXISTENT
    if found.oddity is None:
        assert found.utc == aware
    else:
        assert found.utc is not None
        assert aware - found.utc in (timedelta(0), timedelta(minutes=30), timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("0001-01-01T00:00:00+00:01", "Europe/London"),
        ("0001-01-01T00:00:00", "Asia/Kathmandu"),
        ("9999-12-31T23:59:59-00:01", "Europe/London"),
        ("9999-12-31T24:00:00", "Europe/London"),
        ("9999-12-31T24:00:00+14:00", "Europe/London"),
        ("31-DEC-9999 24:00", "Europe/London"),
        ("31/12/9999 20:30", "America/St_Johns"),
    ],
)
def test_an_instant_outside_all_years_is_odd_and_no_fault(text: str, zone: str) -> None:
    assert read_moment(text, ZoneInfo(zone)) == Moment(None, Oddity.OUT_OF_RANGE)


@given(times(), st.sampled_from(["Europe/London", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]))
@settings(max_examples=examples(10))
def test_no_time_that_the_xsd_takes_is_a_fault(time: Time, zone: str) -> None:
    for text in time.spellings():
        found = read_moment(text, ZoneInfo(zone))
        assert (found.utc is None) == (found.oddity is Oddity.OUT_OF_RANGE)


# In a record


def test_an_odd_time_is_a_warning_that_quotes_it_and_keeps_its_text() -> None:
    dates = {"planningWindowStart": "2021-03-28T01:30:00", "planningWindowEnd": "2021-10-31T01:30:00"}
    dates["targetDate"] = "9999-12-31T24:00:00"
    [found] = judged("<bookingCancellation>" + IDENTITY + "\n" + fields(dates) + "</bookingCancellation>")
    assert found.valid
    assert [(w.field, w.code, w.value, w.line) for w in found.warnings] == [
        ("planningWindowStart", "nonexistent_time", dates["planningWindowStart"], 2),
        ("planningWindowEnd", "ambiguous_time", dates["planningWindowEnd"], 2),
        ("targetDate", "out_of_range_time", dates["targetDate"], 2),
    ]
    assert all(w.value is not None and w.value in w.text for w in found.warnings)
    assert {k: found.values[k] for k in dates} == dates


def test_a_period_outside_all_years_cannot_be_applied() -> None:
    [found] = judged(unavailability(PeriodEnd="9999-12-31T24:00:00"))
    assert [(p.field, p.code, p.line) for p in found.problems] == [("PeriodEnd", "out_of_range_time", 1)]


HOST = """
import time
from zoneinfo import ZoneInfo
from receiver.messages.moments import read_moment
print(time.tzname[0], *(read_moment(t, ZoneInfo("Europe/London")).utc.isoformat() for t in {texts!r}))
"""


@pytest.mark.parametrize(("zone", "name"), [("Pacific/Kiritimati", "+14"), ("America/St_Johns", "NST"), ("UTC", "UTC")])
def test_a_host_in_any_time_zone_reads_the_same(zone: str, name: str) -> None:
    texts = ["2021-07-02T08:00:00", "2021-01-02T08:00:00", "02-JUL-2021 08:00", "2021-10-31T01:30:00"]
    done = subprocess.run(
        [sys.executable, "-c", HOST.format(texts=texts)],
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [
        name,
        "2021-07-02T07:00:00+00:00",
        "2021-01-02T08:00:00+00:00",
        "2021-07-02T07:00:00+00:00",
        "2021-10-31T00:30:00+00:00",
    ]
