"""Counts of pushes by the hour, kept so that nobody has to count pushes, and longer than the pushes themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from receiver.errors import StoreConflict
from receiver.fields import Kind

from .. import notifications, pushes
from ..pushes import Outcome
from ..store import Store
from ..tables import Tables
from . import marks

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_FRESH = timedelta(minutes=1)
_NOW, _LAST_DAY, _FILLED = "counts", "counts of a day", "counts filled"
_MARKED = "hour "
_AT_ONCE = 24  # hours that one transaction counts


class Span(StrEnum):
    """What an overview has one row of figures for."""

    HOUR = "hour"
    DAY = "day"


@dataclass
class Slot:
    """Figures of one hour or day that begins ``at`` (UTC): pushes, records in them, records held of those, and bytes.

    ``outcomes`` and ``kinds`` have the pushes by their outcome and kind; of no known kind: None.
    """

    at: datetime
    pushes: int = 0
    records: int = 0
    held: int = 0
    size_bytes: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    kinds: Counter[Kind | None] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def overview(
    connection: Connection,
    tables: Tables,
    sources: Sequence[str] | None,
    since: datetime,
    until: datetime,
    span: Span = Span.HOUR,
    zone: ZoneInfo | None = None,
) -> list[Slot]:
    """Figures of the hours, or of the days of ``zone`` (None: UTC), that begin from ``since`` on and before ``until``.

    The oldest first; those in which nothing came are there too. ``sources`` None: all. As new as the last ``refresh``.
    """
    begin, step = _steps(since, span, zone)
    slots: dict[datetime, Slot] = {}
    at = begin
    while at < until:
        slots[at] = Slot(at)
        at = step(at)
    for row in _counts(connection, tables, sources, (begin, max(at, begin)), span, zone):
        slot = slots.get(_steps(row.hour, span, zone)[0])
        if slot is not None:
            _add(slot, row)
    return list(slots.values())


def _steps(moment: datetime, span: Span, zone: ZoneInfo | None) -> tuple[datetime, Callable[[datetime], datetime]]:
    """The beginning of the hour or day that the moment is in, and what gives the next one."""
    if span is Span.HOUR:
        return hour_of(moment), lambda at: at + _HOUR
    own = zone or UTC
    begin = moment.astimezone(own).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    return begin, lambda at: (at.astimezone(own) + _DAY).astimezone(UTC)  # the same wall time: days differ in length


def _counts(
    connection: Connection,
    tables: Tables,
    sources: Sequence[str] | None,
    between: tuple[datetime, datetime],
    span: Span,
    zone: ZoneInfo | None,
) -> Any:
    c = tables.figures.push_counts
    at: ColumnElement[Any] = c.c.hour
    if span is Span.DAY and connection.dialect.name == "postgresql":
        at = func.date_trunc("day", c.c.hour, str(zone or UTC), type_=c.c.hour.type)
    group = at.label("hour"), c.c.source, c.c.kind, c.c.outcome
    sums = (func.sum(c.c[name]).label(name) for name in ("pushes", "records", "held", "size_bytes"))
    query = select(*group, *sums).where(c.c.hour >= between[0], c.c.hour < between[1])
    query = query.group_by(at, c.c.source, c.c.kind, c.c.outcome)
    return connection.execute(query if sources is None else query.where(c.c.source.in_(sources)))


def _add(slot: Slot, row: Any) -> None:
    number = int(row.pushes)
    slot.pushes += number
    slot.records += int(row.records)
    slot.held += int(row.held)
    slot.size_bytes += int(row.size_bytes)
    slot.outcomes[Outcome(row.outcome)] += number
    slot.kinds[Kind(row.kind) if row.kind else None] += number
    slot.sources[row.source] += number


def held_by_source(connection: Connection, tables: Tables, sources: Sequence[str] | None) -> dict[str, int]:
    """Records held now, by source; of those sources (None: all)."""
    counts = notifications.count_held(connection, tables)
    return {name: count for name, count in counts.items() if sources is None or name in sources}


def last_pushes(
    connection: Connection, tables: Tables, sources: Sequence[str]
) -> dict[tuple[str, Kind], datetime | None]:
    """When the last push came, UTC, by source and kind; None for never."""
    return {(s, k): pushes.last_received(connection, tables, s, k) for s in sources for k in Kind}


# Counting


def recount(connection: Connection, tables: Tables, first: datetime, end: datetime) -> None:
    """Count the hours from ``first`` on and before ``end``, both beginnings of hours, UTC."""
    c, p = tables.figures.push_counts, tables.pushes
    connection.execute(delete(c).where(c.c.hour >= first, c.c.hour < end))
    group = (_hour(connection, p.c.received_at), p.c.source, func.coalesce(p.c.kind, ""), p.c.outcome)
    sums = (func.sum(column) for column in (p.c.records, p.c.held, p.c.size_bytes))
    rows = select(*group, func.count(), *sums).where(p.c.received_at >= first, p.c.received_at < end).group_by(*group)
    connection.execute(insert(c).from_select([column.name for column in c.columns], rows))


def _hour(connection: Connection, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    if connection.dialect.name == "postgresql":
        return func.date_trunc("hour", moment)  # of a session in UTC
    return func.strftime("%Y-%m-%d %H:00:00.000000", moment)


def mark_hour(connection: Connection, tables: Tables, moment: datetime, now: datetime) -> None:
    """Have the hour of ``moment`` counted again, as a push came that is of then. Moments are UTC."""
    marks.write(connection, tables, f"{_MARKED}{hour_of(moment).isoformat()}", now, None)


class Counts:
    """Keeps the counts. ``keep``: how long pushes are kept; hours before that are never counted again."""

    def __init__(self, store: Store, keep: timedelta | None) -> None:
        self._store, self._tables, self._keep = store, store.tables, keep

    def refresh(self, now: datetime) -> bool:
        """Count the current and the last hour, unless that was done a minute ago or less; whether it was done.

        ``now`` UTC. Raises StoreError; a StoreConflict says that another does so now.
        """
        with self._store.reading() as connection:
            mark = marks.read(connection, self._tables, _NOW)
        if mark is not None and timedelta(0) <= now - mark.at < _FRESH:
            return False
        with self._store.transaction() as connection:
            marks.write(connection, self._tables, _NOW, now, None)
            self._recount(connection, hour_of(now) - _HOUR, hour_of(now) + _HOUR, now)
        return True

    def counted_at(self) -> datetime | None:
        """When the current hour was counted last, UTC."""
        with self._store.reading() as connection:
            mark = marks.read(connection, self._tables, _NOW)
        return mark.at if mark is not None else None

    def catch_up(self, now: datetime) -> bool:
        """One step of what is behind: hours never counted, hours with late pushes, the last day; whether there was any.

        Raises StoreError.
        """
        return self._fill(now) or self._late(now) or self._last_day(now)

    def _recount(self, connection: Connection, first: datetime, end: datetime, now: datetime) -> None:
        """Of hours that are kept whole. What came before is counted, and going."""
        kept = first if self._keep is None else max(first, hour_of(now - self._keep) + _HOUR)
        if kept < end:
            recount(connection, self._tables, kept, end)

    def _fill(self, now: datetime) -> bool:
        """Hours never counted, from the oldest push on: the first time, and after no receiver ran."""
        p = self._tables.pushes
        with self._store.reading() as connection:
            mark = marks.read(connection, self._tables, _FILLED)
            begin = datetime.fromisoformat(str(mark.value)) if mark is not None else None
            # Where nothing came for long there is nothing to count.
            query = select(func.min(p.c.received_at))
            query = query if begin is None else query.where(p.c.received_at >= begin)
            oldest: datetime | None = connection.scalar(query)
        if oldest is None or hour_of(oldest) >= hour_of(now):
            return False
        first = hour_of(oldest)
        end = min(first + _AT_ONCE * _HOUR, hour_of(now))
        with self._store.transaction() as connection:
            if begin is None:
                recount(connection, self._tables, first, end)
            else:
                self._recount(connection, first, end, now)
            marks.write(connection, self._tables, _FILLED, now, end.isoformat())
        return True

    def _late(self, now: datetime) -> bool:
        f = self._tables.figures.figures
        marked = select(f.c.name).where(f.c.name.startswith(_MARKED)).limit(1)
        with self._store.reading() as connection:
            name = connection.scalar(marked)
        if name is None:
            return False
        hour = datetime.fromisoformat(name.removeprefix(_MARKED))
        with self._store.transaction() as connection:
            # First the mark: who sets it again meanwhile waits, and has the hour counted once more.
            connection.execute(delete(f).where(f.c.name == name))
            self._recount(connection, hour, hour + _HOUR, now)
        return True

    def _last_day(self, now: datetime) -> bool:
        """Once an hour the last 24: a push is stored a little after it came, and long pushes later."""
        with self._store.reading() as connection:
            mark = marks.read(connection, self._tables, _LAST_DAY)
        if mark is not None and timedelta(0) <= now - mark.at < _HOUR:
            return False
        with self._store.transaction() as connection:
            marks.write(connection, self._tables, _LAST_DAY, now, None)
            self._recount(connection, hour_of(now) - _DAY, hour_of(now) + _HOUR, now)
        return True


def refresh(store: Store, now: datetime, keep: timedelta | None = None) -> bool:
    """Have the current figures be no older than a minute; for pages. Whether anything was done. Raises StoreError."""
    try:
        return Counts(store, keep).refresh(now)
    except StoreConflict:
        return False
