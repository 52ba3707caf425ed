"""Current state rebuilt from the notifications is, row by row, what the corridor had made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from receiver.app import utc_now
from receiver.fields import field_table
from receiver.intake.draft import Delivery
from receiver.intake.intake import Intake
from receiver.intake.rebuilding import Rebuilding, Rebuilt
from receiver.intake.recalling import Recalled, Recalling
from receiver.intake.receipt import Receipt
from receiver.intake.source import Source
from receiver.intake.spooling import Fallback
from receiver.messages import Booking, BookingFold, Rules
from receiver.messages.booking import booking_columns, booking_event
from receiver.spool import SpoolReply
from receiver.store import bookings
from receiver.store.store import Store
from receiver.wire import Limits
from tests.conftest import NewDatabase
from tests.support.corridor import corridor
from tests.support.profiles import examples
from tests.support.pushes import cancellation, confirmation, element, fields, unavailability
from tests.support.reading import NAMES, RULES, judge, judged

START = datetime(2021, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DATED_BY = {"bookingCompletion": "taskCompletionDate"}
TEXTS = st.sampled_from(["", "a", "b"])
ROOTS = ["bookingConfirmation", "bookingCancellation", "bookingCompletion"]
STATES = ("bookings", "codes", "completions", "resources", "business_data", "unavailabilities")

Snapshot = dict[str, list[tuple[Any, ...]]]


@dataclass
class Ticking:
    """A clock that goes on by a millisecond whenever it is looked at, and makes the ids as well."""

    at: datetime = datetime(2026, 3, 4, tzinfo=UTC)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def new_id(self) -> str:
        time = f"{int(self.now().timestamp() * 1000):012x}"
        return f"{time[:8]}-{time[8:]}-7000-8000-{next(self.numbers):012x}"


class World:
    """A source of its own on a shared database, told things and rebuilt; ``strict`` requires a contract."""

    def __init__(self, store: Store, name: str, clock: Ticking) -> None:
        self.store, self.name, self.tables = store, name, store.tables
        rules = Rules(name, RULES.zone)
        self.source = Source(name, NAMES, rules, judge(rules))
        required = replace(rules, required=("contract",))
        self.strict = Source(name, NAMES, required, judge(required))
        fallback = Fallback(None, SpoolReply.UNAVAILABLE, Limits())
        self.intake = Intake(store, field_table(), Limits(), fallback, clock.now, clock.new_id)
        self.rebuilding = Rebuilding(store, field_table(), {name: self.source}, clock.now, rows=3)

    def push(self, body: str, *, strictly: bool = False) -> str:
        found = self.intake.receive(Delivery(self.strict if strictly else self.source, body.encode())).push_id
        assert found is not None
        return found

    def retry(self, push_id: str) -> None:
        self.intake.retry(push_id, {self.name: self.source})

    def snapshot(self) -> Snapshot:
        found = {}
        with self.store.reading() as connection:
            for name in STATES:
                table = getattr(self.tables, name)
                query = select(table).where(table.c.source == self.name).order_by(*table.primary_key.columns)
                found[name] = [tuple(row) for row in connection.execute(query)]
        return found

    def number_of(self, table: str) -> int:
        found = getattr(self.tables, table)
        with self.store.reading() as connection:
            query = select(func.count()).select_from(found).where(found.c.source == self.name)
            return int(connection.scalar(query) or 0)

    def rebuild(self, *, dry_run: bool = False) -> Rebuilt:
        self.rebuilding.prepare()
        parts = self.rebuilding.stretches(self.name)
        return sum((self.rebuilding.rebuild(part, dry_run=dry_run) for part in parts), Rebuilt())

    def wipe(self, *names: str) -> None:
        with self.store.transaction() as connection:
            for name in names:
                table = getattr(self.tables, name)
                connection.execute(delete(table).where(table.c.source == self.name))

    def damage(self, name: str, values: dict[str, Any]) -> None:
        table = getattr(self.tables, name)
        with self.store.transaction() as connection:
            connection.execute(update(table).where(table.c.source == self.name).values(values))


@pytest.fixture
def worlds(database_url: str) -> Iterator[Iterator[World]]:
    """Sources that nothing was heard of yet, one after the other."""
    with corridor(database_url) as here:
        clock = Ticking()
        yield (World(here.store, f"source{n}", clock) for n in count(1))


# What is told

CODES = st.lists(st.sampled_from("NM"), max_size=2).map(
    lambda found: "".join(element("theBookingCodes", f"<bookingCode>{c}</bookingCode>") for c in found)
)
BUSINESS = "<theBusinessData><name>n</name><value>v</value></theBusinessData>"
INNER = {
    "bookingConfirmation": st.one_of(CODES, st.just("<theBookingCodes/>")),
    "bookingCancellation": st.just(""),
    "bookingCompletion": st.sampled_from(
        [
            "<taskCompletionStatus>CO</taskCompletionStatus><theResources><resourceID>R</resourceID></theResources>",
            "<taskLifeCycleStatus>PLANNED</taskLifeCycleStatus>",
            BUSINESS
            + element("theOrder", f"<primaryOrderNumber>A1</primaryOrderNumber><contract>C</contract>{BUSINESS}"),
        ]
    ),
}


@st.composite
def of_bookings(draw: st.DrawFn) -> str:
    root = draw(st.sampled_from(ROOTS))
    own = {"bookingId": str(draw(st.integers(1, 3))), "primaryOrderNumber": "A1"}
    hour = draw(st.none() | st.integers(0, 9))
    if hour is not None:
        at = (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")
        own[DATED_BY.get(root, "changedDate")] = at
    said = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(("contract", "userId", "originalBookingId"), TEXTS)))
    return element(root, fields({**own, **said}) + draw(INNER[root]))


@st.composite
def of_resources(draw: st.DrawFn) -> str:
    day = draw(st.integers(1, 2))
    said = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(("Reason", "Comments"), TEXTS)))
    own = {
        "Action": draw(st.sampled_from(["New", "Amended", "Deleted"])),
        "ResourceId": draw(st.sampled_from(["W1", "W2"])),
        "PeriodStart": f"2021-07-0{day}T08:00:00",
        "PeriodEnd": f"2021-07-0{day}T16:00:00",
    }
    return element("unavailability", fields({**own, **said}))


@dataclass(frozen=True)
class Sent:
    """One push; ``strictly``: some of it may be held at first, to be tried again after ``later`` more pushes."""

    records: Sequence[str]
    strictly: bool
    later: int


SENT = st.builds(
    Sent,
    st.one_of(st.lists(of_bookings(), min_size=1, max_size=4), st.lists(of_resources(), min_size=1, max_size=3)),
    st.booleans(),
    st.integers(0, 3),
)
HISTORIES = st.lists(SENT, min_size=1, max_size=7).flatmap(
    lambda told: st.lists(st.sampled_from(told), max_size=2).map(lambda again: [*told, *again])
)


def tell(world: World, history: Sequence[Sent]) -> None:
    waiting: list[tuple[int, str]] = []
    for number, sent in enumerate(history):
        of_one = "unavailability" in sent.records[0]
        name = "unavailabilityNotifications" if of_one else "bookingConfirmations"
        push_id = world.push(element(name, "".join(sent.records)), strictly=sent.strictly)
        waiting.append((number + sent.later, push_id))
        for due, held in list(waiting):
            if due <= number:
                waiting.remove((due, held))
                world.retry(held)


DAMAGE: dict[str, list[dict[str, Any]]] = {
    "bookings": [
        {"contract": "wrong"},
        {"status": "confirmed", "cancelled_at": None},
        {"changed_at": START, "user_id": None},
        {"completed_at": START, "completion_status": "wrong"},
        {"applied_id": None, "applied_key": None},
        {"applied_key": "wrong"},
        {"ever_confirmed": False, "last_event_at": None, "last_event_id": None},
        {"last_event_rank": 7, "completed_successfully": True, "completed_by": None},
    ],
    "codes": [{"sor_code": "wrong"}, {"trade": "wrong"}],
    "completions": [{"completion_status": "wrong"}],
    "resources": [{"resource_id": "wrong"}],
    "business_data": [{"name": "wrong"}],
    "unavailabilities": [{"reason": "wrong", "status": "removed"}, {"action": "created", "last_event_at": None}],
}


@settings(max_examples=examples(0.8), suppress_health_check=list(HealthCheck))
@given(
    history=HISTORIES,
    wiped=st.sets(st.sampled_from(STATES)),
    damaged=st.sets(st.sampled_from([(name, n) for name, found in DAMAGE.items() for n in range(len(found))])),
)
def test_what_was_damaged_is_as_it_was(
    worlds: Iterator[World], history: list[Sent], wiped: set[str], damaged: set[tuple[str, int]]
) -> None:
    world = next(worlds)
    tell(world, history)
    before, changes = world.snapshot(), world.number_of("changes")
    again = world.rebuild()
    assert (again.bookings, again.unavailabilities, again.not_whole, again.changes) == (0, 0, 0, 0)
    assert world.snapshot() == before
    for name, number in damaged:
        world.damage(name, DAMAGE[name][number])
    world.wipe(*wiped)
    damaged_state = world.snapshot()
    would = world.rebuild(dry_run=True)
    assert world.snapshot() == damaged_state
    done = world.rebuild()
    assert world.snapshot() == before
    assert done == would
    assert world.number_of("changes") == changes + done.changes
    assert done.notifications == again.notifications
    assert world.rebuild() == again


@given(records=st.lists(of_bookings(), min_size=1, max_size=4))
def test_what_is_recalled_is_what_was_heard(records: list[str]) -> None:
    """The short way from stored notifications to a state, beside the corridor's own."""
    table, found = field_table(), judged(element("bookingConfirmations", "".join(records)))
    heard = [
        Recalled(f"id{n}", one.kind, json.dumps(one.values), one.changed_at, NOW, True, one.content_key, False)
        for n, one in enumerate(found)
    ]
    events = [booking_event(r, RULES, table, r.received_at, r.id) for r in heard]
    for several, all_events in [(heard, events), *(([h], [e]) for h, e in zip(heard, events, strict=True))]:
        expected = BookingFold(table).fold(Booking("drs", "1", NOW, NOW), all_events)
        state = Recalling(table, RULES).state("drs", "1", several)
        wanted = booking_columns(table)
        shown, said = ({name: s.fields.get(name) for name in wanted} for s in (state, expected))
        assert shown == said
        assert replace(state, fields={}) == replace(expected, fields={})


