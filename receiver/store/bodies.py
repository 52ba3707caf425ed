"""Stored bytes, for whoever has to look into them and take something out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select, update

from .lookup import among
from .pushes import BodyState
from .store import Store
from .tables import Tables

_PUSHES = 200


@dataclass(frozen=True)
class StoredBody:
    """A push whose bytes are kept. ``erased`` are the positions of its records that were, or are to be, erased."""

    push_id: str
    source: str
    erased: frozenset[int]


class Bodies:
    """Every push whose bytes are kept, of one ``source`` or of all; ``doomed`` are notifications to be erased."""

    def __init__(self, store: Store, source: str | None, doomed: Iterable[str] = ()) -> None:
        self._store, self._tables, self._source = store, store.tables, source
        self._doomed = sorted(doomed)

    def slices(self) -> Iterator[list[StoredBody]]:
        """Some at a time, in order of arrival. Raises StoreError."""
        p, b = self._tables.pushes, self._tables.bodies
        doomed = self._positions_of_doomed()
        last = ""
        while True:
            query = select(p.c.id, p.c.source).join(b, b.c.push_id == p.c.id).where(b.c.push_id > last)
            if self._source is not None:
                query = query.where(p.c.source == self._source)
            with self._store.reading() as connection:
                rows = connection.execute(query.order_by(b.c.push_id).limit(_PUSHES)).all()
                erased = _erased_positions(connection, self._tables, [r.id for r in rows])
            yield [StoredBody(r.id, r.source, frozenset(erased[r.id] | doomed[r.id])) for r in rows]
            if len(rows) < _PUSHES:
                return
            last = rows[-1].id

    def _positions_of_doomed(self) -> dict[str, set[int]]:
        n = self._tables.notifications
        found: dict[str, set[int]] = defaultdict(set)
        for start in range(0, len(self._doomed), 500):
            part = self._doomed[start : start + 500]
            with self._store.reading() as connection:
                _collect(connection, self._tables, among(connection, n.c.id, part), found)
        return found

    def read(self, push_id: str) -> bytes | None:
        """The bytes of one push; None when they have gone meanwhile."""
        b = self._tables.bodies
        with self._store.reading() as connection:
            found = connection.scalar(select(b.c.body).where(b.c.push_id == push_id))
        return bytes(found) if found is not None else None

    def write(self, push_id: str, body: bytes | None) -> None:
        """Put ``body`` in the place of a push's bytes, or None: nothing. The push's row says so."""
        p, b = self._tables.pushes, self._tables.bodies
        state = BodyState.ERASED if body is None else BodyState.REDACTED
        with self._store.transaction() as connection:
            if body is None:
                connection.execute(delete(b).where(b.c.push_id == push_id))
            else:
                connection.execute(update(b).where(b.c.push_id == push_id).values(body=body))
            connection.execute(update(p).where(p.c.id == push_id).values(body_state=state))


def _collect(connection: Connection, tables: Tables, which: ColumnElement[bool], found: dict[str, set[int]]) -> None:
    n, r = tables.notifications, tables.repeats
    for query in (
        select(n.c.push_id, n.c.position).where(which),
        select(r.c.push_id, r.c.position).join(n, n.c.id == r.c.notification_id).where(which),
    ):
        for row in connection.execute(query):
            found[row.push_id].add(row.position)


def _erased_positions(connection: Connection, tables: Tables, ids: Sequence[str]) -> dict[str, set[int]]:
    """Of those pushes, the positions of records whose notification holds nothing any more."""
    n, r = tables.notifications, tables.repeats
    found: dict[str, set[int]] = defaultdict(set)
    brought = select(n.c.push_id, n.c.position, n.c["values"]).where(
        among(connection, n.c.push_id, ids), n.c.erased_at.is_not(None)
    )
    repeated = (
        select(r.c.push_id, r.c.position, n.c["values"])
        .join(n, n.c.id == r.c.notification_id)
        .where(among(connection, r.c.push_id, ids), n.c.erased_at.is_not(None))
    )
    for query in (brought, repeated):
        for push_id, position, values in connection.execute(query):
            if not values:
                found[push_id].add(position)
    return found
