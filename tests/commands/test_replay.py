"""`receiver replay`: stored pushes through the corridor again, in event order, once."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import StartReceiver
from tests.support.pushes import cancellation, confirmation, element, unavailability
from tests.support.receiver import Receiver


def _replay(receiver: Receiver, *arguments: str) -> list[dict[str, Any]]:
    done = receiver.command("replay", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_was_applied_stays_as_it_is(receiver: Receiver) -> None:
    pushed = receiver.push(element("bookingConfirmations", confirmation(bookingId="1") + confirmation(bookingId="2")))
    before = receiver.rows("SELECT * FROM v1_changes"), receiver.rows("SELECT * FROM v1_bookings")
    (found,) = _replay(receiver, "--push", str(pushed.push_id))
    assert (found["records"], found["applied"], found["settled_before"]) == (2, 0, 2)
    assert (receiver.rows("SELECT * FROM v1_changes"), receiver.rows("SELECT * FROM v1_bookings")) == before
    assert receiver.one("SELECT count(*) AS n FROM v1_pushes")["n"] == 1


def test_a_held_record_takes_its_place_in_event_order(database_url: str, start_receiver: StartReceiver) -> None:
    before = start_receiver(database_url, config='[sources.drs]\nrequired = ["contract"]\n')
    held = before.push(confirmation(contract=None))
    assert held.status == 422
    before.push(confirmation(changedDate="2021-05-28T10:00:00", bookingReason="Tenant changed"))
    before.push(cancellation(changedDate="2021-05-29T10:00:00", contract="H01"))
    before.stop()
    after = start_receiver(database_url)
    assert _replay(after, "--held", "--dry-run")[0]["superseded"] == 1
    assert after.one("SELECT status FROM v1_notifications WHERE push_id = :id", id=held.push_id) == {"status": "held"}
    assert _replay(after, "--held")[0]["superseded"] == 1
    assert after.one("SELECT status FROM v1_notifications WHERE push_id = :id", id=held.push_id) == {
        "status": "superseded"
    }
    booking = after.booking("731904")
    assert (booking["status"], booking["booking_reason"]) == ("cancelled", "Tenant changed")
    assert _replay(after, "--held") == []


def test_one_source_of_several(database_url: str, start_receiver: StartReceiver) -> None:
    config = "[sources.north]\n[sources.south]\n"
    before = start_receiver(database_url, config=config)
    for source in ("north", "south"):
        before.push(unavailability(Action="Swapped"), source)
    mapped = '[sources.north.actions]\nswapped = "amended"\n[sources.south.actions]\nswapped = "amended"\n'
    before.stop()
    after = start_receiver(database_url, config=mapped)
    assert len(_replay(after, "--held", "--source", "south")) == 1
    assert [r["source"] for r in after.rows("SELECT source FROM v1_unavailabilities")] == ["south"]


def test_wrong_use_is_said_in_one_line(receiver: Receiver) -> None:
    for arguments in ((), ("--held", "--push", "x"), ("--push", "no-such-push")):
        done = receiver.command("replay", *arguments)
        assert done.returncode == 2
        assert done.stderr.decode().strip()
