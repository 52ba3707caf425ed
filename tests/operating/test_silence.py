"""The seconds of silence, counted with a time of day that is moved and a steady clock that is not."""

from __future__ import annotations

import pytest

from receiver.web.silence import Silence

HOUR = 3600.0


class Clocks:
    """Both clocks, and a sender; ``look`` is what one process sees."""

    def __init__(self) -> None:
        self.steady, self.ahead, self.came, self.number = 1000.0, 0.0, 0.0, 0
        self.silence = Silence(lambda: self.steady)

    def push(self) -> None:
        self.came, self.number = self.steady + self.ahead, self.number + 1

    def look(self) -> float:
        by_clock = self.steady + self.ahead - self.came
        return self.silence.seconds("drs", (self.came, self.number), by_clock)


@pytest.fixture
def clocks() -> Clocks:
    found = Clocks()
    found.push()
    found.steady += 10
    assert found.look() == 10
    return found


@pytest.mark.parametrize("moved", [-HOUR, HOUR])
def test_a_clock_that_is_moved_changes_nothing(clocks: Clocks, moved: float) -> None:
    clocks.ahead = moved
    clocks.steady += 5
    assert clocks.look() == 15
    clocks.steady += 5
    assert clocks.look() == 20


@pytest.mark.parametrize("moved", [-HOUR, HOUR])
def test_what_came_before_the_move_and_is_seen_after_it(clocks: Clocks, moved: float) -> None:
    """It came since the last look, which is all that can be known, and then seconds pass as they do."""
    clocks.steady += 20
    clocks.push()
    clocks.ahead = moved
    clocks.steady += 10
    first = clocks.look()
    assert 0 <= first <= 30
    clocks.steady += HOUR
    assert clocks.look() == first + HOUR


def test_what_comes_with_the_clock_put_back_counts(clocks: Clocks) -> None:
    clocks.ahead = -HOUR
    clocks.steady += 60
    latest, clocks.number = clocks.came, clocks.number + 1  # the latest by the clock is still the one before
    assert clocks.came == latest
    assert clocks.look() == 0
    clocks.steady += 7
    assert clocks.look() == 7


def test_each_has_its_own(clocks: Clocks) -> None:
    clocks.steady += 10
    assert clocks.silence.seconds("other", 1, 3.0) == 3
    assert clocks.look() == 20


def test_a_process_that_has_just_started_believes_the_clock() -> None:
    silence = Silence(lambda: 1000.0)
    assert silence.seconds("drs", 1, 500.0) == 500
    assert silence.seconds("late", 1, -500.0) == 0
