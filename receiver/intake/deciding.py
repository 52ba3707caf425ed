"""What a person decides about what is held: discarded, or corrected by a push of its own that walks the corridor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from receiver.errors import BytesGone, NotCorrected, NotFound, StoreConflict, StoreUnavailable, TooLarge, WrongState
from receiver.fields import FieldTable, Kind
from receiver.messages import Finding
from receiver.store import pushes
from receiver.store.replays import decisions
from receiver.store.replays.decisions import WHOLE, Choice, Decision, Waiting
from receiver.store.store import Store
from receiver.wire import Limits, as_text, cut, text_bytes

from .correcting import Correction, read_correction, subject_of, why_not
from .draft import Delivery, Draft
from .receipt import RecordOutcome, Tally, receipt_of
from .repeats import Arrival
from .settling import AlsoDecided, Settling
from .source import Source

MOST_EDITED = 1024 * 1024
_RACES = 20
_OVER = "It is not held any more: somebody has decided about it, or it has been applied."
_T = TypeVar("_T")


@dataclass(frozen=True)
class Editable:
    """What a person may put right: the record's ``text`` as XML, and the ``line`` of the push where it begins."""

    text: str
    line: int


@dataclass(frozen=True)
class Expected:
    """What would become of one record of a correction."""

    position: int
    kind: Kind
    about: str
    outcome: RecordOutcome


