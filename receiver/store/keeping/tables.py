"""The tables of housekeeping: duties done once an interval, and proofs of erasure."""

from __future__ import annotations

from sqlalchemy import JSON, Column, LargeBinary, MetaData, Table, Text

from ..types import UtcDateTime


def keeping_tables(metadata: MetaData) -> tuple[Table, Table]:
    """``duties`` and ``erasures``."""
    duties = Table(
        "duties",
        metadata,
        Column("name", Text, primary_key=True),
        Column("started_at", UtcDateTime()),
        Column("finished_at", UtcDateTime()),
    )
    erasures = Table(
        "erasures",
        metadata,
        Column("id", Text, primary_key=True),
        Column("erased_at", UtcDateTime(), nullable=False),
        Column("kind", Text, nullable=False),
        Column("salt", LargeBinary, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("source", Text),
        Column("reason", Text, nullable=False),
        Column("done_by", Text),
        Column("counts", JSON, nullable=False),
    )
    return duties, erasures
