"""Many rows go in by another way than few, and leave the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, Connection, Integer, LargeBinary, Table, Text, cast, select, text

from receiver.errors import StoreConflict
from receiver.fields import field_table
from receiver.store import engine as engines
from receiver.store import migrations, pushes
from receiver.store.copying import put, put_rows
from receiver.store.pushes import Outcome, Push
from receiver.store.store import Store
from receiver.store.types import UtcDateTime
from tests.conftest import NewDatabase
from tests.support.corridor import Corridor, corridor
from tests.support.profiles import examples
from tests.support.pushes import CANCELLATION, CODE, confirmation, element, fields, unavailability
from tests.support.receiver import rows_of
from tests.support.values import xml_characters

NOW = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
TEXTS = st.text(xml_characters(), max_size=20)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda d: d.replace(tzinfo=UTC))
JSONS = st.recursive(st.none() | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner))


@pytest.fixture
def store(new_postgres_database: NewDatabase) -> Iterator[Store]:
    found = Store(engines.create(new_postgres_database()), field_table())
    migrations.upgrade(found.engine)
    yield found
    found.close()


def _values(column: Column[object]) -> st.SearchStrategy[object]:
    kind = column.type
    found: st.SearchStrategy[object]
    if isinstance(kind, UtcDateTime):
        found = INSTANTS
    elif isinstance(kind, JSON):
        found = JSONS.filter(lambda value: value is not None)
    elif isinstance(kind, Boolean):
        found = st.booleans()
    elif isinstance(kind, Integer):
        bits = 31 if type(kind) is Integer else 63
        found = st.integers(-(2**bits), 2**bits - 1)
    elif isinstance(kind, LargeBinary):
        found = st.binary(max_size=20)
    else:
        assert isinstance(kind, Text), column
        found = TEXTS
    return found | st.none() if column.nullable else found


def _stored(connection: Connection, table: Table, write: Callable[[], None]) -> list[object]:
    """What a table without constraints has of the rows, JSON as it is written."""
    connection.execute(text(f"CREATE TEMPORARY TABLE {table.name} (LIKE public.{table.name}) ON COMMIT DROP"))
    write()
    columns = [cast(c, Text) if isinstance(c.type, JSON) else c for c in table.columns]
    found: list[object] = list(connection.execute(select(*columns)).all())
    connection.rollback()
    return found


def test_copied_and_inserted_rows_are_the_same(store: Store) -> None:
    tables = [t for t in store.tables.metadata.sorted_tables if t.name != "push_bodies"]

    @settings(max_examples=examples(0.3))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        table = data.draw(st.sampled_from(tables))
        row = st.fixed_dictionaries({c.name: _values(c) for c in table.columns})
        rows = data.draw(st.lists(row, min_size=1, max_size=5))
        with store.engine.connect() as connection:
            inserted, *copied = (
                _stored(connection, table, write)
                for write in (
                    lambda: put(connection, table, rows, many=1_000),
                    lambda: put(connection, table, rows, many=1),
                    lambda: put_rows(connection, table, [[row[c.name] for c in table.columns] for row in rows], many=1),
                )
            )
        assert copied == [inserted, inserted]

    check()


@pytest.mark.parametrize("size", [0, 1, 300_000, 1_000_003])
def test_long_bytes_are_kept_as_they_came(store: Store, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    push = Push("p", "drs", NOW, size, "0" * 64, Outcome.FAILED, 503)
    with store.transaction() as connection:
        pushes.add(connection, store.tables, push, body)
    with store.reading() as connection:
        assert pushes.body_of(connection, store.tables, "p") == ("drs", NOW, body)


def test_a_row_that_is_there_already_is_a_conflict_and_leaves_nothing(store: Store) -> None:
    table = store.tables.duties
    first = table.columns.values()[0].name
    rows = [_row(table, n) for n in range(100)]
    with store.transaction() as connection:
        put(connection, table, rows[:1], many=1)
    with pytest.raises(StoreConflict), store.transaction() as connection:
        put(connection, table, rows, many=1)
    with store.transaction() as connection:  # the connection is as good as new
        assert len(connection.execute(select(table.c[first])).all()) == 1


def _row(table: Table, n: int) -> dict[str, object]:
    def value(column: Column[object]) -> object:
        if isinstance(column.type, UtcDateTime):
            return NOW
        return n if isinstance(column.type, Integer) else str(n)

    return {column.name: value(column) for column in table.columns}


RECORD = st.one_of(
    st.builds(
        lambda booking, codes, day: element(
            "bookingConfirmation",
            confirmation(
                bookingId=booking,
                codes=[{**CODE, "bookingId": booking, "quantity": q} for q in codes],
                changedDate=f"2021-05-{day:02d}T10:00:00",
            ),
        ),
        st.sampled_from("1234567"),
        st.lists(st.sampled_from(["1", "2.50", "\\N", "x" * 60]), max_size=3),
        st.integers(1, 28),
    ),
    st.builds(
        lambda booking, date: element("bookingCancellation", fields({**CANCELLATION, "bookingId": booking, **date})),
        st.sampled_from("1234567"),
        st.sampled_from([{}, {"changedDate": ""}, {"changedDate": "no date"}]),
    ),
    st.builds(
        lambda resource, action, day, comment: element(
            "unavailability",
            unavailability(
                ResourceId=resource, Action=action, PeriodStart=f"2021-07-{day:02d}T08:00:00", Comments=comment
            ),
        ),
        st.sampled_from("abc"),
        st.sampled_from(["New", "Delete", "Amend", "odd"]),
        st.integers(0, 28),
        TEXTS,
    ),
)
# Enough of them that even what a few kinds leave comes by the hundred.
PUSHES = st.lists(RECORD, min_size=20, max_size=60).map(lambda some: element("many", "".join(some * 3)))
VIEWS = {
    "v1_notifications": 'source, kind, position, booking_id, resource_id, changed_at, received_at, status, "values"'
    ", warnings, problems FROM v1_notifications ORDER BY push_id, position",
    "v1_bookings": "* FROM v1_bookings ORDER BY booking_id",
    "v1_booking_codes": "* FROM v1_booking_codes ORDER BY booking_id, position",
    "v1_unavailabilities": "* FROM v1_unavailabilities ORDER BY resource_id, period_start, period_end",
    "v1_changes": "entity, entity_key, change, occurred_at, recorded_at FROM v1_changes ORDER BY cursor",
    "v1_pushes": "outcome, records FROM v1_pushes ORDER BY id",
}


def _left(intake: Corridor, bodies: Sequence[str]) -> dict[str, list[dict[str, object]]]:
    """What the pushes leave in the database, which is empty before."""
    with intake.store.transaction() as connection:
        for table in reversed(intake.store.tables.metadata.sorted_tables):
            connection.execute(table.delete())
    for body in bodies:
        intake.push(body)
    with intake.store.reading() as connection:
        return {name: rows_of(connection, f"SELECT {what}") for name, what in VIEWS.items()}


def test_a_push_leaves_the_same_on_both_databases(new_postgres_database: NewDatabase, sqlite_url: str) -> None:
    with (
        corridor(sqlite_url, now=lambda: NOW) as inserting,
        corridor(new_postgres_database(), now=lambda: NOW) as copying,
    ):

        @settings(max_examples=examples(0.1))
        @given(st.lists(PUSHES, min_size=1, max_size=2))
        def check(bodies: list[str]) -> None:
            assert _left(copying, bodies) == _left(inserting, bodies)

        check()
