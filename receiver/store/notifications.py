"""What was heard, once each: the judged records, held ones too, and where their repeats came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)

from receiver.errors import StoreConflict
from receiver.fields import Kind
from receiver.messages import Notification

from .copying import put
from .lookup import among, listed
from .tables import Tables


class NotificationStatus(StrEnum):
    """What became of a notification (view ``v1_notifications``)."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"
    HELD = "held"
    DISCARDED = "discarded"


# Written into statements: an index of held ones alone is used only where the plan knows that they are asked for.
_HELD: ColumnElement[str] = literal_column(f"'{NotificationStatus.HELD.value}'")
_DISCARDED: ColumnElement[str] = literal_column(f"'{NotificationStatus.DISCARDED.value}'")
_NONE: ColumnElement[int] = literal_column("0")


@dataclass(frozen=True)
class Known:
    """A notification that is already stored, as far as telling repeats apart needs.

    ``erased``: something of it was erased since; its keys are of what it said before.
    """

    id: str
    content_key: str
    event_key: str
    status: NotificationStatus
    received_at: datetime
    erased: bool = False


@dataclass(frozen=True)
class Entry:
    """A notification to be stored, new or (``known``) in the place of a held one. ``received_at`` UTC."""

    id: str
    push_id: str
    source: str
    received_at: datetime
    notification: Notification
    event_key: str
    status: NotificationStatus


@dataclass(frozen=True)
class Heard:
    """A notification of a booking as stored, for folding again."""

    id: str
    kind: Kind
    values: Mapping[str, object]
    changed_at: datetime | None
    received_at: datetime


def _known_columns(tables: Tables) -> tuple[ColumnElement[Any], ...]:
    n = tables.notifications
    return n.c.id, n.c.content_key, n.c.event_key, n.c.status, n.c.received_at, n.c.erased_at


def _known(row: Any) -> Known:
    status, erased = NotificationStatus(row.status), row.erased_at is not None
    return Known(row.id, row.content_key, row.event_key, status, row.received_at, erased)


def saying(
    tables: Tables, columns: Sequence[ColumnElement[Any]], source: Any, key: ColumnElement[str]
) -> CompoundSelect[Any]:
    """Those columns of the source's notifications that say what ``key`` stands for."""
    n = tables.notifications
    mostly = select(*columns).where(n.c.source == source, n.c.event_key == key)
    apart = select(*columns).where(n.c.source == source, n.c.content_key == key, n.c.content_key != n.c.event_key)
    return union_all(mostly, apart)


