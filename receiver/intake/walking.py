"""Many stored pushes through the corridor again: most are told in sets to be settled, the others settled in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from receiver.errors import StoreConflict, StoreUnavailable, Unreadable
from receiver.fields import FieldTable
from receiver.messages import Notification
from receiver.store import notifications, pushes
from receiver.store.changes import ChangeLog
from receiver.store.notifications import Known, NotificationStatus
from receiver.store.pushes import Stored
from receiver.store.replays import decisions
from receiver.store.replays.jobs import Outcome
from receiver.store.store import Store
from receiver.wire import Limits, Reading

from .judging import batches, judged
from .receipt import RecordOutcome, Tally
from .repeats import Arrival
from .settling import Settling
from .source import Source

UNREADABLE, GONE, FAILED = "unreadable", "gone", "failed"
_RACES = 20
_BYTES_AT_ONCE = 4 * 1024 * 1024
# A larger push is read while it is settled, and is a slice of its own.
_LARGE = 512 * 1024
_BATCH = 500

RecordWalked = tuple[int, str, str | None]
"""What came of a record: its position, the outcome, and a code."""


@dataclass
class Walked:
    """What came of pushes, the first ``number`` of those that were asked for: counts by outcome, and of each record
    that was not settled before what came of it."""

    number: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, push_id: str, found: Iterable[RecordWalked]) -> None:
        """Note what came of a push's records, by position, with a code."""
        for position, outcome, detail in found:
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            if outcome != RecordOutcome.SETTLED_BEFORE:
                self.outcomes.append(Outcome(push_id, position, str(outcome), detail))


AlsoWalked = Callable[[Any, Walked], object]
"""What else the transaction of a slice is to do before it commits, with its connection."""


@dataclass(frozen=True)
class _Read:
    """A push as it reads now. ``notifications`` None: it is to be read while it is settled."""

    stored: Stored
    source: Source
    body: bytes
    notifications: list[Notification] | None


class Walking:
    """Walks pushes, some at a time in one transaction. ``now`` gives aware UTC; ``new_id`` ids that sort by time."""

    def __init__(
        self,
        store: Store,
        table: FieldTable,
        sources: Mapping[str, Source],
        limits: Limits,
        now: Callable[[], datetime],
        new_id: Callable[[], object],
    ) -> None:
        self._store, self._table, self._sources, self._limits = store, table, sources, limits
        self._now, self._new_id = now, new_id

    def walk(self, ids: Sequence[str], also: AlsoWalked | None = None) -> Walked:
        """Walk the first of those pushes, as many as make a slice, one at least; ``also`` is told what came of them.

        Without ``also`` nothing is written. What reads as it did when it was settled costs no transaction of its own.
        Raises StoreError; whatever else settling raises.
        """
        walked, rest = self._look(ids)
        for _ in range(_RACES):
            try:
                if also is None and not rest:
                    return walked
                with self._store.transaction() as connection:
                    found = Walked(walked.number, dict(walked.counts), list(walked.outcomes))
                    self._settle(connection, rest, found)
                    if also is None:
                        connection.rollback()
                    else:
                        also(connection, found)
                    return found
            except StoreConflict:
                continue
        raise StoreUnavailable("Other transactions got there first every time.")

    def give_up(self, push_id: str, error: BaseException, also: AlsoWalked) -> Walked:
        """Note that our own code fails over a push."""
        walked = Walked(1)
        walked.add(push_id, [(0, FAILED, type(error).__name__)])
        with self._store.transaction() as connection:
            also(connection, walked)
        return walked

    def _look(self, ids: Sequence[str]) -> tuple[Walked, list[_Read]]:
        """What is as it was, and the pushes of which something may come now. Only reads."""
        tables, walked, rest = self._store.tables, Walked(), []
        with self._store.reading() as connection:
            wanted = self._slice(ids, pushes.sizes(connection, tables, ids))
            before = notifications.of_pushes(connection, tables, wanted)
            stored = pushes.stored(connection, tables, wanted)
        walked.number = len(wanted)
        for push in stored:
            source = self._sources.get(push.source)
            if source is None or push.body is None:
                walked.add(push.id, [(0, GONE, "unknown_source" if source is None else None)])
                continue
            known = before.get(push.id, {})
            read = _Read(push, source, push.body, None if len(push.body) > _LARGE else [])
            try:
                same = self._as_before(read, known)
            except Unreadable as error:
                unreadable = RecordOutcome.SETTLED_BEFORE if 0 in known else UNREADABLE
                walked.add(push.id, [(0, unreadable, error.reason)])
                continue
            if same is None:
                rest.append(read)
            else:
                walked.add(push.id, same)
        return walked, rest

    def _as_before(self, read: _Read, known: Mapping[int, Known]) -> list[RecordWalked] | None:
        """What each record has become, when nothing can come of any of them; None when something may.

        Reads the push to its end: raises Unreadable, and keeps the notifications of one that is not large.
        """
        same: list[RecordWalked] | None = []
        records = Reading(read.body, read.source.names, self._limits).records()
        for batch in batches(judged(read.source, records)):
            if read.notifications is not None:
                read.notifications.extend(batch)
            for notification in batch:
                outcome = _outcome_before(notification, known)
                if outcome is None:
                    same = None
                elif same is not None:
                    same.append(outcome)
        return same

    @staticmethod
    def _slice(ids: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
        wanted: list[str] = []
        total = 0
        for push_id in ids:
            total += sizes.get(push_id, 0)
            if wanted and total > _BYTES_AT_ONCE:
                break
            wanted.append(push_id)
        return wanted

    def _settle(self, connection: Any, rest: Sequence[_Read], walked: Walked) -> None:
        tables = self._store.tables
        if not rest:
            return
        ids = [read.stored.id for read in rest]
        decisions.lock_pushes(connection, tables, ids)
        log = ChangeLog(connection, tables)
        known, released = notifications.of_pushes(connection, tables, ids), set[str]()
        for read in rest:
            push, tally = read.stored, Tally(outcomes=[])
            before = known.get(push.id, {})
            if any(k.id in released for k in before.values()):
                # It repeats what was held until one before it was settled.
                before = notifications.of_push(connection, tables, push.id)
            arrival = Arrival(push.id, push.sha256, push.received_at, self._now, is_new=False, is_live=False)
            settling = Settling(
                *(connection, tables, self._table, read.source, arrival, before, self._new_id), log, tally
            )
            for batch in self._again(read):
                settling.settle(batch)
            released |= settling.released
            walked.add(push.id, tally.outcomes or ())

    def _again(self, read: _Read) -> Iterator[Sequence[Notification]]:
        """The notifications of a push that was read to its end before."""
        if read.notifications is None:
            records = Reading(read.body, read.source.names, self._limits).records()
            yield from batches(judged(read.source, records))
            return
        for start in range(0, len(read.notifications), _BATCH):
            yield read.notifications[start : start + _BATCH]


def _outcome_before(notification: Notification, known: Mapping[int, Known]) -> RecordWalked | None:
    """What a record has become when nothing can come of it now: what was settled stays so and says the same, what is
    held is still invalid. None when something may. As Repeats finds it when the record is settled."""
    before = known.get(0) or known.get(notification.position)
    if before is None:
        return None
    if before.status is NotificationStatus.HELD:
        if notification.valid:
            return None
        return notification.position, RecordOutcome.HELD, notification.problems[0].code
    is_over = before.erased or before.status is NotificationStatus.DISCARDED
    if is_over or before.content_key == notification.content_key:
        return notification.position, RecordOutcome.SETTLED_BEFORE, None
    return None
