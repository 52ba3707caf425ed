"""Finding records by the filter that pushes are found by: those that the pushes brought, the newest push first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from receiver.fields import Kind

from ..lookup import among
from ..notifications import NotificationStatus
from ..pushes import Outcome
from ..tables import Tables
from .filter import Filter
from .pushes import brought
from .shaped import shaped
from .ways import Place, Ways

_PUSHES = 100


@dataclass(frozen=True)
class FoundRecord:
    """A record as lists show it. Moments are UTC; ``values`` as sent; ``warnings`` and ``problems`` as stored.

    ``pushed_at`` is when its push came; a correction has the place in time of what it corrects (``received_at``).

    ``position`` counts the records of a push from 1. Of what was erased nothing is left but its place.
    """

    id: str
    push_id: str
    position: int
    source: str
    kind: Kind
    booking_id: str | None
    resource_id: str | None
    changed_at: datetime | None
    received_at: datetime
    status: NotificationStatus
    values: Mapping[str, Any]
    warnings: Sequence[Mapping[str, str]]
    problems: Sequence[Mapping[str, str]]
    pushed_at: datetime

    @property
    def place(self) -> Place:
        """Where it stands among others: what the page after it is asked by."""
        return self.pushed_at, self.id


def find_records(
    connection: Connection,
    tables: Tables,
    filter_: Filter,
    before: Place | None = None,
    limit: int = 50,
    *,
    newest_first: bool = True,
) -> list[FoundRecord]:
    """A page of the records that match, by their push's arrival, and in a push as it has them.

    ``before`` is the place of the last one seen. What is asked of a push is asked of the one that brought the record;
    repeats are no records of their own.
    """
    if filter_.outcome is Outcome.DUPLICATE:
        return []
    ways, found = Ways(connection, tables, filter_, brought_only=True), list[FoundRecord]()
    place = before
    if before is not None:
        push_id, position = _push_of(connection, tables, before[1])
        # The page may have ended inside a push.
        place = before[0], push_id
        found = _of_pushes(connection, ways, [push_id], limit, after=position)
    while len(found) < limit:
        pushes = brought(connection, tables, filter_, place, newest_first=newest_first, limit=_PUSHES)
        if pushes:
            records = _of_pushes(connection, ways, [push.id for push in pushes], limit, newest_first=newest_first)
            found += records[: limit - len(found)]
            place = pushes[-1]
        if len(pushes) < _PUSHES:
            break
    return found


def records_of(
    connection: Connection, tables: Tables, push_id: str, after: int = 0, limit: int = 50
) -> list[FoundRecord]:
    """The records that a push brought, from the one after position ``after`` on."""
    ways = Ways(connection, tables, Filter(sources=()))
    return _of_pushes(connection, ways, [push_id], limit, after=after)


def _push_of(connection: Connection, tables: Tables, record_id: str) -> tuple[str, int]:
    """The push that brought a record, and its place there; of one that is gone, none."""
    n = tables.notifications
    row = connection.execute(select(n.c.push_id, n.c.position).where(n.c.id == record_id)).one_or_none()
    return (row.push_id, row.position) if row is not None else ("", 0)


def _of_pushes(
    connection: Connection,
    ways: Ways,
    push_ids: Sequence[str],
    limit: int,
    *,
    after: int = 0,
    newest_first: bool = True,
) -> list[FoundRecord]:
    n, p = ways.tables.notifications, ways.tables.pushes
    columns = [n.c[name] for name in FoundRecord.__dataclass_fields__ if name != "pushed_at"]
    query = select(*columns, p.c.received_at.label("pushed_at")).join(p, p.c.id == n.c.push_id)
    query = query.where(among(connection, n.c.push_id, push_ids), n.c.position > after, *ways.of_record())
    order: tuple[ColumnElement[Any], ...] = (p.c.received_at.asc(), n.c.push_id.asc())
    if newest_first:
        order = p.c.received_at.desc(), n.c.push_id.desc()
    with shaped(connection):
        rows = connection.execute(query.order_by(*order, n.c.position).limit(limit)).all()
    return [_record(row) for row in rows]


def _record(row: Any) -> FoundRecord:
    values = row._asdict()
    return FoundRecord(**{**values, "kind": Kind(row.kind), "status": NotificationStatus(row.status)})
