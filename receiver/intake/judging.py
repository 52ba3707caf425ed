"""Records judged one by one; one that our own code trips over is held, and does not sink the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import structlog

from receiver.messages import Finding, Notification
from receiver.messages.identity import fallback_key
from receiver.wire import Record
from receiver.wire.redaction import is_erased

from .source import Source

_BATCH = 500
# A problem told in full takes a hundred times as long as judging: no sender may have us explain all day.
_EXPLAINED = 1_000
_log = structlog.get_logger()


def judged(source: Source, records: Iterable[Record]) -> Iterator[Notification]:
    """Each record's notification, in order; none for the place of one that was erased.

    What is wrong with the first thousand invalid ones is told in full, with the others in short. Raises Unreadable
    where the bytes end to be readable.
    """
    invalid = 0
    for record in records:
        if is_erased(record):
            continue
        try:
            judge = source.judge
            found = judge.judge(record) if invalid < _EXPLAINED else judge.judge_in_short(record)
            invalid += not found.valid
            yield found
        except Exception as error:  # noqa: BLE001 - one record must not sink its batch
            _log.error("record_not_judged", error=type(error).__name__, where=where(error))
            yield _not_judged(record)


def batches(found: Iterable[Notification]) -> Iterator[tuple[Notification, ...]]:
    """As many as one set of statements takes."""
    rest = iter(found)
    while batch := tuple(islice(rest, _BATCH)):
        yield batch


def where(error: BaseException) -> list[str]:
    """The frames of a failure, without the messages: those can quote what was sent."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return frames[-8:]


def _not_judged(record: Record) -> Notification:
    text = "The receiver failed to read this record; it is kept for a person."
    return Notification(
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
