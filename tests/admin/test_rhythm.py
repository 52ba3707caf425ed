"""Silence is counted in working hours, whatever the clocks do, and means what the settings say."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from receiver.fields import Kind
from receiver.rhythm import WEEK, Expected, Rhythm, SilenceState, silence, working_time
from receiver.rhythm_settings import RhythmSettings

LONDON = ZoneInfo("Europe/London")
ALL_DAY = Rhythm(frozenset(WEEK), time(0), time(0))
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)

_moments = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
_zones = st.sampled_from([LONDON, ZoneInfo("UTC"), ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia")])
_hours = st.tuples(st.times(), st.times()).filter(lambda pair: pair[0] < pair[1])
_rhythms = st.builds(lambda days, hours: Rhythm(frozenset(days), *hours), st.sets(st.sampled_from(WEEK)), _hours)


def _at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (9, 11, 2),  # in one morning
        (17, 24 + 9, 2),  # over a night
        (20, 24 + 7, 0),  # a night
        (4 * 24 + 17, 7 * 24 + 9, 2),  # over a weekend
        (0, 7 * 24, 50),  # a week
        (11, 9, 0),  # the wrong way round
    ],
)
def test_only_working_hours_count(since: float, until: float, hours: float) -> None:
    assert working_time(Rhythm(), _at(since), _at(until), LONDON) == timedelta(hours=hours)


def test_a_day_of_the_clocks_change_has_the_hours_that_it_has() -> None:
    for day, hours in ((datetime(2026, 3, 29), 23), (datetime(2026, 10, 25), 25)):
        begin, end = (d.replace(tzinfo=LONDON) for d in (day, day + timedelta(days=1)))
        assert working_time(ALL_DAY, begin.astimezone(UTC), end.astimezone(UTC), LONDON) == timedelta(hours=hours)
    # In summer work begins an hour earlier by UTC.
    july = datetime(2026, 7, 6, 7, tzinfo=UTC)
    assert working_time(Rhythm(), july, july + timedelta(minutes=30), LONDON) == timedelta(minutes=30)


@given(_rhythms, _moments, st.timedeltas(timedelta(), timedelta(days=40)), st.floats(0, 1), _zones)
def test_time_adds_up_and_is_never_more_than_went_by(
    rhythm: Rhythm, since: datetime, span: timedelta, share: float, zone: ZoneInfo
) -> None:
    until, middle = since + span, since + span * share
    whole = working_time(rhythm, since, until, zone)
    assert whole == working_time(rhythm, since, middle, zone) + working_time(rhythm, middle, until, zone)
    assert timedelta() <= whole <= span


@given(_moments, st.timedeltas(timedelta(), timedelta(days=60)), _zones)
def test_who_works_always_works_all_the_time(since: datetime, span: timedelta, zone: ZoneInfo) -> None:
    assert working_time(ALL_DAY, since, since + span, zone) == span


@given(_rhythms, st.sampled_from(Kind), _moments, st.timedeltas(timedelta(), timedelta(days=9)), _zones)
def test_silence_only_gets_worse(rhythm: Rhythm, kind: Kind, last: datetime, span: timedelta, zone: ZoneInfo) -> None:
    order = list(SilenceState)
    earlier, later = (silence(rhythm, kind, last, last + part, zone) for part in (span / 2, span))
    assert order.index(earlier.state) <= order.index(later.state)
    assert later.seconds == span.total_seconds()


@pytest.mark.parametrize(
    ("hours", "state"),
    [(2.9, SilenceState.QUIET), (3.1, SilenceState.DUE), (4.1, SilenceState.SILENT), (-5, SilenceState.QUIET)],
)
def test_confirmations_are_expected_within_four_working_hours(hours: float, state: SilenceState) -> None:
    found = silence(Rhythm(), Kind.CONFIRMATION, _at(9), _at(9 + hours), LONDON)
    assert (found.state, found.allowed_seconds) == (state, 4 * 3600)


def test_absences_are_expected_each_night_and_the_rest_never() -> None:
    saturday = 5 * 24
    assert silence(Rhythm(), Kind.UNAVAILABILITY, _at(saturday), _at(saturday + 27), LONDON).state == "silent"
    assert silence(Rhythm(), Kind.CONFIRMATION, _at(saturday), _at(saturday + 27), LONDON).state == "quiet"
    for kind in (Kind.CANCELLATION, Kind.COMPLETION):
        found = silence(Rhythm(), kind, _at(0), _at(1000), LONDON)
        assert (found.state, found.allowed_seconds) == (SilenceState.QUIET, None)
    never = silence(Rhythm(), Kind.CONFIRMATION, None, _at(0), LONDON)
    assert (never.seconds, never.state) == (None, SilenceState.QUIET)


def test_settings_say_what_is_expected() -> None:
    assert RhythmSettings().rhythm() == Rhythm()
    given_ = {
        "working_days": ["sat", "mon"],
        "working_hours": ["7:30", "24:00"],
        "confirmation": "90m",
        "completion": "2d",
        "unavailability": "never",
    }
    found = RhythmSettings.model_validate(given_).rhythm()
    assert (found.days, found.begin, found.end) == (frozenset({"mon", "sat"}), time(7, 30), time(0))
    expected = {
        Kind.CONFIRMATION: Expected(timedelta(minutes=90)),
        Kind.COMPLETION: Expected(timedelta(days=2)),
    }
    assert found.expected == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"working_days": ["monday"]},
        {"working_hours": ["18:00", "08:00"]},
        {"working_hours": ["8", "18:00"]},
        {"working_hours": ["08:00"]},
        {"confirmation": "4"},
        {"confirmation": 4},
        {"confirmation": "0h"},
        {"confirmation": "400d"},
        {"holidays": []},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RhythmSettings.model_validate(wrong)
