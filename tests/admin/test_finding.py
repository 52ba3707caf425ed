"""What a filter finds is what matches it, page by page and in order, on both databases; and it is found by indexes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from receiver.errors import WrongFilter
from receiver.fields import Kind, field_table
from receiver.messages import OnInvalid, Rules
from receiver.store import engine as engines
from receiver.store.figures import grouping as causes_grouping
from receiver.store.figures.causes import causes
from receiver.store.finding import pushes as finding
from receiver.store.finding import words
from receiver.store.finding.filter import Filter
from receiver.store.finding.records import find_records, records_of
from receiver.store.notifications import NotificationStatus
from receiver.store.pushes import Outcome
from receiver.store.store import Store
from tests.conftest import NewDatabase
from tests.support.corridor import Corridor, corridor, make_source
from tests.support.pushes import CODE, cancellation, confirmation, element, fields, unavailability

from .filling import fill

_BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Clock:
    """A minute later each time that somebody asks for the time of a push."""

    def __init__(self) -> None:
        self.at = _BEGIN

    def __call__(self) -> datetime:
        return self.at


def _documents() -> list[str]:
    """Pushes of every kind and outcome; some say the same, two hold several records."""
    done = {"bookingId": "731904", "primaryOrderNumber": "L835574", "taskCompletionDate": "2021-07-02T11:40:00"}
    resource = element("theResources", fields({"resourceID": "W9", "resourceName": "A. Jones"}))
    absences = [unavailability(ResourceId=f"W{n}") for n in range(4)]
    return [
        confirmation(codes=[CODE]),
        confirmation(codes=[CODE]),
        confirmation(bookingId="8", secondaryOrderNumber="S1", tertiaryOrderNumber="P1"),
        confirmation(bookingId="9", primaryOrderNumber="L2", secondaryOrderNumber="S1"),
        confirmation(bookingId="x", primaryOrderNumber="L3"),
        confirmation(bookingId="x", primaryOrderNumber="L3"),
        cancellation(bookingId="8"),
        confirmation(bookingId="8", userId="ZORA", changedDate="2020-01-01T08:00:00"),
        element("bookingCompletion", fields(done) + resource),
        unavailability(),
        element("unavailabilities", "".join([*absences, unavailability(PeriodStart="soon")])),
        element("unavailabilities", "".join(absences)),
        unavailability(PeriodStart="soon"),
        "<nothing/>",
        "<broken",
        confirmation(bookingId="10", contract="VOIDS"),
    ]


@contextmanager
def house(url: str) -> Iterator[Corridor]:
    """Two sources, one of which holds what the other refuses, each of which has sent everything; grouped, indexed."""
    clock = Clock()
    with corridor(url, now=clock) as found:
        second = make_source(Rules("north", ZoneInfo("Europe/London"), on_invalid=OnInvalid.HOLD))
        others = Corridor(found.store, second, clock)
        for document in _documents():
            for one in (found, others):
                one.push(document)
                clock.at += timedelta(minutes=7)
        causes_grouping.group_new(found.store, clock.at, 1000)
        words.index_words(found.store, clock.at, 1000)
        yield found


def _filters(found: Corridor) -> list[Filter]:
    with found.store.reading() as connection:
        cause = [c.id for c in causes(connection, found.store.tables)]
        pushes = finding.find_pushes(connection, found.store.tables, Filter(), limit=1000)
    middle = pushes[len(pushes) // 2].received_at
    single = [
        *(Filter(sources=s) for s in (("drs",), ("north",), ("drs", "north"), ("none",), ())),
        *(Filter(kind=kind) for kind in Kind),
        *(Filter(outcome=outcome) for outcome in Outcome),
        *(Filter(status=status) for status in NotificationStatus),
        *(Filter(cause=c) for c in (*cause, "none")),
        *(Filter(booking_id=i) for i in ("731904", "8", "none")),
        *(Filter(order=i) for i in ("L835574", "S1", "P1", "L3", "none")),
        *(Filter(resource=i) for i in ("W123", "W2", "W9", "none")),
        *(Filter(words=w) for w in ("h01", "VOIDS", "zora", "carpenter door", "sick", "nothing")),
        *(Filter(push_id=i) for i in (pushes[0].id, "none")),
        *(Filter(since=middle), Filter(until=middle), Filter(since=middle, until=middle + timedelta(minutes=30))),
    ]
    drawn = random.Random(7)
    pairs = [_both(*pair) for pair in itertools.combinations(single, 2)]
    return [Filter(), *single, *drawn.sample([p for p in pairs if p is not None], 120)]


def _both(one: Filter, other: Filter) -> Filter | None:
    """Both criteria at once; nothing where they are the same one."""
    first, second = ({k: v for k, v in vars(f).items() if v is not None} for f in (one, other))
    return replace(one, **second) if not first.keys() & second.keys() else None


class Plain:
    """The same found the long way: everything is read and looked at, one by one."""

    def __init__(self, found: Corridor) -> None:
        t = found.store.tables
        with found.store.reading() as connection:

            def read(table: Any) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(select(table)).mappings()]

            self.pushes = sorted(read(t.pushes), key=lambda p: (p["received_at"], p["id"]), reverse=True)
            self.records = {n["id"]: n for n in read(t.notifications)}
            self.repeats, self.bookings, self.resources = read(t.repeats), read(t.bookings), read(t.resources)
            self.completions, self.caused = read(t.completions), read(t.figures.cause_records)

    def of(self, f: Filter) -> list[str]:
        return [p["id"] for p in self.pushes if self._is_push(f, p)]

    def _is_push(self, f: Filter, p: dict[str, Any]) -> bool:
        asked = (
            f.sources is None or p["source"] in f.sources,
            f.since is None or p["received_at"] >= f.since,
            f.until is None or p["received_at"] < f.until,
            f.kind is None or p["kind"] == f.kind,
            f.outcome is None or p["outcome"] == f.outcome,
            f.push_id is None or p["id"] == f.push_id,
        )
        return all(asked) and (self._by_record(f, p) or self._as_a_whole(f, p))

    def _as_a_whole(self, f: Filter, p: dict[str, Any]) -> bool:
        if f.by_record:
            return False
        return f.cause is None or any(
            x["cause_id"] == f.cause and x["push_id"] == p["id"] and x["position"] == 0 for x in self.caused
        )

    def _by_record(self, f: Filter, p: dict[str, Any]) -> bool:
        brought = [n for n in self.records.values() if n["push_id"] == p["id"]]
        again = [self.records[r["notification_id"]] for r in self.repeats if r["push_id"] == p["id"]]
        # Words are looked for in what a push was the first to bring.
        return any(self.is_record(f, n) for n in (brought if f.words is not None else brought + again))

    def is_record(self, f: Filter, n: dict[str, Any]) -> bool:
        return all(
            (
                f.status is None or n["status"] == f.status,
                f.booking_id is None or n["booking_id"] == f.booking_id,
                f.order is None or self._is_of_order(f.order, n),
                f.resource is None or self._is_of_resource(f.resource, n),
                f.cause is None
                or any(x["cause_id"] == f.cause and x["notification_id"] == n["id"] for x in self.caused),
                f.words is None or all(word in str(n["values"]).lower() for word in f.words.lower().split()),
            )
        )

    def _is_of_order(self, number: str, n: dict[str, Any]) -> bool:
        names = ("primary_order_number", "secondary_order_number", "tertiary_order_number")
        its = [b for b in self.bookings if (b["source"], b["booking_id"]) == (n["source"], n["booking_id"])]
        said = [n["values"].get(f"{name}OrderNumber") for name in ("primary", "secondary", "tertiary")]
        held = n["status"] in ("held", "discarded") and number in said
        return held or any(b[name] == number for b in its for name in names)

    def _is_of_resource(self, resource: str, n: dict[str, Any]) -> bool:
        its = [d for d in self.completions if d["notification_id"] == n["id"]]
        keys = {(d["source"], d["booking_id"]) for d in its}
        done = any((r["source"], r["booking_id"]) in keys and r["resource_id"] == resource for r in self.resources)
        return done or n["resource_id"] == resource


def test_every_filter_finds_what_matches_it_page_by_page(database_url: str) -> None:
    with house(database_url) as found:
        plain, store = Plain(found), found.store
        some = 0
        for f in _filters(found):
            wanted = plain.of(f)
            some += bool(wanted)
            with store.reading() as connection:
                read = finding.find_pushes(connection, store.tables, f, limit=1000)
                assert [p.id for p in read] == wanted, f
                assert finding.count(connection, store.tables, f) == (len(wanted), True), f
                oldest_first = finding.push_ids(connection, store.tables, f, None, 1000)
                assert [key.id for key in oldest_first] == wanted[::-1], f
                if len(wanted) > 3:
                    _pages(connection, store, f, wanted)
        assert some > 60


def _pages(connection: Any, store: Store, f: Filter, wanted: list[str]) -> None:
    """Forwards and backwards, three at a time, nothing twice and nothing left out."""
    place, seen = None, list[finding.FoundPush]()
    while page := finding.find_pushes(connection, store.tables, f, place, 3):
        seen += page
        place = page[-1].place
    assert [p.id for p in seen] == wanted
    newer = finding.find_pushes(connection, store.tables, f, after=seen[-1].place, limit=3)
    assert [p.id for p in newer] == wanted[-4:-1]
    ids, after = list[str](), None
    while keys := finding.push_ids(connection, store.tables, f, after, 2):
        ids += [key.id for key in keys]
        after = keys[-1]
    assert ids == wanted[::-1]
    assert finding.count(connection, store.tables, f, most=2) == (2, False)


def test_records_are_found_by_the_same_filter(database_url: str) -> None:
    with house(database_url) as found:
        plain, store = Plain(found), found.store
        pushes = {p["id"]: p for p in plain.pushes}
        for f in _filters(found):
            if f.cause is not None and not f.by_record:
                continue
            its = replace(f, status=None, booking_id=None, order=None, resource=None, cause=None, words=None)
            of = set(plain.of(its))
            wanted = [n for n in plain.records.values() if n["push_id"] in of and plain.is_record(f, n)]
            wanted.sort(key=lambda n: n["position"])
            wanted.sort(key=lambda n: (pushes[n["push_id"]]["received_at"], n["push_id"]), reverse=True)
            with store.reading() as connection:
                place, seen = None, list[str]()
                while page := find_records(connection, store.tables, f, place, 4):
                    seen += [record.id for record in page]
                    place = page[-1].place
            assert seen == [n["id"] for n in wanted], f


def test_a_push_has_its_records_in_pages(database_url: str) -> None:
    with corridor(database_url) as found:
        receipt = found.push(element("unavailabilities", "".join(unavailability(ResourceId=f"W{n}") for n in range(7))))
        with found.store.reading() as connection:
            assert receipt.push_id is not None
            read = [records_of(connection, found.store.tables, receipt.push_id, after, 3) for after in (0, 3, 6, 7)]
    assert [[r.position for r in page] for page in read] == [[1, 2, 3], [4, 5, 6], [7], []]
    assert read[2][0].resource_id == "W6"
    assert read[2][0].values["Reason"] == "SICK"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("731904", "bookings"),
        (" 8 ", "bookings"),
        ("L835574", "orders"),
        ("S1", "orders"),
        ("P1", "orders"),
        ("L3", "orders"),
        ("W123", "resources"),
        ("W9", "resources"),
    ],
)
def test_the_search_box_knows_what_a_text_means(text: str, meaning: str, subjects: Corridor) -> None:
    with subjects.store.reading() as connection:
        everywhere = finding.find_subject(connection, subjects.store.tables, None, text)
        nowhere = finding.find_subject(connection, subjects.store.tables, (), text)
        unseen = finding.find_subject(connection, subjects.store.tables, ("other",), text)
    meant = {name: value for name, value in vars(everywhere).items() if value}
    number = text.strip()
    pairs = (("drs", number), ("north", number))
    assert meant == {meaning: (number,) if meaning == "orders" else pairs}
    assert not any(vars(nowhere).values())
    assert not any(vars(unseen).values())


def test_the_search_box_knows_pushes_and_what_is_nothing(subjects: Corridor) -> None:
    with subjects.store.reading() as connection:
        push = finding.find_pushes(connection, subjects.store.tables, Filter(), limit=1)[0]
        found = finding.find_subject(connection, subjects.store.tables, None, push.id.upper())
        assert found.pushes == (push.id,)
        for text in ("", "  ", "nothing", "%", "'"):
            assert not any(vars(finding.find_subject(connection, subjects.store.tables, None, text)).values())


@pytest.fixture(scope="module")
def subjects(postgres_url: str) -> Iterator[Corridor]:
    from tests.support.postgres import empty_database  # noqa: PLC0415

    with empty_database(postgres_url) as url, house(url) as found:
        yield found


# The filter itself

_texts = st.text(min_size=1, max_size=20)
_moments = st.datetimes(timezones=st.sampled_from([UTC, ZoneInfo("Europe/London")]))


@given(
    st.builds(
        Filter,
        sources=st.none() | st.lists(_texts, max_size=3).map(tuple),
        since=st.none() | _moments,
        until=st.none() | _moments,
        kind=st.none() | st.sampled_from(Kind),
        outcome=st.none() | st.sampled_from(Outcome),
        status=st.none() | st.sampled_from(NotificationStatus),
        booking_id=st.none() | _texts,
        words=st.none() | _texts,
        push_id=st.none() | _texts,
    )
)
def test_a_filter_comes_back_from_json(f: Filter) -> None:
    again = Filter.from_json(f.to_json())
    assert again == f
    assert again.to_json() == f.to_json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"kind": "letter"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"sources": "drs"},
        {"sources": [1]},
        {"booking_id": 7},
    ],
)
def test_what_is_no_filter_is_told(wrong: dict[str, object]) -> None:
    with pytest.raises(WrongFilter):
        Filter.from_json(wrong)


# By indexes

_SCANS = ("Seq Scan on pushes", "Seq Scan on notifications", "Seq Scan on repeats", "Seq Scan on bookings")


def test_no_filter_reads_a_table_and_none_takes_many_statements(new_postgres_database: NewDatabase) -> None:
    url = new_postgres_database()
    fill(url, 4000)
    store = Store(engines.create(url), field_table())
    now = datetime.now(UTC)
    causes_grouping.group_new(store, now, 10_000)
    words.index_words(store, now, 20_000)
    seen: list[str] = []

    def look(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "WITH")) and "set_config" not in statement:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            seen.append("\n".join(row[0] for row in cursor.fetchall()))

    with store.reading() as connection:
        cause = causes(connection, store.tables, limit=1)[0].id
        event.listen(connection, "before_cursor_execute", look)
        for f in _usual(cause):
            seen.clear()
            page = finding.find_pushes(connection, store.tables, f)
            find_records(connection, store.tables, f)
            if replace(f, outcome=None, status=None) != Filter() or f.outcome is not Outcome.STORED:
                # Of those that are stored there are enough wherever one begins to count.
                finding.count(connection, store.tables, f)
            scans = [scan for plan in seen for scan in _SCANS if scan in plan]
            assert not scans, (f, seen)
            assert len(seen) <= 40, f
            if len(page) == 50:
                seen.clear()
                finding.find_pushes(connection, store.tables, f, page[-1].place)
                assert len(seen) <= 12, f
    store.close()


def _usual(cause: str) -> list[Filter]:
    single: list[dict[str, Any]] = [
        {"sources": ("drs", "north")},
        {"kind": Kind.COMPLETION},
        {"outcome": Outcome.REFUSED},
        {"outcome": Outcome.STORED},
        {"status": NotificationStatus.HELD},
        {"status": NotificationStatus.APPLIED},
        {"booking_id": "100000123"},
        {"order": "S122"},
        {"resource": "W70"},
        {"cause": cause},
        {"words": "rear gate"},
        {"words": "zebra"},
    ]
    pairs = [{**a, **b} for a, b in itertools.combinations(single, 2) if not a.keys() & b.keys()]
    return [*(Filter(**criteria) for criteria in (*single, *pairs))]
