"""What has been kept long enough goes: bytes first, rows together later; what is needed stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from receiver.errors import BytesGone
from receiver.intake.receipt import Receipt
from receiver.jobs.housekeeping import Housekeeping
from receiver.store.keeping import proofs
from receiver.store.keeping.proofs import Proof
from receiver.store.keeping.retention import Expired, Keep, Retention
from tests.conftest import StartReceiver
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import CODE, cancellation, confirmation, element, fields, unavailability
from tests.support.waiting import wait_until

KEEP = Keep.of_days(365, 730, 2555, 3650)
START = datetime(2021, 5, 27, 12, tzinfo=UTC)
TABLES = (
    "bookings",
    "booking_codes",
    "completions",
    "unavailabilities",
    "changes",
    "notifications",
    "repeats",
    "pushes",
)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def on_day(self, day: float) -> datetime:
        self.now = START + timedelta(days=day)
        return self.now


@dataclass
class House:
    """A corridor, its clock, and its housekeeping."""

    found: Corridor
    clock: Clock

    def push(self, day: float, body: str) -> Receipt:
        self.clock.on_day(day)
        return self.found.push(body)

    def keep(self, day: float, keep: Keep = KEEP) -> Expired:
        self.clock.on_day(day)
        house = Housekeeping(self.found.store, keep, None, self.clock, Event().wait)
        kept = house.run(lambda: False)
        assert kept.finished
        return kept.expired

    def rows(self, query: str) -> list[Any]:
        with self.found.store.reading() as connection:
            return list(connection.execute(text(query)).scalars())

    def counts(self) -> dict[str, int]:
        return {name: self.rows(f"SELECT count(*) FROM {name}")[0] for name in TABLES}


@contextmanager
def house(url: str) -> Iterator[House]:
    clock = Clock()
    with corridor(url, now=clock) as found:
        yield House(found, clock)


def _done(booking: str) -> str:
    own = {"bookingId": booking, "primaryOrderNumber": "L9", "taskCompletionDate": "2021-07-02T11:40:00"}
    return element("bookingCompletion", fields(own))


def test_bytes_go_first_and_rows_tell_that_they_went(database_url: str) -> None:
    with house(database_url) as found:
        plain = found.push(0, confirmation())
        held = found.push(0, confirmation(bookingId="x"))
        refused = found.push(0, "<nothing/>")
        failed = found.push(0, "<bookingConfirmation>")
        later = found.push(10, confirmation(bookingId="2"))
        before = found.counts()
        assert found.keep(364) == Expired()
        assert found.keep(366) == Expired(bodies=1)
        kept = f"SELECT push_id FROM push_bodies WHERE push_id <> '{later.push_id}' ORDER BY push_id"
        assert found.rows(kept) == [held.push_id, refused.push_id, failed.push_id]
        with pytest.raises(BytesGone, match="have expired"):
            found.found.intake.retry(str(plain.push_id), {"drs": found.found.source})
        assert found.keep(729) == Expired(bodies=1)
        assert found.keep(731) == Expired(bodies=3)
        assert found.counts() == before
        assert found.rows("SELECT body_state FROM pushes") == ["expired"] * 5
        assert found.keep(732) == Expired()


def test_a_held_record_that_was_settled_counts_no_longer_as_held(database_url: str) -> None:
    with house(database_url) as found:
        held = found.push(0, confirmation(bookingId="x"))
        with found.found.store.transaction() as connection:
            connection.execute(text("UPDATE notifications SET status = 'discarded'"))
        assert found.keep(366) == Expired(bodies=1)
        assert found.rows("SELECT id FROM pushes") == [held.push_id]


def test_rows_go_together_once_nothing_is_heard_any_more(database_url: str) -> None:
    with house(database_url) as found:
        batch = confirmation(bookingId="1", codes=[CODE]) + confirmation(bookingId="2") + confirmation(bookingId="x")
        found.push(0, element("bookingConfirmations", batch))
        found.push(1, _done("1"))
        found.push(2, unavailability())
        found.push(2, unavailability(ResourceId="W2", PeriodEnd="2029-07-02T16:00:00"))
        found.push(2000, cancellation(bookingId="2", changedDate="2026-05-28T09:00:00"))
        gone = found.keep(2595)
        assert (gone.bookings, gone.unavailabilities, gone.pushes) == (1, 1, 2)
        assert found.rows("SELECT booking_id FROM bookings") == ["2"]
        assert found.rows("SELECT resource_id FROM unavailabilities") == ["W2"]
        # The batch that the second booking came in stays with it; what was held in it is gone.
        assert found.counts() == {
            "bookings": 1,
            "booking_codes": 0,
            "completions": 0,
            "unavailabilities": 1,
            "changes": 3,
            "notifications": 3,
            "repeats": 0,
            "pushes": 3,
        }
        assert found.rows("SELECT status FROM bookings") == ["cancelled"]
        found.keep(5600)
        assert found.counts() == dict.fromkeys(TABLES, 0)


def test_what_came_again_lately_is_not_forgotten(database_url: str) -> None:
    with house(database_url) as found:
        found.push(0, confirmation())
        found.push(0, unavailability())
        found.push(0, confirmation(bookingId="held"))
        found.push(2550, confirmation())
        found.push(2550, unavailability())
        found.push(2550, confirmation(bookingId="held"))
        found.keep(2595)
        assert found.rows("SELECT count(*) FROM repeats") == [3]
        assert found.rows("SELECT count(*) FROM notifications WHERE status = 'held'") == [1]
        assert (found.counts()["bookings"], found.counts()["unavailabilities"]) == (1, 1)
        again = found.push(2596, confirmation())
        assert str(again.outcome) == "duplicate"
        found.keep(2596 + 2556)
        assert found.counts() == dict.fromkeys(TABLES, 0)


def test_a_booking_that_is_kept_goes_on_as_if_nothing_had_gone(database_url: str) -> None:
    with house(database_url) as found:
        found.push(0, confirmation(bookingReason="first"))
        found.push(2500, confirmation(changedDate="2028-04-01T10:00:00", bookingReason="second"))
        found.keep(2600)
        # A late one is folded in among all that was heard, the oldest included.
        found.push(2601, cancellation(changedDate="2022-01-01T10:00:00"))
        assert found.rows("SELECT booking_reason FROM bookings") == ["second"]
        assert found.rows("SELECT status FROM bookings") == ["confirmed"]
        assert str(found.push(2602, confirmation(bookingReason="first")).outcome) == "duplicate"


def test_proofs_of_erasure_stay_longest(database_url: str) -> None:
    with house(database_url) as found:
        with found.found.store.transaction() as connection:
            proof = Proof("1", START, "person", b"s", b"d", None, "why", None, {})
            proofs.add(connection, found.found.store.tables, proof)
        assert found.keep(3649) == Expired()
        assert found.keep(3651) == Expired(proofs=1)


def test_zero_is_for_ever(database_url: str) -> None:
    with house(database_url) as found:
        found.push(0, confirmation())
        assert found.keep(100_000, Keep.of_days(0, 0, 0, 0)) == Expired()
        assert found.keep(100_000, Keep.of_days(1, 0, 0, 0)) == Expired(bodies=1)


def test_much_goes_in_small_steps_and_a_stop_between_two_leaves_the_rest_for_the_next_run(database_url: str) -> None:
    with house(database_url) as found:
        for start in range(0, 450, 50):
            records = "".join(confirmation(bookingId=str(n)) for n in range(start, start + 50))
            found.push(0, element("bookingConfirmations", records))
        found.clock.on_day(2556)
        steps = [s.bookings for s in Retention(found.found.store, KEEP, found.clock.now).slices() if s.bookings]
        assert sum(steps) == 450
        assert max(steps) <= 100
        assert found.counts() == dict.fromkeys(TABLES, 0)
    with house(database_url) as found:
        for n in range(250):
            found.push(0, confirmation(bookingId=str(n)))
        found.clock.on_day(2556)
        work = Housekeeping(found.found.store, KEEP, None, found.clock, Event().wait)
        stopped = work.run(lambda: bool(found.rows("SELECT count(*) FROM bookings")[0] < 250))
        assert not stopped.finished
        assert 0 < found.counts()["bookings"] < 250
        assert work.run(lambda: False).finished
        assert found.counts() == dict.fromkeys(TABLES, 0)


def test_it_is_done_once_an_interval_whoever_asks(database_url: str) -> None:
    with house(database_url) as one, corridor(database_url) as other:
        day = timedelta(days=1)
        first = Housekeeping(one.found.store, KEEP, day, one.clock, Event().wait)
        second = Housekeeping(other.store, KEEP, day, one.clock, Event().wait)
        assert first.run_if_due(lambda: False) is not None
        assert second.run_if_due(lambda: False) is None
        one.clock.on_day(0.99)
        assert first.run_if_due(lambda: False) is None
        one.clock.on_day(1)
        assert second.run_if_due(lambda: False) is not None
        assert first.run_if_due(lambda: False) is None
        # A clock that was far ahead when it was begun does not stop it for good.
        one.clock.on_day(5000)
        assert first.run_if_due(lambda: False) is not None
        one.clock.on_day(3)
        assert first.run_if_due(lambda: False) is not None
        assert Housekeeping(one.found.store, KEEP, None, one.clock, Event().wait).run_if_due(lambda: False) is None


def test_a_server_keeps_house_by_itself(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, workers=2)
    done = [line for line in receiver.log_lines() if line["event"] == "housekeeping_done"]
    assert len(done) <= 1
    wait_until(lambda: receiver.rows("SELECT * FROM duties WHERE finished_at IS NOT NULL"), 20, "housekeeping is done")


def test_the_command_says_what_would_go_and_what_went(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, env={"RECEIVER_HOUSEKEEPING_HOURS": "0"})
    held = receiver.push(confirmation(bookingId="x"))
    pushed = receiver.push(confirmation())
    with corridor(database_url) as found, found.store.transaction() as connection:
        connection.execute(found.store.tables.pushes.update().values(received_at=datetime(2020, 1, 1, tzinfo=UTC)))
    said = json.loads(receiver.command("housekeeping", "--dry-run", "--json").stdout)
    assert (said["dry_run"], said["bodies"]) == (True, 2)
    done = json.loads(receiver.command("housekeeping", "--json").stdout)
    assert (done["finished"], done["bodies"]) == (True, 2)
    replay = receiver.command("replay", "--push", str(pushed.push_id))
    assert replay.returncode == 2
    assert "have expired" in replay.stderr.decode()
    every = receiver.command("replay", "--held")
    assert every.returncode == 0
    assert str(held.push_id) not in every.stdout.decode()


def test_times_that_contradict_each_other_stop_the_start(receiver: Any) -> None:
    for env, said in (
        ({"RECEIVER_KEEP_BODIES_DAYS": "800"}, "RECEIVER_KEEP_BODIES_DAYS (800)"),
        ({"RECEIVER_KEEP_ROWS_DAYS": "0"}, "RECEIVER_KEEP_ROWS_DAYS (for ever)"),
        ({"RECEIVER_KEEP_TRAIL_DAYS": "-1"}, "RECEIVER_KEEP_TRAIL_DAYS"),
    ):
        wrong = type(receiver)(receiver.database_url, receiver.folder, env=env)
        done = wrong.command("housekeeping")
        assert done.returncode == 2
        (line,) = done.stderr.decode().strip().splitlines()
        assert said in line
