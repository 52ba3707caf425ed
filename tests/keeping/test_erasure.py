"""A person or an order erased: nothing of theirs is found anywhere, and everything of others is as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from receiver.spool import Spool, SpooledPush
from receiver.store.figures.tables import figure_tables
from tests.conftest import StartReceiver
from tests.support.pushes import (
    CODE,
    SOAP12,
    cancellation,
    confirmation,
    element,
    fields,
    form_a,
    record,
    soap,
    unavailability,
)
from tests.support.pushes import CONFIRMATION as BOOKED
from tests.support.receiver import Answer, Receiver
from tests.support.waiting import wait_until

from .searching import Row, as_bytes, files, holds, places, rows

ID, NAME, PHONE = "W7734", "Zebedée Quickfall", "07700 900123"
PERSON = (ID, NAME, PHONE)
ORDER, BOOKING = "L990817", "5550817"
_REFERENCES = "".join(f"&#{ord(c)};" for c in ID)
_HEX_REFERENCES = "".join(f"&#x{ord(c):X};" for c in ORDER)


def _completion(booking: str, order: str, *, name: str = "Ann Other", comments: str = "done", inner: str = "") -> str:
    """Form B: an order around a booking."""
    resource = element("resource", fields({"resourceID": "R1", "resourceName": name}))
    place = element("theLocation", fields({"name": name, "address1": "1 High Street"}))
    own = fields(
        {
            "bookingId": booking,
            "taskCompletionDate": "2021-07-02T11:40:00",
            "operatorComments": comments,
        }
    )
    booked = element("booking", own + inner + element("theResources", resource))
    around = fields({"primaryOrderNumber": order, "orderComments": comments}) + place
    return element("completedBooking", element("theOrders", element("order", around + element("theBookings", booked))))


def _utf16(text: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-16"?>' + text).encode("utf-16")


def _of_person() -> list[bytes | str]:
    """The person in every kind, form, encoding and outcome."""
    return [
        confirmation(bookingId="101", userId=ID, codes=[{**CODE, "comments": f"ring {NAME.upper()} first"}]),
        confirmation(bookingId="101", userId=ID, codes=[{**CODE, "comments": f"ring {NAME.upper()} first"}]),
        soap(cancellation(bookingId="102", userId=ID), SOAP12),
        _completion("103", "L103", name=NAME, comments=f"call {PHONE.replace(' ', '  ')}"),
        form_a("unavailability", fields({**_absent(), "ResourceId": ID}), fields({**_absent(), "ResourceId": "W1"})),
        unavailability(ResourceId="R55", OperativeId=ID, PeriodStart="2021-08-02T08:00:00", Comments=NAME),
        unavailability(ResourceId="R55", OperativeId=None, PeriodStart="2021-08-02T08:00:00", Comments="changed"),
        element("unavailabilities", unavailability(Action="Swapped", ResourceId=ID) + unavailability(Action="Swapped")),
        confirmation(bookingId="no number", userId=NAME),
        confirmation(bookingId="109", changedDate=NAME, planningWindowStart=f"{'at ten or so ' * 4}{NAME}"),
        _utf16(confirmation(bookingId="104", userId=NAME)),
        confirmation(bookingId="105").replace("JSMITH", _REFERENCES),
        confirmation(bookingId="106").replace("JSMITH", f"<![CDATA[{ID}]]>"),
        confirmation(bookingId="107").replace("JSMITH", f"W77<!-- who -->34<!-- {NAME} -->"),
        confirmation(bookingId="108").replace("<userId>", f"<nickname of='{NAME}'>{NAME}</nickname><userId>"),
        f"<{ID}/>",
        f"<bookingConfirmation><userId>{NAME}</user",
        _utf16(f"<bookingConfirmation><userId>{NAME}</user"),
        f"<bookingConfirmation><userId>{_REFERENCES}</user",
        json.dumps({"user": NAME, "phone": PHONE}),
        f"<?xml version='1.0' encoding='iso-8859-1'?><bookingConfirmation><userId>{NAME}</x>".encode("latin-1"),
    ]


def _absent() -> dict[str, str]:
    return {"Action": "New", "PeriodStart": "2021-09-02T08:00:00", "PeriodEnd": "2021-09-02T16:00:00"}


def _of_order() -> list[bytes | str]:
    """The order in every kind, form, encoding and outcome."""
    own: dict[str, Any] = {"bookingId": BOOKING, "primaryOrderNumber": ORDER}
    code = {**CODE, "bookingId": BOOKING, "primaryOrderNumber": ORDER}
    shared = element(
        "theOrders",
        element(
            "order",
            fields({"primaryOrderNumber": ORDER})
            + element("theBookings", element("booking", fields({"bookingId": BOOKING, "taskCompletionStatus": "CO"}))),
        )
        + element(
            "order",
            fields({"primaryOrderNumber": "L2"})
            + element("theBookings", element("booking", fields({"bookingId": "202", "taskCompletionStatus": "CO"}))),
        ),
    )
    return [
        confirmation(**own, codes=[code]),
        element("bookingConfirmations", confirmation(**own, bookingReason="LATER") + confirmation(bookingId="201")),
        soap(cancellation(**own)),
        element("completedBooking", shared),
        confirmation(bookingId="203", codes=[{**CODE, "primaryOrderNumber": ORDER}]),
        confirmation(bookingId="204", secondaryOrderNumber=ORDER.lower()),
        # Booked for the order once, for another later.
        cancellation(bookingId="204", changedDate="2021-05-29T10:00:00"),
        confirmation(bookingId="no number", primaryOrderNumber=ORDER),
        confirmation(bookingId="207", changedDate=f"after {ORDER}"),
        confirmation(bookingId="205", bookingReason=f"after {ORDER}"),
        _utf16(confirmation(bookingId="206").replace("L835574", _HEX_REFERENCES)),
        f"<bookingConfirmation><primaryOrderNumber>{_HEX_REFERENCES}</x>",
        element(ORDER, ""),
    ]


def _of_others() -> list[bytes | str]:
    return [
        confirmation(bookingId="901", codes=[CODE, {**CODE, "comments": "W773 and Quickfall"}]),
        cancellation(bookingId="901"),
        _completion("902", "L902"),
        unavailability(ResourceId="V773", PeriodStart="2021-07-03T08:00:00", PeriodEnd="2021-07-04T08:00:00"),
        confirmation(bookingId="odd one", userId="W773"),
        "<bookingConfirmation><userId>W773</user",
        _utf16(confirmation(bookingId="904", userId="Quickfall", primaryOrderNumber="L99081")),
    ]


def _push_all(receiver: Receiver, pushes: Sequence[bytes | str]) -> list[Answer]:
    answers = [receiver.push(body) for body in pushes]
    assert all(answer.push_id for answer in answers)
    return answers


def _housekeeping(receiver: Receiver, *arguments: str) -> dict[str, Any]:
    done = receiver.command("housekeeping", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _erase(receiver: Receiver, *whom: str) -> dict[str, Any]:
    return _housekeeping(receiver, "erase", *whom, "--reason", "request 17", "--yes", "--json")


def _persons() -> list[str]:
    return [argument for text in PERSON for argument in ("--person", text)]


def lasting(found: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """All but what a server works out by itself a little later, and that it has: counts, causes, words."""
    derived = {"duties", "record_words", *(table.name for table in vars(figure_tables(MetaData())).values())}
    return {
        name: [{column: value for column, value in row.items() if column != "grouped_at"} for row in kept]
        for name, kept in found.items()
        if name not in derived
    }


def _of_others_in(found: dict[str, list[Row]], texts: Sequence[str], also: frozenset[str]) -> dict[str, list[Row]]:
    """The rows that hold none of the texts and belong to none of the deliveries and notifications in ``also``."""
    return {
        name: [
            row
            for row in kept
            if not any(holds(as_bytes(v), t) for v in row.values() for t in texts)
            and not also & {str(v) for v in row.values()}
        ]
        for name, kept in lasting(found).items()
        if name not in ("alembic_version", "erasures", "feed_offset", "trail", "trail_ends")
    }


def _touched(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> frozenset[str]:
    """Ids of deliveries and notifications that say that something of them was erased, and of what is gone."""
    said = {r["id"] for r in after["pushes"] if r["body_state"]} | {
        r["id"] for r in after["notifications"] if r["erased_at"]
    }
    gone = {r["booking_id"] for r in before["bookings"]} - {r["booking_id"] for r in after["bookings"]}
    return frozenset(said | gone)


@pytest.mark.parametrize("what", ["person", "order"])
def test_nothing_is_found_afterwards_and_others_are_as_they_were(
    what: str, database_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    receiver = start_receiver(database_url)
    texts = PERSON if what == "person" else (ORDER,)
    _push_all(receiver, [*_of_others(), *(_of_person() if what == "person" else _of_order()), *_of_others()[:2]])
    found = {place for text in texts for place in places(database_url, text)}
    assert {"notifications.values", "notifications.problems", "push_bodies.body", "pushes.message"} <= found
    before = rows(database_url)
    said = _erase(receiver, *(_persons() if what == "person" else ("--order", ORDER)))
    assert said["left"] == {}
    receiver.stop()
    after = lasting(rows(database_url))
    for text in texts:
        assert places(database_url, text) == []
        for name, content in files(database_url, receiver.folder).items():
            if not name.endswith((".toml",)):
                assert not holds(content, text), name
    touched = _touched(before, after)
    for name, kept in _of_others_in(before, texts, touched).items():
        assert [row for row in kept if row not in after[name]] == [], name
    others = {"901", "902", "904"} | ({"201", "202"} if what == "order" else {"101", "103"})
    assert others <= {r["booking_id"] for r in after["bookings"]}
    assert {r["id"] for r in after["pushes"]} == {r["id"] for r in before["pushes"]}
    assert {r["id"] for r in after["notifications"]} == {r["id"] for r in before["notifications"]}


def test_what_was_erased_has_no_effect_when_it_comes_again(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url)
    pushes = [confirmation(), cancellation(), unavailability()]
    _push_all(receiver, pushes)
    assert _erase(receiver, "--booking", BOOKED["bookingId"])["bookings"] == ["drs 731904"]
    assert _erase(receiver, "--person", "w123")["counts"]["unavailabilities"] == 1
    for body in pushes:
        answer = receiver.push(body)
        assert answer.status == 200
        assert "Received before" in str(answer.said("errorMsg"))
    for view in ("v1_bookings", "v1_unavailabilities", "v1_changes"):
        assert receiver.rows(f"SELECT * FROM {view}") == []
    kept = receiver.rows('SELECT status, "values", booking_id, resource_id FROM v1_notifications')
    assert kept == [{"status": "discarded", "values": {}, "booking_id": None, "resource_id": None}] * 3
    news = receiver.push(confirmation(changedDate="2021-06-01T10:00:00"))
    assert news.status == 200
    assert receiver.booking("731904")["status"] == "confirmed"


def test_what_others_have_held_in_the_same_push_is_still_retried(
    database_url: str, start_receiver: StartReceiver
) -> None:
    before = start_receiver(database_url)
    mixed = unavailability(Action="Swapped", ResourceId=ID) + unavailability(Action="Swapped", Comments=NAME)
    applied = unavailability(ResourceId="W9", OperativeId=NAME) + unavailability(ResourceId="W8", Comments=NAME)
    push = before.push(element("unavailabilities", mixed + applied))
    failed = before.push(element("unavailabilities", mixed.replace("Swapped", "Moved")))
    for text in PERSON:
        _erase(before, "--person", text)
    before.stop()
    after = start_receiver(database_url, config='[sources.drs.actions]\nswapped = "amended"\nmoved = "amended"\n')
    done = after.command("replay", "--held", "--json")
    assert done.returncode == 0, done.stderr
    said = {line["push_id"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert said[push.push_id]["applied"] == 1
    assert said[push.push_id]["held"] == said[failed.push_id]["held"] == 0
    kept = after.rows("SELECT resource_id, comments, action FROM v1_unavailabilities ORDER BY resource_id")
    assert kept == [
        {"resource_id": "W123", "comments": "[erased]", "action": "amended"},
        {"resource_id": "W8", "comments": "[erased]", "action": "created"},
    ]
    again = after.push(element("unavailabilities", unavailability(Action="Moved", Comments=NAME)))
    assert "Received before" in str(again.said("errorMsg"))


def test_what_waits_in_the_spool_is_erased_too(
    database_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    receiver = start_receiver(database_url, env={"RECEIVER_SPOOL": str(folder)})
    receiver.push(confirmation(bookingId="1", primaryOrderNumber=ORDER))
    receiver.stop()
    spool, at = Spool(folder, 1024**2), datetime(2021, 5, 28, tzinfo=UTC)
    others = confirmation(bookingId="2") + confirmation(bookingId="3", userId=NAME)
    waiting = (
        confirmation(userId=ID, primaryOrderNumber=ORDER),
        element("bookingConfirmations", others + confirmation(bookingId="4", primaryOrderNumber=ORDER)),
        f"<bookingConfirmation><userId>{NAME}</user",
    )
    for number, body in enumerate(waiting):
        spool.add(SpooledPush(f"0197000{number}", "drs", at, None, 503, body.encode()))
    _erase(receiver, *_persons())
    assert _erase(receiver, "--order", ORDER)["counts"]["spool.erased"] == 1
    for text in (*PERSON, ORDER):
        assert [name for name, content in files(database_url, folder).items() if holds(content, text)] == []
    assert len(spool.pending()) == 1
    receiver.start()
    wait_until(lambda: receiver.rows("SELECT * FROM v1_bookings WHERE booking_id = '3'"), 30, "the spool is drained")
    drained = receiver.rows("SELECT booking_id, user_id FROM v1_bookings ORDER BY booking_id")
    assert drained == [{"booking_id": "2", "user_id": "JSMITH"}, {"booking_id": "3", "user_id": "[erased]"}]
    assert receiver.rows("SELECT * FROM v1_notifications WHERE status = 'held'") == []


def test_a_dry_run_says_where_and_changes_nothing(receiver: Receiver) -> None:
    _push_all(receiver, [*_of_person(), *_of_others()])
    before = lasting(rows(receiver.database_url))
    said = _housekeeping(receiver, "erase", *_persons(), "--reason", "x", "--dry-run", "--json")
    assert said["dry_run"] is True
    assert said["counts"]["unavailabilities"] == 2
    assert said["counts"]["bookings.user_id"] >= 5
    assert said["counts"]["pushes.bytes_erased"] >= 5
    assert said["counts"]["pushes.bytes_redacted"] >= 5
    assert lasting(rows(receiver.database_url)) == before


def test_done_again_it_finds_nothing_more(receiver: Receiver) -> None:
    _push_all(receiver, [*_of_person(), *_of_order()])
    assert _erase(receiver, *_persons())["counts"]
    assert _erase(receiver, *_persons())["counts"] == {}
    assert _erase(receiver, "--order", ORDER)["counts"]
    assert _erase(receiver, "--order", ORDER)["counts"] == {}


def test_the_proof_can_be_checked_and_holds_no_name(receiver: Receiver) -> None:
    _push_all(receiver, _of_person()[:3])
    _erase(receiver, *_persons())
    for text in (ID.lower(), f"  {NAME.upper()} "):
        (proof,) = receiver.command("housekeeping", "erasures", "--json", "--check", text).stdout.splitlines()
        assert json.loads(proof)["reason"] == "request 17"
    assert receiver.command("housekeeping", "erasures", "--check", "W773").returncode == 1
    assert len(receiver.command("housekeeping", "erasures").stdout.splitlines()) == 3
    assert places(receiver.database_url, ID) == []


def test_wrong_use_is_said_in_one_line_and_erases_nothing(receiver: Receiver) -> None:
    receiver.push(confirmation())
    before = lasting(rows(receiver.database_url))
    for arguments in (
        (),
        ("--order", "1", "--booking", "2"),
        ("--person", "ab"),
        ("--person", "JSMITH", "--reason", "jsmith asked"),
        ("--person", "JSMITH", "--reason", "x", "--by", "JSmith"),
        ("--person", "JSMITH", "--reason", "x", "--json"),
    ):
        reason = () if "--reason" in arguments else ("--reason", "x")
        done = receiver.command("housekeeping", "erase", *arguments, *reason)
        assert done.returncode == 2, arguments
        assert len(done.stderr.decode().strip().splitlines()[-1]) > 10
    refused = receiver.command("housekeeping", "erase", "--person", "JSMITH", "--reason", "x", stdin=b"n\n")
    assert refused.returncode == 1
    assert lasting(rows(receiver.database_url)) == before


def test_a_short_number_takes_nothing_of_others(receiver: Receiver) -> None:
    _push_all(
        receiver,
        [
            confirmation(bookingId="12", codes=[{**CODE, "bookingId": "12", "quantity": "12"}]),
            confirmation(bookingId="13", bookingReason="12", codes=[{**CODE, "quantity": "12"}]),
            element("bookingConfirmation", record({**BOOKED, "bookingId": "14", "originalBookingId": "12"})),
            "<bookingConfirmation><bookingId>13</bookingId><at>12:12</at",
            "<bookingConfirmation><bookingId>12</bookingId><at>13:12</at",
        ],
    )
    said = _erase(receiver, "--booking", "12")
    assert said["bookings"] == ["drs 12"]
    left = receiver.rows("SELECT booking_id, booking_reason, original_booking_id FROM v1_bookings ORDER BY booking_id")
    assert left == [
        {"booking_id": "13", "booking_reason": "12", "original_booking_id": None},
        {"booking_id": "14", "booking_reason": "FIRST", "original_booking_id": "[erased]"},
    ]
    states = receiver.rows("SELECT body_state FROM pushes ORDER BY id")
    assert [s["body_state"] for s in states] == ["erased", None, "redacted", None, "erased"]
