"""What a replay would do, before it is started: counts and examples of as much as can be looked at while one waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from receiver.intake.rebuilding import Rebuilt
from receiver.store import pushes
from receiver.store.finding import pushes as finding
from receiver.store.finding.filter import Filter
from receiver.store.finding.pushes import Count, PushKey
from receiver.store.replays import affected
from receiver.store.replays.affected import Affected
from receiver.store.replays.jobs import Outcome, ReplayKind

from .replay_slices import Work, is_everything, stretches_of, things_of

MOST_LOOKED_AT = 2_000
_PAGE = 200
_SMALL_PAGE = 5  # where time is short
_MOST_EXAMPLES = 20
_MOST_FOLDED = 20_000
_COUNTED = 100_000
# To find where the stretches of everything begin takes longer than this many seconds where there is much.
_TO_FOLD = 1.0


@dataclass(frozen=True)
class Plan:
    """What would come of a replay: of ``total`` (pushes; of a rebuild of everything, notifications) the first
    ``looked_at`` were looked at. ``counts`` is what would come of those, by outcome; where ``is_complete``, of all.

    ``examples`` are of records that would not stay as they are. What a push would change for a later one is not seen.
    """

    kind: ReplayKind
    total: Count
    looked_at: int
    is_complete: bool
    counts: dict[str, int]
    examples: tuple[Outcome, ...] = ()


class Planning:
    """Makes plans; writes nothing.

    At most ``most`` pushes are looked at, and no more once ``seconds`` have passed (None: however long it takes);
    counting ends at ``counted``.
    """

    def __init__(
        self, work: Work, most: int = MOST_LOOKED_AT, seconds: float | None = None, counted: int = _COUNTED
    ) -> None:
        self._work, self._store, self._most = work, work.store, most
        self._seconds, self._counted = seconds, counted
        self._end = inf

    def plan(self, kind: ReplayKind, filter_: Filter) -> Plan:
        """What the replay would do. Raises StoreError."""
        self._end = inf if self._seconds is None else monotonic() + self._seconds
        if kind is ReplayKind.REBUILD and is_everything(filter_):
            return self._rebuild_all(filter_)
        with self._store.reading() as connection:
            total = finding.count(connection, self._store.tables, filter_, self._counted)
        counts: Counter[str] = Counter()
        examples: list[Outcome] = []
        looked_at = 0
        for keys in self._pages(filter_):
            looked_at += len(keys)
            ids = [key.id for key in keys]
            if kind is ReplayKind.WALK:
                self._walk(ids, counts, examples)
            elif kind is ReplayKind.DISCARD:
                self._discard(filter_, ids, counts, examples)
            else:
                self._touch(kind, filter_, ids, counts)
        is_complete = total.is_exact and looked_at >= total.number
        return Plan(kind, total, looked_at, is_complete, dict(counts), tuple(examples[:_MOST_EXAMPLES]))

    def _pages(self, filter_: Filter) -> Iterator[list[PushKey]]:
        last: PushKey | None = None
        left, size = self._most, _PAGE if self._seconds is None else _SMALL_PAGE
        while left and monotonic() < self._end:
            with self._store.reading() as connection:
                keys = finding.push_ids(connection, self._store.tables, filter_, last, min(size, left))
            if not keys:
                return
            yield keys
            last, left = keys[-1], left - len(keys)

    def _walk(self, ids: Sequence[str], counts: Counter[str], examples: list[Outcome]) -> None:
        left = list(ids)
        while left:
            walked = self._work.walking.walk(left)
            counts.update(walked.counts)
            examples += [o for o in walked.outcomes if o.outcome != "held"]
            left = left[walked.number :]

    def _discard(self, filter_: Filter, ids: Sequence[str], counts: Counter[str], examples: list[Outcome]) -> None:
        with self._store.reading() as connection:
            tables = self._store.tables
            records = affected.held_at(connection, tables, filter_, ids)
            whole = [] if filter_.by_record else pushes.unread(connection, tables, ids)
        places = [*records, *((push_id, 0) for push_id in whole)]
        counts["discarded"] += len(places)
        examples += [Outcome(push_id, position, "discarded") for push_id, position in places]

    def _touch(self, kind: ReplayKind, filter_: Filter, ids: Sequence[str], counts: Counter[str]) -> None:
        with self._store.reading() as connection:
            found: list[Affected] = affected.affected(connection, self._store.tables, filter_, ids)
        if kind is ReplayKind.TELL:
            for bookings, absences in things_of(found, self._work.sources).values():
                counts["told"] += len(bookings) + len(absences)
            return
        rebuilt = Rebuilt()
        for stretch in stretches_of(found, self._work.sources):
            rebuilt += self._work.rebuilding.rebuild(stretch, dry_run=True)
        _add(counts, rebuilt)

    def _rebuild_all(self, filter_: Filter) -> Plan:
        counts: Counter[str] = Counter()
        with self._store.reading() as connection:
            most = self._counted + 1
            total = affected.count_settled(connection, self._store.tables, filter_.sources, most)
        number = Count(min(total, self._counted), is_exact=total <= self._counted)
        if self._seconds is not None and self._seconds < _TO_FOLD:
            return Plan(ReplayKind.REBUILD, number, 0, False, {})
        is_complete, looked_at = True, 0
        for stretch in self._work.rebuilding.stretches(among=filter_.sources):
            if looked_at >= _MOST_FOLDED or monotonic() >= self._end:
                is_complete = False
                break
            rebuilt = self._work.rebuilding.rebuild(stretch, dry_run=True)
            looked_at += rebuilt.notifications
            _add(counts, rebuilt)
        return Plan(ReplayKind.REBUILD, number, looked_at, is_complete, dict(counts))


def _add(counts: Counter[str], rebuilt: Rebuilt) -> None:
    counts["rebuilt"] += rebuilt.bookings + rebuilt.unavailabilities
    counts["changes"] += rebuilt.changes
    counts["states"] += rebuilt.states
    counts["not_whole"] += rebuilt.not_whole
