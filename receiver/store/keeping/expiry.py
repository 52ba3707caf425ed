"""What has been kept long enough, and the statements that erase it without leaving anything that dangles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, exists, or_, select, update

from receiver.fields import Kind
from receiver.messages import AbsenceKey

from ..changes import ChangeLog
from ..figures import grouping as causes_grouping
from ..finding import words
from ..lookup import among
from ..notifications import NotificationStatus
from ..pushes import BodyState, is_waiting
from ..tables import Tables

_NOT_STATE = (NotificationStatus.HELD, NotificationStatus.DISCARDED)


def first_since(connection: Connection, tables: Tables, moment: datetime) -> str | None:
    """The id of the first push that came at ``moment`` (UTC) or later; None when there is none yet."""
    p = tables.pushes
    query = select(p.c.id).where(p.c.received_at >= moment).order_by(p.c.received_at, p.c.id).limit(1)
    found: str | None = connection.scalar(query)
    return found


def bodies(tables: Tables, before: datetime, held_before: datetime | None) -> Select[Any]:
    """Pushes whose bytes are kept and arrived before ``before``; those that wait for a person, before ``held_before``
    (None: never). All moments are UTC."""
    p = tables.pushes
    over = ~is_waiting(tables)
    if held_before is not None:
        over |= p.c.received_at < held_before
    found = select(p.c.id, p.c.size_bytes).where(p.c.received_at < before, over)
    return found.where(exists().where(tables.bodies.c.push_id == p.c.id))


def bookings(tables: Tables, before: datetime) -> Select[Any]:
    """Bookings of which nothing was heard since ``before`` (UTC), repeats and held records included."""
    b, n, r, p = tables.bookings, tables.notifications, tables.repeats, tables.pushes
    its = and_(n.c.source == b.c.source, n.c.booking_id == b.c.booking_id)
    repeated = and_(r.c.notification_id == n.c.id, p.c.id == r.c.push_id, p.c.received_at >= before)
    return select(b.c.source, b.c.booking_id, b.c.last_received_at).where(
        b.c.last_received_at < before,
        ~_is_any(select(n.c.id).where(its, n.c.received_at >= before)),
        ~_is_any(select(n.c.id).where(its, repeated)),
    )


def unavailabilities(tables: Tables, before: datetime) -> Select[Any]:
    """Unavailabilities that were over, and last heard of, before ``before`` (UTC)."""
    u = tables.unavailabilities
    return select(u.c.source, u.c.resource_id, u.c.period_start, u.c.period_end).where(
        u.c.period_start < before, u.c.period_end < before, u.c.last_received_at < before
    )


def deliveries(tables: Tables, before: datetime) -> Select[Any]:
    """Deliveries from before ``before`` (UTC)."""
    p = tables.pushes
    return select(p.c.id, p.c.received_at).where(p.c.received_at < before)


def erase_bodies(connection: Connection, tables: Tables, ids: Sequence[str]) -> int:
    """Delete the bytes of those pushes, and say so in their rows."""
    p, b = tables.pushes, tables.bodies
    gone = connection.execute(delete(b).where(among(connection, b.c.push_id, ids))).rowcount
    connection.execute(update(p).where(among(connection, p.c.id, ids)).values(body_state=BodyState.EXPIRED))
    return gone


def erase_bookings(connection: Connection, tables: Tables, source: str, ids: Sequence[str]) -> dict[str, int]:
    """Delete those bookings with all that was heard of them, and what the feed says of them."""
    if not ids:
        return {}
    n = tables.notifications
    heard = list(connection.scalars(select(n.c.id).where(n.c.source == source, among(connection, n.c.booking_id, ids))))
    changes = delete_booking_rows(connection, tables, source, ids)
    return {
        "bookings": len(ids),
        "notifications": _erase_notifications(connection, tables, heard),
        "changes": changes,
    }


def delete_booking_rows(connection: Connection, tables: Tables, source: str, ids: Sequence[str]) -> int:
    """Delete the current state of those bookings and what the feed says of them; gives the number of feed rows."""
    c = tables.changes
    its = (c.c.source == source, c.c.entity == "booking", among(connection, c.c.entity_key, ids))
    ChangeLog(connection, tables).forget()
    changes = connection.execute(delete(c).where(*its)).rowcount
    for table in (tables.codes, tables.resources, tables.business_data, tables.completions, tables.bookings):
        connection.execute(delete(table).where(table.c.source == source, among(connection, table.c.booking_id, ids)))
    return changes


def erase_unavailability(connection: Connection, tables: Tables, key: Row[Any], before: datetime) -> dict[str, int]:
    """Delete one unavailability, unless it is heard of again, with its feed rows and what brought them."""
    u, n, r, p = tables.unavailabilities, tables.notifications, tables.repeats, tables.pushes
    its = (
        *(u.c.source == key.source, u.c.resource_id == key.resource_id),
        *(u.c.period_start == key.period_start, u.c.period_end == key.period_end),
    )
    row = connection.execute(
        select(u.c.applied_id).where(*its, u.c.last_received_at < before).with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return {}
    c, name = tables.changes, str(AbsenceKey(key.resource_id, key.period_start, key.period_end))
    feed = and_(c.c.source == key.source, c.c.entity == "unavailability", c.c.entity_key == name)
    heard = {*connection.scalars(select(c.c.notification_id).where(feed)), row.applied_id} - {None}
    again = (
        select(r.c.push_id)
        .join(p, p.c.id == r.c.push_id)
        .where(among(connection, r.c.notification_id, heard), p.c.received_at >= before)
    )
    if heard and connection.scalar(select(again.exists())):
        return {}
    ChangeLog(connection, tables).forget()
    changes = connection.execute(delete(c).where(feed)).rowcount
    connection.execute(delete(u).where(*its))
    old = list(connection.scalars(select(n.c.id).where(among(connection, n.c.id, heard), n.c.received_at < before)))
    return {
        "unavailabilities": 1,
        "notifications": _erase_notifications(connection, tables, old),
        "changes": changes,
    }


def erase_deliveries(connection: Connection, tables: Tables, ids: Sequence[str], before: datetime) -> dict[str, int]:
    """Delete what those deliveries brought and nothing needs any more, and those of which then nothing is left."""
    n, r, p = tables.notifications, tables.repeats, tables.pushes
    query = select(n.c.id).where(among(connection, n.c.push_id, ids), ~_is_needed(tables, before))
    erased = _erase_notifications(connection, tables, list(connection.scalars(query)))
    connection.execute(delete(r).where(among(connection, r.c.push_id, ids)))
    left = exists().where(n.c.push_id == p.c.id)
    gone = list(connection.scalars(delete(p).where(among(connection, p.c.id, ids), ~left).returning(p.c.id)))
    for table in (tables.replays.decisions, tables.replays.replay_outcomes):
        connection.execute(delete(table).where(among(connection, table.c.push_id, gone)))
    causes_grouping.forget_pushes(connection, tables, gone)
    return {"notifications": erased, "pushes": len(gone)}


def replays(tables: Tables, before: datetime) -> Select[Any]:
    """Replays that ended before ``before`` (UTC)."""
    r = tables.replays.replays
    return select(r.c.ended_at, r.c.id).where(r.c.ended_at < before)


def erase_replays(connection: Connection, tables: Tables, ids: Sequence[str]) -> int:
    """Delete those replays, with what is left of their outcomes: most went with the pushes, which are older."""
    r, o = tables.replays.replays, tables.replays.replay_outcomes
    connection.execute(delete(o).where(among(connection, o.c.replay_id, ids)))
    return connection.execute(delete(r).where(among(connection, r.c.id, ids))).rowcount


def _is_needed(tables: Tables, before: datetime) -> ColumnElement[bool]:
    """Whether a notification is part of a booking or an unavailability that is kept, or came again since ``before``."""
    n, r, p, b = tables.notifications, tables.repeats, tables.pushes, tables.bookings
    u, c, d = tables.unavailabilities, tables.changes, tables.completions
    again = (
        select(r.c.push_id)
        .join(p, p.c.id == r.c.push_id)
        .where(r.c.notification_id == n.c.id, p.c.received_at >= before)
    )
    booking = select(b.c.booking_id).where(b.c.source == n.c.source, b.c.booking_id == n.c.booking_id)
    applied = select(u.c.applied_id).where(
        u.c.source == n.c.source, u.c.resource_id == n.c.resource_id, u.c.applied_id == n.c.id
    )
    return or_(
        _is_any(again),
        _is_any(select(c.c.notification_id).where(c.c.notification_id == n.c.id)),
        _is_any(select(d.c.notification_id).where(d.c.notification_id == n.c.id)),
        and_(n.c.kind != Kind.UNAVAILABILITY, n.c.status.not_in(_NOT_STATE), _is_any(booking)),
        and_(n.c.kind == Kind.UNAVAILABILITY, _is_any(applied)),
    )


def _is_any(query: Select[Any]) -> ColumnElement[bool]:
    """EXISTS, asked of one row at a time: PostgreSQL would rather read a whole table once for some hundred rows."""
    return query.limit(1).scalar_subquery().is_not(None)


def _erase_notifications(connection: Connection, tables: Tables, ids: Sequence[str]) -> int:
    if not ids:
        return 0
    n, r = tables.notifications, tables.repeats
    words.forget(connection, tables, ids)
    causes_grouping.forget_records(connection, tables, ids)
    connection.execute(delete(r).where(among(connection, r.c.notification_id, ids)))
    return connection.execute(delete(n).where(among(connection, n.c.id, ids))).rowcount
