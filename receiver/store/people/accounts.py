"""Accounts of people who sign in here, and not elsewhere; each change leaves an entry in the trail."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from receiver.errors import NotAllowed, NotFound, StoreConflict

from ..store import Store
from . import trail
from .chain import Action, By, Entry
from .roles import Role

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in. ``sources``: those they may see, None is all; moments are UTC."""

    name: str
    display_name: str
    role: Role
    sources: tuple[str, ...] | None
    password_hash: str | None
    made_at: datetime
    changed_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """What is to become of an account; None leaves it as it is. ``all_sources`` takes the limit on sources away."""

    display_name: str | None = None
    role: Role | None = None
    sources: tuple[str, ...] | None = None
    all_sources: bool = False

    def columns(self) -> dict[str, Any]:
        """The columns that change."""
        found: dict[str, Any] = {} if self.display_name is None else {"display_name": _shown(self.display_name)}
        if self.role is not None:
            found["role"] = self.role.value
        if self.sources is not None or self.all_sources:
            found["sources"] = None if self.all_sources else sorted(set(self.sources or ()))
        return found


class Accounts:
    """The accounts of a database. ``now`` gives aware UTC. Everything raises StoreError.

    What takes an account away, or makes it less, ends its sessions or is seen by them at their next request.
    """

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now, self._table = store, now, store.tables.people.accounts

    def all(self) -> list[Account]:
        """All of them by name."""
        with self._store.reading() as connection:
            rows = connection.execute(select(self._table).order_by(self._table.c.name)).mappings()
            return [_account(row) for row in rows]

    def is_any(self) -> bool:
        """Whether there is an account at all."""
        with self._store.reading() as connection:
            return connection.scalar(select(1).select_from(self._table).limit(1)) is not None

    def find(self, name: str) -> Account | None:
        """The account of that name, in whatever case."""
        a = self._table
        with self._store.reading() as connection:
            row = connection.execute(select(a).where(a.c.name == name.lower())).mappings().one_or_none()
        return None if row is None else _account(row)

    def get(self, name: str) -> Account:
        """The account of that name. Raises NotFound."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"There is no account {name!r}.")
        return found

    def require_free(self, name: str) -> None:
        """Raise NotAllowed for a name that is taken or none."""
        if not _NAME.fullmatch(name):
            raise NotAllowed("A name is of letters, digits and . _ @ + - and begins with a letter or digit.")
        if self.find(name) is not None:
            raise NotAllowed(f"There is an account {name!r} already.")

    def add(
        self,
        by: By,
        name: str,
        role: Role,
        *,
        display_name: str = "",
        sources: Sequence[str] | None = None,
        password_hash: str | None = None,
    ) -> Account:
        """Make an account. Raises NotAllowed for a name that is taken or none."""
        self.require_free(name)
        now, limit = self._now(), None if sources is None else sorted(set(sources))
        row = {
            "name": name.lower(),
            "display_name": _shown(display_name or name),
            "role": role.value,
            "sources": limit,
            "password_hash": password_hash,
            "made_at": now,
            "changed_at": now,
        }
        try:
            with self._store.transaction() as connection:
                connection.execute(insert(self._table).values(row))
                self._note(connection, by, Action.ACCOUNT_ADDED, name.lower(), {"role": role.value, "sources": limit})
        except StoreConflict:
            raise NotAllowed(f"There is an account {name!r} already.") from None
        return self.get(name)

    def change(self, by: By, name: str, change: Change) -> Account:
        """Change what there is to change. Raises NotFound, NotAllowed."""
        account, columns = self.get(name), change.columns()
        # A name for display is for those who look at the pages: it is not kept longer than the account.
        details = {n: value for n, value in columns.items() if n != "display_name"} | {"changed": sorted(columns)}
        if columns:
            self._update(by, Action.ACCOUNT_CHANGED, account.name, columns, details)
        return self.get(name)

    def set_password(self, by: By, name: str, password_hash: str) -> None:
        """Another password; every session of the account ends. Raises NotFound."""
        account = self.get(name)
        columns = {"password_hash": password_hash}
        self._update(by, Action.PASSWORD_CHANGED, account.name, columns, {}, ends_sessions=True)

    def renew_hash(self, account: Account, password_hash: str) -> None:
        """The same password, hashed as is done now; not if it was changed meanwhile."""
        a = self._table
        with self._store.transaction() as connection:
            same = (a.c.name == account.name, a.c.password_hash == account.password_hash)
            connection.execute(update(a).where(*same).values(password_hash=password_hash))

    def disable(self, by: By, name: str) -> None:
        """Let nobody sign in with it any more; every session of it ends. Raises NotFound."""
        columns = {"disabled_at": self._now()}
        self._update(by, Action.ACCOUNT_DISABLED, self.get(name).name, columns, {}, ends_sessions=True)

    def enable(self, by: By, name: str) -> None:
        """Let it be used again. Raises NotFound."""
        self._update(by, Action.ACCOUNT_ENABLED, self.get(name).name, {"disabled_at": None}, {})

    def remove(self, by: By, name: str) -> None:
        """Delete it, with its sessions and links. What the trail says of it stays. Raises NotFound."""
        account, a, links = self.get(name), self._table, self._store.tables.people.sign_in_links
        with self._store.transaction() as connection:
            connection.execute(delete(a).where(a.c.name == account.name))
            connection.execute(delete(links).where(links.c.person == account.name))
            self._end_sessions(connection, account.name)
            self._note(connection, by, Action.ACCOUNT_REMOVED, account.name, {})

    def _update(
        self,
        by: By,
        action: Action,
        name: str,
        columns: dict[str, Any],
        details: dict[str, Any],
        *,
        ends_sessions: bool = False,
    ) -> None:
        a = self._table
        with self._store.transaction() as connection:
            connection.execute(update(a).where(a.c.name == name).values(**columns, changed_at=self._now()))
            if ends_sessions:
                self._end_sessions(connection, name)
            self._note(connection, by, action, name, details)

    def _end_sessions(self, connection: Connection, name: str) -> None:
        s = self._store.tables.people.sessions
        connection.execute(delete(s).where(s.c.person == name))

    def _note(self, connection: Connection, by: By, action: Action, name: str, details: dict[str, Any]) -> None:
        entry = Entry(self._now(), by.person, action, by.role, "account", name, details=details)
        trail.append(connection, self._store.tables, entry)


def _shown(text: str) -> str:
    """A name for display, on one line."""
    found = _CONTROL.sub(" ", text).strip()[:200]
    if not found:
        raise NotAllowed("A name for display is not empty.")
    return found


def _account(row: RowMapping) -> Account:
    limit = row["sources"]
    found = {**row, "role": Role(row["role"]), "sources": None if limit is None else tuple(limit)}
    return Account(**found)
