"""Erasing and keeping house while pushes come in: every push is answered yes, and what is erased stays erased."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

from sqlalchemy import update

from receiver.jobs.housekeeping import Housekeeping
from receiver.store.keeping.retention import Keep
from tests.conftest import StartReceiver
from tests.support.corridor import corridor
from tests.support.pushes import confirmation, element, unavailability
from tests.support.receiver import Receiver

from .searching import places

PERSON = "W7734"
_OLD = datetime(2010, 1, 1, tzinfo=UTC)


def _fill(receiver: Receiver) -> None:
    for start in range(0, 600, 100):
        of_person = (unavailability(ResourceId=PERSON, PeriodEnd=f"2021-08-{d:02d}T08:00:00") for d in range(1, 3))
        records = "".join(confirmation(bookingId=str(n), userId=PERSON) for n in range(start, start + 100))
        assert receiver.push(element("bookingConfirmations", records)).status == 200
        assert receiver.push(element("unavailabilities", "".join(of_person))).status == 200


def _age_half(url: str) -> None:
    """Make everything about every second booking, and the pushes they came in, very old."""
    with corridor(url) as found, found.store.transaction() as connection:
        t = found.store.tables
        for table in (t.pushes, t.notifications):
            connection.execute(update(table).values(received_at=_OLD))
        connection.execute(
            update(t.bookings).where(t.bookings.c.booking_id.like("%1")).values(last_received_at=_OLD),
        )


def _keep(url: str) -> None:
    with corridor(url) as found:
        keep, now = Keep.of_days(365, 730, 2555, 3650), datetime.now(UTC)
        house = Housekeeping(found.store, keep, timedelta(hours=1), lambda: now, Event().wait)
        assert house.run(lambda: False).finished


def test_pushes_are_taken_meanwhile(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, workers=2, env={"RECEIVER_HOUSEKEEPING_HOURS": "0"})
    _fill(receiver)
    _age_half(database_url)
    done = Event()

    def push(sender: int) -> list[int]:
        statuses = []
        number = 0
        while not done.is_set() or number < 30:
            number += 1
            # The bookings that are being erased and redacted, changed; and new ones.
            changed = f"2021-06-{1 + sender:02d}T{number % 24:02d}:{number // 24 % 60:02d}:00"
            known, new = str((number * 7 + sender) % 600), str(10_000 * (sender + 1) + number)
            body = confirmation(bookingId=known, changedDate=changed) + confirmation(bookingId=new)
            statuses.append(receiver.push(element("bookingConfirmations", body)).status)
        return statuses

    with ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(push, n) for n in range(4)]
        try:
            keeping = pool.submit(_keep, database_url)
            whom = ("--person", PERSON, "--reason", "request 17", "--yes", "--json")
            erasing = pool.submit(receiver.command, "housekeeping", "erase", *whom)
            keeping.result(timeout=120)
            assert erasing.result(timeout=120).returncode == 0, erasing.result().stderr
        finally:
            done.set()
        statuses = [s for found in senders for s in found.result(timeout=120)]
    assert set(statuses) == {200}
    assert len(statuses) >= 120
    again = receiver.command("housekeeping", "erase", *whom)
    assert again.returncode == 0, again.stderr
    receiver.stop()
    assert places(database_url, PERSON) == []
    news = receiver.rows("SELECT count(*) AS n FROM v1_bookings WHERE length(booking_id) >= 5")
    assert news[0]["n"] == len(statuses)
    dangling = receiver.rows(
        "SELECT c.cursor FROM changes c LEFT JOIN bookings b ON b.source = c.source AND b.booking_id = c.entity_key"
        " WHERE c.entity = 'booking' AND b.booking_id IS NULL"
    )
    assert dangling == []
