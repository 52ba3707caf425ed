"""A database that is filled is migrated while pushes come: an index is built on the side, and nobody waits for it."""

from __future__ import annotations

import threading

import psycopg
import pytest

from receiver.store import engine as engines
from receiver.store import migrations
from tests.conftest import NewDatabase
from tests.support.corridor import corridor
from tests.support.pushes import confirmation
from tests.support.waiting import wait_until

_BUILDING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE %s AND state = %s"
_VALID = "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'notifications'::regclass"
_INSERT = """
    INSERT INTO notifications (id, push_id, position, source, kind, content_key, event_key, received_at, status,
                               "values", warnings, problems)
    SELECT 'n', push_id, 2, source, kind, 'c', 'e', received_at, status, "values", warnings, problems
      FROM notifications
"""
_TOUCH = "UPDATE notifications SET status = status"


@pytest.mark.parametrize("way", ["up", "down"])
def test_pushes_are_stored_while_indexes_are_replaced(new_postgres_database: NewDatabase, way: str) -> None:
    url = new_postgres_database()
    with corridor(url) as found:
        found.push(confirmation())
        migrations.downgrade(found.store.engine, "0004" if way == "up" else "0005")
    engine = engines.create(url)
    target = "0005" if way == "up" else "0004"
    move = migrations.upgrade if way == "up" else migrations.downgrade
    with psycopg.connect(url) as slow, psycopg.connect(url, autocommit=True) as others:
        others.execute("SET lock_timeout = '5s'")
        # What has begun to write has to end before an index can be begun, and holds the migration up until it does.
        slow.execute(_TOUCH)
        migrating = threading.Thread(target=move, args=(engine, str(target)))
        migrating.start()
        building = ["CREATE INDEX CONCURRENTLY%", "active"]
        wait_until(lambda: others.execute(_BUILDING, building).fetchone() == (1,), 30, "an index is being built")
        others.execute(_INSERT)
        slow.rollback()
        migrating.join(30)
        assert not migrating.is_alive()
        assert others.execute(_VALID).fetchone() == (True,)
    assert migrations.current(engine) == target
    engine.dispose()


def test_an_index_whose_building_was_broken_off_is_built_again(new_postgres_database: NewDatabase) -> None:
    url = new_postgres_database()
    with corridor(url) as found:
        found.push(confirmation())
        migrations.downgrade(found.store.engine, "0004")
        with psycopg.connect(url, autocommit=True) as others:
            others.execute("CREATE INDEX ix_notifications_booking ON notifications (source)")
            others.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_notifications_booking'::regclass"
            )
            migrations.upgrade(found.store.engine)
            assert others.execute(_VALID).fetchone() == (True,)
            definition = others.execute("SELECT pg_get_indexdef('ix_notifications_booking'::regclass)").fetchone()
            assert definition is not None
            assert "(source, booking_id)" in definition[0]
