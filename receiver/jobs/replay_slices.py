"""What each kind of replay does, a slice at a time: each slice is one transaction that also notes how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from receiver.errors import LeaseLost, StoreConflict, StoreUnavailable
from receiver.fields import Kind
from receiver.intake.rebuilding import Rebuilding, Rebuilt
from receiver.intake.source import Source
from receiver.intake.walking import Walked, Walking
from receiver.messages import AbsenceKey
from receiver.messages.typed import moment_of
from receiver.store.finding.filter import Filter
from receiver.store.finding.pushes import PushKey, push_ids
from receiver.store.replays import affected, decisions
from receiver.store.replays.affected import Affected, Telling
from receiver.store.replays.decisions import WHOLE, Choice, Decision
from receiver.store.replays.jobs import Advance, Outcome, Replay, ReplayKind
from receiver.store.store import Store
from receiver.store.stretches import Entity, Stretch

_PUSHES = {ReplayKind.WALK: 200, ReplayKind.REBUILD: 200, ReplayKind.DISCARD: 500, ReplayKind.TELL: 500}
_RACES = 20
_log = structlog.get_logger()

Note = Callable[[Any, Advance], object]
"""Notes in a transaction, given by its connection, what was done in it."""


@dataclass(frozen=True)
class Work:
    """What replays work with. ``now`` gives aware UTC; ``new_id`` gives ids that sort by time.

    ``pushes``: a slice has no more than so many.
    """

    store: Store
    sources: Mapping[str, Source]
    walking: Walking
    rebuilding: Rebuilding
    now: Callable[[], datetime]
    new_id: Callable[[], object]
    pushes: int = 500


def is_everything(filter_: Filter) -> bool:
    """Whether nothing but sources is asked for."""
    return replace(filter_, sources=None) == Filter()


class Slices:
    """Does the next slice of a replay. Of what it is told to note it does not know who is at work, or for how long."""

    def __init__(self, work: Work) -> None:
        self._work, self._store = work, work.store

    def begin(self, found: Replay) -> None:
        """Before the first slice, and before going on. Raises StoreError."""
        if found.kind is ReplayKind.REBUILD:
            self._work.rebuilding.prepare()

    def next(self, found: Replay, note: Note) -> bool:
        """Do one; False when there was nothing left to do. Raises StoreError, LeaseLost."""
        if found.kind is ReplayKind.REBUILD and is_everything(found.filter):
            return self._rebuild_all(found, note)
        keys = self._keys(found)
        if not keys:
            return False
        do = {
            ReplayKind.WALK: self._walk,
            ReplayKind.REBUILD: self._rebuild,
            ReplayKind.DISCARD: self._discard,
            ReplayKind.TELL: self._tell,
        }
        do[found.kind](found, keys, note)
        return True

    def _keys(self, found: Replay) -> list[PushKey]:
        place = found.place
        last = (datetime.fromisoformat(place["at"]), str(place["id"])) if place is not None else None
        with self._store.reading() as connection:
            most = min(_PUSHES[found.kind], self._work.pushes)
            return push_ids(connection, self._store.tables, found.filter, last, most)

    def _walk(self, found: Replay, keys: Sequence[PushKey], note: Note) -> None:
        def also(connection: Any, walked: Walked) -> None:
            note(connection, Advance(walked.number, _place(keys[walked.number - 1]), walked.counts, walked.outcomes))

        try:
            self._work.walking.walk([key.id for key in keys], also)
        except (StoreUnavailable, LeaseLost):
            raise
        except Exception as error:  # noqa: BLE001 - one push that our code or the database fails over must not stop all
            if len(keys) > 1:
                # Which of them it is, each finds out for itself.
                for key in keys:
                    self._walk(found, [key], note)
                return
            _log.error("replay_push_failed", push_id=keys[0].id, error=type(error).__name__)
            self._work.walking.give_up(keys[0].id, error, also)

    def _rebuild_all(self, found: Replay, note: Note) -> bool:
        place = found.place
        beyond = None
        if place is not None:
            beyond = Stretch(Entity(place["entity"]), str(place["source"]), upto=place["upto"])
        rebuilding = self._work.rebuilding
        stretch = next(rebuilding.stretches(among=found.filter.sources, beyond=beyond), None)
        if stretch is None:
            return False

        def also(connection: Any, rebuilt: Rebuilt, part: Stretch) -> None:
            place = {"entity": part.entity.value, "source": part.source, "upto": part.upto}
            counts = {**_written(rebuilt), **_looked_at(rebuilt)}
            note(connection, Advance(rebuilt.notifications, place, counts))

        rebuilding.rebuild(stretch, also=also)
        return True

    def _rebuild(self, found: Replay, keys: Sequence[PushKey], note: Note) -> None:
        """The bookings and resources that the records of some pushes are about. What was written is noted with it; to
        look at them again after a stop does no harm, so that is noted at the end."""
        looked_at = Rebuilt()

        def also(connection: Any, rebuilt: Rebuilt, _: Stretch) -> None:
            note(connection, Advance(0, None, _written(rebuilt)))

        for stretch in stretches_of(self._affected(found.filter, keys), self._work.sources):
            looked_at += self._work.rebuilding.rebuild(stretch, also=also)
        with self._store.transaction() as connection:
            note(connection, Advance(len(keys), _place(keys[-1]), _looked_at(looked_at)))

    def _affected(self, filter_: Filter, keys: Sequence[PushKey]) -> list[Affected]:
        with self._store.reading() as connection:
            return affected.affected(connection, self._store.tables, filter_, [key.id for key in keys])

    def _discard(self, found: Replay, keys: Sequence[PushKey], note: Note) -> None:
        tables, ids = self._store.tables, [key.id for key in keys]

        def attempt(connection: Any) -> None:
            records = affected.held(connection, tables, found.filter, ids)
            closed = decisions.close_records(connection, tables, records)
            whole = [] if found.filter.by_record else decisions.close_pushes(connection, tables, ids)
            places: list[tuple[str, int, str | None]] = [(push, position, id_) for id_, push, position in closed]
            places += [(push_id, WHOLE, None) for push_id in whole]
            now, who, why = self._work.now(), found.made_by, found.reason
            made = [Decision(str(self._work.new_id()), *place, Choice.DISCARDED, now, who, why) for place in places]
            decisions.add(connection, tables, made)
            outcomes = [Outcome(push_id, position, Choice.DISCARDED.value) for push_id, position, _ in places]
            counts = {Choice.DISCARDED.value: len(outcomes)}
            note(connection, Advance(len(keys), _place(keys[-1]), counts, outcomes))

        self._in_turn(attempt)

    def _tell(self, found: Replay, keys: Sequence[PushKey], note: Note) -> None:
        about = things_of(self._affected(found.filter, keys), self._work.sources)

        def attempt(connection: Any) -> None:
            since = found.began_at or found.made_at
            telling = Telling(connection, self._store.tables, since, self._work.now())
            told = sum(telling.tell(source, *about[source]) for source in sorted(about))
            note(connection, Advance(len(keys), _place(keys[-1]), {"told": told}))

        self._in_turn(attempt)

    def _in_turn(self, attempt: Callable[[Any], None]) -> None:
        for _ in range(_RACES):
            try:
                with self._store.transaction() as connection:
                    attempt(connection)
                    return
            except StoreConflict:
                continue
        raise StoreUnavailable("Other transactions got there first every time.")


def _place(key: PushKey) -> dict[str, str]:
    return {"at": key.received_at.isoformat(), "id": key.id}


def _written(rebuilt: Rebuilt) -> dict[str, int]:
    found = {"rebuilt": rebuilt.bookings + rebuilt.unavailabilities, "changes": rebuilt.changes}
    return {name: count for name, count in found.items() if count}


def _looked_at(rebuilt: Rebuilt) -> dict[str, int]:
    found = {"notifications": rebuilt.notifications, "states": rebuilt.states, "not_whole": rebuilt.not_whole}
    return {name: count for name, count in found.items() if count}


def stretches_of(records: Sequence[Affected], sources: Mapping[str, Source]) -> list[Stretch]:
    """What is to be rebuilt of the things that records are about."""
    wanted: dict[tuple[str, Entity], set[str]] = {}
    for record in records:
        is_absence = record.kind is Kind.UNAVAILABILITY
        key = record.resource_id if is_absence else record.booking_id
        if key is not None and record.source in sources:
            entity = Entity.UNAVAILABILITY if is_absence else Entity.BOOKING
            wanted.setdefault((record.source, entity), set()).add(key)
    return [Stretch(entity, source, only=tuple(sorted(keys))) for (source, entity), keys in sorted(wanted.items())]


def things_of(
    records: Sequence[Affected], sources: Mapping[str, Source]
) -> dict[str, tuple[set[str], set[AbsenceKey]]]:
    """The bookings and absences that records are about, by source."""
    found: dict[str, tuple[set[str], set[AbsenceKey]]] = {}
    for record in records:
        source = sources.get(record.source)
        if source is None:
            continue
        bookings, absences = found.setdefault(record.source, (set(), set()))
        if record.kind is not Kind.UNAVAILABILITY and record.booking_id is not None:
            bookings.add(record.booking_id)
        elif record.resource_id is not None:
            key = _absence(record.resource_id, record.values, source)
            absences.update([key] if key is not None else [])
    return found


def _absence(resource_id: str, values: Mapping[str, object], source: Source) -> AbsenceKey | None:
    try:
        start, end = (moment_of(values, name, source.rules.zone) for name in ("PeriodStart", "PeriodEnd"))
    except ValueError:  # of a held one
        return None
    return AbsenceKey(resource_id, start, end) if start is not None and end is not None else None
