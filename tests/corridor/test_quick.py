"""The quick way in: pushes stored by it leave the same rows, and are answered the same, as by the long way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Barrier, Thread, current_thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from receiver.fields import field_table
from receiver.intake.draft import Delivery
from receiver.intake.intake import Intake
from receiver.intake.source import Source
from receiver.intake.spooling import Fallback
from receiver.messages import OnInvalid, Rules
from receiver.spool import SpoolReply
from receiver.store import engine as engines
from receiver.store import migrations
from receiver.store.store import Store
from receiver.wire import Limits
from tests.conftest import NewDatabase
from tests.support.corridor import make_source
from tests.support.profiles import examples
from tests.support.pushes import (
    CANCELLATION,
    CONFIRMATION,
    cancellation,
    confirmation,
    element,
    fields,
    form_a,
    record,
    unavailability,
)
from tests.support.reading import RULES
from tests.support.waiting import wait_until

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SOURCE = make_source()
CODES = [
    {"bookingCode": "N1", "orderId": "12", "quantity": "1.00"},
    {"bookingCode": "N2", "comments": "it's 5 < 6 & \u00e9"},
]
MANY = 7  # few codes and many are handed to the database in two ways
CHANGES = st.fixed_dictionaries(
    {"bookingId": st.sampled_from(["1", "2", "03"])},
    optional={
        "changedDate": st.sampled_from(
            [None, "", "2021-05-27T14:21:01", "27-MAY-2021 14:21:01", "2021-05-28T14:21:01"]
        ),
        "contract": st.sampled_from(["", "A", "B"]),
        "numberOfOperatives": st.sampled_from(["2", "0002", "two"]),
        "userId": st.sampled_from(["x" * 51, "'); DROP TABLE", None]),
        "messageId": st.just("unknown"),
    },
)


def _codes(number: int) -> list[dict[str, str]]:
    return [{**CODES[n % 2], "reference": f"{n}"} for n in range(number)]


def _push(kind: str, changes: dict[str, str | None], *, codes: int, wrapped: bool) -> str:
    if kind == "unavailability":
        return unavailability(Comments=changes["bookingId"])
    if kind == "bookingCompletion":
        done = {"taskCompletionDate": "2021-07-02T10:00:00", "primaryOrderNumber": "A"}
        return element(kind, fields({"bookingId": changes["bookingId"], **done}))
    if kind == "bookingCancellation":
        kept = {k: v for k, v in changes.items() if k != "numberOfOperatives"}
        inner = record(CANCELLATION, codes=[], **kept)
    else:
        inner = record(CONFIRMATION, codes=_codes(codes), **changes)
    return form_a(kind, inner) if wrapped else element(kind, inner)


KINDS = ["bookingConfirmation", "bookingConfirmation", "bookingCancellation", "bookingCompletion", "unavailability"]
PUSHES = st.builds(_push, st.sampled_from(KINDS), CHANGES, codes=st.integers(0, MANY), wrapped=st.booleans())


@dataclass
class Way:
    """A corridor whose ids and clock say which push is on its way, so that two of them can be compared."""

    store: Store
    quick: bool
    number: int = 0
    named: bool = False

    def __post_init__(self) -> None:
        fallback = Fallback(None, SpoolReply.UNAVAILABLE, Limits())
        self.intake = Intake(self.store, field_table(), Limits(), fallback, self.now, self.new_id, quick=self.quick)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.number)

    def new_id(self) -> str:
        name, self.named = "record" if self.named else "push", True
        return f"{self.number:06} {name}"

    def push(self, body: str, source: Source) -> tuple[int, bytes, str]:
        self.number, self.named = self.number + 1, False
        receipt = self.intake.receive(Delivery(source, body.encode(), "text/xml"))
        return receipt.reply.status, receipt.reply.body, receipt.outcome

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything that is stored. Cursors are the database's own: their order counts."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self.store.reading() as connection:
            for table in self.store.tables.metadata.sorted_tables:
                if table.name in ("feed_offset", "duties"):
                    continue
                rows = [dict(r) for r in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
                for number, row in enumerate(rows):
                    if "cursor" in row:
                        row["cursor"] = number
                found[table.name] = rows
        return found

    def forget(self) -> None:
        self.number = 0
        with self.store.transaction() as connection:
            for table in reversed(self.store.tables.metadata.sorted_tables):
                if table.name != "feed_offset":
                    connection.execute(table.delete())


@pytest.fixture(params=["sqlite", "postgresql"])
def ways(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[tuple[Way, Way]]:
    """The quick way and the long way, each with a database of its own, of one kind."""
    with ExitStack() as stack:

        def way(name: str, quick: bool) -> Way:
            url = f"sqlite:///{tmp_path / name}.db"
            if request.param == "postgresql":
                url = request.getfixturevalue("new_postgres_database")()
            store = Store(engines.create(url), field_table())
            stack.callback(store.close)
            migrations.upgrade(store.engine)
            return Way(store, quick)

        yield way("quick", True), way("long", False)


@settings(max_examples=examples(2), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PUSHES, min_size=1, max_size=6), st.sampled_from(OnInvalid), st.booleans())
def test_both_ways_leave_the_same_rows(
    ways: tuple[Way, Way], pushes: list[str], on_invalid: OnInvalid, again: bool
) -> None:
    source = make_source(Rules("drs", RULES.zone, on_invalid=on_invalid))
    quick, long = ways
    for way in ways:
        way.forget()
    for body in [*pushes, *(pushes if again else [])]:
        assert quick.push(body, source) == long.push(body, source)
    assert quick.rows() == long.rows()


def test_what_was_held_is_settled_by_the_long_way(ways: tuple[Way, Way]) -> None:
    held = cancellation(userId="x" * 51)
    strict, lax = SOURCE, make_source(Rules("drs", RULES.zone, field_aliases={"messageId": "userId"}))
    for way in ways:
        way.push(held, strict)
        way.push(held, lax)
        way.push(cancellation(), strict)
        way.push(cancellation(), lax)
    assert ways[0].rows() == ways[1].rows()


def _statements(store: Store, ways: Callable[[], object]) -> int:
    """How many statements SQLAlchemy runs meanwhile: the quick way's are not among them."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        ways()
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    return len(seen)


