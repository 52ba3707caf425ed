"""Records judged one by one; one that our own code trips over is held, and does not sink the others."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice

import structlog

from receiver.messages import Finding, Notification
from receiver.messages.identity import fallback_key
from receiver.wire import Record, Records
from receiver.wire.redaction import is_erased

from .source import Source

_BATCH = 500
# A problem told in full takes a hundred times as long as judging: no sender may have us explain all day.
_EXPLAINED = 1_000
_log = structlog.get_logger()


@dataclass(frozen=True)
class Judged:
    """The notifications of one push, to be asked for by one thread alone where it ``is_large``."""

    notifications: Iterator[Notification]
    is_large: bool

    def __iter__(self) -> Iterator[Notification]:
        return self.notifications


def judged(source: Source, records: Records) -> Judged:
    """Each record's notification, in order; none for the place of one that was erased.

    What is wrong with the first thousand invalid ones is told in full, with the others in short. Asking for them raises
    Unreadable where the bytes end to be readable.
    """
    return Judged(_judged(source, records), records.is_large)


def _judged(source: Source, records: Iterable[Record]) -> Iterator[Notification]:
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


def batches(found: Judged) -> Generator[tuple[Notification, ...], None, None]:
    """As many as one set of statements takes. Another thread than the first may ask for the rest of them.

    Those of a large push are read and judged by a thread of their own, from the first to the last, while the caller has
    the database take the batch before: one ahead and no more. What fails there is raised here, in its turn; closing
    this early waits for the batch at work.
    """

    def read() -> tuple[Notification, ...]:
        return tuple(islice(found.notifications, _BATCH))

    if not found.is_large:
        yield from list(iter(read, ()))
        return
    context = copy_context()
    with ThreadPoolExecutor(1, "judging") as reader:
        ahead = reader.submit(context.run, read)
        while batch := ahead.result():
            ahead = reader.submit(context.run, read)
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
