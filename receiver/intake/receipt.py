"""How a push ended, and what its sender is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice

from receiver.errors import NotUnderstood, Unreadable
from receiver.fields import Kind
from receiver.messages import Notification, OnInvalid
from receiver.store.pushes import Outcome
from receiver.wire import Envelope, Reply, Verdict, render

RETRY_AFTER = 30
_MOST_TOLD = 20


@dataclass(frozen=True)
class Receipt:
    """``push_id`` names the stored push, None when nothing could be stored. ``retry_after`` is in seconds.

    ``spooled``: it is on the local disk, and in the database only later.
    """

    push_id: str | None
    outcome: Outcome
    reply: Reply
    kind: Kind | None = None
    records: int = 0
    held: int = 0
    reason: str | None = None
    retry_after: int | None = None
    spooled: bool = False


class RecordOutcome(StrEnum):
    """What came of one record."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"
    SETTLED_BEFORE = "settled_before"
    HELD = "held"


@dataclass
class Tally:
    """Counts of one push, filled as its records are settled.

    ``outcomes``, where they are wanted: what came of each record, by position, and the code of its first problem.
    """

    kind: Kind | None = None
    applied: int = 0
    superseded: int = 0
    repeats: int = 0
    held: int = 0
    held_before: int = 0
    first_heard: datetime | None = None
    invalid: list[Notification] = field(default_factory=list)
    outcomes: list[tuple[int, RecordOutcome, str | None]] | None = None

    def note(self, notification: Notification, outcome: RecordOutcome) -> None:
        """Keep what came of a record, where that is wanted."""
        if self.outcomes is not None:
            problems = notification.problems if outcome is RecordOutcome.HELD else ()
            self.outcomes.append((notification.position, outcome, problems[0].code if problems else None))

    @property
    def records(self) -> int:
        """All records of the push."""
        return self.applied + self.superseded + self.repeats + self.held + self.held_before

    @property
    def all_held(self) -> int:
        """Records that wait for a person, those of earlier deliveries included."""
        return self.held + self.held_before

    def heard_before(self, at: datetime) -> None:
        """Remember the earliest moment (UTC) that something in this push was first heard."""
        if self.first_heard is None or at < self.first_heard:
            self.first_heard = at

    def remember(self, notification: Notification) -> None:
        """Keep an invalid record for the reply, as many as are told."""
        if len(self.invalid) < _MOST_TOLD:
            self.invalid.append(notification)


def outcome_of(tally: Tally, on_invalid: OnInvalid) -> Outcome:
    """The delivery's outcome (design: view ``v1_pushes``)."""
    valid = tally.applied + tally.superseded + tally.repeats
    new = tally.applied + tally.superseded + tally.held
    if tally.all_held and not valid:
        if on_invalid is OnInvalid.REFUSE:
            return Outcome.REFUSED
        return Outcome.HELD if tally.held else Outcome.DUPLICATE
    if not new and tally.records:
        return Outcome.DUPLICATE
    return Outcome.PARTLY_HELD if tally.all_held else Outcome.STORED


def message_of(tally: Tally, outcome: Outcome) -> str | None:
    """What there is to say beside success or error: one line."""
    if outcome is Outcome.REFUSED:
        return _problems(tally)
    if not tally.records:
        return "The push holds no records."
    said = []
    if outcome is Outcome.DUPLICATE and tally.first_heard is not None:
        said.append(f"Received before, on {tally.first_heard.strftime('%Y-%m-%dT%H:%M:%SZ')}.")
    if tally.all_held:
        records = f"{tally.all_held} of {tally.records} records are" if tally.records > 1 else "The record is"
        said.append(f"{records} held for review: {_problems(tally)}")
    return " ".join(said) or None


def _problems(tally: Tally) -> str:
    told = list(islice(_lines(tally), _MOST_TOLD))
    found = sum(len(n.problems) for n in tally.invalid)
    more = found - len(told)
    records = tally.all_held - len(tally.invalid)
    rest = f" And {more} more problems." if more > 0 else ""
    rest += f" And {records} more records." if records > 0 else ""
    return " ".join(told) + rest


def _lines(tally: Tally) -> Iterable[str]:
    for notification in tally.invalid:
        where = f"Record {notification.position}: " if tally.records > 1 else ""
        for problem in notification.problems:
            line = f" (line {problem.line})" if problem.line else ""
            yield f"{where}{problem.text}{line}"


def receipt_of(push_id: str, tally: Tally, on_invalid: OnInvalid, envelope: Envelope) -> Receipt:
    """The receipt of a push whose records were read."""
    outcome = outcome_of(tally, on_invalid)
    verdict = Verdict.INVALID if outcome is Outcome.REFUSED else Verdict.SUCCESS
    reply = render(envelope, verdict, message_of(tally, outcome))
    reason = "invalid" if outcome is Outcome.REFUSED else None
    return Receipt(push_id, outcome, reply, tally.kind, tally.records, tally.all_held, reason)


def unreadable(push_id: str, envelope: Envelope, error: Unreadable) -> Receipt:
    """The receipt of a push whose bytes cannot be read."""
    verdict = Verdict.NOT_UNDERSTOOD if isinstance(error, NotUnderstood) else Verdict.UNREADABLE
    reply = render(envelope, verdict, told(error))
    return Receipt(push_id, Outcome.REFUSED, reply, reason=error.reason)


def told(error: Unreadable) -> str:
    """Why, and in which line."""
    return f"{error} (line {error.line})" if error.line else str(error)
