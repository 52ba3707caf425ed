"""Items handed in by many threads, and done together by one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.store.express.together import Abandoned, NotReached, StrandBell, Together
from tests.strands.loop import Loop
from tests.support.profiles import examples
from tests.support.waiting import wait_until

PATIENCE = 30.0


class Work:
    """Doubles what it is given once ``gate`` is open. What is negative fails, below -100 for all of the group."""

    def __init__(self) -> None:
        self.begun, self.gate = Event(), Event()
        self.groups: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(items))
        self.begun.set()
        self.gate.wait(PATIENCE)
        if any(item < -100 for item in items):
            raise LookupError(items)
        return [KeyError(item) if item < 0 else 2 * item for item in items]


class Ended(BaseException):
    """As a thread is stopped."""


@contextmanager
def waiting(together: Together[int, int], work: Work, items: Sequence[int]) -> Iterator[list[Future[int]]]:
    """Threads that have handed in ``items``, in that order, while the first of them is at work."""
    line: Any = together._waiting  # nothing outside tells that one waits
    with ThreadPoolExecutor(max(1, len(items))) as pool:
        found = [pool.submit(together.submit, items[0])]
        try:
            assert work.begun.wait(PATIENCE)
            for number, item in enumerate(items[1:], start=1):
                found.append(pool.submit(together.submit, item))
                wait_until(lambda number=number: len(line) >= number, PATIENCE, "it waits")  # type: ignore[misc]
            yield found
        finally:
            work.gate.set()


def outcome(future: Future[int]) -> object:
    error = future.exception(PATIENCE)
    return type(error) if error is not None else future.result()


@settings(max_examples=examples(1), deadline=None)
@given(st.lists(st.integers(-9, 99), min_size=1, max_size=12), st.integers(1, 5))
def test_each_gets_its_own_in_the_order_they_came(items: list[int], most: int) -> None:
    work = Work()
    with waiting(Together(work, most, PATIENCE), work, items) as found:
        work.gate.set()
        assert [outcome(future) for future in found] == [KeyError if item < 0 else 2 * item for item in items]
    assert [item for group in work.groups for item in group] == items
    rest = len(items) - 1
    sizes = [1, *([most] * (rest // most)), *([rest % most] if rest % most else [])]
    assert [len(group) for group in work.groups] == sizes


def test_one_alone_waits_for_nobody() -> None:
    work = Work()
    work.gate.set()
    together = Together(work, 9, PATIENCE)
    assert [together.submit(item) for item in (1, 2, 3)] == [2, 4, 6]
    assert work.groups == [[1], [2], [3]]


def test_what_fails_for_all_reaches_each_and_no_other() -> None:
    work = Work()
    with waiting(Together(work, 3, PATIENCE), work, [1, 2, -101, 3, 4]) as found:
        work.gate.set()
        assert [outcome(future) for future in found] == [2, LookupError, LookupError, LookupError, 8]
        errors = {id(future.exception()) for future in found[1:4]}
        assert len(errors) == 3


def test_who_waits_for_one_that_was_stopped_hears_of_it_and_the_next_go_on() -> None:
    class Stopped(Work):
        def __call__(self, items: Sequence[int]) -> list[int | Exception]:
            found = super().__call__(items)
            if 2 in items:
                raise Ended
            return found

    work = Stopped()
    with waiting(Together(work, 2, PATIENCE), work, [1, 2, 3, 4]) as found:
        work.gate.set()
        assert [outcome(future) for future in found] == [2, Ended, Abandoned, 8]


def test_outcomes_that_are_too_few_are_an_error_for_all() -> None:
    with pytest.raises(ValueError, match="0 outcomes of 1 items"):
        Together[int, int](lambda _items: [], 2, PATIENCE).submit(1)


def test_who_is_not_reached_in_time_is_left_out() -> None:
    work = Work()
    together = Together(work, 2, 0.05)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(together.submit, 1)
        assert work.begun.wait(PATIENCE)
        with pytest.raises(NotReached):
            together.submit(2)
        work.gate.set()
        assert outcome(first) == 2
    assert together.submit(3) == 6
    assert work.groups == [[1], [3]]


@settings(max_examples=examples(1), deadline=None)
@given(st.lists(st.lists(st.integers(-9, 99), min_size=1, max_size=4), min_size=1, max_size=8), st.integers(1, 5))
def test_strands_wait_together(lines: list[list[int]], most: int) -> None:
    """Each strand hands in one line of items, one after the other; while one group is worked at, the others gather."""
    work, got = Work(), dict[int, list[object]]()
    work.gate.set()
    with Loop() as loop:
        together = Together(work, most, PATIENCE, partial(StrandBell, loop.strands))

        def hand_in(number: int) -> None:
            got[number] = []
            for item in lines[number]:
                try:
                    got[number].append(together.submit(item))
                except KeyError:
                    got[number].append(KeyError)

        for number in range(len(lines)):
            loop.start(partial(hand_in, number))
        loop.run()
    assert got == {n: [KeyError if i < 0 else 2 * i for i in line] for n, line in enumerate(lines)}
    assert sorted(i for group in work.groups for i in group) == sorted(i for line in lines for i in line)
    # The first came while nobody was at work; by then the others had come too.
    assert len(work.groups[0]) == 1
    assert len(lines) == 1 or len(work.groups[1]) >= min(most, len(lines) - 1)


def test_a_strand_that_is_not_reached_in_time_is_left_out() -> None:
    work = Work()
    heard: list[object] = []
    with Loop() as loop:
        together = Together(work, 2, 0.05, partial(StrandBell, loop.strands))

        def late() -> None:
            with pytest.raises(NotReached):
                together.submit(2)
            work.gate.set()

        loop.start(lambda: heard.append(together.submit(1)))
        loop.start(late)
        loop.run()
    assert (heard, work.groups) == ([2], [[1]])
