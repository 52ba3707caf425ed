"""What an unavailability becomes: one absence of one resource, as last heard (facts, section 2, Unavailability)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from receiver.fields import FieldTable, Kind

from .booking import Change
from .judge import Notification
from .moments import written
from .rules import Action, Rules
from .typed import columns

_IDENTIFYING = frozenset({"resource_id", "period_start", "period_end"})


class AbsenceStatus(StrEnum):
    """Whether the absence holds."""

    ACTIVE = "active"
    REMOVED = "removed"


class AbsenceKey(NamedTuple):
    """An unavailability is the same one when source, resource, start and end are; times UTC."""

    resource_id: str
    period_start: datetime
    period_end: datetime

    def __str__(self) -> str:
        return f"{self.resource_id}/{written(self.period_start)}/{written(self.period_end)}"


@dataclass(frozen=True)
class Absence:
    """The current state of an absence. ``applied_id`` and ``applied_key`` are of the notification applied last."""

    source: str
    key: AbsenceKey
    first_received_at: datetime
    last_received_at: datetime
    fields: Mapping[str, object] = field(default_factory=dict)
    action: Action = Action.CREATED
    last_at: datetime | None = None
    applied_id: str | None = None
    applied_key: str | None = None

    @property
    def status(self) -> AbsenceStatus:
        """Removed when the last action was."""
        return AbsenceStatus.REMOVED if self.action is Action.REMOVED else AbsenceStatus.ACTIVE


def absence_key(notification: Notification) -> AbsenceKey:
    """The key of a valid unavailability notification."""
    found = notification.resource_id, notification.period_start, notification.period_end
    if found[0] is None or found[1] is None or found[2] is None:
        raise ValueError("a valid unavailability has its resource and period")
    return AbsenceKey(found[0], found[1], found[2])


def absence_columns(table: FieldTable) -> tuple[str, ...]:
    """The columns of the field table that an absence holds beside its key."""
    return tuple(f.column for f in table.kinds[Kind.UNAVAILABILITY].fields if f.column not in _IDENTIFYING)


def absence_step(
    state: Absence,
    notification: Notification,
    rules: Rules,
    table: FieldTable,
    received_at: datetime,
    applied_id: str,
    applied_key: str,
) -> Absence:
    """The state after ``notification``, the newest by arrival: missing leaves alone, empty clears.

    ``applied_id`` and ``applied_key`` are the notification's.
    """
    plain, part = notification.plain, table.kinds[Kind.UNAVAILABILITY]
    said = columns(notification.values, part, rules.zone) if plain is None else plain.columns
    fields = {**state.fields, **{column: value for column, value in said.items() if column not in _IDENTIFYING}}
    return Absence(
        source=state.source,
        key=state.key,
        first_received_at=state.first_received_at,
        last_received_at=state.last_received_at,
        fields=fields,
        action=notification.action or Action.CREATED,
        last_at=received_at,
        applied_id=applied_id,
        applied_key=applied_key,
    )


def absence_change(before: Absence | None, after: Absence) -> Change | None:
    """What the feed says of the step; None when nothing that shows has changed."""
    gone = after.status is AbsenceStatus.REMOVED
    if before is None:
        return Change.REMOVED if gone else Change.CREATED
    if before.status is not after.status:
        return Change.REMOVED if gone else Change.CREATED
    return None if _shown(before) == _shown(after) else Change.UPDATED


def _shown(state: Absence) -> tuple[object, ...]:
    return state.action, {k: v for k, v in state.fields.items() if v is not None}
