"""Views for downstream SQL, version 1: the same names and columns on every database.

Revision: 0002
After: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# On PostgreSQL a change shows once every transaction that began before its own has ended: its cursor is the
# transaction's id times 2^22 and a number, so no row can appear behind a cursor that a reader has passed.
SETTLED = "WHERE cursor < (pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 22)"

VIEWS = {
    "v1_bookings": """
        SELECT source, booking_id, primary_order_number, secondary_order_number, tertiary_order_number, token_id,
               contract, location_id, planning_window_start, planning_window_end, target_date, booking_reason,
               booking_sequence, original_booking_id, number_of_operatives, user_id, changed_at, status,
               completion_status, completed_at, completed_successfully, cancelled_at, first_received_at,
               last_received_at
          FROM bookings
    """,
    "v1_booking_codes": """
        SELECT source, booking_id, position, order_id, sor_code, primary_order_number, quantity,
               standard_minute_value, item_number, item_value, trade, description, comments, reference
          FROM booking_codes
    """,
    "v1_unavailabilities": """
        SELECT source, resource_id, operative_id, period_start, period_end, reason, comments, action, action_text,
               status, first_received_at, last_received_at
          FROM unavailabilities
    """,
    "v1_notifications": """
        SELECT id, push_id, position, source, kind, booking_id, resource_id, changed_at, received_at, status,
               "values", warnings, problems
          FROM notifications
    """,
    "v1_pushes": """
        SELECT id, source, received_at, size_bytes, outcome, records, reply_status
          FROM pushes
    """,
    "v1_changes": """
        SELECT "cursor", source, entity, entity_key, change, notification_id, occurred_at, recorded_at
          FROM changes
    """,
}


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for name, query in VIEWS.items():
        settled = SETTLED if name == "v1_changes" and on_postgresql else ""
        op.execute(f"CREATE VIEW {name} AS {query} {settled}")


def downgrade() -> None:
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
