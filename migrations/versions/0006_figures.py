"""Figures: counts by the hour, times of replies, and the causes for which records are held; words to find records by.

Of a push also who sent it, and how long it took. What was not stored or applied at once gets indexes of its own.

Revision: 0006
After: 0005
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


COLUMNS: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "pushes": {"sender": sa.Text(), "taken_microseconds": sa.BigInteger(), "grouped_at": sa.DateTime(timezone=True)},
    "notifications": {"grouped_at": sa.DateTime(timezone=True)},
}
NOT_STORED = "outcome <> 'stored'"
NOT_APPLIED = "status <> 'applied'"
HELD_ORDER = ("status IN ('held', 'discarded')", "(\"values\" ->> '{}OrderNumber')")
# Table, columns, and the rows that it is of.
INDEXES: dict[str, tuple[str, str, str | None]] = {
    "ix_pushes_not_stored": ("pushes", "outcome, source, kind, received_at", NOT_STORED),
    "ix_pushes_not_grouped": ("pushes", "received_at", "outcome IN ('refused', 'failed') AND grouped_at IS NULL"),
    "ix_notifications_not_applied": ("notifications", "status, source, received_at, push_id", NOT_APPLIED),
    "ix_notifications_not_grouped": ("notifications", "received_at", "status = 'held' AND grouped_at IS NULL"),
    **{
        f"ix_notifications_held_{n}": ("notifications", HELD_ORDER[1].format(n), HELD_ORDER[0])
        for n in ("primary", "secondary", "tertiary")
    },
    **{
        f"ix_bookings_{n}_order_number": ("bookings", f"{n}_order_number", f"{n}_order_number IS NOT NULL")
        for n in ("secondary", "tertiary")
    },
    "ix_completion_resources_resource_id": ("completion_resources", "resource_id", None),
}
LOCK_TRIES = 30


def upgrade() -> None:
    widen()
    op.create_table(
        "cause_records",
        sa.Column("cause_id", sa.Text(), nullable=False),
        sa.Column("push_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notification_id", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cause_id", "push_id", "position", name=op.f("pk_cause_records")),
    )
    op.create_index(
        op.f("ix_cause_records_cause_id_received_at_push_id"),
        "cause_records",
        ["cause_id", "received_at", "push_id"],
        unique=False,
    )
    op.create_index(op.f("ix_cause_records_notification_id"), "cause_records", ["notification_id"], unique=False)
    op.create_index(op.f("ix_cause_records_push_id"), "cause_records", ["push_id"], unique=False)
    op.create_table(
        "causes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_by", sa.Text(), nullable=True),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_causes")),
    )
    op.create_index(op.f("ix_causes_source_state_last_seen"), "causes", ["source", "state", "last_seen"], unique=False)
    op.create_table(
        "figures",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_figures")),
    )
    op.create_table(
        "push_counts",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("pushes", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "source", "kind", "outcome", name=op.f("pk_push_counts")),
    )
    op.create_table(
        "reply_times",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("most_microseconds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "source", "most_microseconds", name=op.f("pk_reply_times")),
    )
    op.create_table(
        "record_words",
        sa.Column("notification_id", sa.Text(), nullable=False),
        sa.Column("push_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_record_words")),
    )
    op.create_index(
        op.f("ix_record_words_source_received_at_push_id"),
        "record_words",
        ["source", "received_at", "push_id"],
        unique=False,
    )
    op.create_index("ix_record_words_words", "record_words", ["words"], unique=False, postgresql_using="gin")
    if on_postgresql():
        # Which words are common is what a search is planned by.
        op.execute("ALTER TABLE record_words ALTER COLUMN words SET STATISTICS 1000")


def downgrade() -> None:
    for table in ("record_words", "reply_times", "push_counts", "figures", "causes", "cause_records"):
        op.drop_table(table)
    for name, (table, *_) in INDEXES.items():
        op.drop_index(name, table_name=table)
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column)


def widen() -> None:
    """Columns and indexes of the large tables. PostgreSQL keeps no one from writing meanwhile, where there is data."""
    if not on_postgresql() or not is_filled():
        for table, columns in COLUMNS.items():
            for column, kind in columns.items():
                op.add_column(table, sa.Column(column, kind, nullable=True))
        for name, (table, indexed, where) in INDEXES.items():
            op.execute(f"CREATE INDEX {name} ON {table} ({indexed})" + (f" WHERE {where}" if where else ""))
        return
    dialect = op.get_bind().dialect
    for table, columns in COLUMNS.items():
        added = [f"ADD COLUMN IF NOT EXISTS {name} {kind.compile(dialect)}" for name, kind in columns.items()]
        patiently(f"ALTER TABLE {table} {', '.join(added)}")
    for name, (table, indexed, where) in INDEXES.items():
        # One that was interrupted is there, and not valid.
        alone(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        alone(f"CREATE INDEX CONCURRENTLY {name} ON {table} ({indexed})" + (f" WHERE {where}" if where else ""))


def on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def is_filled() -> bool:
    """By its size: to read a table would leave this transaction with a lock that building an index waits for."""
    return bool(op.get_bind().scalar(sa.text("SELECT pg_relation_size('pushes')")))


def patiently(statement: str) -> None:
    """With a lock that it waits for shortly, and again: who waits for a table has all others wait behind."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            alone(statement, lock_timeout="2s")
        except sa.exc.OperationalError:
            if not left:
                raise
        else:
            return


def alone(statement: str, lock_timeout: str = "0") -> None:
    """By a session of its own, outside any transaction: this one must hold no lock on the table meanwhile."""
    with op.get_bind().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SET lock_timeout = '{lock_timeout}'")
        connection.exec_driver_sql("SET statement_timeout = 0")
        try:
            connection.exec_driver_sql(statement)
        finally:
            connection.invalidate()
