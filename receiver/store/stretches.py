"""Stretches of keys: what is too much for one transaction, cut into parts that are read and written by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import ColumnElement, Table, and_, func, select, union_all

from .store import Store
from .tables import Tables


class Entity(StrEnum):
    """What has a current state, as the change feed calls it."""

    BOOKING = "booking"
    UNAVAILABILITY = "unavailability"


# The column that has the key, in every table that tells of such a thing.
KEYS = {Entity.BOOKING: "booking_id", Entity.UNAVAILABILITY: "resource_id"}


@dataclass(frozen=True)
class Stretch:
    """A source's bookings, or its unavailabilities by resource: keys above ``after`` up to and with ``upto``.

    None is no bound. Which of two keys is the greater one, the database alone says. ``only``: no others than these.
    """

    entity: Entity
    source: str
    after: str | None = None
    upto: str | None = None
    only: tuple[str, ...] | None = None


def state_of(tables: Tables, entity: Entity) -> Table:
    """The table that has a row for each."""
    return tables.bookings if entity is Entity.BOOKING else tables.unavailabilities


def within(table: Table, stretch: Stretch) -> ColumnElement[bool]:
    """Whether a row of a table that has such keys lies in the stretch."""
    key, found = table.c[KEYS[stretch.entity]], [table.c.source == stretch.source]
    if stretch.after is not None:
        found.append(key > stretch.after)
    found.append(key <= stretch.upto if stretch.upto is not None else key.is_not(None))
    if stretch.only is not None:
        found.append(key.in_(stretch.only))
    return and_(*found)


class Stretches:
    """Cuts what is stored into stretches of about ``rows`` notifications each."""

    def __init__(self, store: Store, rows: int) -> None:
        self._store, self._tables, self._rows = store, store.tables, rows

    def sources(self) -> list[str]:
        """Every source of which anything is stored."""
        t = self._tables
        found = union_all(*(select(x.c.source).distinct() for x in (t.notifications, t.bookings, t.unavailabilities)))
        with self._store.reading() as connection:
            return sorted(set(connection.scalars(found)))

    def of(self, whole: Stretch) -> Iterator[Stretch]:
        """The parts of a stretch, in order, with nothing left out. Each is looked for when it is asked for."""
        left = whole
        while (end := self._end(left)) is not None:
            yield replace(left, upto=end)
            left = replace(left, after=end)
        yield left

    def _end(self, left: Stretch) -> str | None:
        """The key ``rows`` further on, whether states or notifications of it; None when less than that is left."""
        ends = []
        for table in (self._tables.notifications, state_of(self._tables, left.entity)):
            key = table.c[KEYS[left.entity]]
            end = select(key.label("key")).where(within(table, left)).order_by(key).offset(self._rows - 1).limit(1)
            ends.append(select(end.subquery().c.key))
        with self._store.reading() as connection:
            found: str | None = connection.scalar(select(func.min(union_all(*ends).subquery().c.key)))
        return found
