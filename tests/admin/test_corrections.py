"""Held records put right by a person: the correction walks the corridor and takes the original's place in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from receiver.errors import BytesGone, NotCorrected, NotFound, TooLarge, WrongState
from receiver.intake.deciding import MOST_EDITED
from receiver.messages import Rules
from receiver.store.finding.filter import Filter
from receiver.store.finding.records import find_records
from receiver.store.pushes import Outcome
from receiver.store.replays import decisions
from receiver.store.replays.decisions import Choice, Decision
from tests.support.pushes import CANCELLATION, CONFIRMATION, cancellation, confirmation, element, form_a, record
from tests.support.pushes import unavailability as absence

from .desk import Office, office

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WRONG, RIGHT = "<numberOfOperatives>many</numberOfOperatives>", "<numberOfOperatives>2</numberOfOperatives>"


class _Clock:
    """A minute for each time that it is asked."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


def _batch(*ids: str) -> str:
    return form_a("bookingConfirmation", *(record(CONFIRMATION, bookingId=i, numberOfOperatives="many") for i in ids))


def _held(found: Office, body: str) -> str:
    return str(found.push(body).push_id)


def _mended(found: Office, push_id: str, position: int = 1, **changes: str) -> str:
    text = found.deciding.editable(push_id, position).text.replace(WRONG, RIGHT)
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def _booking(found: Office, booking_id: str) -> dict[str, Any]:
    return next(row for row in found.rows("bookings") if row["booking_id"] == booking_id)


def test_a_correction_is_a_push_that_stands_in_the_originals_place(database_url: str) -> None:
    with office(database_url, now=_Clock()) as found:
        push_id = _held(found, _batch("1", "2"))
        before = found.rows("notifications", "position")
        done = found.deciding.correct(push_id, 2, _mended(found, push_id, 2), "jo", "a typo")
        first, original, corrected = found.rows("notifications", "push_id", "position")
        assert (first["status"], original["status"], corrected["status"]) == ("held", "discarded", "applied")
        assert original["values"] == before[1]["values"]
        assert (corrected["push_id"], corrected["position"]) == (done.push_id, 1)
        assert corrected["received_at"] == original["received_at"]
        booking = _booking(found, "2")
        assert (booking["number_of_operatives"], booking["first_received_at"]) == (2, original["received_at"])
        pushed, correction = found.rows("pushes", "received_at")
        assert correction["id"] == done.push_id
        assert (correction["outcome"], correction["sender"], correction["taken_microseconds"]) == ("stored", None, None)
        assert correction["received_at"] > pushed["received_at"]
        bodies = {row["push_id"]: row["body"] for row in found.rows("push_bodies")}
        assert WRONG.encode() in bodies[push_id]
        assert RIGHT.encode() in bodies[done.push_id]
        with found.store.reading() as connection:
            (decision,) = decisions.of_push(connection, found.store.tables, push_id)
            assert decisions.of_correction(connection, found.store.tables, done.push_id) == decision
        assert (decision.decision, decision.version, decision.position) == (Choice.CORRECTED, 1, 2)
        assert decision.correction_push_id == done.push_id


def test_what_came_later_stays_later(database_url: str) -> None:
    """An undated event has no time but its arrival's: the correction's is that of the original."""
    with office(database_url, now=_Clock()) as found:
        push_id = _held(found, element("bookingCancellation", record(CANCELLATION, changedDate="yesterday")))
        found.push(confirmation(changedDate=None))
        found.push(confirmation(changedDate=None, bookingReason="Again"))
        text = found.deciding.editable(push_id, 1).text.replace("<changedDate>yesterday</changedDate>", "")
        found.deciding.correct(push_id, 1, text, "jo", "no date")
        booking = _booking(found, "731904")
        assert booking["booking_reason"] == "Again"
        assert booking["last_received_at"] > booking["first_received_at"]
        assert booking["first_received_at"] == found.rows("notifications", "received_at")[0]["received_at"]
        before = found.rows("bookings")
        stretches = list(found.work.rebuilding.stretches())
        assert sum(found.work.rebuilding.rebuild(s).bookings for s in stretches) == 0
        assert found.rows("bookings") == before


def test_the_original_again_has_no_effect(database_url: str) -> None:
    with office(database_url, now=_Clock()) as found:
        body = _batch("1")
        push_id = _held(found, body)
        found.deciding.correct(push_id, 1, _mended(found, push_id), "jo", "a typo")
        before = found.state()
        assert found.push(body).outcome is Outcome.DUPLICATE
        assert (
            found.push(element("bookingConfirmations", confirmation(bookingId="1", numberOfOperatives="many"))).held
            == 0
        )
        tally = found.intake.retry(push_id, found.sources)
        assert tally is not None
        assert tally.outcomes == [(1, "settled_before", None)]
        assert found.state() == before
        assert found.waiting() == []


