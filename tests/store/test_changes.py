"""The change feed: no row becomes visible behind a cursor that a reader has passed."""

from __future__ import annotations

import threading

import psycopg
from sqlalchemy import text

from receiver.store.changes import ChangeLog
from tests.conftest import NewDatabase
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import confirmation


def _cursors(connection: psycopg.Connection[tuple[int]]) -> list[int]:
    with connection.transaction():
        return [row[0] for row in connection.execute("SELECT cursor FROM v1_changes ORDER BY cursor")]


def test_a_change_waits_for_transactions_that_began_before_it(new_postgres_database: NewDatabase) -> None:
    url = new_postgres_database()
    with corridor(url) as found, psycopg.connect(url) as slow, psycopg.connect(url, autocommit=True) as reader:
        found.push(confirmation(bookingId="1"))
        assert len(_cursors(reader)) == 1
        # A writer that has its transaction id but has not committed: what commits after it must not show yet.
        slow.execute("SELECT pg_current_xact_id()")
        found.push(confirmation(bookingId="2"))
        assert len(_cursors(reader)) == 1
        slow.rollback()
        assert len(_cursors(reader)) == 2


def test_cursors_grow_from_push_to_push(database_url: str) -> None:
    with corridor(database_url) as found:
        for number in range(5):
            found.push(confirmation(bookingId=str(number)))
        with found.store.reading() as connection:
            changes = found.store.tables.changes
            rows = connection.execute(changes.select().order_by(changes.c.cursor)).all()
    assert [row.entity_key for row in rows] == [str(n) for n in range(5)]


def _shown(found: Corridor) -> list[tuple[int, str]]:
    with found.store.reading() as connection:
        rows = connection.execute(text('SELECT "cursor", entity_key FROM v1_changes ORDER BY "cursor"')).all()
    return [(row[0], row[1]) for row in rows]


def _as_from_another_cluster(found: Corridor, transactions: int) -> int:
    """What is stored looks as if that many more transactions had been before it; returns the highest cursor."""
    with found.store.transaction() as connection:
        changes = found.store.tables.changes
        connection.execute(changes.update().values(cursor=changes.c.cursor + (transactions << 22)))
    with found.store.reading() as connection:
        newest = connection.scalar(text('SELECT max("cursor") FROM changes'))
    return int(newest or 0)


def test_cursors_go_on_after_a_restore_into_a_younger_cluster(new_postgres_database: NewDatabase) -> None:
    with corridor(new_postgres_database()) as found:
        found.push(confirmation(bookingId="1"))
        newest = _as_from_another_cluster(found, 5_000_000)
        assert _shown(found) == []  # they come from the future, until something has been written
        found.push(confirmation(bookingId="2"))
        found.push(confirmation(bookingId="3"))
        cursors = _shown(found)
        assert [key for _, key in cursors] == ["1", "2", "3"]
        assert cursors[0][0] == newest


def test_a_server_that_starts_on_a_restored_database_shows_it_at_once(new_postgres_database: NewDatabase) -> None:
    with corridor(new_postgres_database()) as found:
        found.push(confirmation(bookingId="1"))
        _as_from_another_cluster(found, 5_000_000)
        with found.store.transaction() as connection:
            ChangeLog(connection, found.store.tables).go_on()
        assert [key for _, key in _shown(found)] == ["1"]


def test_many_writers_find_a_restored_database_at_once(new_postgres_database: NewDatabase) -> None:
    with corridor(new_postgres_database()) as found:
        found.push(confirmation(bookingId="0"))
        newest = _as_from_another_cluster(found, 5_000_000)
        numbers = range(1, 41)
        pushing = [
            threading.Thread(target=found.push, args=(confirmation(bookingId=str(number)),)) for number in numbers
        ]
        for thread in pushing:
            thread.start()
        for thread in pushing:
            thread.join()
        cursors = _shown(found)
        assert sorted(int(key) for _, key in cursors) == [0, *numbers]
        assert cursors[0] == (newest, "0")
        with found.store.reading() as connection:
            (ahead,) = connection.execute(text("SELECT transactions FROM feed_offset")).one()
        assert 4_000_000 < ahead <= 5_000_000


def test_a_cursor_of_deleted_rows_is_not_given_again(database_url: str) -> None:
    with corridor(database_url) as found:
        found.push(confirmation(bookingId="1"))
        found.push(confirmation(bookingId="2"))
        newest = _shown(found)[-1][0]
        with found.store.transaction() as connection:
            ChangeLog(connection, found.store.tables).forget()
            connection.execute(found.store.tables.changes.delete())
        found.push(confirmation(bookingId="3"))
        ((cursor, _),) = _shown(found)
        assert cursor > newest