@pytest.mark.parametrize("body", [confirmation(codes=CODES), confirmation(changedDate=None), cancellation()])
def test_new_bookings_and_plain_repeats_go_the_quick_way(ways: tuple[Way, Way], body: str) -> None:
    quick, _ = ways
    assert _statements(quick.store, lambda: quick.push(body, SOURCE)) == 0
    assert _statements(quick.store, lambda: quick.push(body, SOURCE)) == 0
    assert quick.push(body, SOURCE)[2] == "duplicate"


@pytest.mark.parametrize("codes", range(MANY + 1))
def test_so_many_codes_are_stored_the_quick_way(ways: tuple[Way, Way], codes: int) -> None:
    quick, long = ways
    body = confirmation(codes=_codes(codes))
    assert _statements(quick.store, lambda: quick.push(body, SOURCE)) == 0
    long.push(body, SOURCE)
    assert len(quick.rows()["booking_codes"]) == codes
    assert quick.rows() == long.rows()


def test_the_same_at_once_has_one_effect(ways: tuple[Way, Way]) -> None:
    quick = ways[0]
    body, eight = confirmation(codes=CODES).encode(), Barrier(8)
    names = iter(range(10_000))
    fallback = Fallback(None, SpoolReply.UNAVAILABLE, Limits())
    intake = Intake(quick.store, field_table(), Limits(), fallback, lambda: START, lambda: f"{next(names):06}")
    outcomes: list[str] = []

    def send() -> None:
        eight.wait()
        outcomes.append(intake.receive(Delivery(SOURCE, body)).outcome)

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["duplicate"] * 7 + ["stored"]
    rows = quick.rows()
    assert [len(rows[n]) for n in ("pushes", "push_bodies", "notifications", "repeats", "bookings", "changes")] == [
        *(8, 8, 1, 7, 1, 1)
    ]


def test_of_pushes_that_are_stored_together_one_that_fails_spoils_no_other(tmp_path: Path) -> None:
    """They gather behind one that waits for another program's lock. The id of one of them cannot be written."""
    store = Store(engines.create(f"sqlite:///{tmp_path / 'quick.db'}", timeout=60), field_table())
    migrations.upgrade(store.engine)
    names = {"1": "1", "2": "2", "3": "\udc80", "4": "4", "5": "5"}
    place = count()

    def new_id() -> str:
        return names.pop(current_thread().name, None) or f"place {next(place):06}"

    fallback = Fallback(None, SpoolReply.UNAVAILABLE, Limits())
    intake = Intake(store, field_table(), Limits(), fallback, lambda: START, new_id)
    outcomes: dict[str, str] = {}

    def send(number: str) -> None:
        outcomes[number] = intake.receive(Delivery(SOURCE, confirmation(bookingId=number).encode())).outcome

    other = sqlite3.connect(tmp_path / "quick.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    threads = [Thread(target=send, args=(number,), name=number) for number in names]
    for gathered, thread in enumerate(threads):
        thread.start()
        line = intake._happy._express._among_threads  # type: ignore[attr-defined]  # nothing else tells
        wait_until(lambda line=line, n=gathered: line._at_work and len(line._waiting) == n, 30, "it waits")  # type: ignore[misc]
    other.execute("ROLLBACK")
    for thread in threads:
        thread.join()
    other.close()
    with store.reading() as connection:
        found = connection.scalars(select(store.tables.bookings.c.booking_id)).all()
        cursors = connection.scalars(select(store.tables.changes.c.cursor)).all()
    store.close()
    assert outcomes == {"1": "stored", "2": "stored", "3": "failed", "4": "stored", "5": "stored"}
    assert (sorted(found), sorted(cursors)) == (["1", "2", "4", "5"], [1, 2, 3, 4])


def test_a_statement_that_the_server_has_forgotten_is_prepared_again(new_postgres_database: NewDatabase) -> None:
    """psycopg has the server forget all that is prepared after a rollback, ours with it."""
    store = Store(engines.create(new_postgres_database(), pool_size=1), field_table())
    try:
        migrations.upgrade(store.engine)
        way = Way(store, quick=True)
        assert way.push(confirmation(bookingId="1"), SOURCE)[2] == "stored"
        with store.engine.connect() as connection:
            connection.exec_driver_sql("DEALLOCATE ALL")
        assert way.push(confirmation(bookingId="2"), SOURCE)[2] == "stored"
        assert len(way.rows()["bookings"]) == 2
    finally:
        store.close()
