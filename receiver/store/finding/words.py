"""Words of records: PostgreSQL looks them up in an index of its own, which is made a little after the records.

SQLite has none and reads the records; there a word may stand inside a longer one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy import Text as SqlText
from sqlalchemy.dialects.postgresql import TSQUERY, array

from ..figures import marks
from ..lookup import among
from ..store import Store
from ..tables import Tables

MARK = "words"
# A transaction may commit records whose ids are as much older than others' that are there already.
_LATEST = timedelta(minutes=15)
_BATCH = 1000
# Words that so many records have are met soon by going through the records.
_MANY = 20_000
_LONGEST = 200_000  # characters of a record; PostgreSQL takes a megabyte of words
_SIMPLE: ColumnElement[Any] = literal_column("'simple'::regconfig")
_STRINGS: ColumnElement[Any] = literal_column("'[\"string\"]'::jsonb")
# What every record has beside its words; no word of a text begins so.
_KIND, _SOURCE = "@k:", "@s:"
_NAME = re.compile(r"[\w-]+", re.ASCII)
_GUESS = "EXPLAIN (FORMAT JSON) SELECT FROM record_words WHERE words @@ CAST(:wanted AS tsquery)"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('receiver words'))"


class Words:
    """Words that must all be in a record that a push of that kind (None: any) from one of those sources brought."""

    def __init__(
        self, connection: Connection, tables: Tables, words: str, kind: str | None, sources: Sequence[str]
    ) -> None:
        self._tables, self._words = tables, words
        self.have_index = connection.dialect.name == "postgresql"
        self._wanted = _tsquery(connection, words, kind, sources) if self.have_index else ""
        self.are_common = self.have_index and self._guessed(connection) > _MANY

    def _guessed(self, connection: Connection) -> int:
        """As many records as PostgreSQL expects, by its statistics of words."""
        found = connection.scalar(text(_GUESS), {"wanted": self._wanted})
        plan = found if isinstance(found, list) else orjson.loads(str(found))
        return int(plan[0]["Plan"]["Plan Rows"])

    def entries(self, sources: Sequence[str]) -> Select[Any]:
        """Notification, push and arrival of records of those sources that have the words, in no order."""
        w = self._tables.figures.record_words
        return select(*self._columns).where(self._has(w), w.c.source.in_(sources))

    def near(
        self, source: str, beyond: Sequence[ColumnElement[bool]], order: Sequence[ColumnElement[Any]], look_at: int
    ) -> Select[Any]:
        """The same of one source, of the next ``look_at`` records in ``order``."""
        w = self._tables.figures.record_words
        its = select(*self._columns, w.c.words).where(w.c.source == source, *beyond).order_by(*order).limit(look_at)
        near = its.subquery("near")
        return select(near).where(self._has(near))

    def are_all_near(
        self, connection: Connection, source: str, beyond: Sequence[ColumnElement[bool]], look_at: int
    ) -> bool:
        """Whether a look at so many records of the source is one at all of them."""
        w = self._tables.figures.record_words
        query = select(w.c.source).where(w.c.source == source, *beyond).offset(look_at).limit(1)
        return connection.scalar(query) is None

    @property
    def _columns(self) -> tuple[ColumnElement[Any], ...]:
        w = self._tables.figures.record_words
        return w.c.notification_id, w.c.push_id, w.c.received_at

    def _has(self, of: FromClause) -> ColumnElement[bool]:
        return of.c.words.op("@@")(cast(literal(self._wanted, SqlText), TSQUERY))

    def in_record(self) -> ColumnElement[bool]:
        """Whether a notification's record has them; on PostgreSQL, as far as it is in the index."""
        n, w = self._tables.notifications, self._tables.figures.record_words
        if self.have_index:
            its = select(w.c.push_id).where(w.c.notification_id == n.c.id, self._has(w))
            return its.limit(1).scalar_subquery().is_not(None)
        words = self._words.split()
        if not words:
            return false()
        return and_(*(_is_in(n.c["values"], word) for word in words))


