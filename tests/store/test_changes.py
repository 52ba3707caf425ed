"""The change feed: no row becomes visible behind a cursor that a reader has passed."""

from __future__ import annotations

import psycopg

from tests.conftest import NewDatabase
from tests.support.corridor import corridor
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
