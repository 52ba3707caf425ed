"""Unavailabilities: nightly batches, actions in words, and words that nobody has mapped yet."""

from __future__ import annotations

import json

import pytest

from tests.conftest import StartReceiver
from tests.support.pushes import cancellation, confirmation, element, unavailability
from tests.support.receiver import Receiver


def _absences(receiver: Receiver) -> list[tuple[str, str, str]]:
    rows = receiver.rows("SELECT resource_id, action, status FROM v1_unavailabilities ORDER BY resource_id")
    return [(r["resource_id"], r["action"], r["status"]) for r in rows]


def test_five_thousand_with_three_bad_and_two_identical(receiver: Receiver) -> None:
    records = [unavailability(ResourceId=f"W{n}") for n in range(5000)]
    records[4999] = records[4998]
    for bad in (10, 2500, 4000):
        records[bad] = unavailability(ResourceId=f"W{bad}", PeriodEnd="32-JUL-2021 16:00")
    answer = receiver.push(element("unavailabilities", "".join(records)))
    assert (answer.status, answer.said("status")) == (200, "success")
    assert "3 of 5000 records" in str(answer.said("errorMsg"))
    assert receiver.one("SELECT count(*) AS n FROM v1_unavailabilities")["n"] == 4996
    held = receiver.rows("SELECT position FROM v1_notifications WHERE status = 'held' ORDER BY position")
    assert [h["position"] for h in held] == [11, 2501, 4001]
    assert receiver.one("SELECT records, outcome FROM v1_pushes") == {"records": 5000, "outcome": "partly_held"}
    assert receiver.one("SELECT count(*) AS n FROM v1_changes")["n"] == 4996
    again = receiver.push(element("unavailabilities", "".join(records)))
    assert receiver.one("SELECT outcome FROM v1_pushes WHERE id = :id", id=again.push_id) == {"outcome": "duplicate"}
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == 4999


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("New", "created"),
        ("ADD", "created"),
        ("insert", "created"),
        ("Amend", "amended"),
        ("modify", "amended"),
        ("UPDATE", "amended"),
        ("Delete", "removed"),
        ("cancel", "removed"),
        ("", "created"),
        (None, "created"),
    ],
)
def test_words_of_an_action(receiver: Receiver, word: str | None, action: str) -> None:
    assert receiver.push(unavailability(Action=word)).said("status") == "success"
    status = "removed" if action == "removed" else "active"
    assert _absences(receiver) == [("W123", action, status)]
    assert receiver.one("SELECT action_text FROM v1_unavailabilities") == {"action_text": word or None}


def test_created_amended_removed_and_created_again(receiver: Receiver) -> None:
    for word, reason in (
        ("New", "SICK"),
        ("Amend", "LEAVE"),
        ("Delete", "LEAVE"),
        ("Delete", "LEAVE"),
        ("New", "SICK"),
    ):
        receiver.push(unavailability(Action=word, Reason=reason))
    assert _absences(receiver) == [("W123", "created", "active")]
    changes = [r["change"] for r in receiver.rows('SELECT change FROM v1_changes ORDER BY "cursor"')]
    assert changes == ["created", "updated", "removed", "created"]
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == 4


_MAPPED = '[sources.drs.actions]\nSWAPPED = "amended"\n'
_HOLD = '[sources.drs]\non_invalid = "hold"\n'


def _held(receiver: Receiver) -> dict[str, object]:
    return receiver.one("SELECT * FROM v1_notifications")


