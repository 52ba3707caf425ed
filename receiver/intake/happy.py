"""The happy path: one valid record about a booking that was never heard of, or one that repeats what is stored.

Most pushes are that. What would come of one is worked out before the database is asked, and stored by it in one round
trip if it turns out to be so; if not, nothing is stored, and the push is settled as all others are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from receiver.fields import FieldTable, Kind
from receiver.messages import Booking, BookingFold, Notification
from receiver.messages.booking import booking_change, booking_event, plain_event
from receiver.store.changes import Changed
from receiver.store.express.express import Candidate, Express, Repeat
from receiver.store.notifications import Entry, NotificationStatus

from .draft import Draft
from .receipt import Receipt, Tally, receipt_of
from .recent import Heard, Recent

# A completion has tables of its own beside the booking, and unavailabilities come by the hundred.
_KINDS = frozenset({Kind.CONFIRMATION, Kind.CANCELLATION})


class HappyPath:
    """The quick way of pushes through the corridor. ``now`` gives aware UTC; ``new_id`` ids that sort by time."""

    def __init__(
        self, express: Express, table: FieldTable, now: Callable[[], datetime], new_id: Callable[[], object]
    ) -> None:
        self._express, self._table, self._fold = express, table, BookingFold(table)
        self._now, self._new_id, self._recent = now, new_id, Recent()

    def again(self, draft: Draft) -> Receipt | None:
        """Store a push of the same bytes as one that came lately, unread; None unless it says nothing new.

        Raises what ``take`` raises.
        """
        source, body = draft.delivery.source.name, draft.delivery.body
        heard = self._recent.find(source, draft.sha256)
        if heard is None or draft.answered is not None:
            return None
        draft.wrapped = heard.envelope
        draft.receipt = receipt = _receipt(draft, Tally(heard.kind, repeats=1))
        repeat = Repeat(
            draft.push(receipt), body, heard.position, heard.content_key, heard.booking_id, dated=heard.dated
        )
        first_heard = self._express.repeat(repeat)
        if first_heard is None:
            draft.receipt = None
            return None
        return _receipt(draft, Tally(heard.kind, repeats=1, first_heard=first_heard))

    def take(self, draft: Draft, found: Sequence[Notification]) -> Receipt | None:
        """Store a push that holds the notifications ``found``; None when it takes more than this.

        Raises StoreConflict (begin again), ConnectionLost (look whether it is stored), StoreUnavailable, StoreError.
        """
        if len(found) != 1 or draft.answered is not None:
            return None
        notification = found[0]
        if not notification.valid or notification.kind not in _KINDS:
            return None
        receipt = _receipt(draft, Tally(notification.kind, applied=1))
        # Should the answer to the commit be lost: whichever it was, the sender may be told yes.
        draft.receipt = receipt
        candidate = self._candidate(draft, notification, receipt)
        taken = self._express.take(candidate)
        if taken is None:
            draft.receipt = None
            return None
        self._recent.remember(draft.delivery.source.name, draft.sha256, _heard(draft, notification, candidate))
        if taken.first_heard is None:
            return receipt
        return _receipt(draft, Tally(notification.kind, repeats=1, first_heard=taken.first_heard))

    def _candidate(self, draft: Draft, notification: Notification, receipt: Receipt) -> Candidate:
        """What is stored if the booking has never been heard of."""
        source, received, place = draft.delivery.source, draft.received_at, str(self._new_id())
        booking_id, key = str(notification.booking_id), notification.content_key
        if notification.plain is not None:
            event = plain_event(notification, notification.plain, received, place)
        else:
            event = booking_event(notification, source.rules, self._table, received, place)
        before = Booking(source.name, booking_id, received, received, applied_id=place, applied_key=key)
        after = self._fold.step(before, event)
        change = booking_change(None, after)
        assert change is not None  # noqa: S101 - the first that is heard always is one
        return Candidate(
            push=draft.push(receipt),
            body=draft.delivery.body,
            entry=Entry(place, draft.push_id, source.name, received, notification, key, NotificationStatus.APPLIED),
            booking=after,
            change=Changed(source.name, "booking", booking_id, change, place, event.order.event_at, self._now()),
            dated=event.dated,
        )


def _heard(draft: Draft, notification: Notification, candidate: Candidate) -> Heard:
    return Heard(
        draft.envelope,
        notification.kind,
        notification.position,
        candidate.booking.booking_id,
        notification.content_key,
        candidate.dated,
    )


def _receipt(draft: Draft, tally: Tally) -> Receipt:
    return receipt_of(draft.push_id, tally, draft.delivery.source.rules.on_invalid, draft.envelope)
