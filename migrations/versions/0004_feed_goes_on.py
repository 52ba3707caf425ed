"""The feed goes on: after a restore into a cluster whose transaction ids start low, and when its newest rows go.

Revision: 0004
After: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = """
    CREATE OR REPLACE VIEW v1_changes AS
    SELECT "cursor", source, entity, entity_key, change, notification_id, occurred_at, recorded_at
      FROM changes
     WHERE "cursor" < (pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 22)
"""
AFTER = """
    CREATE OR REPLACE VIEW v1_changes AS
    SELECT "cursor", source, entity, entity_key, change, notification_id, occurred_at, recorded_at
      FROM changes
     WHERE "cursor" < (
               (pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                + coalesce((SELECT transactions FROM feed_offset), 0)) << 22
           )
"""


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    op.create_table(
        "feed_offset",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("transactions", sa.BigInteger(), nullable=False),
        sa.Column("deleted_to", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_offset")),
    )
    op.execute("INSERT INTO feed_offset (id, transactions, deleted_to) VALUES (1, 0, 0)")
    if _on_postgresql():
        op.execute(AFTER)


def downgrade() -> None:
    if _on_postgresql():
        op.execute(BEFORE)
    op.drop_table("feed_offset")
