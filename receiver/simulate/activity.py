"""The *Background Services activity table* (facts, section 1): what DRS has to tell, and what came of telling it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from receiver.fields import Kind

from .damage import Damage
from .job import Absence, Booking


class RowState(StrEnum):
    """Where a row stands. Failed: it was tried as often as the service tries."""

    WAITING = "waiting"
    ACTIONED = "Actioned"
    FAILED = "failed"


@dataclass(frozen=True)
class ActivityRow:
    """One row. ``created_at`` is naive local time; ``outcome`` is what was logged of the last attempt.

    ``held``: the receiver said that some record of the row's last request is held. ``damage``: how the record is
    broken.
    """

    id: int
    kind: Kind
    what: Booking | Absence
    created_at: datetime
    state: RowState = RowState.WAITING
    attempts: int = 0
    outcome: str = ""
    held: bool = False
    damage: Damage | None = None

    @property
    def subject(self) -> str:
        """The booking or absence that the row is about."""
        return self.what.subject


class ActivityTable:
    """The table, in memory."""

    def __init__(self) -> None:
        self._rows: dict[int, ActivityRow] = {}
        self._waiting: dict[int, None] = {}
        self._last_id = 0
        self.actioned = 0
        self.failed = 0

    def add(self, kind: Kind, what: Booking | Absence, created_at: datetime, damage: Damage | None = None) -> None:
        """A waiting row, after all others."""
        self._last_id += 1
        self._rows[self._last_id] = ActivityRow(self._last_id, kind, what, created_at, damage=damage)
        self._waiting[self._last_id] = None

    def __iter__(self) -> Iterator[ActivityRow]:
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return len(self._waiting)

    def ready(self) -> list[ActivityRow]:
        """Waiting rows in order.

        An absence's row comes only after its earlier ones are done: an extraction covers what was scheduled since the
        last one, and an absence carries no date that would tell the receiver which row is newer.
        """
        ready, before = [], set()
        for row in [self._rows[i] for i in self._waiting]:
            if row.kind is Kind.UNAVAILABILITY:
                if row.subject in before:
                    continue
                before.add(row.subject)
            ready.append(row)
        return ready

    def log(self, row_id: int, *, accepted: bool, outcome: str, held: bool, max_attempts: int) -> None:
        """Note an attempt: Actioned when the receiver accepted, failed after ``max_attempts``, else still waiting."""
        row = self._rows[row_id]
        attempts = row.attempts + 1
        state = RowState.ACTIONED if accepted else RowState.WAITING if attempts < max_attempts else RowState.FAILED
        self._rows[row_id] = replace(row, state=state, attempts=attempts, outcome=outcome, held=held)
        if state is RowState.WAITING:
            return
        self._waiting.pop(row_id, None)
        self.actioned += state is RowState.ACTIONED
        self.failed += state is RowState.FAILED

    def purge(self) -> None:
        """Housekeeping: forget rows that are done; the counts stay."""
        self._rows = {i: self._rows[i] for i in self._waiting}
