"""A person's correction read and judged: what is wrong with it, and what it is about. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from receiver.errors import Unreadable
from receiver.fields import Kind
from receiver.messages import Finding, Notification
from receiver.messages.typed import moment_of
from receiver.store.replays.decisions import Said, Waiting
from receiver.wire import Envelope, Limits, Reading

from .judging import judged
from .source import Source

_MOST_TOLD = 100

About = tuple[Kind, str | None, str | None, datetime | None, datetime | None]


@dataclass(frozen=True)
class Correction:
    """The bytes of a correction, how they are wrapped, their records, and what keeps them from being taken."""

    body: bytes
    envelope: Envelope
    notifications: tuple[Notification, ...]
    problems: tuple[Finding, ...]


def read_correction(body: bytes, source: Source, limits: Limits, *, whole: bool) -> Correction:
    """Read ``body``: one record, or (``whole``) a push of any number. Never raises for what is in it."""
    reading = Reading(body, source.names, limits)
    found: list[Notification] = []
    problems: list[Finding] = []
    try:
        found.extend(judged(source, reading.records()))
    except Unreadable as error:
        problems.append(Finding("", error.reason, str(error), error.line))
    else:
        if not found or (len(found) > 1 and not whole):
            wanted = "at least one" if whole else "one"
            problems.append(Finding("", "records", f"It holds {len(found)} records, and must hold {wanted}."))
        problems += [p for n in found for p in n.problems]
    return Correction(body, reading.envelope, tuple(found), tuple(problems[:_MOST_TOLD]))


def subject_of(notification: Notification) -> str:
    """The booking or resource that it is about."""
    return notification.booking_id or notification.resource_id or ""


def why_not(read: Correction, original: Waiting, earlier: list[Said], source: Source) -> Finding | None:
    """Why it corrects nothing: it says what was sent or what the correction before it said, or is about another thing.

    ``earlier``: what the correction before it said.
    """
    if any(n.content_key == original.content_key for n in read.notifications):
        return Finding("", "unchanged", "It says what was sent: nothing has been corrected.")
    if not earlier:
        return None
    if [n.content_key for n in read.notifications] == [said.content_key for said in earlier]:
        return Finding("", "unchanged", "It says what the last correction said.")
    now = [_about(n.kind, n.booking_id, n.resource_id, n.values, source) for n in read.notifications]
    if now != [_about(said.kind, said.booking_id, said.resource_id, said.values, source) for said in earlier]:
        text = "It is about something else than the last correction. That one was applied, and this would not undo it."
        return Finding("", "other_subject", text)
    return None


def _about(
    kind: Kind, booking_id: str | None, resource_id: str | None, values: Mapping[str, object], source: Source
) -> About:
    """What tells one thing from another: a booking, or one absence of a resource. Times UTC."""
    if kind is not Kind.UNAVAILABILITY:
        return kind, booking_id, None, None, None
    start, end = (moment_of(values, name, source.rules.zone) for name in ("PeriodStart", "PeriodEnd"))
    return kind, None, resource_id, start, end