@pytest.mark.parametrize("policy", ["refuse", "hold"])
def test_an_unknown_word_is_held_and_applied_once_it_is_mapped(
    database_url: str, start_receiver: StartReceiver, policy: str
) -> None:
    before = start_receiver(database_url, config=f'[sources.drs]\non_invalid = "{policy}"\n')
    push = unavailability(Action="Swapped")
    first = before.push(push)
    assert first.status == (200 if policy == "hold" else 422)
    assert "Swapped" in str(first.said("errorMsg"))
    again = before.push(push)
    assert again.status == first.status
    assert _held(before)["status"] == "held"
    assert _absences(before) == []
    outcomes = [r["outcome"] for r in before.rows("SELECT outcome FROM v1_pushes ORDER BY received_at, id")]
    assert outcomes == (["held", "duplicate"] if policy == "hold" else ["refused", "refused"])
    before.stop()

    after = start_receiver(database_url, config=_MAPPED)
    dry = after.command("replay", "--held", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert _held(after)["status"] == "held"
    done = after.command("replay", "--held", "--json")
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(line)["applied"] for line in done.stdout.splitlines()) == 1
    assert _held(after)["status"] == "applied"
    assert _held(after)["problems"] == []
    assert _absences(after) == [("W123", "amended", "active")]
    assert "Received before" in str(after.push(push).said("errorMsg"))


def test_the_same_push_sent_again_once_its_word_is_mapped(database_url: str, start_receiver: StartReceiver) -> None:
    before = start_receiver(database_url)
    push = unavailability(Action="Swapped")
    held = before.push(push)
    before.stop()
    after = start_receiver(database_url, config=_MAPPED)
    assert after.push(push).said("status") == "success"
    notification = _held(after)
    assert (notification["status"], notification["push_id"]) == ("applied", held.push_id)
    assert _absences(after) == [("W123", "amended", "active")]


def test_a_field_that_is_named_later_reads_the_held_push(database_url: str, start_receiver: StartReceiver) -> None:
    before = start_receiver(database_url, config=_HOLD)
    push = unavailability().replace("ResourceId", "wer")
    assert before.push(push).status == 200
    before.stop()
    after = start_receiver(database_url, config='[sources.drs.fields]\nwer = "ResourceId"\n')
    assert after.command("replay", "--held").returncode == 0
    assert _absences(after) == [("W123", "created", "active")]
    assert _held(after)["status"] == "applied"


def test_a_root_that_is_named_later_reads_the_refused_push(database_url: str, start_receiver: StartReceiver) -> None:
    before = start_receiver(database_url)
    refused = before.push(unavailability().replace("unavailability", "absence"))
    assert refused.status == 400
    before.stop()
    after = start_receiver(database_url, config='[sources.drs.roots]\nabsence = "unavailability"\n')
    assert after.command("replay", "--push", str(refused.push_id)).returncode == 0
    assert _absences(after) == [("W123", "created", "active")]
    assert _held(after)["push_id"] == refused.push_id


def test_new_and_removed_in_one_push_that_comes_three_times(receiver: Receiver) -> None:
    push = element("theUnavailabilities", unavailability(Action="NEW") + unavailability(Action="DELETE"))
    for _ in range(3):
        assert receiver.push(push).said("status") == "success"
    assert _absences(receiver) == [("W123", "removed", "removed")]
    changes = [r["change"] for r in receiver.rows('SELECT change FROM v1_changes ORDER BY "cursor"')]
    assert changes == ["created", "removed"]
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == 2


def test_an_unknown_element_that_names_a_booking_does_not_make_it_one_of_the_bookings_events(
    receiver: Receiver,
) -> None:
    assert receiver.push(confirmation(changedDate="2021-05-27T14:21:01")).status == 200
    odd = unavailability().replace("</unavailability>", "<bookingId>731904</bookingId></unavailability>")
    assert receiver.push(odd).status == 200
    late = receiver.push(cancellation(changedDate="2021-05-26T09:00:00"))
    assert (late.status, late.said("status")) == (200, "success")
    found = receiver.one("SELECT booking_id, resource_id FROM v1_notifications WHERE kind = 'unavailability'")
    assert found == {"booking_id": None, "resource_id": "W123"}
    assert receiver.one("SELECT status FROM v1_bookings") == {"status": "confirmed"}
