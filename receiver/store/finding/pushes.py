"""Finding pushes by a filter: pages in the order of their arrival, ids for work on many, and how many there are.

On both databases; each page goes on where the last ended (by arrival, then id), however deep. Reading a page is one or
two statements that read indexes in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from receiver.fields import Kind

from ..pushes import Outcome
from ..tables import Tables
from .filter import Filter
from .shaped import shaped
from .subject import FoundSubject, find_subject
from .ways import Keyset, Place, Ways, combined

__all__ = [
    "MOST_COUNTED",
    "Count",
    "FoundPush",
    "FoundSubject",
    "Place",
    "PushKey",
    "brought",
    "count",
    "find_pushes",
    "find_subject",
    "push_ids",
]

MOST_COUNTED = 10_000


@dataclass(frozen=True)
class FoundPush:
    """A push as lists show it. ``received_at`` UTC; ``kind`` None where it is not known; ``reason`` a code.

    ``taken_microseconds``: from its arrival until it was about to be stored; None where it was not measured.
    """

    id: str
    source: str
    received_at: datetime
    kind: Kind | None
    outcome: Outcome
    records: int
    held: int
    reply_status: int
    size_bytes: int
    reason: str | None
    sender: str | None
    taken_microseconds: int | None

    @property
    def place(self) -> Place:
        """Where it stands among others: what a page before or after it is asked by."""
        return self.received_at, self.id


class PushKey(NamedTuple):
    """When a push came (UTC), and its id: the order of all walks through pushes."""

    received_at: datetime
    id: str


class Count(NamedTuple):
    """How many there are; when not ``is_exact``, at least so many."""

    number: int
    is_exact: bool


def find_pushes(
    connection: Connection,
    tables: Tables,
    filter_: Filter,
    before: Place | None = None,
    limit: int = 50,
    *,
    after: Place | None = None,
) -> list[FoundPush]:
    """A page of the pushes that match, the newest first: those before a place, or next to it on its newer side.

    A push matches what is asked of records when it brought such a record or repeated it; words, only when it brought
    it. Raises SQLAlchemy's errors.
    """
    p = tables.pushes
    columns = [p.c[name] for name in FoundPush.__dataclass_fields__]
    keyset = Keyset(after, newest_first=False) if after is not None else Keyset(before, newest_first=True)
    found = [_push(row) for row in _page(connection, Ways(connection, tables, filter_), columns, keyset, limit)]
    return found[::-1] if after is not None else found


def brought(
    connection: Connection, tables: Tables, filter_: Filter, place: Place | None, *, newest_first: bool, limit: int
) -> list[PushKey]:
    """The pushes that brought what is asked of records themselves, as a page of keys."""
    ways = Ways(connection, tables, filter_, brought_only=True)
    return _keys(connection, tables, ways, Keyset(place, newest_first), limit)


def push_ids(
    connection: Connection, tables: Tables, filter_: Filter, after: Place | None = None, limit: int = 500
) -> list[PushKey]:
    """Keys of the next pushes that match, the oldest first, after a place: for work that goes through all of them."""
    return _keys(connection, tables, Ways(connection, tables, filter_), Keyset(after, newest_first=False), limit)


def count(connection: Connection, tables: Tables, filter_: Filter, most: int = MOST_COUNTED) -> Count:
    """How many pushes match; counting ends at ``most``."""
    p, ways = tables.pushes, Ways(connection, tables, filter_)
    branches = ways.branches()
    if not branches:
        return Count(0, is_exact=True)
    everything = Keyset(None, newest_first=True)
    with shaped(connection):
        repeats = ways.repeats(connection)
        queries = [branch([p.c.id], everything, None) for branch in [*branches, *([repeats] if repeats else [])]]
        some = select(combined(queries, apart=repeats is None).c.id).limit(most + 1).subquery("some")
        number = connection.scalar(select(func.count()).select_from(some)) or 0
        common = ways.goes_by_words and ways.words is not None and ways.words.are_common
        looked_at_all = not common or ways.have_seen_all(connection, everything)
    return Count(min(number, most), is_exact=number <= most and looked_at_all)


def _page(
    connection: Connection, ways: Ways, columns: Sequence[ColumnElement[Any]], keyset: Keyset, limit: int
) -> Sequence[Row[Any]]:
    branches = ways.branches()
    if not branches:
        return []
    with shaped(connection):
        rows = _rows(connection, ways, columns, keyset, limit)
        common = ways.goes_by_words and ways.words is not None and ways.words.are_common
        if len(rows) < limit and common and not ways.have_seen_all(connection, keyset):
            # Common, and yet not near: the index has them all.
            ways.everywhere = True
            rows = _rows(connection, ways, columns, keyset, limit)
    return rows


def _rows(
    connection: Connection, ways: Ways, columns: Sequence[ColumnElement[Any]], keyset: Keyset, limit: int
) -> Sequence[Row[Any]]:
    rows = _one_page(connection, [branch(columns, keyset, limit) for branch in ways.branches()], keyset, limit)
    repeats = ways.repeats(connection, *keyset.as_far_as(rows[-1].received_at if len(rows) == limit else None))
    if repeats is None:
        return rows
    # Of what was repeated only that needs a look which came as late as the page does.
    also = _one_page(connection, [repeats(columns, keyset, limit)], keyset, limit)
    every = {row.id: row for row in (*rows, *also)}.values()
    in_order = sorted(every, key=lambda row: (row.received_at, row.id), reverse=keyset.newest_first)
    return in_order[:limit]


def _one_page(connection: Connection, pages: list[Select[Any]], keyset: Keyset, limit: int) -> Sequence[Row[Any]]:
    if len(pages) == 1:
        return connection.execute(pages[0]).all()
    found = combined(pages, apart=True)
    order = keyset.order(found.c.received_at, found.c.id)
    return connection.execute(select(found).order_by(*order).limit(limit)).all()


def _keys(connection: Connection, tables: Tables, ways: Ways, keyset: Keyset, limit: int) -> list[PushKey]:
    p = tables.pushes
    rows = _page(connection, ways, [p.c.received_at, p.c.id], keyset, limit)
    return [PushKey(row.received_at, row.id) for row in rows]


def _push(row: Row[Any]) -> FoundPush:
    values = row._asdict()
    kind = Kind(row.kind) if row.kind else None
    return FoundPush(**{**values, "kind": kind, "outcome": Outcome(row.outcome)})
