"""Current state read and written by stretches of keys, for rebuilding it from the notifications."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    select,
    type_coerce,
)

from receiver.fields import Kind

from .changes import Changed, ChangeLog
from .copying import put_rows
from .lookup import among
from .notifications import NotificationStatus
from .store import Store
from .stretches import KEYS, Entity, Stretch, state_of, within
from .tables import Tables
from .types import UtcDateTime

Rows = Sequence[Sequence[Any]]

_SETTLED = (NotificationStatus.APPLIED.value, NotificationStatus.SUPERSEDED.value)


class Told(NamedTuple):
    """What the feed says of one key: by which notification, and when that was first recorded (UTC)."""

    key: str
    notification_id: str
    recorded_at: datetime


class Slice:
    """One stretch in one transaction: everything in it is of one moment."""

    def __init__(self, connection: Connection, tables: Tables, stretch: Stretch) -> None:
        self.connection = self._connection = connection
        self.tables, self._stretch = tables, stretch
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._key = KEYS[stretch.entity]

    def heard(self) -> Iterable[Sequence[Any]]:
        """Each notification that was applied or superseded, by key, then id: key, id, kind, values (JSON text), event
        time as the sender gave it, arrival (both UTC), whether it was applied, content key, whether it lost something
        to an erasure."""
        n = self.tables.notifications
        of_kind = n.c.kind == Kind.UNAVAILABILITY.value
        query = select(
            n.c[self._key],
            n.c.id,
            n.c.kind,
            cast(n.c["values"], Text),
            self._plain(n.c.changed_at),
            self._plain(n.c.received_at),
            n.c.status == NotificationStatus.APPLIED.value,
            n.c.content_key,
            n.c.erased_at.is_not(None),
        ).where(
            within(n, self._stretch),
            n.c.status.in_(_SETTLED),
            of_kind if self._stretch.entity is Entity.UNAVAILABILITY else ~of_kind,
        )
        return self._connection.execute(query.order_by(n.c[self._key], n.c.id)).all()

    def stored(self, table: Table) -> Rows:
        """The rows of a table of current state, by its primary key, with its columns in their order."""
        query = select(*(self._plain(c) for c in table.columns)).where(within(table, self._stretch))
        return self._connection.execute(query.order_by(*table.primary_key.columns)).all()

    def told(self, keys: Iterable[str]) -> list[Told]:
        """What the feed says of those keys."""
        c = self.tables.changes
        query = (
            select(c.c.entity_key, c.c.notification_id, func.min(self._plain(c.c.recorded_at)))
            .where(
                *(c.c.source == self._stretch.source, c.c.entity == self._stretch.entity.value),
                among(self._connection, c.c.entity_key, keys),
            )
            .group_by(c.c.entity_key, c.c.notification_id)
        )
        return list(map(Told._make, self._connection.execute(query)))

    def lock(self, keys: Iterable[str]) -> None:
        """Keep others from those states, if they are stored, until the end, in the order in which pushes do.

        Raises what becomes a StoreConflict when one of them is no longer what this transaction has read.
        """
        table = state_of(self.tables, self._stretch.entity)
        query = select(table.c.source).where(self._its(table, keys)).order_by(*table.primary_key.columns)
        self._connection.execute(query.with_for_update()).all()

    def replace(self, table: Table, keys: Iterable[str], rows: Rows) -> None:
        """Put ``rows``, whose columns are the table's in order, in the place of those of ``keys`` (booking or resource
        ids): keys of which the stretch had no rows need not be named."""
        keys = list(keys)
        if keys:
            self._connection.execute(delete(table).where(self._its(table, keys)))
        put_rows(self._connection, table, rows)

    def exchange(self, table: Table, gone: Rows, rows: Rows) -> None:
        """Delete the rows that have the primary keys of ``gone``, and insert ``rows``; both are as ``stored`` gives."""
        key, names = list(table.primary_key.columns), [c.name for c in table.columns]
        if gone:
            places = [names.index(c.name) for c in key]
            its = and_(*(c == bindparam(f"its_{c.name}") for c in key))
            values = [{f"its_{c.name}": row[n] for c, n in zip(key, places, strict=True)} for row in gone]
            self._connection.execute(delete(table).where(its), values)
        self.replace(table, (), rows)

    def tell(self, changes: Sequence[Changed]) -> None:
        """Append to the feed."""
        ChangeLog(self._connection, self.tables).add(changes)

    def _plain(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """PostgreSQL's driver gives aware UTC by itself: nothing is to be done with a hundred thousand of them."""
        if self._is_postgresql and isinstance(column.type, UtcDateTime):
            return type_coerce(column, DateTime(timezone=True))
        return column

    def _its(self, table: Table, keys: Iterable[str]) -> ColumnElement[bool]:
        key: Column[Any] = table.c[self._key]
        return and_(table.c.source == self._stretch.source, among(self._connection, key, keys))


def decoded(text: str) -> dict[str, object]:
    """What a notification says, from its JSON text."""
    try:
        found: dict[str, object] = orjson.loads(text)
    except orjson.JSONDecodeError:  # of numbers and nesting it takes less
        found = json.loads(text)
    return found


@contextmanager
def reading(store: Store, stretch: Stretch) -> Iterator[Slice]:
    """The stretch as it is at one moment. Raises as ``Store.reading`` does."""
    with store.reading() as connection:
        _of_one_moment(connection)
        yield Slice(connection, store.tables, stretch)


@contextmanager
def writing(store: Store, stretch: Stretch) -> Iterator[Slice]:
    """The stretch, to be written: nobody waits for it until something is. Raises as ``Store.transaction`` does.

    StoreConflict: a push or another command changed a state meanwhile that this was about to write; or one of them
    stored a state that was missing. Nothing is erased or expired meanwhile: it would come back.
    """
    with store.transaction() as connection:
        _of_one_moment(connection)
        offset = store.tables.feed_offset
        connection.execute(select(offset.c.id).with_for_update(read=True)).all()
        yield Slice(connection, store.tables, stretch)


def _of_one_moment(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def prepare(store: Store) -> None:
    """See that there is a row of the feed's that erasing and rebuilding both lock. Raises StoreError."""
    with store.transaction() as connection:
        log = ChangeLog(connection, store.tables)
        log.go_on()
        log.forget()
