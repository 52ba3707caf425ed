"""What the pages work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from receiver.fields import FieldTable
from receiver.intake.deciding import Deciding
from receiver.intake.intake import Intake
from receiver.intake.source import Source
from receiver.jobs.replay_plan import Planning
from receiver.jobs.replaying import Replaying
from receiver.rhythm import Rhythm
from receiver.spool import Spool
from receiver.store.people.trail import Trail
from receiver.store.store import Store
from receiver.web.proxies import Proxies
from receiver.wire import Limits

from .freshening import Freshening
from .gate import Gate


@dataclass(frozen=True)
class Desk:
    """Everything that a page may need. ``now`` gives aware UTC; ``most_bytes`` is the largest push that is taken."""

    store: Store
    intake: Intake
    deciding: Deciding
    table: FieldTable
    sources: Mapping[str, Source]
    limits: Limits
    spool: Spool | None
    proxies: Proxies
    trail: Trail
    gate: Gate
    figures: Freshening
    replaying: Replaying
    planning: Callable[[int, float], Planning]
    rhythms: Mapping[str, Rhythm]
    now: Callable[[], datetime]
    most_bytes: int

    def zone(self, source: str | None) -> ZoneInfo:
        """The zone in which the source's times are shown; of one that is not in the settings, the first one's."""
        known = self.sources.get(source or "") or next(iter(self.sources.values()))
        return known.rules.zone
