"""Receiving a push: the whole story on one page, and the owner of the transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice

import structlog

from receiver.errors import ConnectionLost, NotUnderstood, StoreConflict, StoreUnavailable, Unreadable
from receiver.fields import FieldTable
from receiver.messages import Finding, Notification
from receiver.messages.identity import fallback_key
from receiver.store import notifications, pushes
from receiver.store.pushes import Outcome, Push
from receiver.store.store import Store
from receiver.wire import Envelope, Limits, Reading, Record, Verdict, form_of, render

from .receipt import Receipt, Tally, message_of, outcome_of, reply_to
from .settling import Arrival, Settling
from .source import Source

_BATCH = 500
_RACES = 20
_RETRY_AFTER = 30
_log = structlog.get_logger()


@dataclass(frozen=True)
class Delivery:
    """One request as the door let it in: whose it is, its bytes whole, and what it called them."""

    source: Source
    body: bytes
    content_type: str | None = None


class Intake:
    """The corridor. ``now`` gives aware UTC; ``new_id`` gives ids that sort by time."""

    def __init__(
        self,
        store: Store,
        table: FieldTable,
        limits: Limits,
        now: Callable[[], datetime],
        new_id: Callable[[], object],
    ) -> None:
        self._store, self._table, self._limits = store, table, limits
        self._now, self._new_id = now, new_id

    def receive(self, delivery: Delivery) -> Receipt:
        """Take a push in: stored whole with all that it says, or kept as it came with the reason.

        Never raises: a reply that says yes is returned only after the commit, and everything else is not a yes.
        """
        draft = _Draft(str(self._new_id()), self._now(), delivery)
        try:
            return self._with_races(draft)
        except Unreadable as error:
            verdict = Verdict.NOT_UNDERSTOOD if isinstance(error, NotUnderstood) else Verdict.UNREADABLE
            return self._keep_bytes(draft, Outcome.REFUSED, verdict, error.reason, _told(error))
        except StoreUnavailable as error:
            _log.error("push_not_stored", push_id=draft.push_id, reason=error.reason, detail=str(error))
            return self._not_stored(draft, error.reason)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not lose the bytes
            _log.error("push_failed", push_id=draft.push_id, error=type(error).__name__, where=_where(error))
            text = "The receiver failed to apply this push; its bytes are kept. Send it again later."
            return self._keep_bytes(draft, Outcome.FAILED, Verdict.OUR_FAULT, "internal", text)

    def _with_races(self, draft: _Draft) -> Receipt:
        """Begin again when another transaction got there first, and once when the connection was lost.

        A commit whose answer was lost is looked for, so that a push is stored once whatever happened.
        """
        lost = False
        for _ in range(_RACES):
            try:
                return self._store_whole(draft)
            except StoreConflict:
                pass
            except ConnectionLost:
                if lost:
                    raise
                lost = True
            if lost and draft.receipt is not None and self._is_stored(draft):
                return draft.receipt
        raise StoreConflict("Other transactions got there first every time.")

    def _is_stored(self, draft: _Draft) -> bool:
        with self._store.reading() as connection:
            return pushes.is_stored(connection, self._store.tables, draft.push_id)

    def _store_whole(self, draft: _Draft) -> Receipt:
        """One transaction: the bytes, the records and their effects. Raises when anything of it fails."""
        source, tables = draft.delivery.source, self._store.tables
        reading = Reading(draft.delivery.body, source.names, self._limits)
        draft.reading = reading
        batches = _batches(self._judged(source, reading.records()))
        first = next(batches, ())
        with self._store.transaction() as connection:
            arrival = Arrival(draft.push_id, draft.sha256, draft.received_at, draft.received_at)
            before = notifications.held_of_same_bytes(connection, tables, source.name, draft.sha256)
            settling = Settling(connection, tables, self._table, source, arrival, before, self._new_id)
            settling.settle(first)
            for batch in batches:
                settling.settle(batch)
            receipt = _receipt(draft, settling.tally, reading.envelope)
            pushes.add(connection, tables, _push(draft, receipt, reading.envelope), draft.delivery.body)
            draft.receipt = receipt
        return receipt

    def retry(self, push_id: str, sources: dict[str, Source], *, dry_run: bool = False) -> Tally | None:
        """Walk a stored push through the corridor again, as settings are now; what was settled stays as it is.

        Returns what came of it, or None when there is no such push. With ``dry_run`` nothing is written. Raises
        Unreadable when the bytes still cannot be read, StoreError when the database fails.
        """
        tables = self._store.tables
        with self._store.reading() as connection:
            found = pushes.body_of(connection, tables, push_id)
        if found is None or found[0] not in sources:
            return None
        source, received_at, body = sources[found[0]], found[1], found[2]
        for _ in range(_RACES):
            try:
                with self._store.transaction() as connection:
                    before = notifications.of_push(connection, tables, push_id)
                    arrival = Arrival(push_id, _digest(body), received_at, self._now(), is_new=False)
                    settling = Settling(connection, tables, self._table, source, arrival, before, self._new_id)
                    records = Reading(body, source.names, self._limits).records()
                    for batch in _batches(self._judged(source, records)):
                        settling.settle(batch)
                    if dry_run:
                        connection.rollback()
                    return settling.tally
            except StoreConflict:
                continue
        raise StoreUnavailable("Other transactions got there first every time.")

    def _judged(self, source: Source, records: Iterable[Record]) -> Iterator[Notification]:
        """Each record judged; one that our own code trips over is held, and does not sink the others."""
        for record in records:
            try:
                yield source.judge.judge(record)
            except Exception as error:  # noqa: BLE001 - one record must not sink its batch
                _log.error("record_not_judged", error=type(error).__name__, where=_where(error))
                text = "The receiver failed to read this record; it is kept for a person."
                yield Notification(
                    kind=record.kind,
                    position=record.position,
                    line=record.line,
                    values={},
                    content_key=fallback_key(record),
                    booking_id=None,
                    resource_id=None,
                    changed_at=None,
                    warnings=(),
                    problems=(Finding("", "internal", text, record.line),),
                )

    def _keep_bytes(self, draft: _Draft, outcome: Outcome, verdict: Verdict, reason: str, text: str) -> Receipt:
        """The bytes by a transaction of their own, with the reason why nothing else is stored of them."""
        reply = render(draft.envelope, verdict, text)
        retry_after = _RETRY_AFTER if verdict is Verdict.OUR_FAULT else None
        receipt = Receipt(draft.push_id, outcome, reply, reason=reason, retry_after=retry_after)
        push = _push(draft, receipt, draft.envelope, message=text)
        try:
            with self._store.transaction() as connection:
                pushes.add(connection, self._store.tables, push, draft.delivery.body)
        except Exception as error:  # noqa: BLE001 - the sender must hear a no, whatever happened
            _log.error("push_not_stored", push_id=draft.push_id, reason=reason, error=type(error).__name__)
            return self._not_stored(draft, reason)
        return receipt

    def _not_stored(self, draft: _Draft, reason: str) -> Receipt:
        text = "The push could not be stored; nothing of it is kept. Send it again later."
        reply = render(draft.envelope, Verdict.OUR_FAULT, text)
        return Receipt(None, Outcome.FAILED, reply, reason=reason, retry_after=_RETRY_AFTER)


@dataclass
class _Draft:
    """A delivery on its way: what is known of it before anything is stored."""

    push_id: str
    received_at: datetime
    delivery: Delivery
    reading: Reading | None = None
    receipt: Receipt | None = None

    @property
    def envelope(self) -> Envelope:
        return self.reading.envelope if self.reading is not None else Envelope()

    @cached_property
    def sha256(self) -> str:
        return _digest(self.delivery.body)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _batches(judged: Iterable[Notification]) -> Iterator[tuple[Notification, ...]]:
    rest = iter(judged)
    while batch := tuple(islice(rest, _BATCH)):
        yield batch


def _told(error: Unreadable) -> str:
    return f"{error} (line {error.line})" if error.line else str(error)


def _where(error: BaseException) -> list[str]:
    """The frames of a failure, without the messages: those can quote what was sent."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return frames[-8:]


def _receipt(draft: _Draft, tally: Tally, envelope: Envelope) -> Receipt:
    outcome = outcome_of(tally, draft.delivery.source.rules.on_invalid)
    message = message_of(tally, outcome)
    reply = reply_to(envelope, outcome, message)
    reason = "invalid" if outcome is Outcome.REFUSED else None
    return Receipt(draft.push_id, outcome, reply, tally.kind, tally.records, tally.all_held, reason)


def _push(draft: _Draft, receipt: Receipt, envelope: Envelope, message: str | None = None) -> Push:
    names = draft.delivery.source.names.roots
    kind = receipt.kind or names.get((envelope.operation or "").lower())
    return Push(
        id=draft.push_id,
        source=draft.delivery.source.name,
        received_at=draft.received_at,
        size_bytes=len(draft.delivery.body),
        sha256=draft.sha256,
        content_type=draft.delivery.content_type,
        form=form_of(envelope),
        kind=kind,
        outcome=receipt.outcome,
        records=receipt.records,
        held=receipt.held,
        reply_status=receipt.reply.status,
        reason=receipt.reason,
        message=message,
    )
