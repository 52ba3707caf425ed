"""The tables of figures: counts kept so that nobody has to count rows, and problems by their cause."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR

from ..types import UtcDateTime

# A record's order numbers, as its kinds say them.
ORDER_NUMBERS = ("primaryOrderNumber", "secondaryOrderNumber", "tertiaryOrderNumber")
NOT_STORED = "outcome <> 'stored'"
NOT_APPLIED = "status <> 'applied'"
WAITS_OR_DISCARDED = "status IN ('held', 'discarded')"
NOT_GROUPED_RECORD = "status = 'held' AND grouped_at IS NULL"
NOT_GROUPED_PUSH = "outcome IN ('refused', 'failed') AND grouped_at IS NULL"


@dataclass(frozen=True)
class FigureTables:
    """The tables by name."""

    push_counts: Table
    reply_times: Table
    figures: Table
    causes: Table
    cause_records: Table
    record_words: Table


def figure_tables(metadata: MetaData) -> FigureTables:
    """All of them. Hours are UTC and named by their beginning; a push of no known kind has the kind ``""``."""
    push_counts = Table(
        "push_counts",
        metadata,
        Column("hour", UtcDateTime(), primary_key=True),
        Column("source", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("outcome", Text, primary_key=True),
        Column("pushes", BigInteger, nullable=False),
        Column("records", BigInteger, nullable=False),
        Column("held", BigInteger, nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
    )
    reply_times = Table(
        "reply_times",
        metadata,
        Column("hour", UtcDateTime(), primary_key=True),
        Column("source", Text, primary_key=True),
        Column("most_microseconds", BigInteger, primary_key=True, autoincrement=False),
        Column("replies", BigInteger, nullable=False),
    )
    # Where each of the figures has got to.
    figures = Table(
        "figures",
        metadata,
        Column("name", Text, primary_key=True),
        Column("at", UtcDateTime(), nullable=False),
        Column("value", JSON, nullable=False),
    )
    return FigureTables(push_counts, reply_times, figures, *_causes(metadata), _words(metadata))


def _causes(metadata: MetaData) -> tuple[Table, Table]:
    causes = Table(
        "causes",
        metadata,
        Column("id", Text, primary_key=True),
        Column("source", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("field", Text, nullable=False),
        Column("code", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("state_by", Text),
        Column("state_at", UtcDateTime()),
        Column("first_seen", UtcDateTime(), nullable=False),
        Column("last_seen", UtcDateTime(), nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("waiting", BigInteger, nullable=False),
        Index(None, "source", "state", "last_seen"),
    )
    # A record that is held, or (position 0) a push of which nothing could be read.
    records = Table(
        "cause_records",
        metadata,
        Column("cause_id", Text, primary_key=True),
        Column("push_id", Text, primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("notification_id", Text),
        Column("received_at", UtcDateTime(), nullable=False),
        Index(None, "cause_id", "received_at", "push_id"),
        Index(None, "push_id"),
        Index(None, "notification_id"),
    )
    return causes, records


def _words(metadata: MetaData) -> Table:
    """The words of each record, for PostgreSQL to look up; SQLite reads the records themselves.

    A row is made a little after its record, and goes with it.
    """
    return Table(
        "record_words",
        metadata,
        Column("notification_id", Text, primary_key=True),
        Column("push_id", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("received_at", UtcDateTime(), nullable=False),
        Column("words", TSVECTOR().with_variant(Text(), "sqlite"), nullable=False),
        Index(None, "source", "received_at", "push_id"),
        Index("ix_record_words_words", "words", postgresql_using="gin"),
    )


def _only(name: str, columns: tuple[str, ...], where: str) -> Index:
    """An index of those rows only for which ``where`` holds."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


def push_indexes() -> tuple[Index, ...]:
    """What pushes are found by; none is entered by a push that is stored at once."""
    return (
        _only("ix_pushes_not_stored", ("outcome", "source", "kind", "received_at"), NOT_STORED),
        _only("ix_pushes_not_grouped", ("received_at",), NOT_GROUPED_PUSH),
    )


def notification_indexes() -> tuple[Index, ...]:
    """What records are found by; none is entered by one that is applied at once."""
    orders = tuple(
        Index(
            f"ix_notifications_held_{name.removesuffix('OrderNumber')}",
            text(f"(\"values\" ->> '{name}')"),
            postgresql_where=text(WAITS_OR_DISCARDED),
            sqlite_where=text(WAITS_OR_DISCARDED),
        )
        for name in ORDER_NUMBERS
    )
    return (
        _only("ix_notifications_not_applied", ("status", "source", "received_at", "push_id"), NOT_APPLIED),
        _only("ix_notifications_not_grouped", ("received_at",), NOT_GROUPED_RECORD),
        *orders,
    )


def booking_indexes() -> tuple[Index, ...]:
    """What bookings are found by beside their first order number."""
    return tuple(
        _only(f"ix_bookings_{name}_order_number", (f"{name}_order_number",), f"{name}_order_number IS NOT NULL")
        for name in ("secondary", "tertiary")
    )
