"""What one text in a search box means: a booking, an order, a resource or a push, whichever there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, literal_column, or_, select, union

from ..figures.tables import ORDER_NUMBERS, WAITS_OR_DISCARDED
from ..tables import Tables
from .criteria import any_of, known_sources
from .shaped import shaped

_MOST = 50


@dataclass(frozen=True)
class FoundSubject:
    """What there is of the text: source and id of bookings and of resources, ids of pushes, and the number itself where
    it is an order's."""

    bookings: tuple[tuple[str, str], ...] = ()
    orders: tuple[str, ...] = ()
    resources: tuple[tuple[str, str], ...] = ()
    pushes: tuple[str, ...] = ()


def find_subject(connection: Connection, tables: Tables, sources: Sequence[str] | None, wanted: str) -> FoundSubject:
    """What there is of ``wanted`` in those sources (None: all); of each kind 50 at most. Spaces around it are nothing.

    Order numbers are those of current state, and of records that are held or discarded.
    """
    wanted = wanted.strip()
    if not wanted:
        return FoundSubject()
    names = tuple(sources) if sources is not None else known_sources(connection, tables)
    p = tables.pushes
    with shaped(connection):
        return FoundSubject(
            bookings=_pairs(connection, _bookings(tables, names, wanted)),
            orders=(wanted,) if _is_order(connection, tables, names, wanted) else (),
            resources=_pairs(connection, _resources(tables, names, wanted)),
            pushes=tuple(connection.scalars(select(p.c.id).where(p.c.id == wanted.lower(), p.c.source.in_(names)))),
        )


def _pairs(connection: Connection, queries: list[Select[Any]]) -> tuple[tuple[str, str], ...]:
    """Each of the queries reads as much as is shown at most."""
    parts = [select(query.limit(_MOST).subquery()) for query in queries]
    rows = connection.execute(union(*parts).limit(_MOST))
    return tuple(sorted((row[0], row[1]) for row in rows))


def _bookings(tables: Tables, names: Sequence[str], wanted: str) -> list[Select[Any]]:
    """Bookings of which something was heard, also where all that was is held."""
    b, n = tables.bookings, tables.notifications
    heard = select(n.c.source, n.c.booking_id).where(n.c.source.in_(names), n.c.booking_id == wanted).distinct()
    return [select(b.c.source, b.c.booking_id).where(b.c.source.in_(names), b.c.booking_id == wanted), heard]


def _is_order(connection: Connection, tables: Tables, names: Sequence[str], wanted: str) -> bool:
    b, n = tables.bookings, tables.notifications
    numbers = (b.c.primary_order_number, b.c.secondary_order_number, b.c.tertiary_order_number)
    said = (n.c["values"].op("->>")(literal_column(f"'{name}'")) for name in ORDER_NUMBERS)
    booked = (any_of(select(b.c.booking_id).where(c == wanted, b.c.source.in_(names))) for c in numbers)
    waits: tuple[ColumnElement[bool], ...] = (literal_column(WAITS_OR_DISCARDED), n.c.source.in_(names))
    held = (any_of(select(n.c.id).where(c == wanted, *waits)) for c in said)
    return bool(connection.scalar(select(or_(*booked, *held))))


def _resources(tables: Tables, names: Sequence[str], wanted: str) -> list[Select[Any]]:
    u, n, r = tables.unavailabilities, tables.notifications, tables.resources
    return [
        select(u.c.source, u.c.resource_id).where(u.c.source.in_(names), u.c.resource_id == wanted).distinct(),
        select(n.c.source, n.c.resource_id).where(n.c.source.in_(names), n.c.resource_id == wanted).distinct(),
        select(r.c.source, r.c.resource_id).where(r.c.resource_id == wanted, r.c.source.in_(names)).distinct(),
    ]
