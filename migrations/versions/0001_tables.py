"""Tables: the inbox, what was heard, current state, the change feed.

Revision: 0001
After: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "booking_codes",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("code_booking_id", sa.BigInteger(), nullable=True),
        sa.Column("sor_code", sa.Text(), nullable=True),
        sa.Column("primary_order_number", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Text(), nullable=True),
        sa.Column("standard_minute_value", sa.Text(), nullable=True),
        sa.Column("item_number", sa.Text(), nullable=True),
        sa.Column("item_value", sa.Text(), nullable=True),
        sa.Column("trade", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("comments", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("quantity_used", sa.Text(), nullable=True),
        sa.Column("time_remaining", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source", "booking_id", "position", name=op.f("pk_booking_codes")),
    )
    op.create_table(
        "bookings",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Text(), nullable=False),
        sa.Column("primary_order_number", sa.Text(), nullable=True),
        sa.Column("secondary_order_number", sa.Text(), nullable=True),
        sa.Column("tertiary_order_number", sa.Text(), nullable=True),
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("planning_window_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planning_window_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("target_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("booking_reason", sa.Text(), nullable=True),
        sa.Column("booking_sequence", sa.Text(), nullable=True),
        sa.Column("original_booking_id", sa.Text(), nullable=True),
        sa.Column("number_of_operatives", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("location_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completion_status", sa.Text(), nullable=True),
        sa.Column("completed_successfully", sa.Boolean(), nullable=True),
        sa.Column("completed_by", sa.Text(), nullable=True),
        sa.Column("ever_confirmed", sa.Boolean(), nullable=False),
        sa.Column("first_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_id", sa.Text(), nullable=True),
        sa.Column("applied_key", sa.Text(), nullable=True),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_event_rank", sa.Integer(), nullable=True),
        sa.Column("last_event_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_event_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source", "booking_id", name=op.f("pk_bookings")),
    )
    op.create_index(op.f("ix_bookings_last_received_at"), "bookings", ["last_received_at"], unique=False)
    op.create_index(op.f("ix_bookings_planning_window_start"), "bookings", ["planning_window_start"], unique=False)
    op.create_index(op.f("ix_bookings_primary_order_number"), "bookings", ["primary_order_number"], unique=False)
    op.create_table(
        "completion_business_data",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("mandatory", sa.Text(), nullable=True),
        sa.Column("default_value", sa.Text(), nullable=True),
        sa.Column("data_type_list", sa.Text(), nullable=True),
        sa.Column("data_type", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("data_values", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("source", "booking_id", "part", "position", name=op.f("pk_completion_business_data")),
    )
    op.create_table(
        "completion_resources",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("external_resource_code", sa.Text(), nullable=True),
        sa.Column("resource_name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source", "booking_id", "position", name=op.f("pk_completion_resources")),
    )
    op.create_table(
        "pushes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("reply_status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
    )
    op.create_index(op.f("ix_pushes_received_at"), "pushes", ["received_at"], unique=False)
    op.create_index(
        "ix_pushes_sha256_held",
        "pushes",
        ["source", "sha256"],
        unique=False,
        postgresql_where=sa.text("held > 0"),
        sqlite_where=sa.text("held > 0"),
    )
    op.create_index(
        op.f("ix_pushes_source_kind_received_at"), "pushes", ["source", "kind", "received_at"], unique=False
    )
    op.create_table(
        "unavailabilities",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action_text", sa.Text(), nullable=True),
        sa.Column("operative_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("comments", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("first_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_id", sa.Text(), nullable=True),
        sa.Column("applied_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "source", "resource_id", "period_start", "period_end", name=op.f("pk_unavailabilities")
        ),
    )
    op.create_index(
        op.f("ix_unavailabilities_period_start_period_end"),
        "unavailabilities",
        ["period_start", "period_end"],
        unique=False,
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("push_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Text(), nullable=True),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("content_key", sa.Text(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["push_id"],
            ["pushes.id"],
            name=op.f("fk_notifications_push_id_pushes"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("source", "event_key", name=op.f("uq_notifications_source_event_key")),
    )
    op.create_index(
        "ix_notifications_held",
        "notifications",
        ["source"],
        unique=False,
        postgresql_where=sa.text("status = 'held'"),
        sqlite_where=sa.text("status = 'held'"),
    )
    op.create_index(op.f("ix_notifications_push_id_position"), "notifications", ["push_id", "position"], unique=False)
    op.create_index(op.f("ix_notifications_source_booking_id"), "notifications", ["source", "booking_id"], unique=False)
    op.create_index(
        op.f("ix_notifications_source_content_key"), "notifications", ["source", "content_key"], unique=False
    )
    op.create_index(
        op.f("ix_notifications_source_resource_id"), "notifications", ["source", "resource_id"], unique=False
    )
    op.create_table(
        "push_bodies",
        sa.Column("push_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["push_id"],
            ["pushes.id"],
            name=op.f("fk_push_bodies_push_id_pushes"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("push_id", name=op.f("pk_push_bodies")),
    )
    op.create_table(
        "changes",
        sa.Column(
            "cursor",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_key", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("notification_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name=op.f("fk_changes_notification_id_notifications")
        ),
        sa.PrimaryKeyConstraint("cursor", name=op.f("pk_changes")),
    )
    op.create_index(
        op.f("ix_changes_source_entity_entity_key"),
        "changes",
        ["source", "entity", "entity_key"],
        unique=False,
    )
    op.create_table(
        "completions",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("booking_id", sa.Text(), nullable=False),
        sa.Column("notification_id", sa.Text(), nullable=False),
        sa.Column("primary_order_number", sa.Text(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("planning_window_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planning_window_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("booking_reason", sa.Text(), nullable=True),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("task_life_cycle_status", sa.Text(), nullable=True),
        sa.Column("completion_status", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigned_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigned_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("operator_comments", sa.Text(), nullable=True),
        sa.Column("planner_comments", sa.Text(), nullable=True),
        sa.Column("order_order_id", sa.BigInteger(), nullable=True),
        sa.Column("order_primary_order_number", sa.Text(), nullable=True),
        sa.Column("order_secondary_order_number", sa.Text(), nullable=True),
        sa.Column("order_tertiary_order_number", sa.Text(), nullable=True),
        sa.Column("order_contract", sa.Text(), nullable=True),
        sa.Column("order_location_id", sa.Text(), nullable=True),
        sa.Column("order_priority", sa.Text(), nullable=True),
        sa.Column("order_target_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_earliest_booking_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_comments", sa.Text(), nullable=True),
        sa.Column("order_user_id", sa.Text(), nullable=True),
        sa.Column("order_message", sa.Text(), nullable=True),
        sa.Column("order_complete", sa.Text(), nullable=True),
        sa.Column("order_status", sa.Text(), nullable=True),
        sa.Column("location_id", sa.Text(), nullable=True),
        sa.Column("location_name", sa.Text(), nullable=True),
        sa.Column("location_address1", sa.Text(), nullable=True),
        sa.Column("location_address2", sa.Text(), nullable=True),
        sa.Column("location_address3", sa.Text(), nullable=True),
        sa.Column("location_address4", sa.Text(), nullable=True),
        sa.Column("location_address5", sa.Text(), nullable=True),
        sa.Column("location_post_code", sa.Text(), nullable=True),
        sa.Column("location_city", sa.Text(), nullable=True),
        sa.Column("location_country", sa.Text(), nullable=True),
        sa.Column("location_contract", sa.Text(), nullable=True),
        sa.Column("location_agency", sa.Text(), nullable=True),
        sa.Column("location_latitude", sa.Text(), nullable=True),
        sa.Column("location_longitude", sa.Text(), nullable=True),
        sa.Column("location_workflow_type", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_completions_notification_id_notifications"),
        ),
        sa.PrimaryKeyConstraint("source", "booking_id", name=op.f("pk_completions")),
    )
    op.create_table(
        "repeats",
        sa.Column("push_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("notification_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name=op.f("fk_repeats_notification_id_notifications")
        ),
        sa.ForeignKeyConstraint(
            ["push_id"],
            ["pushes.id"],
            name=op.f("fk_repeats_push_id_pushes"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("push_id", "position", name=op.f("pk_repeats")),
    )
    op.create_index(op.f("ix_repeats_notification_id"), "repeats", ["notification_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_repeats_notification_id"), table_name="repeats")
    op.drop_table("repeats")
    op.drop_table("completions")
    op.drop_index(op.f("ix_changes_source_entity_entity_key"), table_name="changes")
    op.drop_table("changes")
    op.drop_table("push_bodies")
    op.drop_index(op.f("ix_notifications_source_resource_id"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_source_content_key"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_source_booking_id"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_push_id_position"), table_name="notifications")
    op.drop_index(
        "ix_notifications_held",
        table_name="notifications",
        postgresql_where=sa.text("status = 'held'"),
        sqlite_where=sa.text("status = 'held'"),
    )
    op.drop_table("notifications")
    op.drop_index(op.f("ix_unavailabilities_period_start_period_end"), table_name="unavailabilities")
    op.drop_table("unavailabilities")
    op.drop_index(op.f("ix_pushes_source_kind_received_at"), table_name="pushes")
    op.drop_index(
        "ix_pushes_sha256_held",
        table_name="pushes",
        postgresql_where=sa.text("held > 0"),
        sqlite_where=sa.text("held > 0"),
    )
    op.drop_index(op.f("ix_pushes_received_at"), table_name="pushes")
    op.drop_table("pushes")
    op.drop_table("completion_resources")
    op.drop_table("completion_business_data")
    op.drop_index(op.f("ix_bookings_primary_order_number"), table_name="bookings")
    op.drop_index(op.f("ix_bookings_planning_window_start"), table_name="bookings")
    op.drop_index(op.f("ix_bookings_last_received_at"), table_name="bookings")
    op.drop_table("bookings")
    op.drop_table("booking_codes")
