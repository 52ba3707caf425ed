"""Every table, its DRS columns taken from the field table. Migrations are checked against this."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from receiver.fields import FieldTable

from .figures.tables import FigureTables, figure_tables, notification_indexes, push_indexes
from .keeping.tables import keeping_tables
from .people.tables import PeopleTables, people_tables
from .replays.tables import ReplayTables, replay_tables
from .state_tables import booking_tables, completion_tables, unavailability_table
from .types import UtcDateTime

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_HELD = text("status = 'held'")
_WITH_HELD = text("held > 0")
_REFUSED = text("outcome IN ('refused', 'failed')")


@dataclass(frozen=True)
class Tables:
    """The tables by name; built once by ``build_tables`` and handed to whoever needs them."""

    metadata: MetaData
    pushes: Table
    bodies: Table
    notifications: Table
    repeats: Table
    bookings: Table
    codes: Table
    completions: Table
    resources: Table
    business_data: Table
    unavailabilities: Table
    changes: Table
    feed_offset: Table
    duties: Table
    erasures: Table
    figures: FigureTables
    replays: ReplayTables
    people: PeopleTables


def _partial(name: str, column: str, where: str) -> Index:
    """An index of a source's rows by ``column``, of those rows only for which ``where`` holds."""
    return Index(name, "source", column, postgresql_where=text(where), sqlite_where=text(where))


def _pushes(metadata: MetaData) -> tuple[Table, Table]:
    pushes = Table(
        "pushes",
        metadata,
        Column("id", Text, primary_key=True),
        Column("source", Text, nullable=False),
        Column("received_at", UtcDateTime(), nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("content_type", Text),
        Column("form", Text),
        Column("kind", Text),
        Column("outcome", Text, nullable=False),
        Column("records", Integer, nullable=False),
        Column("held", Integer, nullable=False),
        Column("reply_status", Integer, nullable=False),
        Column("reason", Text),
        Column("message", Text),
        Column("body_state", Text),
        Column("sender", Text),
        Column("taken_microseconds", BigInteger),
        Column("grouped_at", UtcDateTime()),
        Index(None, "received_at"),
        Index(None, "source", "kind", "received_at"),
        Index("ix_pushes_refused", "source", "received_at", postgresql_where=_REFUSED, sqlite_where=_REFUSED),
        Index("ix_pushes_sha256_held", "source", "sha256", postgresql_where=_WITH_HELD, sqlite_where=_WITH_HELD),
        *push_indexes(),
    )
    bodies = Table(
        "push_bodies",
        metadata,
        Column(
            "push_id",
            ForeignKey("pushes.id", deferrable=True, initially="DEFERRED", ondelete="CASCADE"),
            primary_key=True,
        ),
        Column("body", LargeBinary, nullable=False),
    )
    return pushes, bodies


def _notifications(metadata: MetaData) -> tuple[Table, Table]:
    notifications = Table(
        "notifications",
        metadata,
        Column("id", Text, primary_key=True),
        Column(
            "push_id",
            ForeignKey("pushes.id", deferrable=True, initially="DEFERRED"),
            nullable=False,
        ),
        Column("position", Integer, nullable=False),
        Column("source", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("booking_id", Text),
        Column("resource_id", Text),
        Column("content_key", Text, nullable=False),
        Column("event_key", Text, nullable=False),
        Column("changed_at", UtcDateTime()),
        Column("received_at", UtcDateTime(), nullable=False),
        Column("status", Text, nullable=False),
        Column("values", JSON, nullable=False),
        Column("warnings", JSON, nullable=False),
        Column("problems", JSON, nullable=False),
        Column("erased_at", UtcDateTime()),
        Column("grouped_at", UtcDateTime()),
        UniqueConstraint("source", "event_key"),
        _partial("ix_notifications_content_apart", "content_key", "content_key <> event_key"),
        _partial("ix_notifications_booking", "booking_id", "booking_id IS NOT NULL"),
        _partial("ix_notifications_resource", "resource_id", "resource_id IS NOT NULL"),
        Index(None, "push_id", "position"),
        Index("ix_notifications_held", "source", postgresql_where=_HELD, sqlite_where=_HELD),
        *notification_indexes(),
    )
    repeats = Table(
        "repeats",
        metadata,
        Column("push_id", ForeignKey("pushes.id", deferrable=True, initially="DEFERRED"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("notification_id", ForeignKey("notifications.id"), nullable=False),
        Index(None, "notification_id"),
    )
    return notifications, repeats


def _changes(metadata: MetaData) -> tuple[Table, Table]:
    changes = Table(
        "changes",
        metadata,
        Column("cursor", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
        Column("source", Text, nullable=False),
        Column("entity", Text, nullable=False),
        Column("entity_key", Text, nullable=False),
        Column("change", Text, nullable=False),
        Column("notification_id", ForeignKey("notifications.id"), nullable=False),
        Column("occurred_at", UtcDateTime(), nullable=False),
        Column("recorded_at", UtcDateTime(), nullable=False),
        Index(None, "source", "entity", "entity_key"),
        Index(None, "notification_id"),
    )
    # One row, id 1: by how much cursors are ahead of this cluster's transaction ids, and the highest one of rows that
    # are deleted (erased, expired): readers have passed it.
    offset = Table(
        "feed_offset",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("transactions", BigInteger, nullable=False),
        Column("deleted_to", BigInteger, nullable=False),
    )
    return changes, offset


def build_tables(table: FieldTable) -> Tables:
    """All tables, for the given field table."""
    metadata = MetaData(naming_convention=_NAMES)
    return Tables(
        metadata,
        *_pushes(metadata),
        *_notifications(metadata),
        *booking_tables(metadata, table),
        *completion_tables(metadata, table),
        unavailability_table(metadata, table),
        *_changes(metadata),
        *keeping_tables(metadata),
        figure_tables(metadata),
        replay_tables(metadata),
        people_tables(metadata),
    )