def test_checking_says_what_is_wrong_and_what_would_become_of_it_and_writes_nothing(database_url: str) -> None:
    with office(database_url, now=_Clock()) as found:
        push_id = _held(found, _batch("1", "2"))
        found.push(confirmation(bookingId="2", changedDate="2021-06-01T00:00:00"))
        before = found.state(), found.rows("notifications", "id"), found.rows("pushes", "id")
        text = found.deciding.editable(push_id, 2).text
        (problem,) = found.deciding.check(push_id, 2, text.replace("<bookingId>", "\n\n<bookingId>")).problems
        assert (problem.field, problem.code, problem.line) == ("numberOfOperatives", "not_an_integer", 3)
        (problem,) = found.deciding.check(push_id, 2, "<bookingConfirmation>\n<x></bookingConfirmation>").problems
        assert (problem.code, problem.line) == ("not_well_formed", 2)
        good = found.deciding.check(push_id, 2, _mended(found, push_id, 2) + "\r\n")
        assert good.is_good
        assert [(e.about, e.outcome) for e in good.expected] == [("2", "superseded")]
        odd = found.deciding.check(
            push_id, 1, _mended(found, push_id).replace("<userId>", "<nickname>J</nickname><userId>")
        )
        assert ([w.code for w in odd.warnings], odd.expected[0].outcome) == (["unknown_element"], "applied")
        assert (found.state(), found.rows("notifications", "id"), found.rows("pushes", "id")) == before
        assert found.rows("decisions") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<nothing/>", "unknown_root"),
        ("", "empty_body"),
        ("<bookingConfirmations/>", "records"),
        (element("bookingConfirmations", confirmation(bookingId="1") + confirmation(bookingId="2")), "records"),
        (confirmation(bookingId="1", numberOfOperatives="many"), "not_an_integer"),
        ("<!DOCTYPE x>" + confirmation(), "doctype"),
        ("<bookingConfirmation>" + "<a>" * 100, "too_deep"),
        (f"<bookingConfirmation><x>{'x' * 1_000_000}</x></bookingConfirmation>", "too_large"),
    ],
)
def test_what_is_still_wrong_is_refused_with_its_problems(sqlite_url: str, text: str, code: str) -> None:
    with office(sqlite_url) as found:
        push_id = _held(found, _batch("1"))
        assert found.deciding.check(push_id, 1, text).problems[0].code == code
        with pytest.raises(NotCorrected):
            found.deciding.correct(push_id, 1, text, "jo", "x")
        assert len(found.rows("pushes")) == 1
        assert [row["status"] for row in found.rows("notifications")] == ["held"]


def test_what_says_the_same_is_no_correction(sqlite_url: str) -> None:
    """It has become valid by a setting: then it is to be retried, not corrected."""
    strict = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))
    with office(sqlite_url, strict) as found:
        push_id = _held(found, confirmation(contract=None))
    with office(sqlite_url) as found:
        text = found.deciding.editable(push_id, 1).text
        assert [p.code for p in found.deciding.check(push_id, 1, text).problems] == ["unchanged"]
        assert found.deciding.check(push_id, 1, text.replace("FIRST", "SECOND")).is_good


def test_correcting_again_lays_the_second_version_over_the_first(database_url: str) -> None:
    with office(database_url, now=_Clock()) as found:
        push_id = _held(found, _batch("1"))
        first = _mended(found, push_id, bookingReason="bookingReason")
        found.deciding.correct(push_id, 1, first, "jo", "a typo")
        later = confirmation(
            bookingId="1", changedDate="2021-05-29T10:00:00", contract="LATER", numberOfOperatives=None
        )
        found.push(later)
        second = first.replace(RIGHT, "<numberOfOperatives>3</numberOfOperatives>")
        assert [p.code for p in found.deciding.check(push_id, 1, first).problems] == ["unchanged"]
        other = second.replace("<bookingId>1<", "<bookingId>9<")
        assert [p.code for p in found.deciding.check(push_id, 1, other).problems] == ["other_subject"]
        done = found.deciding.correct(push_id, 1, second, "jo", "and another")
        assert done.decision.version == 2
        booking = _booking(found, "1")
        assert (booking["number_of_operatives"], booking["contract"]) == (3, "LATER")
        assert [d["version"] for d in found.rows("decisions", "version")] == [1, 2]


def test_another_absence_is_another_thing(sqlite_url: str) -> None:
    with office(sqlite_url, now=_Clock()) as found:
        push_id = _held(found, absence(Action="Swapped"))
        text = found.deciding.editable(push_id, 1).text.replace("Swapped", "New")
        found.deciding.correct(push_id, 1, text, "jo", "x")
        moved = text.replace("2021-07-02T16", "2021-07-02T15")
        assert [p.code for p in found.deciding.check(push_id, 1, moved).problems] == ["other_subject"]
        found.deciding.correct(push_id, 1, text.replace("dentist", "doctor"), "jo", "y")
        assert [row["comments"] for row in found.rows("unavailabilities")] == ["doctor"]


