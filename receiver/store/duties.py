"""Duties that one process does for all, once an interval: claimed by a row that only one of them can change."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update

from receiver.errors import StoreConflict

from .store import Store


class Duties:
    """Claims on duties by name."""

    def __init__(self, store: Store) -> None:
        self._store, self._table = store, store.tables.duties

    def claim(self, name: str, now: datetime, interval: timedelta) -> bool:
        """Whether the caller is to do the duty now, as nobody has begun it for ``interval``. Raises StoreError.

        Of all that ask at once one is told so. One that begins and never ends leaves it due again after ``interval``;
        so does a beginning that lies further ahead than that, as a clock that was wrong leaves it.
        """
        d = self._table
        due = or_(d.c.started_at.is_(None), d.c.started_at <= now - interval, d.c.started_at > now + interval)
        with self._store.reading() as connection:
            row = connection.execute(select(due.label("is_due")).where(d.c.name == name)).one_or_none()
        if row is not None and not row.is_due:
            return False
        try:
            with self._store.transaction() as connection:
                if row is None:
                    connection.execute(insert(d).values(name=name, started_at=now))
                    return True
                claimed = update(d).where(d.c.name == name, due).values(started_at=now, finished_at=None)
                return connection.execute(claimed).rowcount == 1
        except StoreConflict:
            return False

    def finished(self, name: str, now: datetime) -> None:
        """Note that the duty has been done. Raises StoreError."""
        with self._store.transaction() as connection:
            connection.execute(update(self._table).where(self._table.c.name == name).values(finished_at=now))
