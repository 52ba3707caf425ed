"""Keeping: what became of a push's bytes, what was erased and the proof of it, and duties done once an interval.

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Without these, each notification that expires would have the database read the whole feed for references to it.
INDEXES = {"ix_changes_notification_id": "changes", "ix_completions_notification_id": "completions"}


def upgrade() -> None:
    # First: while an index is built on the side, this transaction must hold no lock that a push would wait for.
    for name, table in INDEXES.items():
        create_index(name, table)
    op.add_column("pushes", sa.Column("body_state", sa.Text(), nullable=True))
    op.add_column("notifications", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "duties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )


def create_index(name: str, table: str) -> None:
    """An index on notification_id. PostgreSQL builds it without keeping anyone from writing, where there is data."""
    bind = op.get_bind()
    filled = bind.scalar(sa.select(sa.exists().select_from(sa.table(table))))
    if bind.dialect.name != "postgresql" or not filled:
        op.create_index(name, table, ["notification_id"], unique=False)
        return
    with bind.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
        alone.exec_driver_sql("SET lock_timeout = 0")
        # One that was interrupted is there, and not valid.
        alone.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        alone.exec_driver_sql(f"CREATE INDEX CONCURRENTLY {name} ON {table} (notification_id)")
        alone.invalidate()


def downgrade() -> None:
    for name, table in INDEXES.items():
        op.drop_index(name, table_name=table)
    op.drop_table("erasures")
    op.drop_table("duties")
    op.drop_column("notifications", "erased_at")
    op.drop_column("pushes", "body_state")
