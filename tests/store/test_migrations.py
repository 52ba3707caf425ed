"""Migrations run up and down with data in the tables, agree with the models, and make the documented views."""

from __future__ import annotations

import re

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, select, text

from receiver.errors import BehindMigrations
from receiver.fields import field_table
from receiver.store import engine as engines
from receiver.store import migrations
from receiver.store.figures.tables import figure_tables
from receiver.store.people.tables import people_tables
from receiver.store.replays.tables import replay_tables
from receiver.store.store import Store
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import CODE, cancellation, confirmation, element, fields, unavailability

VIEWS = {
    "v1_bookings": "source, booking_id, primary_order_number, secondary_order_number, tertiary_order_number, token_id,"
    "contract, location_id, planning_window_start, planning_window_end, target_date, booking_reason, booking_sequence,"
    "original_booking_id, number_of_operatives, user_id, changed_at, status, completion_status, completed_at,"
    "completed_successfully, cancelled_at, first_received_at, last_received_at",
    "v1_booking_codes": "source, booking_id, position, order_id, sor_code, primary_order_number, quantity,"
    "standard_minute_value, item_number, item_value, trade, description, comments, reference",
    "v1_unavailabilities": "source, resource_id, operative_id, period_start, period_end, reason, comments, action,"
    "action_text, status, first_received_at, last_received_at",
    "v1_notifications": "id, push_id, position, source, kind, booking_id, resource_id, changed_at, received_at, status,"
    "values, warnings, problems",
    "v1_pushes": "id, source, received_at, size_bytes, outcome, records, reply_status",
    "v1_changes": "cursor, source, entity, entity_key, change, notification_id, occurred_at, recorded_at",
}

EMPTY = {"completion_resources", "completion_business_data", "duties", "erasures"}
EMPTY |= {
    f"{table}" for make in (figure_tables, replay_tables, people_tables) for table in vars(make(MetaData())).values()
}
# What an older schema has no column for is gone after a way down and up again.
GONE = {"sender", "taken_microseconds"}


def _fill(found: Corridor) -> None:
    done = {"bookingId": "9", "primaryOrderNumber": "L9", "taskCompletionDate": "2021-07-02T11:40:00"}
    for push in (
        confirmation(codes=[CODE]),
        confirmation(codes=[CODE]),
        confirmation(bookingId="x"),
        cancellation(bookingId="8"),
        element("bookingCompletion", fields(done)),
        unavailability(),
        "<nothing/>",
    ):
        found.push(push)


def _contents(found: Corridor) -> dict[str, list[dict[str, object]]]:
    """What is in the tables that the database has now, column by column."""
    engine = found.store.engine
    with engine.connect() as connection:
        there = inspect(engine)
        names = set(there.get_table_names())
        contents = {}
        for table in found.store.tables.metadata.sorted_tables:
            if table.name in names:
                columns = {c["name"] for c in there.get_columns(table.name)}
                query = select(*(c for c in table.columns if c.name in columns)).order_by(*table.primary_key)
                contents[table.name] = [dict(row) for row in connection.execute(query).mappings()]
        return contents


def _same(now: dict[str, list[dict[str, object]]], before: dict[str, list[dict[str, object]]]) -> bool:
    """Whether everything that an older schema can hold is as it was."""
    assert all(len(now[name]) == len(before[name]) for name in now)
    return all(
        value == old[column] or (column in GONE and value is None)
        for name in now
        for row, old in zip(now[name], before[name], strict=True)
        for column, value in row.items()
    )


def test_models_and_migrations_agree(database_url: str) -> None:
    store = Store(engines.create(database_url), field_table())
    migrations.upgrade(store.engine)
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, store.tables.metadata) == []
    store.close()


def test_every_step_down_and_up_again_with_data_in_place(database_url: str) -> None:
    with corridor(database_url) as found:
        _fill(found)
        before = _contents(found)
        assert all(before[name] for name in before if name not in EMPTY)
        newest = migrations.newest()
        # 0001 makes the tables themselves: below it there is nothing that could hold data.
        for _ in range(int(str(newest)) - 1):
            migrations.downgrade(found.store.engine, "-1")
            assert _same(_contents(found), before)
        migrations.upgrade(found.store.engine)
        assert migrations.current(found.store.engine) == newest
        assert _contents(found).keys() == before.keys()
        assert _same(_contents(found), before)
        found.push(confirmation(bookingId="77"))
        migrations.downgrade(found.store.engine, "base")
        assert set(inspect(found.store.engine).get_table_names()) <= {"alembic_version"}
        migrations.upgrade(found.store.engine)
        _fill(found)


def test_views_have_the_documented_columns(database_url: str) -> None:
    engine = engines.create(database_url)
    migrations.upgrade(engine)
    assert set(inspect(engine).get_view_names()) == set(VIEWS)
    with engine.connect() as connection:
        for view, columns in VIEWS.items():
            found = list(connection.execute(text(f"SELECT * FROM {view}")).keys())
            assert found == [c.strip() for c in columns.split(",")], view
    engine.dispose()


def test_migrations_are_numbered_without_gaps_and_can_go_back() -> None:
    files = sorted((migrations.migrations_folder() / "versions").glob("[0-9]*.py"))
    assert [f.name[:4] for f in files] == [f"{n:04d}" for n in range(1, len(files) + 1)]
    assert migrations.newest() == ScriptDirectory(str(migrations.migrations_folder())).get_current_head()
    for file in files:
        content = file.read_text(encoding="utf-8")
        assert re.search(r"^def downgrade\(\) -> None:\n    (?!pass)", content, re.MULTILINE), file.name


def test_a_database_behind_its_migrations_is_told_so(database_url: str) -> None:
    engine = engines.create(database_url)
    migrations.upgrade(engine, "0001")
    with pytest.raises(BehindMigrations, match=r"at migration 0001.*receiver migrate"):
        migrations.require_newest(engine)
    engine.dispose()


def test_sqlite_is_durable_and_checks_its_references(sqlite_url: str) -> None:
    engine = engines.create(sqlite_url)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA secure_delete")) == 1
    engine.dispose()
