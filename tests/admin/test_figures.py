"""Counts are those of the pushes, also of late ones, by whichever process; they outlive the pushes. So do times."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import uuid_utils
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from receiver.fields import Kind
from receiver.jobs.figures import Figuring, Timing
from receiver.spool import SpooledPush
from receiver.store.figures import counts as figures
from receiver.store.figures import reply_times
from receiver.store.figures.counts import Counts, Slot, Span, overview
from receiver.store.figures.reply_times import ReplyTimes, TimesRow, most_microseconds, percentile
from receiver.store.keeping.retention import Keep, Retention
from tests.conftest import StartReceiver
from tests.support.corridor import corridor
from tests.support.pushes import cancellation, confirmation, element, unavailability
from tests.support.waiting import wait_until

_NOW = datetime(2026, 11, 21, 12, 20, tzinfo=UTC)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class House:
    """A corridor whose clock is set by hand."""

    def __init__(self, url: str) -> None:
        self.at, self._url = _NOW, url

    def __enter__(self) -> House:
        self._open = corridor(self._url, now=lambda: self.at)
        self.found = self._open.__enter__()
        self.counts = Counts(self.found.store, None)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.__exit__(None, None, None)

    def push(self, at: datetime, body: str) -> None:
        before, self.at = self.at, at
        self.found.push(body)
        self.at = before

    def catch_up(self) -> int:
        steps = 0
        while self.counts.catch_up(self.at):
            steps += 1
        return steps

    def slots(self, since: datetime, span: Span = Span.HOUR, sources: list[str] | None = None) -> list[Slot]:
        with self.found.store.reading() as connection:
            return overview(connection, self.found.store.tables, sources, since, self.at + _HOUR, span)

    def number(self, since: datetime = _NOW - 400 * _DAY) -> int:
        return sum(slot.pushes for slot in self.slots(since))


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with House(database_url) as found:
        yield found


def test_an_hour_has_its_pushes_by_kind_and_outcome(house: House) -> None:
    for body in (
        confirmation(),
        confirmation(),
        cancellation(bookingId="8"),
        element("unavailabilities", unavailability() + unavailability(PeriodStart="soon")),
        "<nothing/>",
    ):
        house.push(_NOW, body)
    house.push(_NOW - _HOUR, confirmation(bookingId="2"))
    assert house.number() == 0
    assert house.counts.refresh(_NOW)
    before, now = house.slots(_NOW - _HOUR)[:2]
    assert (before.at, before.pushes, before.records) == (_NOW.replace(hour=11, minute=0), 1, 1)
    assert (now.at, now.pushes, now.records, now.held) == (_NOW.replace(minute=0), 5, 5, 1)
    assert now.outcomes == {"stored": 2, "duplicate": 1, "partly_held": 1, "refused": 1}
    assert now.kinds == {Kind.CONFIRMATION: 2, Kind.CANCELLATION: 1, Kind.UNAVAILABILITY: 1, None: 1}
    assert now.sources == {"drs": 5}
    assert now.size_bytes > 500
    assert house.slots(_NOW, sources=["other"])[0].pushes == 0


def test_current_figures_are_counted_once_a_minute(house: House) -> None:
    assert house.counts.refresh(_NOW)
    house.push(_NOW, confirmation())
    assert not house.counts.refresh(_NOW + timedelta(seconds=30))
    assert house.number() == 0
    assert figures.refresh(house.found.store, _NOW + timedelta(seconds=61))
    assert house.number() == 1
    assert figures.refresh(house.found.store, _NOW - _DAY)  # a clock that was put back does not stop the counting


def test_what_came_before_is_counted_from_the_beginning_in_steps(house: House) -> None:
    for days in (0, 1, 1.5, 30, 200, 200.01):
        house.push(_NOW - days * _DAY, confirmation(bookingId=str(1000 + int(days * 100))))
    assert house.counts.catch_up(_NOW)  # the oldest day, and no more at once
    assert house.number() == 2
    assert house.catch_up() < 10  # long stretches without pushes take no steps
    assert house.number() == 6
    house.at = _NOW + 3 * _DAY  # no receiver ran
    house.push(_NOW + 2 * _DAY, confirmation(bookingId="77"))
    house.catch_up()
    assert house.number() == 7
    assert house.catch_up() == 0


def test_a_push_from_the_spool_is_counted_in_the_hour_in_which_it_came(house: House) -> None:
    house.push(_NOW - 5 * _DAY, confirmation())
    house.catch_up()
    assert house.number() == 1
    for n, days in enumerate((5, 5, 3)):
        came = _NOW - days * _DAY
        spooled = SpooledPush(
            push_id=str(uuid_utils.uuid7()),
            source="drs",
            received_at=came,
            content_type="text/xml",
            reply_status=503,
            body=confirmation(bookingId=str(n + 5)).encode(),
        )
        house.found.intake.take_spooled(spooled, house.found.source)
        house.found.intake.take_spooled(spooled, house.found.source)  # a crash left it where it was
    house.catch_up()
    assert [slot.pushes for slot in house.slots(_NOW - 5 * _DAY, Span.DAY)] == [3, 0, 1, 0, 0, 0]


def test_counts_outlive_the_pushes(house: House) -> None:
    for days in (100, 50, 1):
        house.push(_NOW - days * _DAY, unavailability(ResourceId=f"W{days}"))
    house.catch_up()
    keep = 30 * _DAY
    list(Retention(house.found.store, Keep(keep, keep, keep, None), _NOW).slices())
    with house.found.store.transaction() as connection:
        p = house.found.store.tables.pushes
        assert connection.scalar(select(func.count()).select_from(p)) == 1
        figures.mark_hour(connection, house.found.store.tables, _NOW - 100 * _DAY, _NOW)
    house.counts = Counts(house.found.store, keep)
    house.catch_up()
    assert house.number() == 3


def test_days_are_those_of_a_zone(house: House) -> None:
    """A day of the year in which the clocks go forward has 23 hours, and the hour before midnight is the day's own."""
    zone, t = ZoneInfo("Europe/London"), house.found.store.tables
    for at in (datetime(2026, 6, 1, 22, 30, tzinfo=UTC), datetime(2026, 6, 1, 23, 30, tzinfo=UTC)):
        house.push(at, confirmation(bookingId=str(at.hour)))
    house.catch_up()
    with house.found.store.reading() as connection:
        begin = datetime(2026, 6, 1, tzinfo=zone)
        in_june = overview(connection, t, None, begin, begin + 2 * _DAY, Span.DAY, zone)
        begin = datetime(2026, 3, 28, tzinfo=zone)
        in_march = overview(connection, t, None, begin, begin + 3 * _DAY, Span.DAY, zone)
    assert [slot.pushes for slot in in_june] == [1, 1]
    assert [b.at - a.at for a, b in pairwise(in_march)] == [_DAY, _DAY - _HOUR]


