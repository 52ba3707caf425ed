"""What is stored of one push, booking, order or resource, for people to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, false, or_, select, true, union, union_all

from receiver.fields import Kind

from ..notifications import NotificationStatus
from ..pushes import BodyState, Outcome
from ..tables import Tables

_MOST_RECORDS = 200
_MOST_PUSHES = 50
_MOST_HEARD = 1_000


@dataclass(frozen=True)
class StoredPush:
    """A delivery as it is stored. Times UTC; ``taken_microseconds`` as ``Push`` has it."""

    id: str
    source: str
    received_at: datetime
    size_bytes: int
    sha256: str
    content_type: str | None
    form: str | None
    kind: Kind | None
    outcome: Outcome
    records: int
    held: int
    reply_status: int
    reason: str | None
    message: str | None
    body_state: BodyState | None
    sender: str | None
    taken_microseconds: int | None


@dataclass(frozen=True)
class StoredRecord:
    """A notification as it is stored. ``is_repeat``: the push it is told of did not bring it, but repeated it."""

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
    erased_at: datetime | None
    is_repeat: bool


@dataclass(frozen=True)
class StoredChange:
    """What the feed was told. Times UTC."""

    source: str
    entity: str
    entity_key: str
    change: str
    notification_id: str
    occurred_at: datetime
    recorded_at: datetime


def _push(row: Row[Any]) -> StoredPush:
    found = dict(row._mapping)
    found["kind"] = Kind(row.kind) if row.kind else None
    found["outcome"] = Outcome(row.outcome)
    found["body_state"] = BodyState(row.body_state) if row.body_state else None
    return StoredPush(**found)


def _push_columns(tables: Tables) -> list[ColumnElement[Any]]:
    return [tables.pushes.c[f.name] for f in fields(StoredPush)]


def _record(row: Row[Any]) -> StoredRecord:
    found = dict(row._mapping)
    found["kind"], found["status"] = Kind(row.kind), NotificationStatus(row.status)
    found["is_repeat"] = bool(row.is_repeat)
    return StoredRecord(**found)


def _record_columns(tables: Tables, is_repeat: ColumnElement[bool]) -> list[ColumnElement[Any]]:
    own = [f.name for f in fields(StoredRecord) if f.name != "is_repeat"]
    return [*(tables.notifications.c[name] for name in own), is_repeat.label("is_repeat")]


def push(connection: Connection, tables: Tables, push_id: str) -> StoredPush | None:
    """The delivery of that id."""
    query = select(*_push_columns(tables)).where(tables.pushes.c.id == push_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _push(row)


def records(
    connection: Connection, tables: Tables, push_id: str, after: int = 0, limit: int = _MOST_RECORDS
) -> list[StoredRecord]:
    """What a delivery brought or repeated, by position in it, those after the position ``after``."""
    n, r = tables.notifications, tables.repeats
    brought = select(*_record_columns(tables, false())).where(n.c.push_id == push_id, n.c.position > after)
    own = [c for c in _record_columns(tables, true()) if c.name != "position"]
    repeated = (
        select(*own, r.c.position)
        .join(r, r.c.notification_id == n.c.id)
        .where(r.c.push_id == push_id, r.c.position > after)
    )
    found = [_record(row) for q in (brought, repeated) for row in connection.execute(_first(q, "position", limit))]
    return sorted(found, key=lambda record: (record.position, record.is_repeat))[:limit]


def _first(query: Select[Any], name: str, limit: int) -> Select[Any]:
    return query.order_by(query.selected_columns[name]).limit(limit)


def record(connection: Connection, tables: Tables, notification_id: str) -> StoredRecord | None:
    """The notification of that id."""
    query = select(*_record_columns(tables, false())).where(tables.notifications.c.id == notification_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def deliveries(connection: Connection, tables: Tables, push_id: str) -> list[StoredPush]:
    """Other deliveries of what that one brought or repeated, the newest first; of large ones, of the first records."""
    n, r, p = tables.notifications, tables.repeats, tables.pushes
    brought = select(n.c.id).where(n.c.push_id == push_id).order_by(n.c.position).limit(_MOST_RECORDS)
    repeated = select(r.c.notification_id).where(r.c.push_id == push_id).order_by(r.c.position).limit(_MOST_RECORDS)
    ids = [*connection.scalars(brought), *connection.scalars(repeated)]
    if not ids:
        return []
    came_in = union(select(n.c.push_id).where(n.c.id.in_(ids)), select(r.c.push_id).where(r.c.notification_id.in_(ids)))
    query = (
        select(*_push_columns(tables))
        .where(p.c.id.in_(came_in), p.c.id != push_id)
        .order_by(p.c.received_at.desc(), p.c.id.desc())
        .limit(_MOST_PUSHES)
    )
    return [_push(row) for row in connection.execute(query)]


def changes(connection: Connection, tables: Tables, push_id: str) -> list[StoredChange]:
    """What the feed was told because of that delivery, the first of it."""
    c, n = tables.changes, tables.notifications
    query = (
        select(*(c.c[f.name] for f in fields(StoredChange)))
        .join(n, n.c.id == c.c.notification_id)
        .where(n.c.push_id == push_id)
        .order_by(n.c.position, c.c.cursor)
        .limit(_MOST_RECORDS)
    )
    return [StoredChange(*row) for row in connection.execute(query)]


def about_booking(connection: Connection, tables: Tables, source: str, booking_id: str) -> list[StoredRecord]:
    """All that was heard of a booking, held and discarded ones too, the newest arrivals first."""
    n = tables.notifications
    return _newest(connection, tables, n.c.source == source, n.c.booking_id == booking_id)


def about_resource(connection: Connection, tables: Tables, source: str, resource_id: str) -> list[StoredRecord]:
    """All that was heard of a resource's absences, the newest arrivals first."""
    n = tables.notifications
    return _newest(connection, tables, n.c.source == source, n.c.resource_id == resource_id)


