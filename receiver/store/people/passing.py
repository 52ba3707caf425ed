"""Rows about people that are needed for a while only: sessions, links, counts of attempts to sign in; and keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select

from receiver.errors import StoreConflict

from ..store import Store
from ..tables import Tables

# No session lasts longer than this without a request, and no failure to sign in is held against anyone.
LONGEST_IDLE = timedelta(days=1)
LONGEST_GRUDGE = timedelta(days=1)


def _over(tables: Tables, now: datetime) -> list[tuple[Table, ColumnElement[bool]]]:
    s, links, attempts = tables.people.sessions, tables.people.sign_in_links, tables.people.sign_in_attempts
    return [
        (s, (s.c.ends_at <= now) | (s.c.seen_at <= now - LONGEST_IDLE)),
        (links, links.c.ends_at <= now),
        (attempts, attempts.c.failed_at <= now - LONGEST_GRUDGE),
    ]


def are_over(connection: Connection, tables: Tables, now: datetime) -> bool:
    """Whether there are rows that nothing can come of any more."""
    found = (connection.scalar(select(1).select_from(t).where(is_over).limit(1)) for t, is_over in _over(tables, now))
    return any(found)


def sweep(connection: Connection, tables: Tables, now: datetime) -> int:
    """Delete them; gives how many there were."""
    return sum(connection.execute(delete(t).where(is_over)).rowcount for t, is_over in _over(tables, now))


def key(store: Store, name: str, now: datetime, make: Callable[[], str]) -> str:
    """The key of that name: the same for all processes, made by the first that asks. Raises StoreError."""
    k = store.tables.people.keys
    query = select(k.c.value).where(k.c.name == name)
    with store.reading() as connection:
        found: str | None = connection.scalar(query)
    if found is not None:
        return found
    try:
        with store.transaction() as connection:
            connection.execute(insert(k).values(name=name, value=make(), made_at=now))
    except StoreConflict:
        pass
    with store.reading() as connection:
        return str(connection.scalar(query))
