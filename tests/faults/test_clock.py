"""A clock that is put back or forward by an hour while pushes come: what came later still counts as later.

Undated events have the time of their arrival, so they alone could be put out of order by it; the feed's order is that
of the effects, whatever any clock says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import StartReceiver
from tests.support.postgres import empty_database
from tests.support.pushes import cancellation, confirmation, element, unavailability
from tests.support.receiver import Receiver

from .clock import MovableClock
from .crash import crash
from .scale import is_full

HOUR = timedelta(hours=1)
PATHS = {
    "back": [-HOUR, -HOUR],
    "back and put right": [-HOUR, timedelta(0)],
    "forward": [HOUR, HOUR],
    "forward and put right": [HOUR, timedelta(0), timedelta(0)],
    "back and forth": [-HOUR, HOUR, -HOUR, timedelta(0)],
    "further and further back": [-HOUR, -2 * HOUR, -3 * HOUR],
}
if not is_full():
    PATHS = {name: PATHS[name] for name in ("back and put right",)}
Moved = tuple[Receiver, MovableClock]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """Two workers, so that nothing that one of them remembers is enough."""
    folder = tmp_path_factory.mktemp("clock")
    clock = MovableClock(folder)
    with ExitStack() as running:
        url = f"sqlite:///{folder / 'receiver.db'}"
        if request.param == "postgresql":
            url = running.enter_context(empty_database(request.getfixturevalue("postgres_url")))
        yield running.enter_context(Receiver(url, folder, env=clock.environment, workers=2)), clock


@pytest.fixture
def receiver(shared: Moved) -> Receiver:
    shared[0].forget_all()
    return shared[0]


@pytest.fixture
def clock(shared: Moved) -> Iterator[MovableClock]:
    yield shared[1]
    shared[1].set(timedelta(0))


def take(receiver: Receiver, *records: str) -> None:
    body = records[0] if len(records) == 1 else element("batch", "".join(records))
    answer = receiver.push(body)
    assert (answer.status, answer.said("status")) == (200, "success"), answer.body


def silence(receiver: Receiver) -> float:
    """Seconds since the last confirmation, as /metrics says."""
    name = 'receiver_seconds_since_last_push{kind="confirmation",source="drs"} '
    (line,) = [x for x in receiver.get("/metrics").body.decode().splitlines() if x.startswith(name)]
    return float(line.removeprefix(name))


def now(ahead: timedelta) -> datetime:
    return datetime.now(UTC) + ahead


def test_the_clock_of_the_receiver_moves(receiver: Receiver, clock: MovableClock) -> None:
    """Else nothing here would show anything."""
    for number, ahead in enumerate([timedelta(0), -HOUR, HOUR]):
        clock.set(ahead)
        before = now(ahead)
        answer = receiver.push(confirmation(bookingId=str(number)))
        received = receiver.one("SELECT received_at FROM v1_pushes WHERE id = :id", id=answer.push_id)["received_at"]
        assert before - timedelta(seconds=1) <= received <= now(ahead) + timedelta(seconds=1)


@pytest.mark.parametrize("path", PATHS)
def test_undated_events_count_in_the_order_of_their_arrival(receiver: Receiver, clock: MovableClock, path: str) -> None:
    just_now = datetime.now(UTC).isoformat(timespec="seconds")
    for booking in "123":
        changed = just_now if booking == "3" else None
        take(receiver, confirmation(bookingId=booking, userId="0", changedDate=changed))
        take(receiver, confirmation(bookingId=booking, userId="1", changedDate=None))
    take(receiver, unavailability(Comments="0"))
    for step, ahead in enumerate(PATHS[path]):
        clock.set(ahead)
        take(receiver, cancellation(bookingId="1", userId=f"gone {step}", changedDate=None))
        take(receiver, unavailability(Action="Deleted", Comments=f"gone {step}"))
        assert receiver.booking("1")["status"] == "cancelled"
        assert receiver.one("SELECT status FROM v1_unavailabilities")["status"] == "removed"
        if step == 1:
            crash(receiver)
        take(receiver, confirmation(bookingId="1", userId=f"back {step}", changedDate=None))
        take(receiver, unavailability(Comments=f"back {step}"))
        assert receiver.booking("1")["status"] == "confirmed"
        assert receiver.booking("1")["user_id"] == f"back {step}"
        assert receiver.one("SELECT status FROM v1_unavailabilities")["status"] == "active"
        # Two of one booking in one push count in the order they stand in.
        gone = cancellation(bookingId="2", userId=f"gone {step}", changedDate=None)
        take(receiver, gone, confirmation(bookingId="2", userId=f"back {step}", changedDate=None))
        assert receiver.booking("2")["status"] == "confirmed"
        more = confirmation(bookingId="2", userId=f"more {step}", changedDate=None)
        take(receiver, more, cancellation(bookingId="2", userId=f"end {step}", changedDate=None))
        assert receiver.booking("2")["status"] == "cancelled"
    take(receiver, cancellation(bookingId="3", userId="gone", changedDate=None))
    assert receiver.booking("3")["status"] == "cancelled"
    assert {row["status"] for row in receiver.rows("SELECT status FROM v1_notifications")} == {"applied"}
    arrivals = receiver.rows("SELECT received_at FROM v1_notifications WHERE booking_id = '1' ORDER BY received_at, id")
    assert len({row["received_at"] for row in arrivals}) == len(arrivals)


def test_ids_sort_as_they_were_made(tmp_path: Path) -> None:
    """Undated events that came in one push at one moment are told apart by the ids of their notifications."""
    clock = MovableClock(tmp_path)
    script = "import sys, uuid_utils\nfor line in sys.stdin: print(uuid_utils.uuid7(), flush=True)"
    found: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **clock.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for ahead in [timedelta(0), -HOUR, -HOUR, HOUR, timedelta(0), -HOUR]:
            clock.set(ahead)
            print(file=process.stdin, flush=True)
            found.append(process.stdout.readline())
        process.stdin.close()
    assert all(found)
    assert found == sorted(found)


def test_dated_events_do_not_care(receiver: Receiver, clock: MovableClock) -> None:
    take(receiver, confirmation(bookingId="1", changedDate="2021-05-27T10:00:00"))
    clock.set(-HOUR)
    take(receiver, cancellation(bookingId="1", changedDate="2021-05-27T11:00:00"))
    clock.set(HOUR)
    take(receiver, confirmation(bookingId="1", changedDate="2021-05-27T10:30:00"))
    assert receiver.booking("1")["status"] == "cancelled"


def test_the_feed_is_in_the_order_of_the_effects(receiver: Receiver, clock: MovableClock) -> None:
    expected: list[tuple[str, str]] = []
    read: list[int] = []
    for number, ahead in enumerate([timedelta(0), -HOUR, HOUR, -2 * HOUR, timedelta(0)]):
        clock.set(ahead)
        booking = str(number)
        take(receiver, confirmation(bookingId=booking, changedDate=None))
        take(receiver, cancellation(bookingId=booking, changedDate=None))
        expected += [(booking, "created"), (booking, "cancelled")]
        found = receiver.rows("SELECT * FROM v1_changes ORDER BY cursor")
        assert [(row["entity_key"], row["change"]) for row in found] == expected
        assert [row["cursor"] for row in found][: len(read)] == read
        read = [row["cursor"] for row in found]
    assert all(a < b for a, b in pairwise(read))


def test_the_time_since_the_last_push(sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path) -> None:
    """No alarm for nothing, and none that is never raised: the seconds that have passed, whatever any clock says.

    One worker: what is known at the moment of a move is what each has seen for itself.
    """
    clock = MovableClock(tmp_path)
    receiver = start_receiver(sqlite_url, env=clock.environment)
    began = seen = 0.0
    for number, ahead in enumerate([timedelta(0), -HOUR, timedelta(0), HOUR, timedelta(0)]):
        clock.set(ahead)
        if number:
            last, seen = seen, silence(receiver)
            assert last <= seen <= time.monotonic() - began
        began = time.monotonic()
        take(receiver, confirmation(bookingId=str(number)))
        seen = silence(receiver)
        assert 0 <= seen <= time.monotonic() - began
