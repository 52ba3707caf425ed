"""`receiver replay --rebuild`: current state from the notifications, as a command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

from sqlalchemy import text

from tests.conftest import NewDatabase, StartReceiver
from tests.support.pushes import cancellation, confirmation, element, unavailability
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

TABLES = ("bookings", "booking_codes", "unavailabilities")


def _rebuild(receiver: Receiver, *arguments: str) -> dict[str, Any]:
    done = receiver.command("replay", "--rebuild", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run(receiver: Receiver, *statements: str) -> None:
    receiver.rows("SELECT 1")
    assert receiver._engine is not None
    with receiver._engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _views(receiver: Receiver) -> list[list[dict[str, Any]]]:
    return [
        receiver.rows(f"SELECT * FROM {view} ORDER BY {order}")
        for view, order in (
            ("v1_bookings", "booking_id"),
            ("v1_booking_codes", "booking_id, position"),
            ("v1_unavailabilities", "resource_id"),
            ("v1_changes", "1"),
        )
    ]


def test_what_was_lost_is_there_again(receiver: Receiver) -> None:
    code = {"bookingCodeSORCode": "N1"}
    receiver.push(element("bookingConfirmations", confirmation(codes=[code]) + cancellation(bookingId="2")))
    receiver.push(unavailability())
    before = _views(receiver)
    _run(receiver, *(f"DELETE FROM {table}" for table in TABLES))
    would = _rebuild(receiver, "--dry-run")
    assert (would["dry_run"], would["bookings"], would["unavailabilities"]) == (True, 2, 1)
    assert receiver.rows("SELECT * FROM v1_bookings") == []
    done = _rebuild(receiver)
    assert (done["finished"], done["notifications"], done["bookings"], done["changes"]) == (True, 3, 2, 0)
    assert _views(receiver) == before
    again = receiver.command("replay", "--rebuild")
    assert again.returncode == 0
    assert b"3 notifications folded into 3 states." in again.stdout
    assert b"Rebuilt: 0 bookings, 0 unavailabilities" in again.stdout


def test_one_source_of_several_and_one_that_is_not_known(database_url: str, start_receiver: StartReceiver) -> None:
    before = start_receiver(database_url, config="[sources.north]\n[sources.south]\n[sources.gone]\n")
    for source in ("north", "south", "gone"):
        before.push(confirmation(), source)
    before.stop()
    after = start_receiver(database_url, config="[sources.north]\n[sources.south]\n")
    _run(after, "UPDATE bookings SET contract = 'wrong'")
    assert _rebuild(after, "--source", "south")["bookings"] == 1
    found = {row["source"]: row["contract"] for row in after.rows("SELECT source, contract FROM v1_bookings")}
    assert found == {"north": "wrong", "south": "H01", "gone": "wrong"}
    done = _rebuild(after)
    assert (done["bookings"], done["unknown_sources"]) == (1, ["gone"])
    assert after.command("replay", "--rebuild", "--source", "gone").returncode == 2


def test_outcomes_as_the_settings_have_them_now(database_url: str, start_receiver: StartReceiver) -> None:
    completion = element(
        "bookingCompletion",
        "<bookingId>1</bookingId><primaryOrderNumber>L1</primaryOrderNumber>"
        "<taskCompletionDate>2021-07-02T11:40:00</taskCompletionDate><taskCompletionStatus>CO</taskCompletionStatus>",
    )
    before = start_receiver(database_url)
    assert before.push(completion).status == 200
    assert before.booking("1")["completed_successfully"] is None
    before.stop()
    after = start_receiver(database_url, config='[sources.drs.outcomes]\nsuccess = ["CO"]\n')
    assert _rebuild(after)["changes"] == 1
    assert after.booking("1")["completed_successfully"] is True


def _many(receiver: Receiver, count: int) -> None:
    for start in range(0, count, 2000):
        records = "".join(confirmation(bookingId=str(n)) for n in range(start, min(count, start + 2000)))
        assert receiver.push(element("bookingConfirmations", records)).status == 200


def test_by_several_processes(new_postgres_database: NewDatabase, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(new_postgres_database())
    _many(receiver, 17_000)
    before = _views(receiver)
    _run(receiver, "UPDATE bookings SET contract = 'wrong', user_id = NULL WHERE booking_id LIKE '%3'")
    done = _rebuild(receiver, "--jobs", "2")
    assert (done["notifications"], done["bookings"], done["changes"]) == (17_000, 1_700, 1_700)
    assert _views(receiver)[:3] == before[:3]


def test_a_stop_leaves_what_was_done_and_again_goes_on(
    new_postgres_database: NewDatabase, start_receiver: StartReceiver
) -> None:
    """Ctrl-C while the second step waits for a booking that someone else works on."""
    receiver = start_receiver(new_postgres_database())
    _many(receiver, 9_000)
    _run(receiver, "UPDATE bookings SET contract = 'wrong'")
    last = receiver.one("SELECT max(booking_id) AS id FROM v1_bookings")["id"]
    assert receiver._engine is not None
    with receiver._engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM bookings WHERE booking_id = :id FOR UPDATE"), {"id": last})
        command = [sys.executable, "-m", "receiver", "replay", "--rebuild", "--json", "--jobs", "1"]
        process = subprocess.Popen(command, env=receiver.environment(), stdout=subprocess.PIPE)
        wait_until(lambda: _wrong(receiver) < 9_000, 30, "the first step is done")
        process.send_signal(signal.SIGINT)
        connection.rollback()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    stopped = json.loads(output)
    done = _rebuild(receiver)
    assert stopped["bookings"] + done["bookings"] == 9_000
    assert _wrong(receiver) == 0


def _wrong(receiver: Receiver) -> int:
    return int(receiver.one("SELECT count(*) AS n FROM v1_bookings WHERE contract = 'wrong'")["n"])


def test_wrong_use_is_said_in_one_line(receiver: Receiver) -> None:
    for arguments in (("--rebuild", "--held"), ("--rebuild", "--push", "x"), ("--held", "--jobs", "2")):
        done = receiver.command("replay", *arguments)
        assert done.returncode == 2
        assert done.stderr.decode().strip()