def test_what_stood_there_wrong_is_told_and_what_was_missing_is_not(worlds: Iterator[World]) -> None:
    world = next(worlds)
    world.push(element("bookingConfirmations", confirmation(bookingId="1") + cancellation(bookingId="2")))
    world.push(unavailability())
    before = world.snapshot()
    world.wipe(*STATES)
    done = world.rebuild()
    assert (done.bookings, done.unavailabilities, done.changes) == (2, 1, 0)
    world.damage("bookings", {"contract": "wrong", "status": "confirmed", "cancelled_at": None})
    world.damage("unavailabilities", {"reason": "wrong"})
    assert world.rebuild().changes == 3
    assert world.snapshot() == before
    c = world.tables.changes
    with world.store.reading() as connection:
        query = select(c.c.entity_key, c.c.change).where(c.c.source == world.name).order_by(c.c.cursor)
        told = [tuple(row) for row in connection.execute(query)][3:]
    assert {key: change for key, change in told if "/" not in key} == {"1": "updated", "2": "cancelled"}
    world.wipe("bookings", "changes")
    assert world.rebuild().changes == 2  # of which the feed knew nothing


def test_what_has_lost_some_of_its_history_is_left_alone(worlds: Iterator[World]) -> None:
    """Erased in part, buried, or gone: what the tables hold is then more than could be rebuilt."""
    world = next(worlds)
    ids: dict[str, str] = {}
    for booking in ("redacted", "buried", "gone", "whole"):
        number = str(len(ids) + 1)
        ids[booking] = number
        world.push(confirmation(bookingId=number, changedDate="2021-05-27T10:00:00"))
        world.push(confirmation(bookingId=number, changedDate="2021-05-28T10:00:00", contract="H02"))
    world.push(confirmation(bookingId="5"))
    world.push(unavailability())
    n = world.tables.notifications
    its = n.c.source == world.name

    def older(booking: str) -> Any:
        return its & (n.c.booking_id == ids[booking]) & (n.c.changed_at < datetime(2021, 5, 28, tzinfo=UTC))

    with world.store.transaction() as connection:
        connection.execute(update(n).where(older("redacted")).values(erased_at=NOW))
        buried: dict[str, Any] = {"booking_id": None, "status": "discarded", "erased_at": NOW, "values": {}}
        connection.execute(update(n).where(older("buried")).values(buried))
        connection.execute(delete(world.tables.changes).where(world.tables.changes.c.source == world.name))
        connection.execute(delete(n).where(older("gone")))
        connection.execute(delete(n).where(its, (n.c.booking_id == "5") | (n.c.kind == "unavailability")))
    world.damage("bookings", {"contract": "wrong"})
    before = world.snapshot()
    done = world.rebuild()
    assert (done.bookings, done.unavailabilities, done.not_whole) == (1, 0, 5)
    after = world.snapshot()
    assert [row for row in after["bookings"] if row[1] != ids["whole"]] == [
        row for row in before["bookings"] if row[1] != ids["whole"]
    ]
    assert after["unavailabilities"] == before["unavailabilities"]
    assert after["codes"] == before["codes"]


