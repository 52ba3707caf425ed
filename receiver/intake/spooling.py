"""What becomes of a push that the database cannot take now."""

from __future__ import annotations

from dataclasses import replace

import structlog

from receiver.errors import SpoolError, Unreadable
from receiver.messages import Notification
from receiver.spool import Spool, SpooledPush, SpoolReply
from receiver.store.pushes import Outcome
from receiver.wire import Limits, Reading, Verdict, render

from .draft import Draft
from .judging import judged
from .receipt import RETRY_AFTER, Receipt, Tally, receipt_of, unreadable

_log = structlog.get_logger()
_NOTHING_KEPT = "The push could not be stored; nothing of it is kept. Send it again later."
_BYTES_KEPT = (
    "The database is down; the push waits on the receiver's disk and is stored later. Sending it again is harmless."
)


class Fallback:
    """Keeps the bytes in the spool, where there is one, and says so as the settings want it said."""

    def __init__(self, spool: Spool | None, answer: SpoolReply, limits: Limits) -> None:
        self._spool, self._answer, self._limits = spool, answer, limits

    def comes_first(self, source: str) -> bool:
        """Whether pushes of the source have been told yes and still wait: then what comes now waits behind them.

        An undated event has no time but that of its arrival, and must not overtake one that was told yes.
        """
        return self._spool is not None and self._answer is SpoolReply.SUCCESS and self._spool.holds(source)

    def keep(self, draft: Draft, reason: str) -> Receipt:
        """The receipt for a push that is in the spool now, or nowhere. Never raises for a failing disk."""
        if self._spool is None:
            return _failed(draft, reason, _NOTHING_KEPT)
        receipt = self._receipt(draft, reason)
        delivery = draft.delivery
        push = SpooledPush(
            draft.push_id,
            delivery.source.name,
            draft.received_at,
            delivery.content_type,
            receipt.reply.status,
            delivery.body,
            delivery.sender,
        )
        try:
            self._spool.add(push)
        except SpoolError as error:
            _log.error("push_not_spooled", push_id=draft.push_id, reason=error.reason, detail=str(error))
            return _failed(draft, error.reason, _NOTHING_KEPT)
        _log.warning("push_spooled", push_id=draft.push_id, source=delivery.source.name, reason=reason)
        return replace(receipt, push_id=draft.push_id, spooled=True)

    def _receipt(self, draft: Draft, reason: str) -> Receipt:
        if self._answer is SpoolReply.UNAVAILABLE:
            return _failed(draft, reason, _BYTES_KEPT)
        return self._as_it_will_be(draft)

    def _as_it_will_be(self, draft: Draft) -> Receipt:
        """What the database would have made of the push, as far as the bytes alone tell: a refusal is one now."""
        source = draft.delivery.source
        tally = Tally()
        draft.reading = Reading(draft.delivery.body, source.names, self._limits)
        try:
            for notification in judged(source, draft.reading.records()):
                _count(tally, notification)
        except Unreadable as error:
            return unreadable(draft.push_id, draft.envelope, error)
        return receipt_of(draft.push_id, tally, source.rules.on_invalid, draft.envelope)


def _count(tally: Tally, notification: Notification) -> None:
    tally.kind = tally.kind or notification.kind
    if notification.valid:
        tally.applied += 1
    else:
        tally.held += 1
        tally.remember(notification)


def _failed(draft: Draft, reason: str, text: str) -> Receipt:
    reply = render(draft.envelope, Verdict.OUR_FAULT, text)
    return Receipt(None, Outcome.FAILED, reply, reason=reason, retry_after=RETRY_AFTER)
