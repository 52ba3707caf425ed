"""The tables of what people decide: records discarded or corrected, and replays with what came of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

from ..types import UtcDateTime


@dataclass(frozen=True)
class ReplayTables:
    """The tables by name."""

    decisions: Table
    replays: Table
    replay_outcomes: Table


def replay_tables(metadata: MetaData) -> ReplayTables:
    """All of them. ``position`` counts records of a push from 1; 0 is the push as a whole.

    ``version`` counts the corrections of one record; a discard has 0. None of them refers to another table by a
    constraint: pushes and notifications go when their time has come, and these rows with the deliveries.
    """
    decisions = Table(
        "decisions",
        metadata,
        Column("id", Text, primary_key=True),
        Column("push_id", Text, nullable=False),
        Column("position", Integer, nullable=False),
        Column("notification_id", Text),
        Column("decision", Text, nullable=False),
        Column("made_at", UtcDateTime(), nullable=False),
        Column("made_by", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("correction_push_id", Text),
        UniqueConstraint("push_id", "position", "version"),
        Index(None, "notification_id"),
        Index(None, "correction_push_id"),
    )
    replays = Table(
        "replays",
        metadata,
        Column("id", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("filter", JSON, nullable=False),
        Column("state", Text, nullable=False),
        Column("wish", Text),
        Column("made_at", UtcDateTime(), nullable=False),
        Column("made_by", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("done", BigInteger, nullable=False),
        Column("place", JSON(none_as_null=True)),
        Column("counts", JSON, nullable=False),
        Column("owner", Text),
        Column("owner_until", UtcDateTime()),
        Column("began_at", UtcDateTime()),
        Column("ended_at", UtcDateTime()),
        Column("said", Text),
        Index(None, "made_at"),
        Index(None, "state"),
    )
    outcomes = Table(
        "replay_outcomes",
        metadata,
        Column("replay_id", Text, primary_key=True),
        Column("push_id", Text, primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("outcome", Text, nullable=False),
        Column("detail", Text),
        Index(None, "replay_id", "outcome"),
        Index(None, "push_id"),
    )
    return ReplayTables(decisions, replays, outcomes)