def test_what_the_feed_knows_of_and_is_no_longer_there_is_not_made_up(worlds: Iterator[World]) -> None:
    """A missing booking one of whose notifications was erased: what is left would be another booking."""
    world = next(worlds)
    world.push(confirmation(bookingId="1"))
    world.push(cancellation(bookingId="1"))
    n = world.tables.notifications
    with world.store.transaction() as connection:
        buried: dict[str, Any] = {"booking_id": None, "status": "discarded", "erased_at": NOW, "values": {}}
        connection.execute(update(n).where(n.c.source == world.name, n.c.kind == "cancellation").values(buried))
    world.wipe("bookings", "codes")
    done = world.rebuild()
    assert (done.bookings, done.not_whole) == (0, 1)
    assert world.snapshot()["bookings"] == []


def test_a_period_that_a_setting_of_today_reads_otherwise_stays(worlds: Iterator[World]) -> None:
    world = next(worlds)
    world.push(unavailability())
    before = world.snapshot()
    elsewhere = replace(world.source.rules, zone=ZoneInfo("Asia/Tokyo"))
    source = Source(world.name, NAMES, elsewhere, judge(elsewhere))
    world.rebuilding = Rebuilding(world.store, field_table(), {world.name: source}, utc_now, rows=3)
    done = world.rebuild()
    assert (done.unavailabilities, done.not_whole) == (0, 2)
    assert world.snapshot() == before


