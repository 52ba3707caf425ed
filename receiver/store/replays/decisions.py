"""What people decided about records: discarded, or corrected by a push of their own that took the record's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, insert, literal_column, select, update

from receiver.fields import Kind

from ..lookup import among
from ..notifications import NotificationStatus
from ..pushes import is_unread, unread
from ..tables import Tables

WHOLE = 0


class Choice(StrEnum):
    """What was decided (column ``decisions.decision``)."""

    DISCARDED = "discarded"
    CORRECTED = "corrected"


@dataclass(frozen=True)
class Decision:
    """One decision about the record at ``position`` of a push; position 0 is a push of which nothing could be read.

    ``made_at`` UTC. ``version`` counts the corrections of the record from 1; a discard has 0. ``reason`` is what the
    person wrote, and may name persons.
    """

    id: str
    push_id: str
    position: int
    notification_id: str | None
    decision: Choice
    made_at: datetime
    made_by: str
    reason: str
    version: int = 0
    correction_push_id: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A record, or a push of which nothing was read (position 0: no ``notification_id``), that is to be decided on.

    ``received_at`` (UTC) is its place in time. ``is_held``: nobody has decided yet, and nothing came of it.
    ``version``: how often it has been corrected.
    """

    push_id: str
    position: int
    source: str
    received_at: datetime
    notification_id: str | None
    kind: Kind | None
    content_key: str
    is_held: bool
    is_erased: bool
    version: int


@dataclass(frozen=True)
class Said:
    """What a record of a correction says."""

    content_key: str
    kind: Kind
    booking_id: str | None
    resource_id: str | None
    values: Mapping[str, object]


def add(connection: Connection, tables: Tables, decisions: Sequence[Decision]) -> None:
    """Note decisions. A StoreConflict means that somebody else decided meanwhile."""
    if decisions:
        connection.execute(insert(tables.replays.decisions), [vars(d) for d in decisions])


def _decisions(tables: Tables) -> Select[Any]:
    d = tables.replays.decisions
    return select(d).order_by(d.c.made_at, d.c.version, d.c.id)


def _read(rows: Sequence[Row[Any]]) -> list[Decision]:
    return [Decision(**{**row._mapping, "decision": Choice(row.decision)}) for row in rows]


def of_push(connection: Connection, tables: Tables, push_id: str) -> list[Decision]:
    """All that was decided about a push's records, the first first."""
    d = tables.replays.decisions
    return _read(connection.execute(_decisions(tables).where(d.c.push_id == push_id)).all())


def of_correction(connection: Connection, tables: Tables, push_id: str) -> Decision | None:
    """What the push corrects, where it is a correction."""
    d = tables.replays.decisions
    found = _read(connection.execute(_decisions(tables).where(d.c.correction_push_id == push_id)).all())
    return found[0] if found else None


def lock_pushes(connection: Connection, tables: Tables, ids: Sequence[str]) -> None:
    """Keep others from deciding on those pushes as a whole, and from retrying them, until the transaction ends."""
    p = tables.pushes
    if ids and connection.dialect.name == "postgresql":
        query = select(p.c.id).where(among(connection, p.c.id, ids)).order_by(p.c.id)
        connection.execute(query.with_for_update()).all()


def waiting(connection: Connection, tables: Tables, push_id: str, position: int) -> Waiting | None:
    """The record at ``position``, locked until the transaction ends; None when there is none to decide on.

    Position 0 is only there of a push of which nothing was read.
    """
    return _whole(connection, tables, push_id) if position == WHOLE else _record(connection, tables, push_id, position)


def _whole(connection: Connection, tables: Tables, push_id: str) -> Waiting | None:
    p = tables.pushes
    lock_pushes(connection, tables, [push_id])
    is_open = is_unread(tables).label("is_open")
    found = connection.execute(select(p.c.source, p.c.received_at, p.c.outcome, is_open).where(p.c.id == push_id))
    row = found.one_or_none()
    version = _version(connection, tables, push_id, WHOLE)
    if row is None or not (row.is_open or _is_decided(connection, tables, push_id)):
        return None
    return Waiting(
        *(push_id, WHOLE, row.source, row.received_at, None, None, ""),
        is_held=bool(row.is_open),
        is_erased=False,
        version=version,
    )


