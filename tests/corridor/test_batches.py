"""A push's records in batches: whoever asks for the next one, they are read and judged once, and in order."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from receiver.errors import Unreadable
from receiver.intake.judging import batches, judged
from receiver.messages import Notification
from receiver.wire import Limits, Reading
from tests.support.corridor import make_source
from tests.support.pushes import CANCELLATION, element, fields

MANY, FEW = 3_000, 700
SOURCE = make_source()


def _push(count: int) -> bytes:
    said = [{**CANCELLATION, "bookingId": str(n), "userId": "x" * 40} for n in range(count)]
    return element("bookingCancellations", "".join(element("bookingCancellation", fields(s)) for s in said)).encode()


def _short(count: int) -> bytes:
    """So little of each that all of them are a small push."""
    return element("bookingCancellations", "<bookingCancellation><x/></bookingCancellation>" * count).encode()


def _batches(body: bytes) -> Generator[tuple[Notification, ...], None, None]:
    return batches(judged(SOURCE, Reading(body, SOURCE.names, Limits()).records()))


@pytest.mark.parametrize("body", [_push(MANY), _short(FEW)], ids=["large", "small"])
def test_every_batch_may_be_asked_for_by_another_thread(body: bytes) -> None:
    found = _batches(body)
    positions: list[int] = []
    while batch := _in_a_thread(found):
        positions += [n.position for n in batch]
    assert positions == [n.position for n in judged(SOURCE, Reading(body, SOURCE.names, Limits()).records())]
    assert len(positions) in (MANY, FEW)


def _in_a_thread(found: Iterator[tuple[Notification, ...]]) -> tuple[Notification, ...]:
    with ThreadPoolExecutor(1) as other:
        return other.submit(next, found, ()).result()


def test_what_is_wrong_with_the_bytes_is_said_after_the_batches_before_it() -> None:
    found = _batches(_push(MANY)[:-30])
    taken: list[Notification] = []
    with pytest.raises(Unreadable) as error:
        taken.extend(chain.from_iterable(found))
    assert error.value.reason == "not_well_formed"
    assert MANY - 500 <= len(taken) < MANY
    assert [n.position for n in taken] == list(range(1, len(taken) + 1))


def test_who_has_enough_leaves_no_thread_behind() -> None:
    found = _batches(_push(MANY))
    assert len(next(found)) == 500
    found.close()
    assert next(found, None) is None