def test_one_process_does_the_work_for_all(database_url: str) -> None:
    with corridor(database_url) as found:
        at, waits = [_NOW], list[float]()
        each = [Figuring(found.store, None, lambda: at[0], waits.append) for _ in range(2)]
        assert [f.run_if_due(lambda: False) for f in each] == [True, False]
        assert waits[:1] == [10.0]
        at[0] += timedelta(minutes=1)
        assert [f.run_if_due(lambda: False) for f in reversed(each)] == [True, False]
        at[0] += timedelta(minutes=1)
        assert each[0].run_if_due(lambda: True)
        assert not Figuring(found.store, None, lambda: at[0], waits.append).run_if_due(lambda: True)


def test_a_round_brings_everything_up_to_date(database_url: str) -> None:
    with corridor(database_url) as found:
        for n in range(3):
            found.push(confirmation(bookingId=f"x{n}"))
        now = datetime.now(UTC)
        assert Figuring(found.store, None, lambda: now, lambda _: None).run(lambda: False)
        t = found.store.tables.figures
        with found.store.reading() as connection:
            assert connection.scalar(select(func.sum(t.push_counts.c.pushes))) == 3
            assert connection.scalar(select(func.sum(t.causes.c.waiting))) == 3


def test_others_see_held_and_last_pushes(house: House) -> None:
    house.push(_NOW, confirmation(bookingId="x"))
    store = house.found.store
    with store.reading() as connection:
        assert figures.held_by_source(connection, store.tables, None) == {"drs": 1}
        assert figures.held_by_source(connection, store.tables, ["other"]) == {}
        last = figures.last_pushes(connection, store.tables, ["drs", "other"])
    assert last["drs", Kind.CONFIRMATION] == _NOW
    assert {at for key, at in last.items() if key != ("drs", Kind.CONFIRMATION)} == {None}


# Times of replies


@given(st.floats(0, 1000))
def test_a_class_of_times_is_a_tenth_wide_at_most(seconds: float) -> None:
    most = most_microseconds(seconds) / 1_000_000
    assert most >= seconds - 1e-6
    assert most <= max(seconds * 1.1, seconds + 2e-6)


@given(st.lists(st.floats(0.0001, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_right_to_a_tenth(seconds: list[float], share: float) -> None:
    counts = Counter(most_microseconds(s) for s in seconds)
    rows = [TimesRow(_NOW, "drs", most, replies) for most, replies in counts.items()]
    found = percentile(rows, share)
    exact = sorted(seconds)[max(0, -int(-len(seconds) * share // 1) - 1)]
    assert found is not None
    assert exact * 0.999 <= found <= exact * 1.1


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 0.5) is None


def test_times_of_all_processes_are_added_up(database_url: str) -> None:
    with corridor(database_url) as found:
        stop = threading.Event()
        for _ in range(2):
            times = ReplyTimes()
            timing = Timing(found.store, times.take, lambda: _NOW, stop.wait, seconds=0.0)
            for seconds in (0.001, 0.001, 0.5):
                times.add("drs", seconds)
            times.add("north", 0.01)
            assert timing.run(stop.is_set) == 4
            assert timing.run(stop.is_set) == 0
        with found.store.reading() as connection:
            rows = reply_times.times(connection, found.store.tables, None, _NOW, _NOW + _HOUR)
            own = reply_times.times(connection, found.store.tables, ["north"], _NOW, _NOW + _HOUR)
            assert reply_times.times(connection, found.store.tables, None, _NOW + _HOUR, _NOW + 2 * _HOUR) == []
        assert sorted(row.replies for row in rows) == [2, 2, 4]
        assert [row.source for row in own] == ["north"]
        assert 0.001 <= (percentile(rows, 0.5) or 0) < 0.0012


def test_a_server_stores_its_times_when_it_stops(start_receiver: StartReceiver, database_url: str) -> None:
    receiver = start_receiver(database_url)
    for n in range(3):
        assert receiver.push(confirmation(bookingId=str(n + 1)).encode()).status == 200
    receiver.stop()
    wait_until(lambda: receiver.one("SELECT sum(replies) AS n FROM reply_times")["n"] == 3, 10, "times are stored")
