"""Grouping by cause what came in and was held, a little after: no push waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from ..finding.criteria import any_of
from ..finding.shaped import shaped
from ..lookup import among
from ..notifications import NotificationStatus
from ..pushes import is_unread
from ..store import Store
from ..tables import Tables
from .cause_texts import push_text, record_text, without_places
from .causes import CauseState
from .tables import NOT_GROUPED_PUSH, NOT_GROUPED_RECORD

_BATCH = 200


@dataclass(frozen=True)
class _Key:
    """What makes two of the same cause, and what it is called."""

    source: str
    kind: str
    field: str
    code: str
    text: str

    @property
    def id(self) -> str:
        return sha256(orjson.dumps([self.source, self.kind, self.field, self.code])).hexdigest()[:24]


@dataclass(frozen=True)
class _Entry:
    """One thing that is held for a cause: a record, or (``position`` 0) a push."""

    key: _Key
    push_id: str
    position: int
    notification_id: str | None
    received_at: datetime

    def row(self) -> dict[str, object]:
        own = {name: getattr(self, name) for name in ("push_id", "position", "notification_id", "received_at")}
        return {"cause_id": self.key.id, **own}


def group_new(store: Store, now: datetime, most: int) -> int:
    """Group at most about ``most`` held records and unread pushes that were not yet; gives how many (0: none is left).

    ``now`` UTC. Several may do so at once. Raises StoreError.
    """
    done = 0
    while done < most:
        with store.transaction() as connection:
            count = _group_records(connection, store.tables, now) or _group_pushes(connection, store.tables, now)
        if not count:
            break
        done += count
    return done


def _group_records(connection: Connection, tables: Tables, now: datetime) -> int:
    n = tables.notifications
    columns = (n.c.id, n.c.push_id, n.c.position, n.c.source, n.c.kind, n.c.received_at, n.c.problems)
    rows = _next(connection, select(*columns), n.c.received_at, NOT_GROUPED_RECORD)
    if not rows:
        return 0
    ids = [row.id for row in rows]
    entries = [_Entry(k, r.push_id, r.position, r.id, r.received_at) for r in rows for k in _keys(r)]
    _add(connection, tables, entries, now)
    connection.execute(update(n).where(among(connection, n.c.id, ids)).values(grouped_at=now))
    return len(ids)


def _keys(row: Any) -> Iterable[_Key]:
    problems = row.problems or [{"field": "", "code": "unknown"}]
    paths = dict.fromkeys((without_places(str(p.get("field", ""))), str(p.get("code", ""))) for p in problems)
    return [_Key(row.source, row.kind, field, code, record_text(field, code)) for field, code in paths]


def _group_pushes(connection: Connection, tables: Tables, now: datetime) -> int:
    p, n, r = tables.pushes, tables.notifications, tables.repeats
    columns = (p.c.id, p.c.source, p.c.kind, p.c.outcome, p.c.reason, p.c.received_at)
    nothing = and_(*(~any_of(select(t.c.push_id).where(t.c.push_id == p.c.id)) for t in (n, r)))
    rows = _next(connection, select(*columns, nothing.label("is_unread")), p.c.received_at, NOT_GROUPED_PUSH)
    if not rows:
        return 0
    entries = []
    for row in rows:
        reason = row.reason or row.outcome
        key = _Key(row.source, row.kind or "", "", reason, push_text(reason))
        if row.is_unread:
            entries.append(_Entry(key, row.id, 0, None, row.received_at))
    _add(connection, tables, entries, now)
    connection.execute(update(p).where(among(connection, p.c.id, [row.id for row in rows])).values(grouped_at=now))
    return len(rows)


def _next(connection: Connection, query: Select[Any], at: Any, where: str) -> Sequence[Any]:
    """The next ones, and nobody else's meanwhile."""
    with shaped(connection):
        query = query.where(literal_column(where)).order_by(at).limit(_BATCH)
        return connection.execute(query.with_for_update(of=at.table, skip_locked=True)).all()


def _add(connection: Connection, tables: Tables, entries: Sequence[_Entry], now: datetime) -> None:
    """Put what is held to its causes, made where they are new."""
    if not entries:
        return
    c = tables.figures.causes
    of: dict[str, list[_Entry]] = {}
    for entry in entries:
        of.setdefault(entry.key.id, []).append(entry)
    known = set(connection.scalars(select(c.c.id).where(among(connection, c.c.id, of)).with_for_update()))
    for cause_id, its in sorted(of.items()):
        if cause_id in known:
            more = {"total": c.c.total + len(its), "waiting": c.c.waiting + len(its)}
            connection.execute(update(c).where(c.c.id == cause_id).values({**more, **_seen(tables, its, now)}))
        else:
            connection.execute(insert(c).values(_new(its)))
    connection.execute(insert(tables.figures.cause_records), [entry.row() for entry in entries])


