"""The change feed: append-only, in an order that no reader can miss anything of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Connection, Text, cast, func, insert, select

from receiver.messages import Change

from .tables import Tables

# On PostgreSQL a cursor is the transaction's id, then the change's number in it: readers stop below the oldest
# transaction still running (view v1_changes), so nothing becomes visible behind them. SQLite has one writer.
_PER_TRANSACTION = 1 << 22


@dataclass(frozen=True)
class Changed:
    """One change of one ``entity`` (booking, unavailability). Times UTC: when it happened, when it was recorded."""

    source: str
    entity: str
    entity_key: str
    change: Change
    notification_id: str
    occurred_at: datetime
    recorded_at: datetime


class ChangeLog:
    """Appends the changes of one transaction."""

    def __init__(self, connection: Connection, tables: Tables) -> None:
        self._connection, self._changes = connection, tables.changes
        self._next: int | None = None

    def _first_cursor(self) -> int:
        if self._connection.dialect.name == "postgresql":
            xid = self._connection.scalar(select(cast(cast(func.pg_current_xact_id(), Text), BigInteger)))
            return int(xid or 0) * _PER_TRANSACTION
        newest = self._connection.scalar(select(func.max(self._changes.c.cursor)))
        return int(newest or 0) + 1

    def add(self, found: Sequence[Changed]) -> None:
        """Append, in the order given."""
        if not found:
            return
        if self._next is None:
            self._next = self._first_cursor()
        rows = [
            {
                "cursor": self._next + n,
                "source": c.source,
                "entity": c.entity,
                "entity_key": c.entity_key,
                "change": c.change,
                "notification_id": c.notification_id,
                "occurred_at": c.occurred_at,
                "recorded_at": c.recorded_at,
            }
            for n, c in enumerate(found)
        ]
        self._next += len(rows)
        self._connection.execute(insert(self._changes), rows)
