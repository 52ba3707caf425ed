"""Whether the trail is as it was written: every entry is read again, and every hash made again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, cast, func, select, text, type_coerce

from ..store import Store
from ..tables import Tables
from .chain import BEGUN_ANEW, GENESIS, Action, digest

_AT_A_TIME = 1000


class Damage(StrEnum):
    """In what way the trail is not as it was written."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    UNBOUND = "unbound"
    BEGINNING = "beginning"
    END = "end"
    OTHERWISE_NOTED = "otherwise_noted"


@dataclass(frozen=True)
class Broken:
    """Something that is wrong with the trail: at which entry (None: at no single one), and in words."""

    number: int | None
    damage: Damage
    text: str


@dataclass
class Walk:
    """What was read of the trail so far: how many entries, and the last one's number and hash."""

    entries: int = 0
    first_number: int = 0
    last_number: int = 0
    last_hash: str = GENESIS


def verify(store: Store, expected: Mapping[int, str] | None = None, walk: Walk | None = None) -> Iterator[Broken]:
    """Everything that is wrong with the trail, entry by entry; nothing when all is as it was written.

    ``expected``: hashes by number as they were noted elsewhere; they tell when somebody has written the whole trail
    anew. ``walk`` is filled on the way. Raises StoreError.
    """
    with store.reading() as connection:
        if connection.dialect.name == "postgresql":
            # What is added or expires meanwhile must not look like damage.
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield from _Verifier(connection, store.tables, walk or Walk(), dict(expected or {})).all()


class _Verifier:
    def __init__(self, connection: Connection, tables: Tables, walk: Walk, expected: dict[int, str]) -> None:
        self._connection, self._tables, self._walk, self._expected = connection, tables, walk, expected
        self._beginnings: set[tuple[object, object]] = {(1, GENESIS)}

    def all(self) -> Iterator[Broken]:
        e = self._tables.people.trail_ends
        ends = self._connection.execute(select(e).where(e.c.id == 1)).one_or_none()
        if ends is None:
            yield Broken(None, Damage.END, "It is not known where the trail begins and ends: that row is gone.")
        yield from self._entries(ends)
        if ends is not None:
            yield from self._ends(ends)
        for number, wanted in sorted(self._expected.items()):
            yield Broken(number, Damage.OTHERWISE_NOTED, f"There is no entry {number}; elsewhere it is {wanted}.")

    def _entries(self, ends: Row[Any] | None) -> Iterator[Broken]:
        walk = self._walk
        before = None if ends is None else (ends.first_number - 1, ends.first_previous)
        rows = self._connection.execution_options(yield_per=_AT_A_TIME).execute(self._query())
        for row in rows:
            if before is not None and row.number > before[0] + 1:
                yield Broken(row.number - 1, Damage.MISSING, _missing(before[0] + 1, row.number - 1))
            if ends is not None and not ends.first_number <= row.number <= ends.last_number:
                yield Broken(row.number, Damage.ADDED, f"Entry {row.number} is outside the trail's beginning and end.")
            yield from self._entry(row, None if before is None else before[1])
            before = row.number, row.hash
            walk.entries, walk.first_number = walk.entries + 1, walk.first_number or row.number
            walk.last_number, walk.last_hash = before
        if ends is not None and before is not None and before[0] < ends.last_number:
            yield Broken(ends.last_number, Damage.MISSING, _missing(before[0] + 1, ends.last_number))

    def _entry(self, row: Row[Any], previous: str | None) -> Iterator[Broken]:
        said = _said(row)
        if said is None or digest(row.number, said, str(row.previous)) != row.hash:
            yield Broken(row.number, Damage.CHANGED, f"Entry {row.number} is not what was written.")
        elif said["action"] == Action.TRAIL_EXPIRED:
            details = said["details"]
            self._beginnings.add((details.get("first_number"), details.get("first_previous")))
        if previous is not None and row.previous != previous:
            yield Broken(row.number, Damage.UNBOUND, f"Entry {row.number} does not follow the one before it.")
        wanted = self._expected.pop(row.number, row.hash)
        if wanted != row.hash:
            yield Broken(row.number, Damage.OTHERWISE_NOTED, f"Entry {row.number} is {row.hash}; elsewhere {wanted}.")

    def _ends(self, ends: Row[Any]) -> Iterator[Broken]:
        last = self._walk.last_hash if self._walk.entries else ends.first_previous
        if ends.last_hash != last or ends.last_number < ends.first_number - 1:
            yield Broken(
                ends.last_number, Damage.END, "The trail does not end with the hash that was noted for its end."
            )
        if ends.first_previous == BEGUN_ANEW:
            yield Broken(
                ends.first_number, Damage.BEGINNING, "The trail was begun anew after its beginning and end were lost."
            )
        elif (ends.first_number, ends.first_previous) not in self._beginnings:
            yield Broken(
                ends.first_number, Damage.BEGINNING, "The trail does not begin where it did; nothing says it expired."
            )

    def _query(self) -> Select[Any]:
        """Values as they are stored, so that none can be too odd to be read."""
        t = self._tables.people.trail
        at: ColumnElement[Any] = type_coerce(t.c.at, Text)
        details: ColumnElement[Any] = type_coerce(t.c.details, Text)
        if self._connection.dialect.name == "postgresql":
            at = func.to_char(func.timezone("UTC", t.c.at), "YYYY-MM-DD HH24:MI:SS.US")
            details = cast(t.c.details, Text)
        texts = (t.c.person, t.c.role, t.c.action, t.c.about_kind, t.c.about, t.c.reason, t.c.previous, t.c.hash)
        return select(t.c.number, at.label("at"), details.label("details"), *texts).order_by(t.c.number)


def _said(row: Row[Any]) -> dict[str, Any] | None:
    """What the entry says, as it went into its hash; None when that is nothing that the receiver writes."""
    texts = {name: getattr(row, name) for name in ("person", "role", "action", "about_kind", "about", "reason")}
    texts |= {"at": row.at, "details": row.details}
    if not all(value is None or isinstance(value, str) for value in texts.values()):
        return None
    try:
        details = json.loads(row.details or "")
    except ValueError:
        return None
    if not isinstance(details, dict) or json.dumps(details, sort_keys=True) != row.details or row.at is None:
        return None
    return texts | {"at": row.at.replace(" ", "T", 1) + "Z", "details": details}


def _missing(first: int, last: int) -> str:
    return f"Entry {first} is missing." if first == last else f"Entries {first} to {last} are missing."