def _new(its: Sequence[_Entry]) -> dict[str, object]:
    key, moments = its[0].key, [entry.received_at for entry in its]
    own = {"id": key.id, "source": key.source, "kind": key.kind, "field": key.field, "code": key.code, "text": key.text}
    counts = {"total": len(its), "waiting": len(its)}
    return {**own, **counts, "state": CauseState.OPEN, "first_seen": min(moments), "last_seen": max(moments)}


def _seen(tables: Tables, its: Sequence[_Entry], now: datetime) -> dict[str, Any]:
    """When the cause was seen; a resolved one that comes again is open."""
    c, moments = tables.figures.causes, [entry.received_at for entry in its]
    first, last = min(moments), max(moments)
    again = and_(c.c.state == CauseState.RESOLVED, or_(c.c.state_at.is_(None), c.c.state_at < last))
    return {
        "first_seen": case((c.c.first_seen > first, first), else_=c.c.first_seen),
        "last_seen": case((c.c.last_seen < last, last), else_=c.c.last_seen),
        "state": case((again, CauseState.OPEN.value), else_=c.c.state),
        "state_by": case((again, None), else_=c.c.state_by),
        "state_at": case((again, now), else_=c.c.state_at),
    }


def recount(store: Store, cause_ids: Sequence[str] | None = None) -> int:
    """Count again how much waits for each of the causes (None: all); gives how many counts were changed.

    A record waits while it is held; an unread push while it is not decided and nothing has been read of it. Raises
    StoreError.
    """
    c = store.tables.figures.causes
    with store.reading() as connection:
        waiting = _waiting(connection, store.tables, cause_ids)
        query = select(c.c.id, c.c.waiting)
        if cause_ids is not None:
            query = query.where(among(connection, c.c.id, cause_ids))
        wrong = {row.id: waiting.get(row.id, 0) for row in connection.execute(query)}
        wrong = {row.id: wrong[row.id] for row in connection.execute(query) if row.waiting != wrong[row.id]}
    for cause_id in sorted(wrong):
        with store.transaction() as connection:
            connection.execute(select(c.c.id).where(c.c.id == cause_id).with_for_update()).all()
            number = _waiting(connection, store.tables, [cause_id]).get(cause_id, 0)
            connection.execute(update(c).where(c.c.id == cause_id).values(waiting=number))
    return len(wrong)


def _waiting(connection: Connection, tables: Tables, cause_ids: Sequence[str] | None) -> dict[str, int]:
    """How much waits, by cause; of a cause that nothing waits for, nothing."""
    n, x = tables.notifications, tables.figures.cause_records
    held: ColumnElement[str] = literal_column(f"'{NotificationStatus.HELD.value}'")
    records = select(x.c.cause_id).join(n, n.c.id == x.c.notification_id).where(n.c.status == held)
    pushes = _unread(tables)
    if cause_ids is not None:
        its = among(connection, x.c.cause_id, cause_ids)
        records, pushes = records.where(its), pushes.where(its)
    each = union_all(records, pushes).subquery("each")
    rows = connection.execute(select(each.c.cause_id, func.count()).group_by(each.c.cause_id))
    return {row[0]: row[1] for row in rows}


def _unread(tables: Tables) -> Select[Any]:
    p, x = tables.pushes, tables.figures.cause_records
    query = select(x.c.cause_id).join(p, p.c.id == x.c.push_id)
    return query.where(x.c.notification_id.is_(None), is_unread(tables))


def forget_records(connection: Connection, tables: Tables, ids: Sequence[str]) -> None:
    """Take notifications that go out of their causes."""
    if ids:
        _forget(connection, tables, among(connection, tables.figures.cause_records.c.notification_id, ids))


def forget_pushes(connection: Connection, tables: Tables, ids: Sequence[str]) -> None:
    """Take pushes that go out of their causes."""
    if ids:
        _forget(connection, tables, among(connection, tables.figures.cause_records.c.push_id, ids))


def _forget(connection: Connection, tables: Tables, which: ColumnElement[bool]) -> None:
    c, x = tables.figures.causes, tables.figures.cause_records
    gone = Counter(connection.scalars(delete(x).where(which).returning(x.c.cause_id)))
    for cause_id in sorted(gone):
        connection.execute(update(c).where(c.c.id == cause_id).values(total=c.c.total - gone[cause_id]))
