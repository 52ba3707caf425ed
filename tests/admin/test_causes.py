"""What is held for the same reason stands together, with how much of it waits, and opens when it comes again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from receiver.app import utc_now
from receiver.fields import Kind
from receiver.messages import Rules
from receiver.store.figures import grouping as causes_grouping
from receiver.store.figures.causes import Cause, CauseState, cause, causes, causes_of, set_state
from receiver.store.keeping.retention import Keep, Retention
from receiver.store.replays import decisions
from tests.support.corridor import Corridor, corridor, make_source
from tests.support.pushes import CODE, CONFIRMATION, confirmation, element, fields, unavailability

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_RULES = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))


def _group(found: Corridor) -> list[Cause]:
    while causes_grouping.group_new(found.store, _NOW, 100):
        pass
    return _all(found)


def _all(found: Corridor) -> list[Cause]:
    with found.store.reading() as connection:
        return causes(connection, found.store.tables)


def _told(found: list[Cause]) -> set[tuple[str, str, str, int, int]]:
    return {(c.kind or "", c.field, c.code, c.total, c.waiting) for c in found}


def test_records_and_unread_pushes_are_grouped_by_why(database_url: str) -> None:
    with corridor(database_url, _RULES) as found:
        wrong = {**CODE, "quantity": "1", "orderId": "many"}
        found.push(confirmation(bookingId="x", contract=None))
        found.push(confirmation(bookingId="y"))
        found.push(confirmation(bookingId="7", codes=[CODE, wrong, wrong]))
        found.push(element("unavailabilities", unavailability() + unavailability(PeriodStart="soon")))
        found.push(confirmation(bookingId="x", contract=None))  # sent again: the same record
        for _ in range(2):
            found.push("<nothing/>")
        found.push(confirmation(bookingId="1"))
        assert _told(_group(found)) == {
            ("confirmation", "bookingId", "not_an_integer", 2, 2),
            ("confirmation", "contract", "required", 1, 1),
            ("confirmation", "theBookingCodes/orderId", "not_an_integer", 1, 1),
            ("unavailability", "PeriodStart", "not_a_datetime", 1, 1),
            ("", "", "unknown_root", 2, 2),
        }
        before = _all(found)
        assert causes_grouping.group_new(found.store, _NOW, 100) == 0
        assert _all(found) == before
        assert causes_grouping.recount(found.store) == 0


def test_a_cause_says_nothing_of_its_records(database_url: str) -> None:
    with corridor(database_url, _RULES) as found:
        found.push(unavailability(PeriodStart="Mrs Miller", ResourceId="Miller" * 40, Action="Millered"))
        found.push("<Miller/>")
        texts = [f"{c.field} {c.code} {c.text}" for c in _group(found)]
        assert len(texts) >= 3
        assert not [text for text in texts if "Miller" in text]


def test_causes_of_a_push_by_record(database_url: str) -> None:
    with corridor(database_url, _RULES) as found:
        wrong = unavailability(PeriodStart="soon", PeriodEnd="later")
        batch = found.push(element("unavailabilities", unavailability() + wrong))
        unread = found.push("<nothing/>")
        _group(found)
        assert batch.push_id is not None
        assert unread.push_id is not None
        with found.store.reading() as connection:
            of_batch = causes_of(connection, found.store.tables, batch.push_id)
            of_unread = causes_of(connection, found.store.tables, unread.push_id)
        assert {p: [c.field for c in its] for p, its in of_batch.items()} == {2: ["PeriodEnd", "PeriodStart"]}
        assert [c.code for c in of_unread[0]] == ["unknown_root"]


@pytest.mark.parametrize("state", [CauseState.RESOLVED, CauseState.ACKNOWLEDGED])
def test_a_resolved_cause_that_comes_again_is_open(database_url: str, state: CauseState) -> None:
    clock = [_NOW - timedelta(hours=2)]
    with corridor(database_url, _RULES, now=lambda: clock[0]) as found:
        found.push(confirmation(bookingId="1", contract=None))
        only = _group(found)[0]
        assert (only.state, only.first_seen, only.last_seen) == (CauseState.OPEN, clock[0], clock[0])
        with found.store.transaction() as connection:
            known = set_state(connection, found.store.tables, only.id, state, "anna", _NOW - timedelta(hours=1))
            assert known is CauseState.OPEN
            assert set_state(connection, found.store.tables, "none", state, "anna", _NOW) is None
        # What came before she said so, and is grouped only now, is no news.
        found.push(confirmation(bookingId="2", contract=None))
        assert (_group(found)[0].state, _all(found)[0].state_by) == (state, "anna")
        clock[0] = _NOW
        found.push(confirmation(bookingId="3", contract=None))
        again = _group(found)[0]
        wanted = CauseState.OPEN if state is CauseState.RESOLVED else state
        assert (again.state, again.total, again.waiting, again.last_seen) == (wanted, 3, 3, _NOW)


def test_what_is_settled_waits_no_more(database_url: str) -> None:
    with corridor(database_url, _RULES) as found:
        first = found.push(confirmation(bookingId="1", contract=None))
        found.push(confirmation(bookingId="2", contract=None))
        assert _told(_group(found)) == {("confirmation", "contract", "required", 2, 2)}
        lenient = Corridor(found.store, make_source())
        assert first.push_id is not None
        lenient.intake.retry(first.push_id, {"drs": lenient.source})
        only = _all(found)[0]
        assert causes_grouping.recount(found.store, ["none"]) == 0
        assert causes_grouping.recount(found.store, [only.id]) == 1
        assert _told(_group(found)) == {("confirmation", "contract", "required", 2, 1)}


def test_a_decided_push_waits_no_more(database_url: str) -> None:
    with corridor(database_url) as found:
        push = found.push("<nothing/>")
        assert _told(_group(found)) == {("", "", "unknown_root", 1, 1)}
        d = found.store.tables.replays.decisions
        made = {"made_at": _NOW, "made_by": "anna", "reason": "a test", "version": 1}
        with found.store.transaction() as connection:
            row = {"id": "d", "push_id": push.push_id, "position": 0, "decision": "discarded", **made}
            assert decisions.close_pushes(connection, found.store.tables, [str(push.push_id)])
            connection.execute(d.insert().values(row))
        assert causes_grouping.recount(found.store) == 1
        assert _told(_all(found)) == {("", "", "unknown_root", 1, 0)}


def test_causes_in_pages_by_source_and_state(database_url: str) -> None:
    with corridor(database_url) as found:
        for field in ("bookingId", "targetDate", "planningWindowStart", "planningWindowEnd", "changedDate"):
            found.push(element("bookingConfirmation", fields({**CONFIRMATION, field: "soon" * 20})))
        every, t = _group(found), found.store.tables
        assert len(every) == 5
        with found.store.transaction() as connection:
            set_state(connection, t, every[0].id, CauseState.RESOLVED, "anna", _NOW)
        with found.store.reading() as connection:
            place, seen = None, list[str]()
            while page := causes(connection, t, ["drs"], before=place, limit=2):
                seen += [c.id for c in page]
                place = page[-1].place
            assert seen == [c.id for c in every]
            assert [c.id for c in causes(connection, t, state=CauseState.RESOLVED)] == [every[0].id]
            assert causes(connection, t, ["other"]) == causes(connection, t, []) == []
            one = cause(connection, t, every[1].id)
            assert one is not None
            assert (one.id, one.kind) == (every[1].id, Kind.CONFIRMATION)
            assert cause(connection, t, "none") is None


def test_what_expires_leaves_its_cause(database_url: str) -> None:
    clock = [utc_now() - timedelta(days=90)]
    with corridor(database_url, now=lambda: clock[0]) as found:
        found.push(confirmation(bookingId="x"))
        found.push("<nothing/>")
        _group(found)
        clock[0] = utc_now()
        found.push(confirmation(bookingId="y"))
        assert {total for *_, total, _ in _told(_group(found))} == {1, 2}
        age = timedelta(days=30)
        list(Retention(found.store, Keep(age, age, age, None), clock[0]).slices())
        causes_grouping.recount(found.store)
        assert {(code, total, waiting) for _, _, code, total, waiting in _told(_all(found))} == {
            (_all(found)[0].code, 1, 1),
            ("unknown_root", 0, 0),
        }
        x = found.store.tables.figures.cause_records
        with found.store.reading() as connection:
            assert len(connection.execute(select(x)).all()) == 1


def test_two_that_group_at_once_do_not_count_twice(new_postgres_database: Callable[[], str]) -> None:
    with corridor(new_postgres_database()) as found:
        for number in range(3):
            found.push(confirmation(bookingId=f"x{number}"))
        with found.store.transaction() as connection:
            connection.execute(update(found.store.tables.notifications).values(grouped_at=None))
            # Another works on them: they are left to it.
            assert _group(found) == []
        assert {total for *_, total, _ in _told(_group(found))} == {3}
