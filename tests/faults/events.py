"""What is told and what it must leave: events of bookings and absences, and the pushes that bring them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property


class Ending(Enum):
    """How a push must be answered in the end."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


class Arrival(Enum):
    """Stands for the time at which an undated event arrived, which its sender cannot know."""

    TIME = "the time of arrival"


@dataclass(frozen=True)
class Event:
    """What one record says. ``key``: the booking's id, or the resource's; ``state``: what it sets in the view of its
    entity; ``codes``: the rows it leaves in ``v1_booking_codes``, None for as they were; ``change``: in the feed."""

    kind: str
    key: str
    mark: str
    state: Mapping[str, object] = field(default_factory=dict)
    codes: tuple[Mapping[str, object], ...] | None = None
    change: str = ""
    period: tuple[datetime, datetime] | None = None

    @property
    def valid(self) -> bool:
        """Whether it may have an effect; others are held."""
        return bool(self.change)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells its notification from others."""
        return self.kind, self.key, self.mark

    @property
    def entity(self) -> str:
        """``entity_key`` of its changes."""
        if self.period is None:
            return self.key
        return "/".join([self.key, *(moment.isoformat() for moment in self.period)])


@dataclass(frozen=True)
class Push:
    """One push. ``again``: the same as an earlier one of its story, so that it must leave nothing but a delivery."""

    name: str
    body: bytes
    events: tuple[Event, ...]
    ending: Ending = Ending.TAKEN
    again: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


Story = tuple[Push, ...]
