"""Rows put together into requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from receiver.fields import Kind

from .activity import ActivityRow
from .dialect import Dialect


@dataclass(frozen=True)
class Request:
    """Rows of one kind, in order, that go out together in one dialect."""

    kind: Kind
    dialect: Dialect
    rows: tuple[ActivityRow, ...]


class _Open:
    """A request that still has room. ``number`` says which was begun first."""

    def __init__(self, number: int, dialect: Dialect) -> None:
        self.number, self.dialect = number, dialect
        self.rows: list[ActivityRow] = []


class Batching:
    """Puts rows of one kind together, up to the dialect's batch; dialects take turns for each kind.

    The rows of one booking never change places: where no changedDate tells a receiver the order, arrival does.
    """

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = dialects
        self._turns: dict[Kind, int] = {}

    def requests(self, rows: Sequence[ActivityRow]) -> Iterator[Request]:
        """The rows as requests, every row in one of them."""
        opened: dict[Kind, _Open] = {}
        where: dict[str, Kind] = {}
        numbers = count()
        for row in rows:
            if where.get(row.subject, row.kind) is not row.kind:
                yield from _in_order(opened)
                opened.clear()
                where.clear()
            if row.kind not in opened:
                opened[row.kind] = _Open(next(numbers), self._next(row.kind))
            batch = opened[row.kind]
            batch.rows.append(row)
            where[row.subject] = row.kind
            if len(batch.rows) >= batch.dialect.batch:
                yield _closed(row.kind, opened.pop(row.kind))
                where = {subject: kind for subject, kind in where.items() if kind is not row.kind}
        yield from _in_order(opened)

    def _next(self, kind: Kind) -> Dialect:
        turn = self._turns.get(kind, 0)
        self._turns[kind] = turn + 1
        return self._dialects[turn % len(self._dialects)]


def _closed(kind: Kind, batch: _Open) -> Request:
    return Request(kind, batch.dialect, tuple(batch.rows))


def _in_order(opened: dict[Kind, _Open]) -> Iterator[Request]:
    for kind, batch in sorted(opened.items(), key=lambda item: item[1].number):
        yield _closed(kind, batch)
