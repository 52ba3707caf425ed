"""The tables of figures: counts kept so that nobody has to count rows, and problems by their cause."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, Table, Text

from .types import UtcDateTime


@dataclass(frozen=True)
class FigureTables:
    """The tables by name."""

    push_counts: Table
    reply_times: Table
    figures: Table
    causes: Table
    cause_records: Table


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
    return FigureTables(push_counts, reply_times, figures, *_causes(metadata))


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
        Index(None, "cause_id", "received_at"),
        Index(None, "push_id"),
        Index(None, "notification_id"),
    )
    return causes, records
