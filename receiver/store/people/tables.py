"""The tables of people: who may look, sessions, and the trail of what they did."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, Table, Text

from ..types import UtcDateTime


@dataclass(frozen=True)
class PeopleTables:
    """The tables by name."""

    accounts: Table
    sessions: Table
    sign_in_links: Table
    sign_in_attempts: Table
    keys: Table
    trail: Table
    trail_ends: Table


def people_tables(metadata: MetaData) -> PeopleTables:
    """All of them. What lets someone in (a session's token, a link's) is kept as its SHA-256 only."""
    accounts = Table(
        "accounts",
        metadata,
        Column("name", Text, primary_key=True),
        Column("display_name", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("sources", JSON(none_as_null=True)),
        Column("password_hash", Text),
        Column("made_at", UtcDateTime(), nullable=False),
        Column("changed_at", UtcDateTime(), nullable=False),
        Column("disabled_at", UtcDateTime()),
    )
    sessions = Table(
        "sessions",
        metadata,
        Column("id", Text, primary_key=True),
        Column("person", Text, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("sources", JSON(none_as_null=True)),
        Column("provider", Text, nullable=False),
        Column("data", JSON, nullable=False),
        Column("made_at", UtcDateTime(), nullable=False),
        Column("seen_at", UtcDateTime(), nullable=False),
        Column("ends_at", UtcDateTime(), nullable=False),
        Index(None, "ends_at"),
        Index(None, "person"),
    )
    links = Table(
        "sign_in_links",
        metadata,
        Column("id", Text, primary_key=True),
        Column("person", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("sources", JSON(none_as_null=True)),
        Column("made_at", UtcDateTime(), nullable=False),
        Column("ends_at", UtcDateTime(), nullable=False),
        Column("used_at", UtcDateTime()),
        Index(None, "ends_at"),
    )
    attempts = Table(
        "sign_in_attempts",
        metadata,
        Column("subject", Text, primary_key=True),
        Column("failed", Integer, nullable=False),
        Column("failed_at", UtcDateTime(), nullable=False),
        Index(None, "failed_at"),
    )
    keys = Table(
        "keys",
        metadata,
        Column("name", Text, primary_key=True),
        Column("value", Text, nullable=False),
        Column("made_at", UtcDateTime(), nullable=False),
    )
    return PeopleTables(accounts, sessions, links, attempts, keys, *_trail(metadata))


def _trail(metadata: MetaData) -> tuple[Table, Table]:
    trail = Table(
        "trail",
        metadata,
        Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
        Column("at", UtcDateTime(), nullable=False),
        Column("person", Text, nullable=False),
        Column("role", Text),
        Column("action", Text, nullable=False),
        Column("about_kind", Text),
        Column("about", Text),
        Column("reason", Text),
        Column("details", JSON, nullable=False),
        Column("previous", Text, nullable=False),
        Column("hash", Text, nullable=False),
        Index(None, "at"),
        Index(None, "person", "number"),
        Index(None, "action", "number"),
        Index(None, "about", "number"),
    )
    # One row, id 1: where the chain begins (what was kept long enough is gone) and where it ends.
    ends = Table(
        "trail_ends",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("first_number", BigInteger, nullable=False),
        Column("first_previous", Text, nullable=False),
        Column("last_number", BigInteger, nullable=False),
        Column("last_hash", Text, nullable=False),
    )
    return trail, ends
