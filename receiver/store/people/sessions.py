"""Sessions of people who are signed in: found by a secret of which only a digest is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, insert, or_, select, update

from receiver.errors import StoreError

from ..store import Store
from . import trail
from .chain import Action, By, Entry
from .links import fingerprint
from .roles import Role

# Local ones follow what becomes of their account.
LOCAL, LINK, OIDC = "local", "link", "oidc"
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    """Who is signed in, since when, and until when at most (UTC). ``data`` is what pages keep in it."""

    id: str
    person: str
    display_name: str
    role: Role
    sources: tuple[str, ...] | None
    provider: str
    data: Mapping[str, Any]
    made_at: datetime
    seen_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has shown who they are. ``provider``: LOCAL, LINK or OIDC."""

    person: str
    display_name: str
    role: Role
    sources: tuple[str, ...] | None
    provider: str


class Sessions:
    """The sessions of a database. ``now`` gives aware UTC; ``new_token`` a secret. Everything raises StoreError.

    A session ends ``idle`` after the last request of it, to the minute, and ``longest`` after it began.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        new_token: Callable[[], str],
        idle: timedelta,
        longest: timedelta,
    ) -> None:
        self._store, self._now, self._new_token = store, now, new_token
        self._idle, self._longest = idle, longest
        self._table, self._accounts = store.tables.people.sessions, store.tables.people.accounts

    def begin(self, who: Newcomer, data: Mapping[str, Any], details: Mapping[str, object]) -> str:
        """Begin one, and note in the trail that they signed in; gives the secret that opens it."""
        token, now = self._new_token(), self._now()
        limit = None if who.sources is None else list(who.sources)
        row = {
            "id": fingerprint(token),
            "person": who.person,
            "display_name": who.display_name,
            "role": who.role.value,
            "sources": limit,
            "provider": who.provider,
            "data": dict(data),
            "made_at": now,
            "seen_at": now,
            "ends_at": now + self._longest,
        }
        with self._store.transaction() as connection:
            connection.execute(insert(self._table).values(row))
            said = {"provider": who.provider, **details}
            entry = Entry(now, who.person, Action.SIGNED_IN, who.role.value, details=said)
            trail.append(connection, self._store.tables, entry)
        return token

    def open(self, token: str) -> Session | None:
        """The session that the secret opens; None when there is none or it has ended.

        Of a local one, role and sources are those that the account has now; one whose account is disabled has ended.
        """
        s, a, now = self._table, self._accounts, self._now()
        account = [a.c[name].label(f"account_{name}") for name in ("name", "display_name", "role", "sources")]
        joined = s.join(a, and_(a.c.name == s.c.person, s.c.provider != OIDC), isouter=True)
        usable = or_(s.c.provider == OIDC, a.c.name.is_not(None), s.c.provider == LINK)
        query = (
            select(s, *account)
            .select_from(joined)
            .where(s.c.id == fingerprint(token), s.c.ends_at > now, s.c.seen_at > now - self._idle, usable)
            .where(a.c.disabled_at.is_(None))
        )
        with self._store.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if now - row.seen_at >= _SEEN_EVERY:
            with suppress(StoreError), self._store.transaction() as connection:
                connection.execute(update(s).where(s.c.id == row.id).values(seen_at=now))
        return _session(row)

    def keep(self, session_id: str, data: Mapping[str, Any]) -> None:
        """Write down what pages keep in it."""
        s = self._table
        with self._store.transaction() as connection:
            connection.execute(update(s).where(s.c.id == session_id).values(data=dict(data)))

    def end(self, session: Session) -> None:
        """End it: they signed out."""
        s = self._table
        with self._store.transaction() as connection:
            if connection.execute(delete(s).where(s.c.id == session.id)).rowcount:
                entry = Entry(self._now(), session.person, Action.SIGNED_OUT, session.role.value)
                trail.append(connection, self._store.tables, entry)

    def end_all(self, by: By, person: str) -> int:
        """End all sessions of a person; gives how many there were."""
        s = self._table
        with self._store.transaction() as connection:
            count = connection.execute(delete(s).where(s.c.person == person)).rowcount
            details = {"sessions": count}
            entry = Entry(self._now(), by.person, Action.SESSIONS_ENDED, by.role, "account", person, details=details)
            trail.append(connection, self._store.tables, entry)
        return count

    def all(self) -> Sequence[Session]:
        """Those that have not ended, the newest first."""
        s, now = self._table, self._now()
        query = select(s).where(s.c.ends_at > now, s.c.seen_at > now - self._idle).order_by(s.c.made_at.desc(), s.c.id)
        with self._store.reading() as connection:
            return [_session(row) for row in connection.execute(query)]


def _session(row: Row[Any]) -> Session:
    of_account = getattr(row, "account_name", None) is not None
    name, role, limit = (
        (row.account_display_name, row.account_role, row.account_sources)
        if of_account
        else (row.display_name, row.role, row.sources)
    )
    sources = None if limit is None else tuple(limit)
    times = row.made_at, row.seen_at, row.ends_at
    return Session(row.id, row.person, name, Role(role), sources, row.provider, row.data, *times)
