"""Failures to sign in, counted for each account and each address, for all processes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from receiver.errors import StoreConflict, TooManyAttempts

from ..store import Store
from .passing import LONGEST_GRUDGE

_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)
_RACES = 5


@dataclass(frozen=True)
class Subject:
    """What attempts are counted of: ``name`` is kept as a digest, as people type passwords for names."""

    kind: str
    name: str
    free: int

    @property
    def key(self) -> str:
        """As the table has it."""
        return f"{self.kind}:{sha256(self.name.casefold().encode('utf-8', 'replace')).hexdigest()[:32]}"


def account(name: str) -> Subject:
    """An account: five failures are free."""
    return Subject("account", name, 5)


def address(text: str) -> Subject:
    """An address, which may be that of many people: twenty are free."""
    return Subject("address", text, 20)


def wait_after(failed: int, free: int) -> timedelta:
    """How long to wait after so many failures: twice as long each time, up to a quarter of an hour."""
    if failed < free:
        return timedelta(0)
    return min(_LONGEST_WAIT, _FIRST_WAIT * (1 << min(failed - free, 10)))


class Attempts:
    """Counts them. ``now`` gives aware UTC. Everything raises StoreError."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now, self._table = store, now, store.tables.people.sign_in_attempts

    def begin(self, *subjects: Subject) -> None:
        """Count an attempt as failed before it is made, so that many at once are not more than one after the other.

        Raises TooManyAttempts, and counts nothing, when it comes too soon after those that failed.
        """
        for turn in range(_RACES):
            try:
                self._begin({subject.key: subject for subject in subjects})
            except StoreConflict:
                if turn == _RACES - 1:
                    raise
            else:
                return

    def succeeded(self, own: Subject, *others: Subject) -> None:
        """The attempt was none that fails: forget those of ``own``, and take it back from the others."""
        t = self._table
        with self._store.transaction() as connection:
            connection.execute(delete(t).where(t.c.subject == own.key))
            self._take_back(connection, others)

    def take_back(self, *subjects: Subject) -> None:
        """The attempt was not made after all."""
        with self._store.transaction() as connection:
            self._take_back(connection, subjects)

    def _take_back(self, connection: Connection, subjects: Sequence[Subject]) -> None:
        t = self._table
        for key in sorted(subject.key for subject in subjects):
            connection.execute(update(t).where(t.c.subject == key, t.c.failed > 0).values(failed=t.c.failed - 1))

    def _begin(self, subjects: Mapping[str, Subject]) -> None:
        t, now = self._table, self._now()
        query = select(t).where(t.c.subject.in_(sorted(subjects))).order_by(t.c.subject)
        # First without a lock: whoever has to wait costs no writing.
        with self._store.reading() as connection:
            _require_waited(connection.execute(query).all(), subjects, now)
        with self._store.transaction() as connection:
            known = connection.execute(query.with_for_update()).all()
            _require_waited(known, subjects, now)
            for row in known:
                failed = 1 if now - row.failed_at > LONGEST_GRUDGE else row.failed + 1
                connection.execute(update(t).where(t.c.subject == row.subject).values(failed=failed, failed_at=now))
            for key in sorted(subjects.keys() - {row.subject for row in known}):
                connection.execute(insert(t).values(subject=key, failed=1, failed_at=now))


def _require_waited(rows: Sequence[Row[Any]], subjects: Mapping[str, Subject], now: datetime) -> None:
    waits = [row.failed_at + wait_after(row.failed, subjects[row.subject].free) - now for row in rows]
    longest = max(waits, default=timedelta(0))
    if longest > timedelta(0):
        raise TooManyAttempts("Signing in failed too often.", longest.total_seconds())
