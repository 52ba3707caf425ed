"""How long replies take: counted in classes of durations, eight to the doubling, by hour and source."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil, log2
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from ..store import Store
from ..tables import Tables
from .counts import hour_of

_TO_THE_DOUBLING = 8
_MOST_REMEMBERED = 100_000  # of each source, while the database cannot be told


class ReplyTimes:
    """What one process remembers of its replies until they are stored. Any thread may add and take."""

    def __init__(self) -> None:
        self._of: defaultdict[str, deque[float]] = defaultdict(partial(deque, maxlen=_MOST_REMEMBERED))

    def add(self, source: str, seconds: float) -> None:
        """Remember one."""
        self._of[source].append(seconds)

    def take(self) -> dict[str, list[float]]:
        """All that are remembered, which are forgotten."""
        return {source: _drained(times) for source, times in sorted(self._of.items())}


def _drained(times: deque[float]) -> list[float]:
    return [times.popleft() for _ in range(len(times))]


def most_microseconds(seconds: float) -> int:
    """The class of a duration: the longest of the class, in whole microseconds."""
    microseconds = max(1.0, seconds * 1_000_000)
    return round(2 ** (ceil(log2(microseconds) * _TO_THE_DOUBLING) / _TO_THE_DOUBLING))


def store_times(store: Store, taken: Mapping[str, Iterable[float]], now: datetime) -> int:
    """Add replies, in seconds by source, to the counts of the hour of ``now`` (UTC); how many. Raises StoreError."""
    counts = Counter((source, most_microseconds(t)) for source, times in taken.items() for t in times)
    if not counts:
        return 0
    table = store.tables.figures.reply_times
    dialect: Any = postgresql if store.engine.dialect.name == "postgresql" else sqlite
    added = dialect.insert(table)
    key = [table.c.hour, table.c.source, table.c.most_microseconds]
    more = {"replies": table.c.replies + added.excluded.replies}
    hour = hour_of(now)
    # In one order, so that processes wait for each other in no circle.
    rows = [
        {"hour": hour, "source": source, "most_microseconds": most, "replies": replies}
        for (source, most), replies in sorted(counts.items())
    ]
    with store.transaction() as connection:
        connection.execute(added.on_conflict_do_update(index_elements=key, set_=more), rows)
    return sum(counts.values())


@dataclass(frozen=True)
class TimesRow:
    """So many replies of a source took at most so long, and longer than the class before."""

    hour: datetime
    source: str
    most_microseconds: int
    replies: int


def times(
    connection: Connection, tables: Tables, sources: Sequence[str] | None, since: datetime, until: datetime
) -> list[TimesRow]:
    """The counts of the hours from ``since`` on and before ``until`` (UTC), by hour, source and class."""
    t = tables.figures.reply_times
    query = select(t).where(t.c.hour >= hour_of(since), t.c.hour < until)
    if sources is not None:
        query = query.where(t.c.source.in_(sources))
    rows = connection.execute(query.order_by(t.c.hour, t.c.source, t.c.most_microseconds))
    return [TimesRow(**row._asdict()) for row in rows]


def percentile(rows: Iterable[TimesRow], share: float) -> float | None:
    """Seconds within which that share (0 to 1) of the replies was given, a tenth too long at most; None of none."""
    by_class: Counter[int] = Counter()
    for row in rows:
        by_class[row.most_microseconds] += row.replies
    wanted = max(1, ceil(by_class.total() * share))
    for most in sorted(by_class):
        wanted -= by_class[most]
        if wanted <= 0:
            return most / 1_000_000
    return None