def _says(tables: Tables, source: Any, is_wanted: Callable[[Column[Any]], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Content is looked for by the event's key, which it mostly is, and where it is not, in an index of those alone.

    The source is said for each, by a parameter of its own: SQLite would look through all of the source's, were it said
    once for both.
    """
    n = tables.notifications
    apart = and_(n.c.source == source, is_wanted(n.c.content_key), n.c.content_key != n.c.event_key)
    return or_(and_(n.c.source == source, is_wanted(n.c.event_key)), apart)


def by_content(connection: Connection, tables: Tables, source: str, keys: Iterable[str]) -> dict[str, list[Known]]:
    """The stored notifications of the source that say the same as any of ``keys``."""
    n, wanted = tables.notifications, sorted(set(keys))
    query: Select[Any]
    if connection.dialect.name == "postgresql" and wanted:
        rows = listed([n.c.content_key], [(key,) for key in wanted])
        # One look into the indexes for each key, whatever the planner thinks of the table's size.
        same = select(*_known_columns(tables)).where(_says(tables, source, lambda column: column == rows.c.content_key))
        each = same.offset(0).lateral("found")
        query = select(each).select_from(rows.join(each, true()))
    else:
        query = select(*_known_columns(tables)).where(
            _says(tables, source, lambda column: among(connection, column, wanted))
        )
    found: dict[str, list[Known]] = {}
    for row in connection.execute(query):
        found.setdefault(row.content_key, []).append(_known(row))
    return found


def of_same_bytes(connection: Connection, tables: Tables, source: str, sha256: str) -> dict[int, Known]:
    """What earlier deliveries of the same bytes brought and is held, or was discarded, by position; what they say may
    read otherwise now. Position 0 is the push as a whole, where nothing was read of it and a person has decided."""
    n, p = tables.notifications, tables.pushes
    its = p.c.source == source, p.c.sha256 == sha256, p.c.held > _NONE
    records = select(*_known_columns(tables), n.c.position).join(p, p.c.id == n.c.push_id)
    query: CompoundSelect[Any] = union_all(
        records.where(*its, n.c.status.in_([_HELD, _DISCARDED])), _decided(tables, p).where(*its)
    )
    return {row.position: _known(row) for row in connection.execute(query)}


def _decided(tables: Tables, pushes: FromClause) -> Select[Any]:
    """Pushes that a person has decided about as a whole, as if each were a discarded notification."""
    d, p = tables.replays.decisions, pushes
    nothing = literal_column("''", Text)
    discarded = literal_column(f"'{NotificationStatus.DISCARDED.value}'", Text)
    erased_at = cast(null(), tables.notifications.c.erased_at.type).label("erased_at")
    return select(
        *(p.c.id, nothing.label("content_key"), nothing.label("event_key"), discarded.label("status")),
        *(p.c.received_at, erased_at, d.c.position),
    ).join_from(p, d, and_(d.c.push_id == p.c.id, d.c.position == _NONE))


def of_push(connection: Connection, tables: Tables, push_id: str) -> dict[int, Known]:
    """The notifications that one delivery brought or repeated, by position; 0 as ``of_same_bytes`` has it."""
    return of_pushes(connection, tables, [push_id]).get(push_id, {})


def of_pushes(connection: Connection, tables: Tables, ids: Sequence[str]) -> dict[str, dict[int, Known]]:
    """The same for several deliveries, by their ids."""
    n, r, p = tables.notifications, tables.repeats, tables.pushes
    same = p.alias("same")
    wanted = _known_columns(tables)
    its = and_(p.c.source == same.c.source, p.c.sha256 == same.c.sha256, same.c.held > _NONE)
    repeated = select(*wanted, r.c.position, r.c.push_id).join(r, r.c.notification_id == n.c.id)
    queries = (
        _decided(tables, same).add_columns(p.c.id.label("push_id")).join(p, its).where(among(connection, p.c.id, ids)),
        repeated.where(among(connection, r.c.push_id, ids)),
        select(*wanted, n.c.position, n.c.push_id).where(among(connection, n.c.push_id, ids)),
    )
    found: dict[str, dict[int, Known]] = {}
    for query in queries:
        for row in connection.execute(query):
            found.setdefault(row.push_id, {})[row.position] = _known(row)
    return found


def came_in_bytes(connection: Connection, tables: Tables, notification_id: str, sha256: str) -> bool:
    """Whether a stored notification was brought by a delivery of exactly these bytes."""
    n, p = tables.notifications, tables.pushes
    query = select(n.c.id).join(p, p.c.id == n.c.push_id).where(n.c.id == notification_id, p.c.sha256 == sha256)
    return connection.scalar(query) is not None


@dataclass(frozen=True)
class Answered:
    """When a delivery came (UTC), and the HTTP status it was answered with."""

    received_at: datetime
    status: int


def last_answer(connection: Connection, tables: Tables, notification_id: str, sha256: str) -> Answered | None:
    """The answer to the last delivery of exactly these bytes that brought or repeated the notification."""
    n, r, p = tables.notifications, tables.repeats, tables.pushes
    brought = select(n.c.push_id).where(n.c.id == notification_id)
    repeated = select(r.c.push_id).where(r.c.notification_id == notification_id)
    query = (
        select(p.c.received_at, p.c.reply_status)
        .where(p.c.id.in_(union_all(brought, repeated)), p.c.sha256 == sha256)
        .order_by(p.c.received_at.desc(), p.c.id.desc())
        .limit(1)
    )
    found = connection.execute(query).one_or_none()
    return Answered(found.received_at, found.reply_status) if found is not None else None


def history(connection: Connection, tables: Tables, source: str, booking_id: str) -> list[Heard]:
    """All that was applied to a booking or superseded, in no order."""
    n = tables.notifications
    query = select(n.c.id, n.c.kind, n.c["values"], n.c.changed_at, n.c.received_at).where(
        n.c.source == source,
        n.c.booking_id == booking_id,
        n.c.kind != Kind.UNAVAILABILITY.value,  # of some that said so, once, in an element of another kind
        n.c.status.in_([NotificationStatus.APPLIED, NotificationStatus.SUPERSEDED]),
    )
    return [Heard(r[0], Kind(r[1]), r[2], r[3], r[4]) for r in connection.execute(query)]


def row(entry: Entry) -> dict[str, object]:
    """A new notification as columns."""
    found = _row(entry)
    found["id"] = entry.id
    found["push_id"] = entry.push_id
    found["source"] = entry.source
    found["position"] = entry.notification.position
    found["received_at"] = entry.received_at
    return found


def _row(entry: Entry) -> dict[str, object]:
    n = entry.notification
    return {
        "kind": n.kind,
        "booking_id": n.booking_id,
        "resource_id": n.resource_id,
        "content_key": n.content_key,
        "event_key": entry.event_key,
        "changed_at": n.changed_at,
        "status": entry.status,
        "values": n.values,
        "warnings": [w.as_json() for w in n.warnings],
        "problems": [p.as_json() for p in n.problems],
    }


def add(connection: Connection, tables: Tables, entries: Sequence[Entry]) -> None:
    """Store new notifications. A StoreConflict means that one of them was stored meanwhile."""
    if entries:
        put(connection, tables.notifications, [row(e) for e in entries])


def settle(connection: Connection, tables: Tables, entries: Sequence[Entry]) -> None:
    """Write what became of held notifications: they keep their id, push and arrival. Raises StoreConflict when a person
    has decided about one of them meanwhile.

    One of which something was erased keeps its keys: it is the same as what was sent, not as what is left of it.
    """
    if entries:
        n = tables.notifications
        new: dict[str, ColumnElement[Any]] = {column: bindparam(f"new_{column}") for column in _row(entries[0])}
        for key in ("content_key", "event_key"):
            new[key] = case((n.c.erased_at.is_(None), new[key]), else_=n.c[key])
        statement = update(n).where(n.c.id == bindparam("known_id"), n.c.status == _HELD).values(new)
        rows = [{"known_id": e.id, **{f"new_{k}": v for k, v in _row(e).items()}} for e in entries]
        if connection.execute(statement, rows).rowcount != len(rows):
            raise StoreConflict("A person has decided about a held record meanwhile.")


def add_repeats(connection: Connection, tables: Tables, push_id: str, found: Sequence[tuple[int, str]]) -> None:
    """Note that records of this delivery (by position) repeat stored notifications (by id)."""
    if found:
        rows = [{"push_id": push_id, "position": position, "notification_id": of} for position, of in found]
        put(connection, tables.repeats, rows)


def count_held(connection: Connection, tables: Tables) -> dict[str, int]:
    """Held notifications by source."""
    n = tables.notifications
    query = select(n.c.source, func.count()).where(n.c.status == _HELD).group_by(n.c.source)
    return {row[0]: row[1] for row in connection.execute(query)}
