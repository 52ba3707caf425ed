"""Telling repeats from news: which stored notification, if any, a record is another delivery of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.messages import Absence, Booking, Notification
from receiver.messages.identity import event_key
from receiver.store import notifications
from receiver.store.notifications import Known, NotificationStatus
from receiver.store.tables import Tables

_YES = 200


@dataclass(frozen=True)
class Arrival:
    """The delivery that records came in: its id, its bytes' digest, and when it came; ``now`` tells the time (UTC).

    ``is_new`` is False when stored bytes are walked again: then repeats are no deliveries. ``is_live`` says that the
    sender waits for the answer, so that everything stored was heard before this. ``answered`` is the HTTP status that
    it heard of a push that then waited in the spool.
    """

    push_id: str
    sha256: str
    received_at: datetime
    now: Callable[[], datetime]
    is_new: bool = True
    is_live: bool = True
    answered: int | None = None

    def after(self, newest: datetime | None, now: datetime) -> datetime:
        """When this came (UTC), for the order of events about one thing that was last heard of at ``newest``.

        A clock that was put back would have it come before what was heard earlier, and an undated cancellation would
        be taken for an old one. A ``newest`` later than ``now`` shows that; another only shows that it overtook this.
        """
        if self.is_live and newest is not None and newest > now:
            return newest + timedelta(microseconds=1)
        return self.received_at


class Repeats:
    """Knows the records of one delivery that are stored already.

    ``before`` are stored notifications by position: those that the same bytes brought earlier and that are still held
    or were discarded, or, when a stored delivery is walked again, all that it brought. Position 0 is the push itself.
    """

    def __init__(self, connection: Connection, tables: Tables, arrival: Arrival, before: dict[int, Known]) -> None:
        self._connection, self._tables = connection, tables
        self._arrival, self._before = arrival, before
        self.whole = before.get(0)
        """What a person has decided about as a whole, when nothing could be read of these bytes."""

    def settled(self, notification: Notification) -> Known | None:
        """What this very record of a stored delivery has become, as long as it still says the same.

        One of which something was erased says something else now, and is the same; so is one that was discarded,
        however it reads now.
        """
        before = self._before.get(notification.position)
        if before is None or before.status is NotificationStatus.HELD:
            return None
        is_over = before.erased or before.status is NotificationStatus.DISCARDED
        return before if is_over or before.content_key == notification.content_key else None

    def waiting(self, notification: Notification, same: Sequence[Known]) -> Known | None:
        """The held notification that this is a delivery of: the same content, or the same place in the same bytes."""
        held = next((k for k in same if k.status is NotificationStatus.HELD), None)
        before = self._before.get(notification.position)
        return held or (before if before is not None and before.status is NotificationStatus.HELD else None)

    def no_longer_waits(self, notification: Notification) -> None:
        """The held one at the record's place has become something."""
        self._before.pop(notification.position, None)

    def event(
        self, notification: Notification, same: Sequence[Known], state: Booking | Absence | None
    ) -> tuple[str, Known | None]:
        """The key of the event this is, and the stored notification it repeats, if it does.

        Dated content is one event whenever it comes; undated content only until something else is applied. The same
        bytes again are a repeat even then when they are surely the resend of what is stored.
        """
        dated = notification.changed_at is not None
        key = event_key(notification.content_key, dated, state.applied_id if state else None)
        settled = [k for k in same if k.status is not NotificationStatus.HELD]
        for known in settled:
            if known.event_key == key or known.status is NotificationStatus.DISCARDED:
                return key, known
            if state is not None and state.applied_key == notification.content_key and known.id == state.applied_id:
                return key, known
        newest = max(settled, key=lambda known: known.received_at, default=None)
        if newest is None or dated or state is None:
            return key, None
        return key, newest if self._came_with_these_bytes(state.applied_id) or self._is_resend(newest) else None

    def _came_with_these_bytes(self, notification_id: str | None) -> bool:
        """Whether what was applied last came in an earlier delivery of this very push: then nothing else has been."""
        if notification_id is None:
            return False
        return notifications.came_in_bytes(self._connection, self._tables, notification_id, self._arrival.sha256)

    def _is_resend(self, known: Known) -> bool:
        """Whether these bytes and those of another delivery are one sending and its resend, as the first was told no.

        Either that one is stored and this is the resend (it waited in the spool, or was replayed), or this one waited
        in the spool while its resend was taken.
        """
        last = notifications.last_answer(self._connection, self._tables, known.id, self._arrival.sha256)
        if last is None:
            return False
        overtaken = self._arrival.answered not in (None, _YES) and last.received_at > self._arrival.received_at
        return last.status != _YES or overtaken
