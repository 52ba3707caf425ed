"""The trail: what people did, one entry after the other, each bound to the one before by its hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, RowMapping, delete, func, insert, select, update

from ..aftermath import after_commit
from ..store import Store
from ..tables import Tables
from .chain import BEGUN_ANEW, GENESIS, SYSTEM, Action, Entry, digest, moment, plain, plain_text

_log = structlog.get_logger()
_TEXTS = ("person", "role", "about_kind", "about", "reason")


@dataclass(frozen=True)
class Noted:
    """An entry as it is stored: its number, from 1 and without gaps, and its hash."""

    number: int
    hash: str
    entry: Entry


def begin(connection: Connection, tables: Tables) -> None:
    """Write down that the trail is empty and begins with entry 1. There must be none yet."""
    _put_ends(connection, tables, GENESIS)


def append(connection: Connection, tables: Tables, entry: Entry) -> Noted:
    """Add an entry within the caller's transaction, and log its number and hash once that is committed.

    The trail's end is locked until the transaction ends, so this comes last in it: whoever locks other rows
    afterwards could wait for one who waits for this.
    """
    ends = _locked_ends(connection, tables)
    number, previous = ends.last_number + 1, ends.last_hash
    row = _columns(entry)
    found = digest(number, {**row, "at": moment(entry.at)}, previous)
    connection.execute(insert(tables.people.trail).values(number=number, previous=previous, hash=found, **row))
    e = tables.people.trail_ends
    connection.execute(update(e).where(e.c.id == 1).values(last_number=number, last_hash=found))
    after_commit(connection, partial(_tell, number, entry.action.value, found))
    return Noted(number, found, entry)


def find(
    connection: Connection,
    tables: Tables,
    *,
    person: str | None = None,
    action: Action | None = None,
    about: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Noted]:
    """The newest entries that all of it is true of, the newest first; those below the number ``before`` only.

    ``since`` (inclusive) and ``until`` (exclusive) are aware, UTC.
    """
    t = tables.people.trail
    query = select(t).order_by(t.c.number.desc()).limit(limit)
    for column, value in ((t.c.person, person), (t.c.action, action), (t.c.about, about)):
        query = query if value is None else query.where(column == value)
    query = query if since is None else query.where(t.c.at >= since)
    query = query if until is None else query.where(t.c.at < until)
    query = query if before is None else query.where(t.c.number < before)
    return [_noted(row) for row in connection.execute(query).mappings()]


def first_at(connection: Connection, tables: Tables) -> datetime | None:
    """When the oldest entry was made, UTC; None when there is none."""
    t = tables.people.trail
    found: datetime | None = connection.scalar(select(t.c.at).order_by(t.c.number).limit(1))
    return found


def expired(connection: Connection, tables: Tables, before: datetime) -> int:
    """How many of the oldest entries are from before ``before`` (UTC): all up to the first one that is not."""
    t = tables.people.trail
    first = connection.scalar(select(t.c.number).where(t.c.at >= before).order_by(t.c.number).limit(1))
    older = select(func.count()).select_from(t)
    return int(connection.scalar(older if first is None else older.where(t.c.number < first)) or 0)


def expire(connection: Connection, tables: Tables, before: datetime, now: datetime, most: int) -> int:
    """Delete the oldest entries, those from before ``before`` (UTC) and at most so many; gives how many there were.

    The trail begins with the next one from then on; an entry says so, which binds the beginning to the chain.
    """
    t, e = tables.people.trail, tables.people.trail_ends
    ends = _locked_ends(connection, tables)
    rows = connection.execute(
        select(t.c.number, t.c.at, t.c.hash).where(t.c.number >= ends.first_number).order_by(t.c.number).limit(most)
    ).all()
    count = next((n for n, row in enumerate(rows) if row.at >= before), len(rows))
    if not count:
        return 0
    last = rows[count - 1]
    connection.execute(delete(t).where(t.c.number <= last.number))
    first = {"first_number": last.number + 1, "first_previous": last.hash}
    connection.execute(update(e).where(e.c.id == 1).values(first))
    append(connection, tables, Entry(now, SYSTEM, Action.TRAIL_EXPIRED, details={**first, "entries": count}))
    return count


class Trail:
    """The trail for whoever has no transaction at hand. ``now`` gives aware UTC."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now

    def note(
        self,
        person: str,
        action: Action,
        *,
        role: str | None = None,
        about_kind: str | None = None,
        about: str | None = None,
        reason: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> Noted:
        """Add an entry, in a transaction of its own. Raises StoreError."""
        entry = Entry(self._now(), person, action, role, about_kind, about, reason, details or {})
        with self._store.transaction() as connection:
            return append(connection, self._store.tables, entry)


def _locked_ends(connection: Connection, tables: Tables) -> Row[Any]:
    e, t = tables.people.trail_ends, tables.people.trail
    query = select(e).where(e.c.id == 1).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        # Somebody took it away. What is done now is noted all the same, behind what there may be.
        last = connection.execute(select(t.c.number).order_by(t.c.number.desc()).limit(1)).scalar_one_or_none() or 0
        _put_ends(connection, tables, BEGUN_ANEW, last)
        found = connection.execute(query).one()
    return found


def _put_ends(connection: Connection, tables: Tables, before: str, last: int = 0) -> None:
    ends = {"first_number": last + 1, "first_previous": before, "last_number": last, "last_hash": before}
    connection.execute(insert(tables.people.trail_ends).values(id=1, **ends))


def _columns(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"at": entry.at, "action": entry.action.value, "details": plain(dict(entry.details))}
    texts = ((name, getattr(entry, name)) for name in _TEXTS)
    return row | {name: None if text is None else plain_text(text) for name, text in texts}


def _noted(row: RowMapping) -> Noted:
    texts = {name: row[name] for name in _TEXTS}
    # Of an entry that somebody wrote by hand, anything may be said: verifying tells.
    known = row["action"] in set(Action)
    action = Action(row["action"]) if known else row["action"]
    return Noted(row["number"], row["hash"], Entry(at=row["at"], action=action, details=row["details"], **texts))


def _tell(number: int, action: str, found: str) -> None:
    _log.info("trail_entry", number=number, action=action, hash=found)
