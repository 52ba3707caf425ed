"""What the records of pushes are about, and telling of that downstream again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, union

from receiver.fields import Kind
from receiver.messages import AbsenceKey, Change

from .. import unavailabilities
from ..changes import Changed, ChangeLog
from ..finding.filter import Filter
from ..finding.ways import Ways
from ..lookup import among
from ..notifications import NotificationStatus
from ..tables import Tables


class Affected(NamedTuple):
    """A record, and what it is about; ``values`` as sent."""

    id: str
    source: str
    kind: Kind
    booking_id: str | None
    resource_id: str | None
    values: Mapping[str, Any]


def affected(connection: Connection, tables: Tables, filter_: Filter, push_ids: Sequence[str]) -> list[Affected]:
    """The records that those pushes brought or repeated and that meet what the filter asks of records."""
    n, r = tables.notifications, tables.repeats
    asked = list(Ways(connection, tables, filter_).of_record())
    brought = select(n.c.id).where(among(connection, n.c.push_id, push_ids))
    repeated = select(r.c.notification_id).where(among(connection, r.c.push_id, push_ids))
    ids = list(connection.scalars(union(brought, repeated)))
    columns = n.c.id, n.c.source, n.c.kind, n.c.booking_id, n.c.resource_id, n.c["values"]
    rows = connection.execute(select(*columns).where(among(connection, n.c.id, ids), *asked).order_by(n.c.id))
    return [Affected(row[0], row[1], Kind(row[2]), *row[3:]) for row in rows]


def held(connection: Connection, tables: Tables, filter_: Filter, push_ids: Sequence[str]) -> list[str]:
    """The ids of the held records that those pushes brought and that meet what the filter asks of records."""
    n = tables.notifications
    asked = list(Ways(connection, tables, filter_).of_record())
    its = among(connection, n.c.push_id, push_ids), n.c.status == NotificationStatus.HELD.value
    return list(connection.scalars(select(n.c.id).where(*its, *asked).order_by(n.c.id)))


def held_at(connection: Connection, tables: Tables, filter_: Filter, push_ids: Sequence[str]) -> list[tuple[str, int]]:
    """The same, by push and position."""
    n = tables.notifications
    its = among(connection, n.c.id, held(connection, tables, filter_, push_ids))
    query = select(n.c.push_id, n.c.position).where(its).order_by(n.c.push_id, n.c.position)
    return [(row.push_id, row.position) for row in connection.execute(query)]


def count_settled(connection: Connection, tables: Tables, sources: Sequence[str] | None, most: int) -> int:
    """How many notifications were applied or superseded, of those sources (None: of all); ``most`` at most."""
    n = tables.notifications
    some = select(n.c.id).where(n.c.status.in_(["applied", "superseded"])).limit(most)
    if sources is not None:
        some = some.where(n.c.source.in_(sources))
    return int(connection.scalar(select(func.count()).select_from(some.subquery())) or 0)


class Telling:
    """Tells the feed of things that have not changed, for readers to look at them again.

    What the feed has told of since the moment ``since`` is not told again, so that doing it again does nothing.
    ``now``: the moment itself. Both are UTC. One of these for a transaction.
    """

    def __init__(self, connection: Connection, tables: Tables, since: datetime, now: datetime) -> None:
        self._connection, self._tables = connection, tables
        self._since, self._now = since, max(since, now)
        self._log = ChangeLog(connection, tables)

    def tell(self, source: str, bookings: Collection[str], absences: Collection[AbsenceKey]) -> int:
        """Write that they were updated, those that there are; gives how many."""
        found = [*self._bookings(source, bookings), *self._absences(source, absences)]
        self._log.add(found)
        return len(found)

    def _bookings(self, source: str, ids: Collection[str]) -> list[Changed]:
        b = self._tables.bookings
        wanted = set(ids) - self._told(source, "booking", ids)
        its = b.c.source == source, among(self._connection, b.c.booking_id, wanted)
        columns = b.c.booking_id, func.coalesce(b.c.applied_id, b.c.last_event_id), b.c.last_event_at
        rows = self._connection.execute(select(*columns).where(*its).order_by(b.c.booking_id).with_for_update())
        return [self._changed(source, "booking", key, by, at) for key, by, at in rows if by is not None]

    def _absences(self, source: str, keys: Collection[AbsenceKey]) -> list[Changed]:
        told = self._told(source, "unavailability", [str(key) for key in keys])
        wanted = [key for key in keys if str(key) not in told]
        found = unavailabilities.load(self._connection, self._tables, source, wanted)
        states = [(s, s.applied_id) for _, s in sorted(found.items())]
        return [self._changed(source, "unavailability", str(s.key), by, s.last_at) for s, by in states if by]

    def _told(self, source: str, entity: str, keys: Collection[str]) -> set[str]:
        c = self._tables.changes
        its = c.c.source == source, c.c.entity == entity, c.c.recorded_at >= self._since
        query = select(c.c.entity_key).where(*its, among(self._connection, c.c.entity_key, keys))
        return set(self._connection.scalars(query))

    def _changed(self, source: str, entity: str, key: str, by: str, at: datetime | None) -> Changed:
        return Changed(source, entity, key, Change.UPDATED, by, at or self._now, self._now)
