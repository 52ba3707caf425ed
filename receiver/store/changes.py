"""The change feed: append-only, in an order that no reader can miss anything of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    Text,
    cast,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from receiver.messages import Change

from .copying import put
from .tables import Tables

# On PostgreSQL a cursor is the transaction's id, then the change's number in it: readers stop below the oldest
# transaction still running (view v1_changes), so nothing becomes visible behind them. SQLite has one writer.
# A database restored into a new cluster is ahead of that cluster's transactions: by feed_offset, from then on.
_BITS = 22


def _number(transaction: ColumnElement[object]) -> ColumnElement[int]:
    """A transaction's id, all 64 bits of it, as a number."""
    return cast(cast(transaction, Text), BigInteger)


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


@dataclass(frozen=True)
class _Position:
    """Where the feed is: the highest cursor ever given, and by how many transactions it is ahead of the cluster.

    On PostgreSQL also the ids of the oldest transaction running, of the next to begin, and of this one.
    """

    newest: int
    offset: int
    oldest: int = 0
    following: int = 0
    own: int = 0

    @property
    def is_behind(self) -> bool:
        """Whether the next cursor could be one that readers have passed."""
        return self.newest >> _BITS >= self.following + self.offset


class FeedPosition:
    """Where the feed is, for a statement that gives a cursor itself: ``given``, one row, is to be one of its sources.

    ``next`` is the cursor of the transaction's first change. Where ``is_behind`` holds (PostgreSQL), it is one that
    readers may have passed: the feed has to be put right first, which a ChangeLog does.
    """

    def __init__(self, tables: Tables, dialect: str) -> None:
        changes, offset = tables.changes.c.cursor, tables.feed_offset
        if dialect == "postgresql":
            own = self._cursor(func.pg_current_xact_id(), offset)
            following = self._cursor(func.pg_snapshot_xmax(func.pg_current_snapshot()), offset)
            columns = own.label("cursor"), following.label("following"), offset.c.deleted_to
            self.given = select(*columns).subquery("feed")
            # From there on there is nothing to read; for the highest cursor of all a whole page of them would be.
            is_beyond = changes >= self.given.c.following
            beyond = select(changes).where(is_beyond).order_by(changes).limit(literal_column("1"))
            self.is_behind = or_(
                self.given.c.deleted_to >= self.given.c.following,
                beyond.correlate(self.given).scalar_subquery().is_not(None),
            )
        else:
            highest = select(func.coalesce(func.max(changes), literal_column("0"))).scalar_subquery()
            newest = func.max(highest, func.max(offset.c.deleted_to), literal_column("0"))
            after = newest + literal_column("1")
            self.given = select(after.label("cursor")).select_from(offset).subquery("feed")
            self.is_behind = false()
        self.next: ColumnElement[int] = self.given.c.cursor

    @staticmethod
    def _cursor(transaction: ColumnElement[Any], offset: Table) -> ColumnElement[int]:
        """The first cursor of that transaction."""
        return (_number(transaction) + offset.c.transactions).bitwise_lshift(literal_column(str(_BITS)))


def row(change: Changed) -> dict[str, object]:
    """The change as columns, its cursor aside."""
    return vars(change)


class ChangeLog:
    """Appends the changes of one transaction."""

    def __init__(self, connection: Connection, tables: Tables) -> None:
        self._connection, self._changes, self._offset = connection, tables.changes, tables.feed_offset
        self._next: int | None = None

    def go_on(self) -> None:
        """See that the next cursor is above every one there is; for the start of a server on a restored database."""
        if self._connection.dialect.name == "postgresql":
            self._transaction_in_feed()

    def forget(self) -> None:
        """To be called before rows are deleted: no cursor that a reader may have passed is given again."""
        self._set("deleted_to", self._position().newest)

    def _first_cursor(self) -> int:
        if self._connection.dialect.name == "postgresql":
            return self._transaction_in_feed() << _BITS
        return self._position().newest + 1

    def _transaction_in_feed(self) -> int:
        """This transaction's place in the feed's order, PostgreSQL only.

        What a statement sees came from transactions that began before it, so a cursor from beyond those is of another
        cluster. Every transaction sees that for itself, and waits for the first one to put it right.
        """
        here = self._position()
        if here.is_behind:
            self._connection.execute(select(self._offset).with_for_update())
            here = self._position()
        if here.is_behind:
            here = replace(here, offset=(here.newest >> _BITS) + 1 - here.oldest)
            self._set("transactions", here.offset)
        return here.own + here.offset

    def _position(self) -> _Position:
        """All of it by one statement, so that it is of one moment."""
        wanted: list[ColumnElement[Any]] = [
            select(func.max(self._changes.c.cursor)).scalar_subquery(),
            select(self._offset.c.deleted_to).scalar_subquery(),
            select(self._offset.c.transactions).scalar_subquery(),
        ]
        if self._connection.dialect.name == "postgresql":
            now = func.pg_current_snapshot()
            wanted += [_number(f(now)) for f in (func.pg_snapshot_xmin, func.pg_snapshot_xmax)]
            wanted.append(_number(func.pg_current_xact_id()))
        newest, deleted, *rest = (int(found or 0) for found in self._connection.execute(select(*wanted)).one())
        return _Position(max(newest, deleted), *rest)

    def _set(self, column: str, value: int) -> None:
        done = self._connection.execute(update(self._offset).values({column: value}))
        if not done.rowcount:
            row = {"id": 1, "transactions": 0, "deleted_to": 0, column: value}
            self._connection.execute(insert(self._offset).values(row))

    def add(self, found: Sequence[Changed]) -> None:
        """Append, in the order given."""
        if not found:
            return
        if self._next is None:
            self._next = self._first_cursor()
        rows = [{"cursor": self._next + n, **row(c)} for n, c in enumerate(found)]
        self._next += len(rows)
        put(self._connection, self._changes, rows)
