"""The tables of current state, their DRS columns taken from the field table."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text

from receiver.fields import Field, FieldTable, FieldType, Kind
from receiver.messages.absence import absence_columns
from receiver.messages.booking import booking_columns

from .figures.tables import booking_indexes
from .types import UtcDateTime


def _column(found: Field) -> Column[object]:
    match found.type:
        case FieldType.DATETIME:
            return Column(found.column, UtcDateTime())
        case FieldType.INTEGER:
            return Column(found.column, BigInteger())
        case FieldType.TEXTS:
            return Column(found.column, JSON(none_as_null=True))
        case FieldType.TEXT | FieldType.BOOKING_ID:
            return Column(found.column, Text())


def _columns(fields: Iterable[Field], without: Iterable[str] = ()) -> list[Column[object]]:
    chosen = {f.column: f for f in fields if f.column not in set(without)}
    return [_column(f) for f in chosen.values()]


def booking_tables(metadata: MetaData, table: FieldTable) -> tuple[Table, Table]:
    """``bookings`` and ``booking_codes``."""
    confirmed = [f for kind in (Kind.CONFIRMATION, Kind.CANCELLATION) for f in table.kinds[kind].fields]
    wanted = set(booking_columns(table))
    bookings = Table(
        "bookings",
        metadata,
        Column("source", Text, primary_key=True),
        Column("booking_id", Text, primary_key=True),
        *_columns(f for f in confirmed if f.column in wanted),
        Column("status", Text, nullable=False),
        Column("changed_at", UtcDateTime()),
        Column("cancelled_at", UtcDateTime()),
        Column("completed_at", UtcDateTime()),
        Column("completion_status", Text),
        Column("completed_successfully", Boolean),
        Column("completed_by", Text),
        Column("ever_confirmed", Boolean, nullable=False),
        Column("first_received_at", UtcDateTime(), nullable=False),
        Column("last_received_at", UtcDateTime(), nullable=False),
        Column("applied_id", Text),
        Column("applied_key", Text),
        Column("last_event_at", UtcDateTime()),
        Column("last_event_rank", Integer),
        Column("last_event_received_at", UtcDateTime()),
        Column("last_event_id", Text),
        Index(None, "primary_order_number"),
        *booking_indexes(),
        Index(None, "planning_window_start"),
        Index(None, "last_received_at"),
    )
    codes = Table(
        table.groups["theBookingCodes"].table,
        metadata,
        Column("source", Text, primary_key=True),
        Column("booking_id", Text, primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        *_columns(table.groups["theBookingCodes"].fields),
    )
    return bookings, codes


def completion_tables(metadata: MetaData, table: FieldTable) -> tuple[Table, Table, Table]:
    """``completions``, and the lists of resources and business data that came with them."""
    own = table.kinds[Kind.COMPLETION].fields
    order, location = table.groups["theOrder"].fields, table.groups["theLocation"].fields
    completions = Table(
        "completions",
        metadata,
        Column("source", Text, primary_key=True),
        Column("booking_id", Text, primary_key=True),
        Column("notification_id", ForeignKey("notifications.id"), nullable=False),
        *_columns((*own, *order, *location), without=("booking_id",)),
        Index(None, "notification_id"),
    )
    lists = []
    for name, extra in (("theResources", []), ("theBusinessData", [Column("part", Text, primary_key=True)])):
        lists.append(
            Table(
                table.groups[name].table,
                metadata,
                Column("source", Text, primary_key=True),
                Column("booking_id", Text, primary_key=True),
                *extra,
                Column("position", Integer, primary_key=True, autoincrement=False),
                *_columns(table.groups[name].fields),
            )
        )
    Index(None, lists[0].c.resource_id)
    return completions, lists[0], lists[1]


def unavailability_table(metadata: MetaData, table: FieldTable) -> Table:
    """``unavailabilities``."""
    wanted = set(absence_columns(table))
    return Table(
        "unavailabilities",
        metadata,
        Column("source", Text, primary_key=True),
        Column("resource_id", Text, primary_key=True),
        Column("period_start", UtcDateTime(), primary_key=True),
        Column("period_end", UtcDateTime(), primary_key=True),
        *_columns(f for f in table.kinds[Kind.UNAVAILABILITY].fields if f.column in wanted),
        Column("action", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("first_received_at", UtcDateTime(), nullable=False),
        Column("last_received_at", UtcDateTime(), nullable=False),
        Column("last_event_at", UtcDateTime()),
        Column("applied_id", Text),
        Column("applied_key", Text),
        Index(None, "period_start", "period_end"),
    )
