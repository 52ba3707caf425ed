"""Everything that a filter finds, row by row: read in short steps, so that no transaction lasts and little is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import orjson
from sqlalchemy import Connection, select

from ..lookup import among
from ..store import Store
from .filter import Filter
from .pushes import FoundPush, push_ids
from .records import FoundRecord, find_records
from .ways import Place

Row = Sequence[object]
Placed = tuple[Place, Row]
PUSH_COLUMNS = tuple(FoundPush.__dataclass_fields__)
RECORD_COLUMNS = tuple(FoundRecord.__dataclass_fields__)
_AT_ONCE = 500


def pushes(store: Store, filter_: Filter) -> Iterator[Row]:
    """The names of the columns, then a row for each push, the oldest first. Moments UTC. Raises StoreError.

    What comes or changes meanwhile may be there or not.
    """
    yield PUSH_COLUMNS
    yield from _walk(store, lambda connection, place: _pushes(connection, store, filter_, place))


def records(store: Store, filter_: Filter) -> Iterator[Row]:
    """The same for records that pushes brought; what has parts (values, warnings, problems) as JSON."""

    def page(connection: Connection, place: Place | None) -> list[Placed]:
        found = find_records(connection, store.tables, filter_, place, _AT_ONCE, newest_first=False)
        return [(record.place, tuple(_cell(getattr(record, name)) for name in RECORD_COLUMNS)) for record in found]

    yield RECORD_COLUMNS
    yield from _walk(store, page)


def _pushes(connection: Connection, store: Store, filter_: Filter, place: Place | None) -> list[Placed]:
    p = store.tables.pushes
    keys = push_ids(connection, store.tables, filter_, place, _AT_ONCE)
    query = select(*(p.c[name] for name in PUSH_COLUMNS)).where(among(connection, p.c.id, [key.id for key in keys]))
    rows = {row.id: row for row in connection.execute(query)}
    return [(key, tuple(rows[key.id]) if key.id in rows else ()) for key in keys]


def _walk(store: Store, page: Callable[[Connection, Place | None], list[Placed]]) -> Iterator[Row]:
    place: Place | None = None
    while True:
        with store.reading() as connection:
            found = page(connection, place)
        yield from (row for _, row in found if row)  # one that has gone meanwhile is none
        if len(found) < _AT_ONCE:
            return
        place = found[-1][0]


def _cell(value: object) -> object:
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else value
