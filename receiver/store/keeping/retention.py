"""What is kept how long: old bytes, then old rows, erased in short transactions that no push waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from receiver.errors import StoreConflict

from ..lookup import after, among, planned_anew
from ..people import passing as people
from ..people import trail
from ..store import Store
from . import expiry

_RACES = 5
# Erasing overwrites: the bytes of a slice are bounded as well as its rows.
_MOST_BYTES = 16 * 1024 * 1024
# Of two pushes the later one can have the lower id, by as much as the clocks that gave them differ.
_CLOCKS_APART = timedelta(minutes=1)

Keys = Sequence[Row[Any]]


@dataclass(frozen=True)
class Keep:
    """How long each is kept since it arrived; None is for ever.

    ``bodies``: the bytes of pushes; ``held``: those of pushes that hold something for a person, or of which nothing
    was read; ``rows``: everything else of a push; ``trail``: proofs of erasure, and the trail of what people did.
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
    """How many of each were erased: bytes of pushes, and rows.

    ``sessions``: people's, once they have ended, with links and counts of attempts to sign in.
    """

    bodies: int = 0
    bookings: int = 0
    unavailabilities: int = 0
    notifications: int = 0
    changes: int = 0
    pushes: int = 0
    replays: int = 0
    proofs: int = 0
    sessions: int = 0
    trail: int = 0

    def __add__(self, other: Expired) -> Expired:
        return Expired(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True)
class _Step:
    """One kind of thing. ``over`` gives what is to be erased, all at once, for counting.

    For the work itself ``walk`` gives the keys of what may be, an index's next entries in ``order``; of each page
    ``due`` tells what is, and ``erase`` erases that, looking again.
    """

    over: Select[Any]
    walk: Select[Any]
    order: tuple[Any, ...]
    erase: Callable[[Connection, Keys], Expired]
    rows: int
    due: Callable[[Connection, Keys], Keys] = lambda _, keys: keys

    def after(self, last: Row[Any] | None) -> Select[Any]:
        """The next keys after ``last``; what could not be erased is left for another day."""
        query = self.walk.order_by(*self.order).limit(self.rows)
        if last is None:
            return query
        return query.where(after(self.order, [last._mapping[column] for column in self.order]))


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
            while keys := self._read(step.after(last)):
                with self._store.reading() as connection:
                    due = step.due(connection, keys)
                for part in _bounded(due):
                    yield self._erase(step, part)
                if not due:
                    yield Expired()
                last = keys[-1]
        yield from self._of_people()

    def preview(self) -> Expired:
        """How many there are now, by kind. Deliveries are at most as many: some may still be referred to."""
        counts = {}
        with self._store.reading() as connection:
            for name, step in zip(self._names(), self._steps(), strict=True):
                counts[name] = int(connection.scalar(select(func.count()).select_from(step.over.subquery())) or 0)
            if self._keep.trail:
                counts["trail"] = trail.expired(connection, self._tables, self._now - self._keep.trail)
        return Expired(**counts)

    def _names(self) -> list[str]:
        names = ["bodies"] if self._keep.bodies else []
        names += ["bookings", "unavailabilities", "pushes", "replays"] if self._keep.rows else []
        return [*names, "proofs"] if self._keep.trail else names

    def _steps(self) -> list[_Step]:
        t, keep, steps = self._tables, self._keep, []
        p, b, u = t.pushes, t.bookings, t.unavailabilities
        if keep.bodies:
            steps.append(self._bodies_step(keep.bodies))
        if keep.rows:
            before = self._now - keep.rows
            heard = (b.c.last_received_at, b.c.source, b.c.booking_id)
            over, walk = expiry.bookings(t, before), select(*heard).where(b.c.last_received_at < before)
            steps.append(_Step(over, walk, heard, self._bookings, 100))
            key = (u.c.period_start, u.c.period_end, u.c.source, u.c.resource_id)
            over = expiry.unavailabilities(t, before)
            steps.append(_Step(over, over, key, self._unavailabilities, 200))
            over = expiry.deliveries(t, before)
            steps.append(_Step(over, over, (p.c.received_at, p.c.id), self._deliveries, 500))
            over, r = expiry.replays(t, before), t.replays.replays
            steps.append(_Step(over, over, (r.c.ended_at, r.c.id), self._replays, 20))
        if keep.trail:
            over = select(t.erasures.c.id).where(t.erasures.c.erased_at < self._now - keep.trail)
            steps.append(_Step(over, over, (t.erasures.c.id,), self._proofs, 500))
        return steps

    def _bodies_step(self, keep: timedelta) -> _Step:
        """It is the bytes that are walked, by their pushes' ids: what went in earlier years is not passed again.

        Ids sort by time, so the walk ends where pushes begin that are too young.
        """
        t, before = self._tables, self._now - keep
        held_before = self._now - self._keep.held if self._keep.held else None
        over = expiry.bodies(t, before, held_before)
        with self._store.reading() as connection:
            until = expiry.first_since(connection, t, before + _CLOCKS_APART)
        walk = select(t.bodies.c.push_id)
        if until is not None:
            walk = walk.where(t.bodies.c.push_id < until)

        def due(connection: Connection, keys: Keys) -> Keys:
            its = among(connection, t.pushes.c.id, [k.push_id for k in keys])
            return connection.execute(over.where(its).order_by(t.pushes.c.id)).all()

        return _Step(over, walk, (t.bodies.c.push_id,), self._bodies, 500, due)

    def _of_people(self) -> Iterator[Expired]:
        """What people need no more: sessions that have ended, and the oldest entries of the trail."""
        with self._store.reading() as connection:
            is_over = people.are_over(connection, self._tables, self._now)
        if is_over:
            with self._store.transaction() as connection:
                ended = people.sweep(connection, self._tables, self._now)
            yield Expired(sessions=ended)
        before = self._now - self._keep.trail if self._keep.trail else None
        while before is not None and self._begins_before(before):
            with self._store.transaction() as connection:
                count = trail.expire(connection, self._tables, before, self._now, 500)
            yield Expired(trail=count)
            if not count:
                return

    def _begins_before(self, before: datetime) -> bool:
        with self._store.reading() as connection:
            first = trail.first_at(connection, self._tables)
        return first is not None and first < before

    def _read(self, query: Select[Any]) -> Keys:
        with self._store.reading() as connection:
            return planned_anew(connection).execute(query).all()

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
                self._tables.bookings.c.source == source, among(connection, self._tables.bookings.c.booking_id, ids)
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

    def _replays(self, connection: Connection, keys: Keys) -> Expired:
        return Expired(replays=expiry.erase_replays(connection, self._tables, [k.id for k in keys]))

    def _proofs(self, connection: Connection, keys: Keys) -> Expired:
        e = self._tables.erasures
        return Expired(proofs=connection.execute(e.delete().where(e.c.id.in_([k.id for k in keys]))).rowcount)


def _bounded(keys: Keys) -> Iterator[Keys]:
    """All of them, in parts of which each holds 16 MiB, or one push, where the keys say a size."""
    part: list[Row[Any]] = []
    total = 0
    for key in keys:
        size = getattr(key, "size_bytes", 0)
        if part and total + size > _MOST_BYTES:
            yield part
            part, total = [], 0
        part.append(key)
        total += size
    if part:
        yield part
