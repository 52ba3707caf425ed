"""Strands: each goes on with what it waited for, whatever the others do meanwhile."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver import strands
from tests.strands.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with Loop() as found:
        yield found


def test_outside_a_strand_a_call_is_a_call() -> None:
    assert strands.current() is None
    assert strands.elsewhere(threading.current_thread) is threading.current_thread()


def test_a_blocking_call_is_made_in_another_thread(loop: Loop) -> None:
    found: list[threading.Thread] = []

    def call() -> None:
        assert strands.current() is None
        found.append(threading.current_thread())

    def work() -> None:
        assert strands.current() is loop.strands
        strands.elsewhere(call)
        found.append(threading.current_thread())

    loop.start(work)
    loop.run()
    assert found[0] is not found[1] is threading.main_thread()


def test_what_a_call_raises_is_raised_in_the_strand(loop: Loop) -> None:
    raised: list[BaseException] = []

    def fail() -> None:
        raise KeyError("no such thing")

    def work() -> None:
        try:
            strands.elsewhere(fail)
        except KeyError as error:
            raised.append(error)

    loop.start(work)
    loop.run()
    assert [str(error) for error in raised] == ["'no such thing'"]


def test_a_wait_ends_when_its_time_is_up(loop: Loop) -> None:
    found: list[bool] = []
    near, far = socket.socketpair()
    with near, far:
        loop.start(lambda: found.append(loop.strands.wait(near.fileno(), selectors.EVENT_READ, 0.01)))
        loop.run()
    assert found == [False]
    assert loop.watched == 0


def test_others_go_on_while_one_waits(loop: Loop) -> None:
    """Two strands answer each other through sockets: neither could end if waiting stopped the thread."""
    near, far = socket.socketpair()
    said: list[bytes] = []

    def ask() -> None:
        near.send(b"?")
        assert loop.strands.wait(near.fileno(), selectors.EVENT_READ, 30)
        said.append(near.recv(1))

    def answer() -> None:
        assert loop.strands.wait(far.fileno(), selectors.EVENT_READ, 30)
        said.append(far.recv(1))
        far.send(b"!")

    with near, far:
        loop.start(answer)
        loop.start(ask)
        loop.run()
    assert said == [b"?", b"!"]
    assert loop.watched == 0


def test_one_that_was_woken_is_not_woken_again(loop: Loop) -> None:
    found: list[object] = []
    woken: list[bool] = []
    strand: list[strands.Strand] = []

    def work() -> None:
        strand.append(strands.here())
        found.append(loop.strands.park(30))
        found.append(loop.strands.park(0.01))

    loop.start(work)
    woken += [loop.strands.wake(strand[0], "first"), loop.strands.wake(strand[0], "second")]
    loop.run()
    assert woken == [True, False]
    assert found == ["first", None]
    assert not loop.strands.wake(strand[0], "too late")


_STEPS = st.lists(st.sampled_from(["echo", "elsewhere", "failing", "pause"]), max_size=6)


@given(plans=st.lists(_STEPS, min_size=1, max_size=12), seed=st.integers(0, 2**32))
def test_each_strand_hears_its_own_answers_in_its_own_order(plans: list[list[str]], seed: int) -> None:
    """Any number of strands doing anything: what each hears is what it would have heard alone."""
    chance = Random(seed)
    heard: list[list[str]] = [[] for _ in plans]
    with Loop() as loop, ExitStack() as stack:
        pairs = [socket.socketpair() for _ in plans]
        for pair in pairs:
            for end in pair:
                stack.enter_context(end)

        def run(number: int) -> None:
            near, far = pairs[number]
            for place, step in enumerate(plans[number]):
                word = f"{number}.{place}"
                match step:
                    case "echo":
                        strands.elsewhere(lambda word=word: far.send(word.encode()))  # type: ignore[misc]
                        assert loop.strands.wait(near.fileno(), selectors.EVENT_READ, 30)
                        heard[number].append(near.recv(100).decode())
                    case "elsewhere":
                        heard[number].append(strands.elsewhere(lambda word=word: word))  # type: ignore[misc]
                    case "failing":
                        with pytest.raises(ValueError, match=f"^{word}$"):
                            strands.elsewhere(lambda word=word: _fail(word))  # type: ignore[misc]
                        heard[number].append(word)
                    case "pause":
                        assert loop.strands.park(chance.random() / 500) is None
                        heard[number].append(word)

        for number in range(len(plans)):
            loop.start(lambda number=number: run(number))  # type: ignore[misc]
        loop.run()
        assert loop.watched == 0
    assert heard == [[f"{number}.{place}" for place in range(len(plan))] for number, plan in enumerate(plans)]


def _fail(word: str) -> None:
    raise ValueError(word)