def _record(connection: Connection, tables: Tables, push_id: str, position: int) -> Waiting | None:
    n, d = tables.notifications, tables.replays.decisions
    row = connection.execute(
        select(n.c.id, n.c.source, n.c.received_at, n.c.kind, n.c.content_key, n.c.status, n.c.erased_at)
        .where(n.c.push_id == push_id, n.c.position == position)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    is_held = row.status == NotificationStatus.HELD
    decided = connection.scalar(select(exists().where(d.c.notification_id == row.id)))
    # What an erasure left is marked as discarded too, and nobody has decided on it.
    if not is_held and not decided:
        return None
    return Waiting(
        *(push_id, position, row.source, row.received_at, row.id, Kind(row.kind), row.content_key),
        is_held=is_held,
        is_erased=row.erased_at is not None and row.status == NotificationStatus.DISCARDED,
        version=_version(connection, tables, push_id, position),
    )


def _version(connection: Connection, tables: Tables, push_id: str, position: int) -> int:
    d = tables.replays.decisions
    query = select(func.max(d.c.version)).where(d.c.push_id == push_id, d.c.position == position)
    return int(connection.scalar(query) or 0)


def _is_decided(connection: Connection, tables: Tables, push_id: str) -> bool:
    d = tables.replays.decisions
    return bool(connection.scalar(select(exists().where(d.c.push_id == push_id, d.c.position == WHOLE))))


def close_records(connection: Connection, tables: Tables, ids: Sequence[str]) -> list[tuple[str, str, int]]:
    """Those of the held notifications that are still held become discarded: id, push and position of each."""
    n = tables.notifications
    if not ids:
        return []
    statement = (
        update(n)
        .where(among(connection, n.c.id, ids), n.c.status == NotificationStatus.HELD.value)
        .values(status=NotificationStatus.DISCARDED.value)
        .returning(n.c.id, n.c.push_id, n.c.position)
    )
    return sorted((row.id, row.push_id, row.position) for row in connection.execute(statement))


def close_pushes(connection: Connection, tables: Tables, ids: Sequence[str]) -> list[str]:
    """Those of the pushes of which nothing was read, and on which nobody has decided, count as decided from now on.

    They count as holding something, so that the same bytes are looked at with care when they come again; and so do
    those that are the same already.
    """
    p = tables.pushes
    if not ids:
        return []
    lock_pushes(connection, tables, ids)
    found = unread(connection, tables, ids)
    if found:
        bytes_of = select(p.c.source, p.c.sha256).where(among(connection, p.c.id, found)).distinct()
        for source, sha256 in connection.execute(bytes_of).all():
            same = p.c.source == source, p.c.sha256 == sha256
            connection.execute(update(p).where(*same, is_unread(tables)).values(held=1))
    return found


def are_decided(connection: Connection, tables: Tables, source: str, sha256: str) -> bool:
    """Whether somebody has decided about a push of these bytes of which nothing could be read."""
    p, d = tables.pushes, tables.replays.decisions
    query = select(d.c.id).join(p, p.c.id == d.c.push_id)
    query = query.where(p.c.source == source, p.c.sha256 == sha256, p.c.held > literal_column("0"))
    return connection.execute(query.where(d.c.position == WHOLE).limit(1)).first() is not None


def said_by(connection: Connection, tables: Tables, push_id: str) -> list[Said]:
    """What the records of a correction say, in their order; each stood there, or was known already."""
    n, r = tables.notifications, tables.repeats
    columns = n.c.content_key, n.c.kind, n.c.booking_id, n.c.resource_id, n.c["values"]
    brought = select(*columns, n.c.position).where(n.c.push_id == push_id)
    repeated = select(*columns, r.c.position).join(r, r.c.notification_id == n.c.id).where(r.c.push_id == push_id)
    rows = [row for query in (brought, repeated) for row in connection.execute(query)]
    return [Said(r[0], Kind(r[1]), *r[2:5]) for r in sorted(rows, key=lambda r: int(r.position))]


def last_correction(connection: Connection, tables: Tables, push_id: str, position: int) -> str | None:
    """The push that corrected the record last."""
    d = tables.replays.decisions
    query = (
        select(d.c.correction_push_id)
        .where(d.c.push_id == push_id, d.c.position == position, d.c.correction_push_id.is_not(None))
        .order_by(d.c.version.desc())
        .limit(1)
    )
    found: str | None = connection.scalar(query)
    return found
