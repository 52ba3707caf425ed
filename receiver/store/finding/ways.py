"""How pushes are looked for: the shortest way there is to those that match, in the order of their arrival.

Every way is one or more branches. A branch reads an index from where the last page ended; what else is asked is looked
at row by row. What few records say (a booking's, an order's) is read whole and sorted; what many may say (that they are
held, a cause) is read in order. No branch reads a table, nor sorts more than a subject's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    literal,
    literal_column,
    select,
    tuple_,
    union,
    union_all,
)

from receiver.fields import Kind

from ..figures.tables import NOT_APPLIED, NOT_STORED
from ..notifications import NotificationStatus
from ..pushes import Outcome
from .criteria import Criteria, any_of
from .words import Words

Place = tuple[datetime, str]
_LOOKED_AT = 30_000  # records looked at for words that many have, before the index is asked for all
_FEW = 6_000  # pushes
Columns = Sequence[ColumnElement[Any]]


@dataclass(frozen=True)
class Keyset:
    """Where a page begins, ``place`` itself not included (None: at the end), and which way it goes."""

    place: Place | None
    newest_first: bool

    def beyond(self, at: Column[Any], key: Column[Any]) -> Iterator[ColumnElement[bool]]:
        """That a row lies beyond the place."""
        if self.place is not None:
            last = tuple_(*(literal(v, c.type) for v, c in zip(self.place, (at, key), strict=True)))
            row = tuple_(at, key)
            yield row < last if self.newest_first else row > last

    def order(self, *columns: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
        """The order of a page."""
        return tuple(c.desc() if self.newest_first else c.asc() for c in columns)

    def page(
        self, query: Select[Any], at: ColumnElement[Any], key: ColumnElement[Any], most: int | None
    ) -> Select[Any]:
        """The query in order, up to ``most`` rows."""
        return query.order_by(*self.order(at, key)).limit(most) if most is not None else query

    def as_far_as(self, last: datetime | None) -> tuple[datetime | None, datetime | None]:
        """The first and the last moment of a page that ends at ``last`` (None: nowhere)."""
        begin = self.place[0] if self.place is not None else None
        return (last, begin) if self.newest_first else (begin, last)


# Pushes beyond a place, and as many as are given in order, or all of them (None) in no order.
Branch = Callable[[Columns, Keyset, int | None], Select[Any]]


class Ways(Criteria):
    """The branches that lead to a filter's pushes. ``everywhere``: common words are looked for in all of the index."""

    everywhere = False

    def branches(self) -> list[Branch]:
        """All of them; a push may come by more than one where records are asked for."""
        f = self._filter
        if not self.sources:
            return []
        few = self._few() if f.push_id is None else None
        if few is not None:
            found = [self._of_few(few)]
        elif f.push_id is not None:
            found = [self._plain(self._of_records())]
        elif self.goes_by_words:
            found = self._by_words()
        elif f.cause is not None:
            found = [self._by_cause]
        elif f.status is not None and f.status is not NotificationStatus.APPLIED:
            found = [self._by_status(source) for source in self.sources]
        else:
            found = self._by_arrival(self._of_records())
        return found

    def repeats(
        self, connection: Connection, first: datetime | None = None, last: datetime | None = None
    ) -> Branch | None:
        """Pushes from ``first`` to ``last`` that repeat what the branches' pushes brought; None where those have them.

        Where few pushes came in that time each is looked at; where many did, few of them are wanted.
        """
        f, p, r = self._filter, self._tables.pushes, self._tables.repeats
        if self._brought_only or not self.sources or f.push_id is not None or self._is_by_few:
            return None
        if f.cause is not None:
            records = self._caused()
        elif f.status is not None and f.status is not NotificationStatus.APPLIED:
            records = self._of_status()
        else:
            return None
        then = [p.c.received_at >= first] if first is not None else []
        then += [p.c.received_at <= last] if last is not None else []
        its = records.subquery("its")
        if first is not None and self._are_few(connection, then):
            return self._plain([*then, self._repeated()])
        return self._plain([*then, p.c.id.in_(select(r.c.push_id).join(its, r.c.notification_id == its.c.id))])

    def _are_few(self, connection: Connection, then: Sequence[ColumnElement[bool]]) -> bool:
        p = self._tables.pushes
        return connection.scalar(select(p.c.id).where(*then).offset(_FEW).limit(1)) is None

    @property
    def goes_by_words(self) -> bool:
        """Whether words lead to the pushes: of common ones, only where nothing else leads to fewer."""
        f, words = self._filter, self.words
        if words is None or not words.have_index or f.push_id is not None or self._is_by_few:
            return False
        usual = f.outcome in (None, Outcome.STORED) and f.status in (None, NotificationStatus.APPLIED)
        return not words.are_common or (usual and f.cause is None)

    @property
    def _is_by_few(self) -> bool:
        f = self._filter
        return f.booking_id is not None or f.order is not None or f.resource is not None

    # Branches

    def _of_few(self, few: Select[Any] | CompoundSelect[Any]) -> Branch:
        r, p = self._tables.repeats, self._tables.pushes
        its = few.cte("few")
        ids: Any = select(its.c.push_id)
        if not self._brought_only:
            ids = union(ids, select(r.c.push_id).join(its, r.c.notification_id == its.c.id))
        return self._plain([p.c.id.in_(ids)])

    def _plain(self, asked: Sequence[ColumnElement[bool]]) -> Branch:
        p = self._tables.pushes

        def branch(columns: Columns, keyset: Keyset, most: int | None) -> Select[Any]:
            key = p.c.received_at, p.c.id
            return keyset.page(select(*columns).where(*self._of_push(), *asked, *keyset.beyond(*key)), *key, most)

        return branch

    def _by_arrival(self, asked: Sequence[ColumnElement[bool]]) -> list[Branch]:
        """Each source, kind and outcome has its stretch of an index; without any of them there is one of all pushes."""
        f, p = self._filter, self._tables.pushes
        if f.sources is None and f.kind is None and f.outcome in (None, Outcome.STORED):
            return [self._plain(asked)]
        kinds = [f.kind] if f.kind is not None else [*Kind, None]
        apart: list[ColumnElement[bool]] = (
            [literal_column(NOT_STORED)] if f.outcome not in (None, Outcome.STORED) else []
        )
        return [self._plain([p.c.source == s, p.c.kind == k, *apart, *asked]) for s, k in product(self.sources, kinds)]

    def _in_order(self, entries: Select[Any], at: Column[Any], push_id: Column[Any]) -> Branch:
        """Pushes as entries of another table name them, in their order; of one push there may be many."""

        def branch(columns: Columns, keyset: Keyset, most: int | None) -> Select[Any]:
            named = entries.where(*self._in_time(at), *keyset.beyond(at, push_id)).distinct()
            return self._named(columns, named.order_by(*keyset.order(at, push_id)), keyset, most)

        return branch

    def _named(self, columns: Columns, named: Select[Any], keyset: Keyset, most: int | None) -> Select[Any]:
        """The pushes that entries name, which come in order."""
        p, its = self._tables.pushes, named.subquery("named")
        query = select(*columns).join(its, p.c.id == its.c.push_id).where(*self._of_push())
        return keyset.page(query, its.c.received_at, its.c.push_id, most)

    def _by_cause(self, columns: Columns, keyset: Keyset, most: int | None) -> Select[Any]:
        x, n = self._tables.figures.cause_records, self._tables.notifications
        entries = select(x.c.received_at, x.c.push_id).where(x.c.cause_id == self._filter.cause)
        asked = list(self.of_record("cause"))
        if asked:
            entries = entries.where(any_of(select(n.c.id).where(n.c.id == x.c.notification_id, *asked)))
        return self._in_order(entries, x.c.received_at, x.c.push_id)(columns, keyset, most)

    def _by_status(self, source: str) -> Branch:
        n = self._tables.notifications
        entries = select(n.c.received_at, n.c.push_id).where(*self._of_status_alone(), n.c.source == source)
        return self._in_order(entries.where(*self.of_record()), n.c.received_at, n.c.push_id)

    def _by_words(self) -> list[Branch]:
        """Of common words those of each source that are near, unless they are to be looked for ``everywhere``."""
        if self.words is not None and self.words.are_common and not self.everywhere:
            return [self._by_near_words(self.words, source) for source in self.sources]
        return [self._by_rare_words(self.words)] if self.words is not None else []

    def _by_rare_words(self, words: Words) -> Branch:
        def branch(columns: Columns, keyset: Keyset, most: int | None) -> Select[Any]:
            found = words.entries(self.sources).where(*self._beyond_words(keyset)).cte("worded")
            return self._worded(columns, found.prefix_with("MATERIALIZED", dialect="postgresql"), keyset, most)

        return branch

    def _by_near_words(self, words: Words, source: str) -> Branch:
        def branch(columns: Columns, keyset: Keyset, most: int | None) -> Select[Any]:
            w = self._tables.figures.record_words
            order = keyset.order(w.c.received_at, w.c.push_id)
            found = words.near(source, self._beyond_words(keyset), order, self._look_at)
            return self._worded(columns, found.subquery("worded"), keyset, most)

        return branch

    def _beyond_words(self, keyset: Keyset) -> list[ColumnElement[bool]]:
        w = self._tables.figures.record_words
        return [*self._in_time(w.c.received_at), *keyset.beyond(w.c.received_at, w.c.push_id)]

    @property
    def _look_at(self) -> int:
        return max(_LOOKED_AT // len(self.sources), _LOOKED_AT // 10)

    def _worded(self, columns: Columns, its: FromClause, keyset: Keyset, most: int | None) -> Select[Any]:
        n, order = self._tables.notifications, keyset.order(its.c.received_at, its.c.push_id)
        asked = list(self.of_record("words"))
        # First in order, and then looked at until there are enough.
        each = select(its).order_by(*order).offset(0).subquery("each")
        pages = select(each.c.received_at, each.c.push_id).distinct()
        if asked:
            pages = pages.where(any_of(select(n.c.id).where(n.c.id == each.c.notification_id, *asked)))
        return self._named(columns, pages.order_by(*keyset.order(each.c.received_at, each.c.push_id)), keyset, most)

    def have_seen_all(self, connection: Connection, keyset: Keyset) -> bool:
        """Whether near words are all there are."""
        beyond, words = self._beyond_words(keyset), self.words
        return words is None or all(words.are_all_near(connection, s, beyond, self._look_at) for s in self.sources)

    def _of_status_alone(self) -> tuple[ColumnElement[bool], ...]:
        n = self._tables.notifications
        return n.c.status == self._filter.status, literal_column(NOT_APPLIED)

    def _of_status(self) -> Select[Any]:
        n = self._tables.notifications
        return select(n.c.id).where(*self._of_status_alone(), n.c.source.in_(self.sources), *self.of_record())

    def _caused(self) -> Select[Any]:
        x, n = self._tables.figures.cause_records, self._tables.notifications
        its = select(x.c.notification_id.label("id")).where(x.c.cause_id == self._filter.cause)
        asked = list(self.of_record("cause"))
        return its.where(any_of(select(n.c.id).where(n.c.id == x.c.notification_id, *asked))) if asked else its


def combined(queries: Sequence[Select[Any]], *, apart: bool) -> Any:
    """All of them as one; ``apart``: no row comes by more than one."""
    if len(queries) == 1:
        return queries[0].subquery("found")
    wrapped = [select(query.subquery()) for query in queries]
    return (union_all(*wrapped) if apart else union(*wrapped)).subquery("found")
