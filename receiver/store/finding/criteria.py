"""What a filter asks of a push and of a record, as conditions of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    union,
)

from ..figures.tables import ORDER_NUMBERS, WAITS_OR_DISCARDED
from ..tables import Tables
from .filter import Filter
from .words import Words


def known_sources(connection: Connection, tables: Tables) -> tuple[str, ...]:
    """The sources of all pushes, one look into an index for each."""
    p = tables.pushes
    first = select(func.min(p.c.source).label("source")).cte("known", recursive=True)
    following = select(func.min(p.c.source)).where(p.c.source > first.c.source).scalar_subquery()
    known = first.union_all(select(following).where(first.c.source.is_not(None)))
    return tuple(connection.scalars(select(known.c.source).where(known.c.source.is_not(None))))


def any_of(query: Select[Any]) -> ColumnElement[bool]:
    """EXISTS, asked of one row at a time: PostgreSQL would rather read a whole table once."""
    return query.limit(1).scalar_subquery().is_not(None)


def _words(connection: Connection, tables: Tables, f: Filter, sources: Sequence[str]) -> Words | None:
    return Words(connection, tables, f.words, f.kind, sources) if f.words is not None else None


class Criteria:
    """A filter's criteria. ``brought_only``: repeats of records that match do not count; those with words never do."""

    def __init__(self, connection: Connection, tables: Tables, filter_: Filter, *, brought_only: bool = False) -> None:
        self.tables = self._tables = tables
        self._filter, self._brought_only = filter_, brought_only or filter_.words is not None
        self.sources = filter_.sources if filter_.sources is not None else known_sources(connection, tables)
        self.words = _words(connection, tables, filter_, self.sources)

    # What is asked

    def _of_push(self) -> Iterator[ColumnElement[bool]]:
        """What is asked of a push itself."""
        f, p = self._filter, self._tables.pushes
        if f.sources is not None:
            yield p.c.source.in_(f.sources)
        if f.kind is not None:
            yield p.c.kind == f.kind
        if f.outcome is not None:
            yield p.c.outcome == f.outcome
        if f.push_id is not None:
            yield p.c.id == f.push_id
        yield from self._in_time(p.c.received_at)

    def _in_time(self, at: Column[Any]) -> Iterator[ColumnElement[bool]]:
        if self._filter.since is not None:
            yield at >= self._filter.since
        if self._filter.until is not None:
            yield at < self._filter.until

    def of_record(self, without: str = "") -> Iterator[ColumnElement[bool]]:
        """What is asked of a record; ``without`` is a criterion that it is known to meet."""
        f, n, x = self._filter, self._tables.notifications, self._tables.figures.cause_records
        if f.status is not None:
            yield n.c.status == f.status
        if f.booking_id is not None and without != "booking_id":
            yield n.c.booking_id == f.booking_id
        if f.order is not None and without != "order":
            yield self._is_of_order(f.order)
        if f.resource is not None and without != "resource":
            yield self._is_of_resource(f.resource)
        if f.cause is not None and without != "cause":
            yield any_of(select(x.c.push_id).where(x.c.cause_id == f.cause, x.c.notification_id == n.c.id))
        if self.words is not None and without != "words":
            yield self.words.in_record()

    def _is_of_order(self, number: str) -> ColumnElement[bool]:
        n, b = self._tables.notifications, self._tables.bookings
        its = (b.c.source == n.c.source, b.c.booking_id == n.c.booking_id)
        booked = select(b.c.booking_id).where(*its, or_(*(c == number for c in self._orders())))
        held = and_(literal_column(WAITS_OR_DISCARDED), or_(*(said == number for said in self._said_orders())))
        return or_(any_of(booked), held)

    def _is_of_resource(self, resource: str) -> ColumnElement[bool]:
        n, d, r = self._tables.notifications, self._tables.completions, self._tables.resources
        its = and_(r.c.source == d.c.source, r.c.booking_id == d.c.booking_id)
        done = select(d.c.booking_id).join(r, its).where(d.c.notification_id == n.c.id, r.c.resource_id == resource)
        return or_(n.c.resource_id == resource, any_of(done))

    def _orders(self) -> tuple[Column[Any], ...]:
        b = self._tables.bookings
        return b.c.primary_order_number, b.c.secondary_order_number, b.c.tertiary_order_number

    def _said_orders(self) -> Iterator[ColumnElement[Any]]:
        values = self._tables.notifications.c["values"]
        return (values.op("->>")(literal_column(f"'{name}'")) for name in ORDER_NUMBERS)

    def _of_records(self) -> list[ColumnElement[bool]]:
        """That some one record that the push brought or repeated meets all that is asked of records."""
        asked = list(self.of_record())
        n, p = self._tables.notifications, self._tables.pushes
        if not asked:
            return []
        brought = any_of(select(n.c.id).where(n.c.push_id == p.c.id, *asked))
        return [brought if self._brought_only else or_(brought, self._repeated(), *self._of_unread_cause())]

    def _repeated(self) -> ColumnElement[bool]:
        """That a push repeated such a record."""
        n, r, p = self._tables.notifications, self._tables.repeats, self._tables.pushes
        its = select(n.c.id).join(r, r.c.notification_id == n.c.id).where(r.c.push_id == p.c.id, *self.of_record())
        return any_of(its)

    def _of_unread_cause(self) -> list[ColumnElement[bool]]:
        """A push of which nothing was read has a cause itself."""
        x, p, f = self._tables.figures.cause_records, self._tables.pushes, self._filter
        if f.cause is None or f.by_record:
            return []
        return [any_of(select(x.c.push_id).where(x.c.cause_id == f.cause, x.c.push_id == p.c.id, x.c.position == 0))]

    # Few records

    def _few(self) -> Select[Any] | CompoundSelect[Any] | None:
        """Ids of records and of what brought them, where what is asked is said by few."""
        f, n = self._filter, self._tables.notifications
        found = select(n.c.id, n.c.push_id)
        if f.booking_id is not None:
            its = (n.c.source.in_(self.sources), n.c.booking_id == f.booking_id)
            return found.where(*its, *self.of_record("booking_id"))
        if f.order is not None:
            return union(*self._of_order(found, f.order))
        if f.resource is not None:
            return union(*self._of_resource(found, f.resource))
        return None

    def _of_order(self, found: Select[Any], number: str) -> Iterator[Select[Any]]:
        n, b = self._tables.notifications, self._tables.bookings
        rest = list(self.of_record("order"))
        for column in self._orders():
            its = and_(n.c.source == b.c.source, n.c.booking_id == b.c.booking_id)
            yield found.join(b, its).where(column == number, b.c.source.in_(self.sources), *rest)
        for said in self._said_orders():
            yield found.where(said == number, literal_column(WAITS_OR_DISCARDED), n.c.source.in_(self.sources), *rest)

    def _of_resource(self, found: Select[Any], resource: str) -> Iterator[Select[Any]]:
        n, d, r = self._tables.notifications, self._tables.completions, self._tables.resources
        rest = list(self.of_record("resource"))
        yield found.where(n.c.source.in_(self.sources), n.c.resource_id == resource, *rest)
        its = and_(d.c.source == r.c.source, d.c.booking_id == r.c.booking_id)
        done = found.join(d, d.c.notification_id == n.c.id).join(r, its)
        yield done.where(r.c.resource_id == resource, r.c.source.in_(self.sources), *rest)
