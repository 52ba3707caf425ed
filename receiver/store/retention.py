"""What is kept how long: old bytes, then old rows, erased in short transactions that no push waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from receiver.errors import StoreConflict

from . import expiry
from .store import Store

_RACES = 5
# Erasing overwrites: the bytes of a slice are bounded as well as its rows.
_MOST_BYTES = 16 * 1024 * 1024

Keys = Sequence[Row[Any]]


@dataclass(frozen=True)
class Keep:
    """How long each is kept since it arrived; None is for ever.

    ``bodies``: the bytes of pushes; ``held``: those of pushes that hold something for a person, or of which nothing
    was read; ``rows``: everything else of a push; ``trail``: proofs of erasure.
    """

    bodies: timedelta | None
    held: timedelta | None
    rows: timedelta | None
    trail: timedelta | None

    @classmethod
    def of_days(cls, bodies: int, held: int, rows: int, trail: int) -> Keep:
        """From days, where 0 is for ever."""
        return cls(*(timedelta(days=n) if n else None for n in (bodies, held, rows, trail)))


@dataclass(frozen=True)
class Expired:
    """How many of each were erased: bytes of pushes, and rows."""

    bodies: int = 0
    bookings: int = 0
    unavailabilities: int = 0
    notifications: int = 0
    changes: int = 0
    pushes: int = 0
    proofs: int = 0

    def __add__(self, other: Expired) -> Expired:
        return Expired(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True)
class _Step:
    """One kind of thing: ``query`` gives the keys of what is over, ``order`` their order, ``erase`` does it."""

    query: Select[Any]
    order: tuple[Any, ...]
    erase: Callable[[Connection, Keys], Expired]
    rows: int

    def after(self, last: Row[Any] | None) -> Select[Any]:
        """The next keys after ``last``; what could not be erased is left for another day."""
        query = self.query.order_by(*self.order).limit(self.rows)
        if last is None:
            return query
        values = [last._mapping[column] for column in self.order]
        later = [
            and_(*(c == v for c, v in zip(self.order[:n], values[:n], strict=True)), self.order[n] > values[n])
            for n in range(len(self.order))
        ]
        return query.where(or_(*later))


class Retention:
    """Erases what has been kept as long as ``keep`` says, at the moment ``now`` (UTC)."""

    def __init__(self, store: Store, keep: Keep, now: datetime) -> None:
        self._store, self._tables, self._keep, self._now = store, store.tables, keep, now

    def slices(self) -> Iterator[Expired]:
        """Do the work: each step of the iteration is one short transaction. Raises StoreError.

        What to erase is chosen before its transaction begins, and looked at again in it, so that no push waits while
        much is searched; rows that a push is working on are left for another day.
        """
        for step in self._steps():
            last: Row[Any] | None = None
            while keys := self._choose(step.after(last)):
                taken = _bounded(keys)
                yield self._erase(step, taken)
                last = taken[-1]

    def preview(self) -> Expired:
        """How many there are now, by kind. Deliveries are at most as many: some may still be referred to."""
        counts = {}
        with self._store.reading() as connection:
            for name, step in zip(self._names(), self._steps(), strict=True):
                counts[name] = int(connection.scalar(select(func.count()).select_from(step.query.subquery())) or 0)
        return Expired(**counts)

    def _names(self) -> list[str]:
        names = ["bodies"] if self._keep.bodies else []
        names += ["bookings", "unavailabilities", "pushes"] if self._keep.rows else []
        return [*names, "proofs"] if self._keep.trail else names

    def _steps(self) -> list[_Step]:
        t, keep, steps = self._tables, self._keep, []
        p, b, u = t.pushes, t.bookings, t.unavailabilities
        if keep.bodies:
            query = expiry.bodies(t, self._now - keep.bodies, self._now - keep.held if keep.held else None)
            steps.append(_Step(query, (p.c.received_at, p.c.id), self._bodies, 500))
        if keep.rows:
            before = self._now - keep.rows
            heard = (b.c.last_received_at, b.c.source, b.c.booking_id)
            steps.append(_Step(expiry.bookings(t, before), heard, self._bookings, 100))
            key = (u.c.source, u.c.resource_id, u.c.period_start, u.c.period_end)
            steps.append(_Step(expiry.unavailabilities(t, before), key, self._unavailabilities, 200))
            steps.append(_Step(expiry.deliveries(t, before), (p.c.received_at, p.c.id), self._deliveries, 500))
        if keep.trail:
            query = select(t.erasures.c.id).where(t.erasures.c.erased_at < self._now - keep.trail)
            steps.append(_Step(query, (t.erasures.c.id,), self._proofs, 500))
        return steps

    def _choose(self, query: Select[Any]) -> Keys:
        with self._store.reading() as connection:
            return connection.execute(query).all()

    def _erase(self, step: _Step, keys: Keys) -> Expired:
        for _ in range(_RACES):
            try:
                with self._store.transaction() as connection:
                    return step.erase(connection, keys)
            except StoreConflict:
                continue
        return Expired()

    def _bodies(self, connection: Connection, keys: Keys) -> Expired:
        return Expired(bodies=expiry.erase_bodies(connection, self._tables, [k.id for k in keys]))

    def _bookings(self, connection: Connection, keys: Keys) -> Expired:
        assert self._keep.rows is not None  # noqa: S101 - the step is only there when it is set
        before, total = self._now - self._keep.rows, Expired()
        for source in sorted({k.source for k in keys}):
            ids = [k.booking_id for k in keys if k.source == source]
            still = expiry.bookings(self._tables, before).where(
                self._tables.bookings.c.source == source, self._tables.bookings.c.booking_id.in_(ids)
            )
            of = self._tables.bookings
            found = connection.execute(still.with_for_update(of=of, skip_locked=True)).all()
            total += Expired(**expiry.erase_bookings(connection, self._tables, source, [r.booking_id for r in found]))
        return total

    def _unavailabilities(self, connection: Connection, keys: Keys) -> Expired:
        assert self._keep.rows is not None  # noqa: S101 - the step is only there when it is set
        before, total = self._now - self._keep.rows, Expired()
        for key in keys:
            total += Expired(**expiry.erase_unavailability(connection, self._tables, key, before))
        return total

    def _deliveries(self, connection: Connection, keys: Keys) -> Expired:
        assert self._keep.rows is not None  # noqa: S101 - the step is only there when it is set
        ids = [k.id for k in keys]
        return Expired(**expiry.erase_deliveries(connection, self._tables, ids, self._now - self._keep.rows))

    def _proofs(self, connection: Connection, keys: Keys) -> Expired:
        e = self._tables.erasures
        return Expired(proofs=connection.execute(e.delete().where(e.c.id.in_([k.id for k in keys]))).rowcount)


def _bounded(keys: Keys) -> Keys:
    """As many as hold 16 MiB together, and one at least, where the keys say a size."""
    if not hasattr(keys[0], "size_bytes"):
        return keys
    total = 0
    for number, key in enumerate(keys):
        total += key.size_bytes
        if total > _MOST_BYTES:
            return keys[: max(1, number)]
    return keys