def test_what_was_discarded_can_be_put_right_after_all(sqlite_url: str) -> None:
    with office(sqlite_url) as found:
        push_id = _held(found, _batch("1"))
        found.deciding.discard(push_id, 1, "jo", "hasty")
        found.deciding.correct(push_id, 1, _mended(found, push_id), "kim", "it was a typo")
        assert _booking(found, "1")["number_of_operatives"] == 2
        assert [(d["decision"], d["made_by"]) for d in found.rows("decisions", "version")] == [
            ("discarded", "jo"),
            ("corrected", "kim"),
        ]


def test_a_push_that_cannot_be_read_is_corrected_whole(database_url: str) -> None:
    broken = '<?xml version="1.0" encoding="iso-8859-1"?>\n' + _batch("1", "2").replace("many", "1").replace(
        "H01", "Hé1"
    )
    body = broken.replace("</e:Body>", "").encode("iso-8859-1")
    with office(database_url, now=_Clock()) as found:
        push_id = str(found.push(body).push_id)
        arrival = found.rows("pushes")[0]["received_at"]
        text = found.deciding.editable(push_id, 0).text
        assert "Hé1" in text
        assert found.deciding.check(push_id, 0, text).problems[0].code == "not_well_formed"
        mended = text.replace("</e:Envelope>", "</e:Body></e:Envelope>")
        done = found.deciding.correct(push_id, 0, mended, "jo", "a tag was missing")
        assert [(row["contract"], row["first_received_at"]) for row in found.rows("bookings")] == [("Hé1", arrival)] * 2
        assert (done.decision.position, done.tally.applied) == (0, 2)
        assert found.waiting() == []
        assert found.push(body).outcome is Outcome.REFUSED
        assert found.waiting() == []
        with pytest.raises(WrongState):
            found.deciding.discard(push_id, 0, "jo", "x")


def test_two_who_correct_at_once_do_not_both(database_url: str) -> None:
    """The second sees what the first decided: it is another version, and says nothing new."""
    with office(database_url) as found:
        push_id = _held(found, _batch("1"))
        text = _mended(found, push_id)

        def in_between(_connection: Connection, decided: Decision) -> None:
            assert decided.version == 1

        found.deciding.correct(push_id, 1, text, "jo", "x", in_between)
        with pytest.raises(NotCorrected):
            found.deciding.correct(push_id, 1, text, "kim", "y")
        assert len(found.rows("bookings")) == 1


def test_what_else_is_done_is_done_with_it_or_not_at_all(database_url: str) -> None:
    with office(database_url) as found:
        push_id = _held(found, _batch("1"))

        def fail(_connection: Connection, _decided: Decision) -> None:
            raise WrongState("the trail is full")

        with pytest.raises(WrongState, match="full"):
            found.deciding.correct(push_id, 1, _mended(found, push_id), "jo", "x", fail)
        assert (found.rows("bookings"), found.rows("decisions"), len(found.rows("pushes"))) == ([], [], 1)
        assert [row["status"] for row in found.rows("notifications")] == ["held"]


def test_what_there_is_nothing_of_cannot_be_edited(sqlite_url: str) -> None:
    with office(sqlite_url) as found:
        push_id = _held(found, _batch("1"))
        large = str(found.push(f"<broken>{'x' * (MOST_EDITED + 1)}").push_id)
        tries: list[tuple[Callable[[], object], type[Exception]]] = [
            (lambda: found.deciding.editable("none", 1), NotFound),
            (lambda: found.deciding.editable(push_id, 2), BytesGone),
            (lambda: found.deciding.editable(large, 0), TooLarge),
            (lambda: found.deciding.check("none", 1, "x"), NotFound),
            (lambda: found.deciding.correct(push_id, 1, "x", "jo", " "), WrongState),
            (lambda: found.deciding.check(str(found.push(cancellation()).push_id), 1, "x"), NotFound),
        ]
        for attempt, error in tries:
            with pytest.raises(error):
                attempt()


def test_lists_of_records_have_each_once_though_a_correction_is_older_than_its_push(database_url: str) -> None:
    with office(database_url, now=_Clock()) as found:
        push_id = _held(found, _batch("1", "2", "3"))
        for booking in ("4", "5"):
            found.push(confirmation(bookingId=booking))
        for position in (1, 2):
            found.deciding.correct(push_id, position, _mended(found, push_id, position), "anna", "a typing error")
        place, seen = None, list[str]()
        with found.store.reading() as connection:
            while page := find_records(connection, found.store.tables, Filter(), place, limit=1):
                seen.append(page[0].id)
                place = page[0].place
            every = {row["id"] for row in found.rows("notifications")}
        assert len(seen) == len(every) == 7
        assert set(seen) == every
