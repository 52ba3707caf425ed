"""The settings as they were when a server last started: what differs now is an entry in the trail."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import scrypt
from typing import Any

from sqlalchemy import insert, select, update

from receiver.errors import StoreConflict

from ..store import Store
from . import trail
from .chain import SYSTEM, Action, Entry

_NAME = "settings"
_RACES = 5


class SettingsNoted:
    """Compares and notes. ``new_salt`` gives random text; ``now`` aware UTC. Everything raises StoreError."""

    def __init__(self, store: Store, now: Callable[[], datetime], new_salt: Callable[[], str]) -> None:
        self._store, self._now, self._new_salt = store, now, new_salt

    def note(self, plain: Mapping[str, str], secret: Mapping[str, str]) -> bool:
        """Leave an entry when anything is other than it was last noted; gives whether there was anything.

        Of ``plain`` the values are noted, of ``secret`` slow, salted digests, and the trail has their names only. Of
        many servers that start at once with the same settings one leaves the entry.
        """
        for turn in range(_RACES):
            before = self._noted()
            salt = self._new_salt() if before is None else str(before["salt"])
            wanted = {"salt": salt, "plain": dict(plain), "secret": {n: _digest(v, salt) for n, v in secret.items()}}
            if before == wanted:
                return False
            try:
                if self._write(before, wanted):
                    return True
            except StoreConflict:
                if turn == _RACES - 1:
                    raise
        return False

    def _noted(self) -> dict[str, Any] | None:
        k = self._store.tables.people.keys
        with self._store.reading() as connection:
            value = connection.scalar(select(k.c.value).where(k.c.name == _NAME))
        found: dict[str, Any] | None = None if value is None else json.loads(value)
        return found

    def _write(self, before: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
        """Write down how it is, and how that differs; False when somebody else has written meanwhile."""
        k, now = self._store.tables.people.keys, self._now()
        row = {"value": _text(wanted), "made_at": now}
        with self._store.transaction() as connection:
            if before is None:
                connection.execute(insert(k).values(name=_NAME, **row))
            else:
                same = (k.c.name == _NAME, k.c.value == _text(before))
                if connection.execute(update(k).where(*same).values(row)).rowcount != 1:
                    return False
            entry = Entry(now, SYSTEM, Action.SETTINGS_CHANGED, details=_differences(before, wanted))
            trail.append(connection, self._store.tables, entry)
        return True


def _differences(before: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> dict[str, object]:
    old: Mapping[str, Any] = before or {"plain": {}, "secret": {}}
    names = sorted(old["plain"].keys() | wanted["plain"].keys())
    changed = {
        name: {"from": old["plain"].get(name), "to": wanted["plain"].get(name)}
        for name in names
        if old["plain"].get(name) != wanted["plain"].get(name)
    }
    secrets = sorted(old["secret"].keys() | wanted["secret"].keys())
    other = [name for name in secrets if old["secret"].get(name) != wanted["secret"].get(name)]
    return {"first": before is None, "changed": changed, "secrets_changed": other}


def _text(noted: Mapping[str, Any]) -> str:
    return json.dumps(noted, sort_keys=True)


def _digest(secret: str, salt: str) -> str:
    return scrypt(secret.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=16).hex()