def _newest(connection: Connection, tables: Tables, *where: ColumnElement[bool]) -> list[StoredRecord]:
    n = tables.notifications
    query = select(*_record_columns(tables, false())).where(*where)
    query = query.order_by(n.c.received_at.desc(), n.c.id.desc()).limit(_MOST_HEARD)
    return [_record(row) for row in connection.execute(query)]


def repeats(connection: Connection, tables: Tables, ids: Sequence[str]) -> dict[str, list[tuple[str, datetime]]]:
    """In which other pushes, and when (UTC), notifications were heard again, by notification."""
    r, p = tables.repeats, tables.pushes
    found: dict[str, list[tuple[str, datetime]]] = {}
    query = select(r.c.notification_id, r.c.push_id, p.c.received_at).join(p, p.c.id == r.c.push_id)
    query = query.where(r.c.notification_id.in_(ids)).order_by(p.c.received_at).limit(_MOST_HEARD)
    for notification_id, push_id, at in connection.execute(query) if ids else ():
        found.setdefault(notification_id, []).append((push_id, at))
    return found


def bookings_of_order(
    connection: Connection, tables: Tables, sources: Sequence[str] | None, number: str
) -> list[tuple[str, str]]:
    """Source and id of the bookings that have that order number, as any of their three."""
    b = tables.bookings
    columns = (b.c.primary_order_number, b.c.secondary_order_number, b.c.tertiary_order_number)
    parts = [select(b.c.source, b.c.booking_id).where(c == number).limit(_MOST_PUSHES) for c in columns]
    found = union_all(*(select(part.subquery()) for part in parts)).subquery()
    query = select(found.c.source, found.c.booking_id).distinct().order_by(found.c.source, found.c.booking_id)
    if sources is not None:
        query = query.where(found.c.source.in_(sources))
    return [(row.source, row.booking_id) for row in connection.execute(query)]


def absences(
    connection: Connection, tables: Tables, source: str, resource_id: str, since: datetime, until: datetime
) -> list[Mapping[str, Any]]:
    """The resource's unavailabilities that touch the period (UTC), removed ones too."""
    u = tables.unavailabilities
    query = (
        select(u)
        .where(u.c.source == source, u.c.resource_id == resource_id)
        .where(u.c.period_start < until, u.c.period_end > since)
        .order_by(u.c.period_start, u.c.period_end)
        .limit(_MOST_HEARD)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def booked(
    connection: Connection, tables: Tables, source: str, resource_id: str, since: datetime, until: datetime
) -> list[Mapping[str, Any]]:
    """The bookings that are known to be the resource's, and whose window touches the period (UTC).

    A push names no operative but where a booking is complete (facts, section 4): only those are known.
    """
    b, r = tables.bookings, tables.resources
    query = (
        select(b)
        .join(r, (r.c.source == b.c.source) & (r.c.booking_id == b.c.booking_id))
        .where(r.c.source == source, or_(r.c.resource_id == resource_id, r.c.external_resource_code == resource_id))
        .where(b.c.planning_window_start < until, b.c.planning_window_end > since)
        .order_by(b.c.planning_window_start, b.c.booking_id)
        .limit(_MOST_HEARD)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def is_known_resource(connection: Connection, tables: Tables, source: str, resource_id: str) -> bool:
    """Whether anything was heard of the resource."""
    n, r = tables.notifications, tables.resources
    either = or_(
        exists().where(n.c.source == source, n.c.resource_id == resource_id),
        exists().where(r.c.source == source, r.c.resource_id == resource_id),
    )
    return bool(connection.scalar(select(either)))
