"""Figures: counts by the hour, times of replies, and the causes for which records are held.

Of a push also who sent it, and how long it took.

Revision: 0006
After: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pushes", sa.Column("sender", sa.Text(), nullable=True))
    op.add_column("pushes", sa.Column("taken_microseconds", sa.BigInteger(), nullable=True))
    op.add_column("pushes", sa.Column("grouped_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("notifications", sa.Column("grouped_at", sa.DateTime(timezone=True), nullable=True))
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
        op.f("ix_cause_records_cause_id_received_at"), "cause_records", ["cause_id", "received_at"], unique=False
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


def downgrade() -> None:
    op.drop_table("reply_times")
    op.drop_table("push_counts")
    op.drop_table("figures")
    op.drop_table("causes")
    op.drop_table("cause_records")
    op.drop_column("notifications", "grouped_at")
    op.drop_column("pushes", "grouped_at")
    op.drop_column("pushes", "taken_microseconds")
    op.drop_column("pushes", "sender")
