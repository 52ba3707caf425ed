"""Unavailabilities as their notifications say they are, beside what the table holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from receiver.fields import FieldTable, Kind
from receiver.messages import Absence, AbsenceKey, Action, Rules
from receiver.messages.absence import absence_change
from receiver.messages.typed import columns, moment_of
from receiver.store.changes import Changed
from receiver.store.rebuild import Slice, Told
from receiver.store.stretches import Entity
from receiver.store.tables import Tables
from receiver.store.unavailabilities import field_columns

from .recalling import Recalled
from .restating import Restated, Row, recalled

_KEY = ("source", "resource_id", "period_start", "period_end")
_OWN = (*("action", "status", "first_received_at", "last_received_at", "last_event_at", "applied_id", "applied_key"),)


class AbsencesRestated:
    """Folds the unavailabilities of stretches again. ``now`` gives aware UTC, for what the feed is told."""

    def __init__(self, tables: Tables, table: FieldTable, rules: Rules, now: Callable[[], datetime]) -> None:
        self._part, self._rules, self._now = table.kinds[Kind.UNAVAILABILITY], rules, now
        self._stored = tables.unavailabilities
        self._fields = field_columns(tables)
        names = [c.name for c in self._stored.columns]
        if names != [*_KEY, *self._fields, *_OWN]:
            raise ValueError("the columns of unavailabilities are not what is written of a rebuilt one")
        self._place = {name: names.index(name) for name in names}

    def restate(self, part: Slice) -> tuple[Restated, list[Row], list[Row]]:
        """Read the stretch, and find what differs: the rows that are wrong, and the right ones. Writes nothing."""
        found = Restated()
        heard = self._by_key(recalled(part))
        stored = {AbsenceKey(*row[1:4]): row for row in part.stored(self._stored)}
        named = {row[self._place["applied_id"]]: key for key, row in stored.items()}
        found.notifications = sum(map(len, heard.values()))
        found.states = len(heard.keys() | stored.keys())
        again: dict[AbsenceKey, Absence] = {}
        for key, its in heard.items():
            row = stored.get(key) if key is not None else None
            state = self._state(key, its, row) if key is not None else None
            # What a setting of today reads as another period is still the one that was stored.
            if key is None or state is None or any(named.get(r.id, key) != key for r in its):
                found.not_whole += 1
            elif row is None or self._row(state) != tuple(row):
                again[key] = state
        found.not_whole += len(stored.keys() - heard.keys())
        told: dict[str, list[Told]] = {}
        for one in part.told(map(str, again)) if again else ():
            told.setdefault(one.key, []).append(one)
        wrong: list[Row] = []
        right: list[Row] = []
        for key, state in again.items():
            ids = {r.id for r in heard[key]}
            if any(t.notification_id not in ids for t in told.get(str(key), ())):
                found.not_whole += 1
                continue
            if key in stored:
                wrong.append(stored[key])
            right.append(self._row(state))
            found.differing.add(str(key))
            self._tell(found, stored.get(key), state, bool(told.get(str(key))))
        return found, wrong, right

    def _by_key(self, heard: Mapping[str, list[Recalled]]) -> dict[AbsenceKey | None, list[Recalled]]:
        """By key; what has none any more, as something of it was erased, together."""
        found: dict[AbsenceKey | None, list[Recalled]] = {}
        for resource, its in heard.items():
            for one in its:
                values, zone = one.values, self._rules.zone
                start, end = moment_of(values, "PeriodStart", zone), moment_of(values, "PeriodEnd", zone)
                key = AbsenceKey(resource, start, end) if start is not None and end is not None else None
                found.setdefault(key, []).append(one)
        return found

    def _state(self, key: AbsenceKey, heard: Sequence[Recalled], row: Row | None) -> Absence | None:
        """What the absence is; None when its history is not whole. What was late was never folded in."""
        first, last = min(r.received_at for r in heard), max(r.received_at for r in heard)
        named = None
        if row is not None:
            at = self._place
            named = row[at["applied_id"]]
            gone = named is not None and named not in {r.id for r in heard}
            if gone or row[at["first_received_at"]] < first or row[at["last_received_at"]] > last:
                return None
        state = Absence(self._rules.source, key, first, last)
        applied = [r for r in heard if r.applied]
        # Of those that arrived at one moment the state itself knows best which was applied last.
        for one in sorted(applied, key=lambda r: (r.received_at, r.id == named, r.id)):
            values = one.values
            word = values.get("Action")
            action = Action.CREATED if word is None else self._rules.actions.get(str(word).strip().lower())
            if action is None:
                return None
            said = columns(values, self._part, self._rules.zone)
            state = replace(
                state,
                fields={**state.fields, **said},
                action=action,
                last_at=one.received_at,
                applied_id=one.id,
                applied_key=one.content_key,
            )
        return state if applied and not any(r.erased for r in heard) else None

    def _row(self, state: Absence) -> tuple[Any, ...]:
        return (
            *(state.source, state.key.resource_id, state.key.period_start, state.key.period_end),
            *map(state.fields.get, self._fields),
            *(state.action.value, state.status.value, state.first_received_at, state.last_received_at),
            *(state.last_at, state.applied_id, state.applied_key),
        )

    def _tell(self, found: Restated, row: Row | None, state: Absence, is_told: bool) -> None:
        before = None if row is None else self._before(row)
        # One that is missing from the table is news only if the feed has never told of it.
        shown = replace(state, fields={name: state.fields.get(name) for name in self._fields})
        change = absence_change(before, shown) if before is not None or not is_told else None
        if change is not None and state.applied_id is not None and state.last_at is not None:
            entity, key = Entity.UNAVAILABILITY.value, str(state.key)
            found.changes.append(
                Changed(self._rules.source, entity, key, change, state.applied_id, state.last_at, self._now())
            )

    def _before(self, row: Row) -> Absence:
        said = {name: row[n] for name, n in self._place.items()}
        key = AbsenceKey(said["resource_id"], said["period_start"], said["period_end"])
        return Absence(
            self._rules.source,
            key,
            said["first_received_at"],
            said["last_received_at"],
            fields={name: said[name] for name in self._fields},
            action=Action(said["action"]),
        )