def test_pushes_meanwhile_are_all_there_at_the_end(database_url: str) -> None:
    """Rebuilt again and again from emptied tables while pushes come for the same bookings: nothing gets lost."""
    with corridor(database_url) as here:
        rebuilding = Rebuilding(here.store, field_table(), {"drs": here.source}, utc_now, rows=8)
        rebuilding.prepare()
        failed: list[Receipt] = []

        def push() -> None:
            for n in range(1, 120):
                at = (START + timedelta(minutes=n * 7 % 500)).strftime("%Y-%m-%dT%H:%M:%SZ")
                make = cancellation if n % 5 == 0 else confirmation
                receipt = here.push(make(bookingId=str(n % 17), changedDate=at, contract=f"H{n}"))
                if receipt.reply.status != 200:
                    failed.append(receipt)

        pushing = Thread(target=push)
        pushing.start()
        tables = here.store.tables
        while pushing.is_alive():
            with here.store.transaction() as connection:
                for table in (tables.codes, tables.bookings):
                    connection.execute(delete(table))
            for part in rebuilding.stretches():
                rebuilding.rebuild(part)
        pushing.join()
        assert not failed
        for part in rebuilding.stretches():
            rebuilding.rebuild(part)
        last = World(here.store, "drs", Ticking())
        before = last.snapshot()
        assert len(before["bookings"]) == 17
        with here.store.transaction() as connection:
            connection.execute(delete(tables.bookings))
            connection.execute(delete(tables.codes))
        assert last.rebuild().bookings == 17
        shown = [c.name for c in here.store.tables.bookings.columns].index("applied_id")
        assert [row[:shown] for row in last.snapshot()["bookings"]] == [row[:shown] for row in before["bookings"]]


@pytest.mark.parametrize("is_missing", [True, False], ids=["missing", "wrong"])
def test_a_push_that_got_there_first_is_not_overwritten(new_postgres_database: NewDatabase, is_missing: bool) -> None:
    """The stretch has been read when a push about one of its bookings is stored."""
    with corridor(new_postgres_database()) as here:
        here.push(confirmation(bookingId="1", changedDate="2021-05-27T10:00:00"))
        tables = here.store.tables
        with here.store.transaction() as connection:
            if is_missing:
                connection.execute(delete(tables.bookings))
                connection.execute(delete(tables.changes))
            else:
                connection.execute(update(tables.bookings).values(contract="wrong"))
        pushed: list[Receipt] = []

        def now() -> datetime:
            if not pushed:
                pushed.append(here.push(cancellation(bookingId="1", changedDate="2021-05-28T10:00:00")))
            return utc_now()

        rebuilding = Rebuilding(here.store, field_table(), {"drs": here.source}, now)
        for part in rebuilding.stretches():
            rebuilding.rebuild(part)
        assert pushed[0].reply.status == 200
        with here.store.reading() as connection:
            found = bookings.load(connection, tables, "drs", ["1"])["1"]
        assert (found.status, found.fields["contract"]) == ("cancelled", "H01")
