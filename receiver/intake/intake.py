"""Receiving a push: the whole story on one page, and the owner of the transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

import structlog

from receiver.errors import ConnectionLost, StoreConflict, StoreError, StoreUnavailable, Unreadable
from receiver.fields import FieldTable
from receiver.messages import Notification
from receiver.spool import SpooledPush
from receiver.store import notifications, pushes
from receiver.store.express.express import express
from receiver.store.figures import counts as figures
from receiver.store.pushes import Outcome
from receiver.store.replays import decisions
from receiver.store.store import Store
from receiver.strands import elsewhere
from receiver.wire import Limits, Reading, Verdict, render

from .draft import Delivery, Draft
from .happy import HappyPath
from .judging import batches, judged, where
from .receipt import RETRY_AFTER, Receipt, Tally, receipt_of, told, unreadable
from .retrying import Retrying
from .settling import Also, Settling
from .source import Source
from .spooling import Fallback

_RACES = 20
_COUNTED_ANYWAY = timedelta(hours=1)
_log = structlog.get_logger()


class Intake:
    """The corridor. ``now`` gives aware UTC; ``new_id`` gives ids that sort by time.

    Without ``quick`` every push goes the long way, with what is stored read first and written then.
    """

    def __init__(
        self,
        store: Store,
        table: FieldTable,
        limits: Limits,
        fallback: Fallback,
        now: Callable[[], datetime],
        new_id: Callable[[], object],
        *,
        quick: bool = True,
    ) -> None:
        self._store, self._table, self._limits, self._fallback = store, table, limits, fallback
        self._now, self._new_id, self._quick = now, new_id, quick

    @cached_property
    def _happy(self) -> HappyPath:
        """Made for the first push: not everything that has a corridor receives."""
        return HappyPath(express(self._store), self._table, self._now, self._new_id)

    def receive(self, delivery: Delivery) -> Receipt:
        """Take a push in: stored whole with all that it says, or kept as it came with the reason.

        Never raises: a reply that says yes is returned only after the commit (or, where the settings say so, after
        the spool has the bytes), and everything else is not a yes.
        """
        draft = Draft(str(self._new_id()), self._now(), delivery, self._now)
        try:
            if self._fallback.comes_first(delivery.source.name):
                return elsewhere(lambda: self._fallback.keep(draft, "spool"))
            return self._take(draft)
        except Exception as error:  # noqa: BLE001 - the sender must hear a no, whatever happened
            reason, detail = ("internal", "") if not isinstance(error, StoreError) else (error.reason, str(error))
            name = type(error).__name__
            _log.error("push_not_stored", push_id=draft.push_id, reason=reason, detail=detail, error=name)
            return elsewhere(lambda: self._fallback.keep(draft, reason))

    def take_spooled(self, push: SpooledPush, source: Source) -> None:
        """Take in a push that has waited in the spool, as if it were its arrival; again is harmless.

        Raises StoreError when the database still cannot take it.
        """
        delivery = Delivery(source, push.body, push.content_type, push.sender)
        draft = Draft(push.push_id, push.received_at, delivery, self._now, answered=push.reply_status)
        if not self._is_stored(draft):
            self._take(draft)
        self._count_again(push.received_at)

    def _count_again(self, moment: datetime) -> None:
        """Have the hour of a push that comes late counted again, as the last ones are anyway."""
        if self._now() - moment > _COUNTED_ANYWAY:
            with self._store.transaction() as connection:
                figures.mark_hour(connection, self._store.tables, moment, self._now())

    def _take(self, draft: Draft) -> Receipt:
        """Store the push in whatever way can be. Raises StoreError when nothing can be stored."""
        try:
            return self._in_turn(draft, lambda: self._store_whole(draft))
        except Unreadable as error:
            return self._keep_bytes(draft, unreadable(draft.push_id, draft.envelope, error), told(error))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not lose the bytes
            _log.error("push_failed", push_id=draft.push_id, error=type(error).__name__, where=where(error))
            text = "The receiver failed to apply this push; its bytes are kept. Send it again later."
            reply = render(draft.envelope, Verdict.OUR_FAULT, text)
            receipt = Receipt(draft.push_id, Outcome.FAILED, reply, reason="internal", retry_after=RETRY_AFTER)
            return self._keep_bytes(draft, receipt, text)

    def _in_turn(self, draft: Draft, attempt: Callable[[], Receipt]) -> Receipt:
        """Begin again when another transaction got there first, and once when the connection was lost.

        A commit whose answer was lost is looked for, so that a push is stored once whatever happened.
        """
        lost = False
        for _ in range(_RACES):
            try:
                return attempt()
            except StoreConflict:
                pass
            except ConnectionLost:
                if lost:
                    raise
                lost = True
            if lost and draft.receipt is not None and elsewhere(lambda: self._is_stored(draft)):
                return draft.receipt
        raise StoreConflict("Other transactions got there first every time.")

    def _is_stored(self, draft: Draft) -> bool:
        with self._store.reading() as connection:
            return pushes.is_stored(connection, self._store.tables, draft.push_id)

    def _store_whole(self, draft: Draft) -> Receipt:
        """One transaction: the bytes, the records and their effects. Raises when anything of it fails."""
        if self._quick and (known := self._happy.again(draft)) is not None:
            return known
        source = draft.delivery.source
        draft.reading = Reading(draft.delivery.body, source.names, self._limits)
        found = batches(judged(source, draft.reading.records()))
        first = next(found, ())
        if self._quick and (taken := self._happy.take(draft, first)) is not None:
            return taken
        return elsewhere(lambda: self._settle(draft, first, found))

    def _settle(
        self, draft: Draft, first: tuple[Notification, ...], found: Iterator[tuple[Notification, ...]]
    ) -> Receipt:
        """The usual way: what is stored is read and locked first, and written then."""
        source, tables = draft.delivery.source, self._store.tables
        with self._store.transaction() as connection:
            arrival = draft.arrival()
            before = notifications.of_same_bytes(connection, tables, source.name, draft.sha256)
            settling = Settling(connection, tables, self._table, source, arrival, before, self._new_id)
            settling.settle(first)
            for batch in found:
                settling.settle(batch)
            receipt = receipt_of(draft.push_id, settling.tally, source.rules.on_invalid, draft.envelope)
            pushes.add(connection, tables, draft.push(receipt), draft.delivery.body)
            draft.receipt = receipt
        return receipt

    def _keep_bytes(self, draft: Draft, receipt: Receipt, text: str) -> Receipt:
        """The bytes by a transaction of their own, with the reason why nothing else is stored of them."""

        def attempt() -> Receipt:
            with self._store.transaction() as connection:
                push, tables = draft.push(receipt, text), self._store.tables
                if decisions.are_decided(connection, tables, push.source, push.sha256):
                    push = replace(push, held=1)
                pushes.add(connection, tables, push, draft.delivery.body)
                draft.receipt = receipt
            return receipt

        draft.receipt = None
        return elsewhere(lambda: self._in_turn(draft, attempt))

    def retry(
        self, push_id: str, sources: Mapping[str, Source], *, dry_run: bool = False, also: Also | None = None
    ) -> Tally | None:
        """Walk a stored push through the corridor again: see Retrying."""
        return Retrying(self._store, self._table, self._limits, self._now, self._new_id).retry(
            push_id, sources, dry_run=dry_run, also=also
        )
