"""Life stories: coherent, and the same for the same seed and day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from receiver.fields import Kind
from receiver.simulate import stories_of_day, story_names
from receiver.simulate.ends import absence_end, booking_end
from receiver.simulate.job import Absence, Booking, BookingState

DAY = date(2021, 5, 27)
days = st.dates(date(2020, 1, 2), date(2035, 12, 31))
seeds = st.integers(0, 1000)


def bookings(day: date = DAY, seed: int = 1, stories: int = 32) -> list[tuple[str, list[Booking]]]:
    """For each story its bookings' states in order of time."""
    told = [(s.name, [h.what for h in s.happenings]) for s in stories_of_day(seed, day, stories)]
    return [(name, [w for w in whats if isinstance(w, Booking)]) for name, whats in told]


def named(name: str) -> list[Booking]:
    return next(told for of, told in bookings() if of == name)


def test_a_day_tells_every_kind_of_story() -> None:
    told = Counter(s.name for s in stories_of_day(1, DAY, 2 * len(story_names())))
    assert told == dict.fromkeys(story_names(), 2)
    kinds = {h.kind for s in stories_of_day(1, DAY, 16) for h in s.happenings}
    assert kinds == set(Kind)


@given(seeds, days, st.integers(1, 40))
def test_the_same_seed_and_day_tell_the_same(seed: int, day: date, number: int) -> None:
    assert stories_of_day(seed, day, number) == stories_of_day(seed, day, number)
    assert stories_of_day(seed, day, number)[: number // 2] == stories_of_day(seed, day, number // 2)


def test_another_seed_tells_another_day() -> None:
    assert stories_of_day(1, DAY, 16) != stories_of_day(2, DAY, 16)


@given(seeds, days)
def test_a_story_goes_forward_and_every_change_of_a_booking_has_its_own_second(seed: int, day: date) -> None:
    for _, told in bookings(day, seed, 16):
        by_booking: dict[str, list[Booking]] = {}
        for booking in told:
            by_booking.setdefault(booking.booking_id, []).append(booking)
        for states in by_booking.values():
            times = [b.changed for b in states]
            assert times == sorted(set(times))
            assert all(b.window.start < b.window.end for b in states)
            assert all(b.token == states[0].token and len(b.token) == 40 for b in states)


@given(seeds, days)
def test_no_time_is_one_that_a_clock_change_skips_or_repeats(seed: int, day: date) -> None:
    london = ZoneInfo("Europe/London")
    for story in stories_of_day(seed, day, 16):
        for happening in story.happenings:
            what = happening.what
            moments = [happening.at, what.window.start, what.window.end]
            for moment in [*moments, what.changed] if isinstance(what, Booking) else moments:
                there_and_back = moment.replace(tzinfo=london).astimezone(UTC).astimezone(london)
                assert there_and_back.replace(tzinfo=None) == moment
                folded = moment.replace(tzinfo=london, fold=1)
                assert folded.utcoffset() == moment.replace(tzinfo=london).utcoffset()


@given(seeds, days)
def test_all_of_a_day_happens_before_its_last_run(seed: int, day: date) -> None:
    first, last = datetime.combine(day - timedelta(days=1), time(13)), datetime.combine(day, time(23, 59))
    assert all(first <= h.at <= last for s in stories_of_day(seed, day, 16) for h in s.happenings)


def test_two_days_share_no_booking_and_no_absence() -> None:
    def subjects(day: date) -> set[str]:
        return {h.what.subject for s in stories_of_day(1, day, 200) for h in s.happenings}

    assert not subjects(DAY) & subjects(DAY + timedelta(days=1))


def test_moved_twice_ends_in_the_last_window_for_the_tenants_reason() -> None:
    first, second, third = named("moved twice")
    assert {first.booking_id} == {second.booking_id, third.booking_id}
    assert (first.reason, second.reason) == ("FIRST", "Tenant changed")
    assert first.changed < second.changed < third.changed
    assert len({first.window, second.window, third.window}) == 3


def test_a_follow_on_names_the_booking_it_follows() -> None:
    booked, done, follow_on = named("followed on")
    assert done.booking_id == booked.booking_id == follow_on.original
    assert follow_on.sequence == "FOLLOW ON"
    assert follow_on.order == booked.order


def test_each_booking_of_a_multi_day_job_says_first() -> None:
    told = named("multi day")
    assert [b.sequence for b in told] == ["FIRST"] * 3
    assert len({b.booking_id for b in told}) == 3
    assert len({b.order for b in told}) == 1


def test_two_visits_of_an_order_are_refused() -> None:
    ends = [b for b in named("refused") if b.state is BookingState.COMPLETED]
    assert [b.outcome for b in ends] == ["REFUSAL", "REFUSAL"]


def test_a_replaced_booking_is_cancelled_after_the_next_was_made() -> None:
    first, second, gone = named("replaced")
    assert gone.booking_id == first.booking_id
    assert gone.state is BookingState.CANCELLED
    assert first.changed < second.changed < gone.changed


def test_absences_are_added_amended_and_removed() -> None:
    told = [h.what for s in stories_of_day(1, DAY, 16) for h in s.happenings if isinstance(h.what, Absence)]
    assert Counter(a.action for a in told) == {"ADD": 5, "AMEND": 1, "DELETE": 2}


def test_ends_are_in_utc_in_summer_and_in_winter() -> None:
    summer, winter = named("scheduled")[-1], named("scheduled for winter")[-1]
    for booking, hours in ((summer, 1), (winter, 0)):
        end = booking_end(booking, frozenset())
        assert end.planning_window_start == (booking.window.start - timedelta(hours=hours)).replace(tzinfo=UTC)


def test_what_is_suppressed_is_expected_nowhere() -> None:
    booking = named("completed")[-1]
    end = booking_end(booking, frozenset({"planningwindowstart", "taskcompletionstatus"}))
    assert (end.planning_window_start, end.completion_status) == (None, None)
    assert end.planning_window_end is not None
    told = [h.what for s in stories_of_day(1, DAY, 16) for h in s.happenings if isinstance(h.what, Absence)]
    assert {absence_end(a, frozenset({"action"})).status for a in told} == {"active"}
    assert {absence_end(a, frozenset()).status for a in told} == {"active", "removed"}