def _tsquery(connection: Connection, words: str, kind: str | None, sources: Sequence[str]) -> str:
    """The words as PostgreSQL has them, and the marks of the kind, and of the source where it is one; "" of no word."""
    query = select(cast(func.plainto_tsquery(_SIMPLE, literal(words, SqlText)), SqlText))
    wanted = str(connection.scalar(query) or "")
    marks_ = [f"'{_KIND}{kind}'"] if kind is not None else []
    if len(sources) == 1 and _NAME.fullmatch(sources[0]):
        marks_.append(f"'{_SOURCE}{sources[0]}'")
    return " & ".join([wanted, *marks_]) if wanted else ""


def _is_in(values: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    tree = func.json_tree(values).table_valued("type", "atom")
    said = func.lower(tree.c.atom).contains(word.lower(), autoescape=True)
    return exists(select(literal_column("1")).select_from(tree).where(tree.c.type == "text", said))


def _vector(tables: Tables) -> ColumnElement[Any]:
    """The words of a record's values; of a very long one those of its beginning, names of fields among them."""
    values = tables.notifications.c["values"]
    whole = cast(values, SqlText)
    beginning = func.to_tsvector(_SIMPLE, func.left(whole, _LONGEST))
    return case((func.length(whole) <= _LONGEST, func.json_to_tsvector(_SIMPLE, values, _STRINGS)), else_=beginning)


def _marks(tables: Tables) -> ColumnElement[Any]:
    n, p = tables.notifications, tables.pushes
    kind = literal_column(f"'{_KIND}'").op("||")(func.coalesce(p.c.kind, ""))
    return func.array_to_tsvector(array([kind, literal_column(f"'{_SOURCE}'").op("||")(n.c.source)]))


def index_words(store: Store, now: datetime, most: int) -> int:
    """Take the words of at most about ``most`` records that came since the last time (``now`` UTC) into the index.

    Gives how many were looked at, 0 when there is nothing left. Raises StoreError. What was erased stays out.
    """
    if store.engine.dialect.name != "postgresql":
        return 0
    looked = 0
    while looked < most:
        count = _index_batch(store, now)
        looked += count
        if count < _BATCH:
            break
    return looked


def _index_batch(store: Store, now: datetime) -> int:
    t, n, p, w = store.tables, store.tables.notifications, store.tables.pushes, store.tables.figures.record_words
    with store.transaction() as connection:
        connection.execute(text(_ONE_AT_A_TIME))
        mark = marks.read(connection, t, MARK)
        begin = str(mark.value) if mark is not None else ""
        ids = list(connection.scalars(select(n.c.id).where(n.c.id > begin).order_by(n.c.id).limit(_BATCH)))
        if ids:
            known = select(w.c.notification_id).where(w.c.notification_id == n.c.id).exists()
            rows = select(n.c.id, n.c.push_id, n.c.source, n.c.received_at, func.strip(_vector(t)).op("||")(_marks(t)))
            rows = rows.join(p, p.c.id == n.c.push_id).where(
                among(connection, n.c.id, ids), n.c.erased_at.is_(None), ~known
            )
            columns = ["notification_id", "push_id", "source", "received_at", "words"]
            connection.execute(insert(w).from_select(columns, rows))
        if len(ids) == _BATCH:
            marks.write(connection, t, MARK, now, ids[-1])
        else:
            # Next time those are looked at once more that may have been on their way.
            marks.write(connection, t, MARK, now, id_from(now - _LATEST))
    return len(ids)


def id_from(moment: datetime) -> str:
    """What ids of that moment (UTC) and later are not less than: they begin with the milliseconds since 1970."""
    digits = f"{max(0, int(moment.timestamp() * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def forget_those(connection: Connection, tables: Tables, which: ColumnElement[bool]) -> None:
    """The same for those for which the condition holds; before they are changed."""
    if connection.dialect.name != "postgresql":
        return
    n, w = tables.notifications, tables.figures.record_words
    connection.execute(text(_ONE_AT_A_TIME))
    connection.execute(delete(w).where(w.c.notification_id.in_(select(n.c.id).where(which))))


def forget(connection: Connection, tables: Tables, ids: Sequence[str]) -> None:
    """Take the words of those notifications out of the index, whoever may be putting them in."""
    if connection.dialect.name != "postgresql" or not ids:
        return
    w = tables.figures.record_words
    # Who puts words in has read the records before: it is waited for.
    connection.execute(text(_ONE_AT_A_TIME))
    connection.execute(delete(w).where(among(connection, w.c.notification_id, ids)))
