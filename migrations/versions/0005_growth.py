"""Growth: notifications pay for fewer indexes, compression that costs less, and large tables are vacuumed in time.

Revision: 0005
After: 0004
"""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Indexes = Mapping[str, tuple[str, str, str | None]]

# What a content is mostly known by is its event's key, which has an index: only where the two differ is another needed.
# A notification has a booking or a resource, or neither: what has none has no entry.
# Pushes of which nothing was read are few, and looked for among all.
NEW = {
    "ix_notifications_content_apart": ("notifications", "content_key", "content_key <> event_key"),
    "ix_notifications_booking": ("notifications", "booking_id", "booking_id IS NOT NULL"),
    "ix_notifications_resource": ("notifications", "resource_id", "resource_id IS NOT NULL"),
    "ix_pushes_refused": ("pushes", "received_at", "outcome IN ('refused', 'failed')"),
}
OLD = {
    "ix_notifications_source_content_key": ("notifications", "content_key", None),
    "ix_notifications_source_booking_id": ("notifications", "booking_id", None),
    "ix_notifications_source_resource_id": ("notifications", "resource_id", None),
}
# A fifth of ten million rows is long to wait: dead rows, statistics and the map of what all can see would be behind.
SHARES = {
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
}
LARGE = ("pushes", "push_bodies", "notifications", "bookings", "booking_codes", "changes")
COMPRESSED = {"push_bodies": "body", "notifications": '"values"'}
# Older servers have no such setting, and some are built without the library.
COMPRESS = """
    DO $$
    BEGIN
        EXECUTE 'ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {method}';
    EXCEPTION WHEN feature_not_supported OR syntax_error OR invalid_parameter_value THEN
        NULL;
    END $$
"""


def upgrade() -> None:
    shares = ", ".join(f"{name} = {value}" for name, value in SHARES.items())
    replace_indexes(NEW, OLD)
    set_up([f"ALTER TABLE {table} SET ({shares})" for table in LARGE], "lz4")


def downgrade() -> None:
    replace_indexes(OLD, NEW)
    set_up([f"ALTER TABLE {table} RESET ({', '.join(SHARES)})" for table in LARGE], "default")


def replace_indexes(made: Indexes, dropped: Indexes) -> None:
    """The first before the second go. PostgreSQL keeps no one from writing meanwhile, where there is data."""
    if not on_postgresql() or not is_filled():
        for name, (table, column, where) in made.items():
            part = sa.text(where) if where else None
            op.create_index(name, table, ["source", column], unique=False, postgresql_where=part, sqlite_where=part)
        for name, (table, *_) in dropped.items():
            op.drop_index(name, table_name=table)
        return
    for name, (table, column, where) in made.items():
        # One that was interrupted is there, and not valid.
        alone(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        only = f" WHERE {where}" if where else ""
        alone(f"CREATE INDEX CONCURRENTLY {name} ON {table} (source, {column}){only}")
    for name in dropped:
        alone(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def set_up(statements: list[str], method: str) -> None:
    """Nothing is rewritten: what is stored stays as it is. Each takes its lock for a moment only."""
    if on_postgresql():
        for table, column in COMPRESSED.items():
            statements.append(COMPRESS.format(table=table, column=column, method=method))
        for statement in statements:
            op.execute(statement)


def on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def is_filled() -> bool:
    """By its size: to read a table would leave this transaction with a lock that dropping an index waits for."""
    return bool(op.get_bind().scalar(sa.text("SELECT pg_relation_size('pushes')")))


def alone(statement: str) -> None:
    """By a session of its own, outside any transaction: this one must hold no lock on the table meanwhile."""
    with op.get_bind().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET lock_timeout = 0")
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(statement)
        connection.invalidate()
