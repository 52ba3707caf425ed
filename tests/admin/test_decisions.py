"""Held records discarded by a person: the same again has no effect, whatever it comes in, and nothing waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from receiver.errors import NotFound, ReceiverError, StoreConflict, WrongState
from receiver.fields import field_table
from receiver.intake.receipt import Tally
from receiver.jobs.replaying import Asked
from receiver.messages import Rules
from receiver.messages.subject import Names, Subject, SubjectKind
from receiver.store import notifications
from receiver.store.finding.filter import Filter
from receiver.store.keeping.erasure import Eraser
from receiver.store.keeping.retention import Keep, Retention
from receiver.store.keeping.subjects import Finder
from receiver.store.pushes import Outcome
from receiver.store.replays import decisions
from receiver.store.replays.decisions import Choice, Decision
from receiver.store.replays.jobs import ReplayKind
from receiver.wire import Limits, Reading, Records
from tests.support.pushes import cancellation, confirmation, element

from .desk import Office, office

HELD = confirmation(numberOfOperatives="many")
LENIENT = Rules("drs", ZoneInfo("Europe/London"), field_aliases={"operatives": "numberOfOperatives"})


def _discarded(found: Office, body: str, position: int = 1) -> Decision:
    pushed = found.push(body)
    assert pushed.push_id is not None
    return found.deciding.discard(pushed.push_id, position, "jo", " sent in error ")


def _statuses(found: Office) -> list[str]:
    return [row["status"] for row in found.rows("notifications", "id")]


def test_a_discard_says_who_and_why_and_the_record_waits_no_more(database_url: str) -> None:
    with office(database_url) as found:
        decided = _discarded(found, HELD)
        assert _statuses(found) == ["discarded"]
        assert found.waiting() == []
        with found.store.reading() as connection:
            assert decisions.of_push(connection, found.store.tables, decided.push_id) == [decided]
        assert (decided.decision, decided.made_by, decided.reason) == (Choice.DISCARDED, "jo", "sent in error")
        assert decided.notification_id == found.rows("notifications", "id")[0]["id"]
        assert found.rows("bookings") == []


@pytest.mark.parametrize(
    "again",
    [HELD, element("bookingConfirmations", HELD), element("bookingConfirmations", HELD + confirmation(bookingId="2"))],
    ids=["the same bytes", "the same content", "in a batch"],
)
def test_the_same_again_is_a_repeat_of_what_was_discarded(database_url: str, again: str) -> None:
    with office(database_url) as found:
        decided = _discarded(found, HELD)
        repeated = found.push(again)
        assert repeated.reply.status == 200
        assert _statuses(found)[0] == "discarded"
        assert found.rows("repeats") == [
            {"push_id": repeated.push_id, "position": 1, "notification_id": decided.notification_id}
        ]
        assert [row["booking_id"] for row in found.rows("bookings")] == (["2"] if "<bookingId>2" in again else [])
        assert found.waiting() == []


def test_bytes_that_read_otherwise_now_are_still_those_that_were_discarded(database_url: str) -> None:
    """A setting was changed after the discard: the same bytes say something else, and something valid."""
    body = confirmation(numberOfOperatives=None, bookingId="7").replace(
        "<userId>", "<operatives>1</operatives><userId>"
    )
    strict = Rules("drs", ZoneInfo("Europe/London"), required=("numberOfOperatives",))
    with office(database_url, strict) as found:
        decided = _discarded(found, body)
    with office(database_url, LENIENT) as found:
        assert found.push(body).outcome is Outcome.DUPLICATE
        tally = found.intake.retry(decided.push_id, found.sources)
        assert tally is not None
        assert (tally.repeats, tally.applied) == (1, 0)
        assert found.rows("bookings") == []
        # The same said by other bytes is news.
        assert found.push(element("bookingConfirmations", body)).outcome is Outcome.STORED


def test_one_of_a_batch_leaves_the_others_to_be_retried(database_url: str) -> None:
    strict = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))
    with office(database_url, strict) as found:
        batch = "".join(confirmation(bookingId=str(n), contract=None) for n in range(1, 4))
        decided = _discarded(found, element("bookingConfirmations", batch), position=2)
        assert found.waiting() == [decided.push_id]
    with office(database_url) as found:
        tally = found.intake.retry(decided.push_id, found.sources)
        assert tally is not None
        assert tally.outcomes == [(1, "applied", None), (2, "settled_before", None), (3, "applied", None)]
        assert [row["booking_id"] for row in found.rows("bookings", "booking_id")] == ["1", "3"]


def test_a_push_that_cannot_be_read_is_discarded_whole(database_url: str) -> None:
    broken = "<bookingConfirmation><bookingId>5</bookingConfirmation>"
    with office(database_url) as found:
        decided = _discarded(found, broken, position=0)
        assert (decided.position, decided.notification_id) == (0, None)
        again = found.push(broken)
        # The sender hears no, as ever; nobody has to decide about it a second time.
        assert again.reply.status == 400
        assert found.waiting() == []
        with pytest.raises(NotFound):
            found.deciding.discard(str(again.push_id), 0, "jo", "again")


def test_a_discarded_push_that_can_be_read_one_day_has_no_effect(database_url: str) -> None:
    """Neither by the quick way of small pushes nor by a retry; what others send about the same has."""
    unknown = element(
        "JobBooked", confirmation(bookingId="5")[len("<bookingConfirmation>") : -len("</bookingConfirmation>")]
    )
    with office(database_url) as found:
        decided = _discarded(found, unknown, position=0)
    with office(database_url) as found:
        object.__setattr__(found.source.names, "roots", {**found.source.names.roots, "jobbooked": "confirmation"})
        assert found.push(unknown).outcome is Outcome.DUPLICATE
        tally = found.intake.retry(decided.push_id, found.sources)
        assert tally is not None
        assert (tally.repeats, tally.applied) == (1, 0)
        assert found.rows("bookings") == []
        assert found.push(unknown + "\n").outcome is Outcome.STORED


def test_what_does_not_wait_cannot_be_discarded(database_url: str) -> None:
    with office(database_url) as found:
        stored = str(found.push(confirmation()).push_id)
        held = str(found.push(HELD).push_id)
        tries: list[tuple[str, int, str, type[ReceiverError]]] = [
            (stored, 1, "x", NotFound),
            (stored, 0, "x", NotFound),
            (held, 0, "x", NotFound),
            (held, 2, "x", NotFound),
            ("no such push", 1, "x", NotFound),
            (held, 1, "  ", WrongState),
        ]
        for push_id, position, reason, error in tries:
            with pytest.raises(error):
                found.deciding.discard(push_id, position, "jo", reason)
        found.deciding.discard(held, 1, "jo", "x")
        with pytest.raises(WrongState):
            found.deciding.discard(held, 1, "jo", "x")
        assert len(found.rows("decisions")) == 1


def test_what_else_is_done_is_done_with_it_or_not_at_all(database_url: str) -> None:
    with office(database_url) as found:
        held = str(found.push(HELD).push_id)

        def fail(_connection: Connection, _decided: Decision) -> None:
            raise WrongState("the trail is full")

        with pytest.raises(WrongState, match="full"):
            found.deciding.discard(held, 1, "jo", "x", fail)
        assert (_statuses(found), found.rows("decisions")) == (["held"], [])


def test_a_retry_does_something_else_in_its_transaction(database_url: str) -> None:
    strict = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))
    with office(database_url, strict) as found:
        held = str(found.push(confirmation(contract=None)).push_id)
    with office(database_url) as found:
        seen: list[Tally] = []

        def fail(_connection: Connection, tally: Tally) -> None:
            seen.append(tally)
            raise WrongState("no")

        with pytest.raises(WrongState):
            found.intake.retry(held, found.sources, also=fail)
        assert seen[0].outcomes == [(1, "applied", None)]
        assert _statuses(found) == ["held"]
        found.intake.retry(held, found.sources, also=lambda _, tally: seen.append(tally))
        assert (len(seen), _statuses(found)) == (2, ["applied"])


def test_of_a_discard_and_a_retry_at_once_one_wins(new_postgres_database: Callable[[], str]) -> None:
    """Whichever it is, the record is not both applied and discarded."""
    strict = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))
    url = new_postgres_database()
    with office(url, strict) as found:
        held = [str(found.push(confirmation(bookingId=str(n), contract=None)).push_id) for n in range(20)]
    with office(url) as found, ThreadPoolExecutor(4) as threads:
        done = [threads.submit(found.intake.retry, push_id, found.sources) for push_id in held]
        decided = [threads.submit(found.deciding.discard, push_id, 1, "jo", "x") for push_id in held]
        discarded = {future.result().push_id for future in decided if future.exception() is None}
        assert all(isinstance(f.exception(), (NotFound, WrongState)) for f in decided if f.exception() is not None)
        assert all(future.exception() is None for future in done)
        status = {row["push_id"]: row["status"] for row in found.rows("notifications")}
        assert {push_id for push_id in held if status[push_id] == "discarded"} == discarded
        assert len(found.rows("bookings")) == len(held) - len(discarded)


def test_a_record_decided_meanwhile_is_not_settled_from_what_was_read_before(database_url: str) -> None:
    with office(database_url) as found:
        _discarded(found, HELD)
        entry = found.rows("notifications")[0]
        row = {"id": entry["id"], "push_id": entry["push_id"], "source": "drs", "received_at": entry["received_at"]}
        judged = next(iter(found.source.judge.judge(r) for r in _records(found, HELD)))
        stale = notifications.Entry(
            **row, notification=judged, event_key="x", status=notifications.NotificationStatus.APPLIED
        )
        with pytest.raises(StoreConflict), found.store.transaction() as connection:
            notifications.settle(connection, found.store.tables, [stale])
        assert _statuses(found) == ["discarded"]


def _records(found: Office, body: str) -> Records:
    return Reading(body.encode(), found.source.names, Limits()).records()


def test_decisions_go_with_their_deliveries(database_url: str) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    with office(database_url, now=lambda: moment) as found:
        _discarded(found, HELD)
        _discarded(found, "<broken>", position=0)
        found.push(cancellation(bookingId="2"))
        keep = Keep(timedelta(days=1), timedelta(days=2), timedelta(days=30), None)
        early = list(Retention(found.store, keep, moment + timedelta(days=2)).slices())
        # Decided is no longer waiting for a person: the bytes go as any others do.
        assert sum(e.bodies for e in early) == 3
        assert len(found.rows("decisions")) == 2
        list(Retention(found.store, keep, moment + timedelta(days=40)).slices())
        assert (found.rows("pushes"), found.rows("decisions")) == ([], [])


def test_what_people_wrote_about_someone_is_erased_with_them(database_url: str) -> None:
    """In the reason for a decision and for a replay, and what a replay looked for; others' stay."""
    with office(database_url) as found:
        for n, reason in enumerate(["asked Zoë  QUICKFALL", "her booking", "no reason"]):
            pushed = found.push(confirmation(bookingId=f"555081{n}", numberOfOperatives="many"))
            found.deciding.discard(str(pushed.push_id), 1, "jo", reason)
        for filter_, why in ((Filter(words="Zoë Quickfall"), "x"), (Filter(booking_id="5550811"), "for Zoë Quickfall")):
            found.replaying().start(Asked(ReplayKind.WALK, filter_, "jo", why))
        _erase(found, SubjectKind.PERSON, "zoë quickfall")
        assert [d["reason"] for d in found.rows("decisions", "made_at")] == ["[erased]", "her booking", "no reason"]
        first, second = found.rows("replays", "made_at")
        assert (first["filter"]["words"], first["reason"], second["reason"]) == ("[erased]", "x", "[erased]")
        assert second["filter"]["booking_id"] == "5550811"
        _erase(found, SubjectKind.BOOKING, "5550811")
        assert [d["reason"] for d in found.rows("decisions", "made_at")] == ["[erased]", "", "no reason"]
        assert found.rows("replays", "made_at")[1]["filter"]["booking_id"] == "[erased]"


def _erase(found: Office, kind: SubjectKind, about: str) -> None:
    subject = Subject(kind, (about,), Names.of(field_table()))
    finder = Finder(found.store, subject, {"drs": found.source.rules.zone}, None)
    list(finder.slices())
    list(Eraser(found.store, subject, found.now()).slices(finder.found))
