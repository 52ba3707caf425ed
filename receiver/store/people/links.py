"""Links that sign somebody in once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, insert, select, update

from ..store import Store
from . import trail
from .chain import Action, By, Entry
from .roles import Role


def fingerprint(token: str) -> str:
    """What is kept of a token that lets somebody in."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Link:
    """Whom a link signs in. ``role`` and ``sources`` count where there is no account of that name."""

    person: str
    role: Role
    sources: tuple[str, ...] | None


class Links:
    """One-time links. ``now`` gives aware UTC; ``new_token`` a secret. Everything raises StoreError."""

    def __init__(self, store: Store, now: Callable[[], datetime], new_token: Callable[[], str]) -> None:
        self._store, self._now, self._new_token = store, now, new_token
        self._table = store.tables.people.sign_in_links

    def make(self, by: By, person: str, role: Role, sources: Sequence[str] | None, lasting: timedelta) -> str:
        """Make one, which can be used until ``lasting`` from now; gives its secret, of which a digest is kept."""
        token, now = self._new_token(), self._now()
        limit = None if sources is None else list(sources)
        row = {"id": fingerprint(token), "person": person, "role": role.value, "sources": limit}
        with self._store.transaction() as connection:
            connection.execute(insert(self._table).values(**row, made_at=now, ends_at=now + lasting))
            details = {"role": role.value, "minutes": int(lasting.total_seconds() // 60)}
            entry = Entry(now, by.person, Action.LINK_MADE, by.role, "account", person, details=details)
            trail.append(connection, self._store.tables, entry)
        return token

    def is_usable(self, token: str) -> bool:
        """Whether it would sign somebody in now. Uses nothing up."""
        with self._store.reading() as connection:
            return connection.scalar(select(1).where(*self._usable(token))) is not None

    def use(self, token: str) -> Link | None:
        """Use it up; None when it was used, is too old, or never was. Of many at once one is given it."""
        t, now = self._table, self._now()
        with self._store.transaction() as connection:
            if connection.execute(update(t).where(*self._usable(token)).values(used_at=now)).rowcount != 1:
                return None
            row = connection.execute(select(t).where(t.c.id == fingerprint(token))).one()
        return Link(row.person, Role(row.role), None if row.sources is None else tuple(row.sources))

    def _usable(self, token: str) -> tuple[ColumnElement[bool], ...]:
        t = self._table
        return t.c.id == fingerprint(token), t.c.used_at.is_(None), t.c.ends_at > self._now()