@dataclass(frozen=True)
class CheckedCorrection:
    """What is wrong with a correction (then nothing would come of it), what is odd about it, and what would become of
    its records. Lines are those of its text, from 1."""

    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...] = ()
    expected: tuple[Expected, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it can be taken."""
        return not self.problems


@dataclass(frozen=True)
class Corrected:
    """The push that the correction became, what came of it, and the decision that links it to what it corrects."""

    push_id: str
    decision: Decision
    tally: Tally


class _Refused(Exception):
    """Ends the transaction: nothing is written."""

    def __init__(self, problems: tuple[Finding, ...]) -> None:
        super().__init__()
        self.problems = problems


class Deciding:
    """Decides, each time in one transaction. ``now`` gives aware UTC; ``new_id`` gives ids that sort by time.

    ``most_bytes`` is the largest push that is taken. Where a method takes ``also``, it is done in its transaction.
    """

    def __init__(
        self,
        store: Store,
        table: FieldTable,
        sources: Mapping[str, Source],
        limits: Limits,
        most_bytes: int,
        now: Callable[[], datetime],
        new_id: Callable[[], object],
    ) -> None:
        self._store, self._table, self._sources, self._limits = store, table, sources, limits
        self._most_bytes, self._now, self._new_id = most_bytes, now, new_id

    def editable(self, push_id: str, position: int) -> Editable:
        """The record as it was sent, cut out so that it can be read alone; position 0: the whole push as text.

        Raises NotFound, BytesGone, TooLarge (it is no work for a person then), Unreadable, StoreError.
        """
        with self._store.reading() as connection:
            found = pushes.body_of(connection, self._store.tables, push_id)
        if found is None or found[0] not in self._sources:
            raise NotFound(f"There is no push {push_id} of a source in the settings.")
        source, body = self._sources[found[0]], found[2]
        if position == WHOLE:
            self._require_small(len(body))
            return Editable(as_text(body), 1)
        record = cut(body, source.names, self._limits, position)
        if record is None:
            raise BytesGone(f"There is no record {position} in the bytes of push {push_id} now.")
        self._require_small(len(record.text))
        return Editable(record.text, record.line)

    @staticmethod
    def _require_small(size: int) -> None:
        if size > MOST_EDITED:
            raise TooLarge(f"It is larger than {MOST_EDITED} characters, the most that can be edited.")

    def discard(self, push_id: str, position: int, who: str, reason: str, also: AlsoDecided | None = None) -> Decision:
        """Discard a held record, or (position 0) a push of which nothing could be read, for a reason.

        Raises NotFound, WrongState (it is not held any more, or the reason is empty), StoreError.
        """
        _require_reason(reason)

        def attempt() -> Decision:
            tables = self._store.tables
            with self._store.transaction() as connection:
                waiting = self._waiting(decisions.waiting(connection, tables, push_id, position), push_id, position)
                if not waiting.is_held:
                    raise WrongState(_OVER)
                if waiting.notification_id is None:
                    decisions.close_pushes(connection, tables, [push_id])
                else:
                    decisions.close_records(connection, tables, [waiting.notification_id])
                made = self._decision(waiting, Choice.DISCARDED, who, reason)
                decisions.add(connection, tables, [made])
                if also is not None:
                    also(connection, made)
                return made

        return self._in_turn(attempt)

    def check(self, push_id: str, position: int, text: str) -> CheckedCorrection:
        """What would become of the correction; nothing is written. Raises NotFound, WrongState, StoreError."""
        try:
            return self._checked(self._attempt(push_id, position, text, "", "", None, dry_run=True))
        except _Refused as refused:
            return CheckedCorrection(refused.problems)

    def correct(
        self, push_id: str, position: int, text: str, who: str, reason: str, also: AlsoDecided | None = None
    ) -> Corrected:
        """Have ``text`` take the place of a held record, or (position 0) of a push of which nothing could be read.

        It becomes a push of the same source, as of now, and walks the corridor; what it brings takes the original's
        place in time, and the original becomes discarded. A record that was corrected, or discarded, may be corrected
        again: what the last one says is laid over what those before it said, so it must be about the same things.
        Raises NotFound, WrongState, NotCorrected, StoreError.
        """
        _require_reason(reason)
        try:
            return self._attempt(push_id, position, text, who, reason, also, dry_run=False)[1]
        except _Refused as refused:
            # Problems quote values, and an error's text is for logs too: check tells them.
            raise NotCorrected(f"The correction cannot be taken: {len(refused.problems)} problems.") from None

    def _attempt(
        self, push_id: str, position: int, text: str, who: str, reason: str, also: AlsoDecided | None, *, dry_run: bool
    ) -> tuple[Correction, Corrected]:
        body = text_bytes(text)
        if len(body) > self._most_bytes:
            raise _Refused((Finding("", "too_large", f"It is larger than {self._most_bytes} bytes."),))
        original = self._look(push_id, position)
        source = self._sources[original.source]
        read = read_correction(body, source, self._limits, whole=position == WHOLE)
        if read.problems:
            raise _Refused(read.problems)
        return read, self._in_turn(
            lambda: self._store_correction(read, (push_id, position), source, (who, reason), also, dry_run=dry_run)
        )

    def _look(self, push_id: str, position: int) -> Waiting:
        with self._store.transaction() as connection:
            found = decisions.waiting(connection, self._store.tables, push_id, position)
            connection.rollback()
        return self._waiting(found, push_id, position)

    def _waiting(self, found: Waiting | None, push_id: str, position: int) -> Waiting:
        if found is None or found.source not in self._sources:
            raise NotFound(f"Push {push_id} has nothing at position {position} to decide about.")
        if found.is_erased:
            raise WrongState("What it said was erased.")
        return found

    def _store_correction(
        self,
        read: Correction,
        place: tuple[str, int],
        source: Source,
        said: tuple[str, str],
        also: AlsoDecided | None,
        *,
        dry_run: bool,
    ) -> Corrected:
        tables, now = self._store.tables, self._now()
        draft = Draft(str(self._new_id()), now, Delivery(source, read.body, "application/xml"), self._now)
        draft.wrapped = read.envelope
        with self._store.transaction() as connection:
            original = self._waiting(decisions.waiting(connection, tables, *place), *place)
            before = decisions.last_correction(connection, tables, *place)
            earlier = decisions.said_by(connection, tables, before) if before is not None else []
            if (problem := why_not(read, original, earlier, source)) is not None:
                raise _Refused((problem,))
            if original.notification_id is None:
                decisions.close_pushes(connection, tables, [original.push_id])
            else:
                decisions.close_records(connection, tables, [original.notification_id])
            arrival = Arrival(draft.push_id, draft.sha256, original.received_at, self._now, is_live=False)
            tally = Tally(outcomes=[])
            settling = Settling(*(connection, tables, self._table, source, arrival, {}, self._new_id), tally=tally)
            settling.settle(read.notifications)
            if tally.all_held:
                raise _Refused((Finding("", "held", "The same is held elsewhere: decide about that."),))
            receipt = receipt_of(draft.push_id, tally, source.rules.on_invalid, read.envelope)
            push = replace(draft.push(receipt), taken_microseconds=None)
            pushes.add(connection, tables, push, read.body)
            made = replace(
                self._decision(original, Choice.CORRECTED, *said),
                version=original.version + 1,
                correction_push_id=draft.push_id,
            )
            decisions.add(connection, tables, [made])
            if dry_run:
                connection.rollback()
            elif also is not None:
                also(connection, made)
        return Corrected(draft.push_id, made, tally)

    def _decision(self, waiting: Waiting, choice: Choice, who: str, reason: str) -> Decision:
        place = waiting.push_id, waiting.position, waiting.notification_id
        return Decision(str(self._new_id()), *place, choice, self._now(), who, reason.strip())

    def _checked(self, found: tuple[Correction, Corrected]) -> CheckedCorrection:
        read, done = found
        outcomes = {position: outcome for position, outcome, _ in done.tally.outcomes or ()}
        expected = tuple(Expected(n.position, n.kind, subject_of(n), outcomes[n.position]) for n in read.notifications)
        return CheckedCorrection((), tuple(w for n in read.notifications for w in n.warnings), expected)

    @staticmethod
    def _in_turn(attempt: Callable[[], _T]) -> _T:
        for _ in range(_RACES):
            try:
                return attempt()
            except StoreConflict:
                continue
        raise StoreUnavailable("Other transactions got there first every time.")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise WrongState("A reason is needed.")
