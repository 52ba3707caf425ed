"""Letting real time pass while the simulated DRS plays its days."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from receiver.simulate import Progress, Simulation

_PATIENCE = 10
_LONGEST_PAUSE = 5.0
_LONGEST_PAUSE_ONCE = 1.0


class Pace:
    """Waits after each run: ``rate`` is rows a second on average (None: no waiting), ``least`` and ``longest`` seconds.

    While nothing gets done the waits grow, so that a receiver that is down is not hammered.
    """

    def __init__(self, rate: float | None, *, least: float = 0.0, longest: float = _LONGEST_PAUSE) -> None:
        self._rate, self._least, self._longest = rate, least, longest
        self._done = self._idle = 0

    def after(self, progress: Progress) -> None:
        """Wait as long as the run that ended in ``progress`` asks for."""
        done = progress.actioned + progress.failed
        rows, self._done = done - self._done, done
        self._idle = self._idle + 1 if rows == 0 and progress.waiting else 0
        pause = max(self._least, rows / self._rate) if self._rate else 0.0
        if self._idle:
            pause = max(pause, min(self._longest, 0.05 * 2 ** min(self._idle, 10)))
        if pause:
            time.sleep(pause)


def play_once(simulation: Simulation, day: date, rate: float | None, show: Callable[[Progress], None]) -> Progress:
    """One day and then runs until no row waits; given up when many runs in a row found no receiver."""
    pace = Pace(rate, longest=_LONGEST_PAUSE_ONCE)
    for progress in _once(simulation, day):
        show(progress)
        if progress.unconnected >= _PATIENCE:
            break
        pace.after(progress)
    return simulation.progress


def _once(simulation: Simulation, day: date) -> Iterator[Progress]:
    yield from simulation.play(day)
    yield from simulation.drain()


def play_on(simulation: Simulation, day: date, rate: float, show: Callable[[Progress], None]) -> None:
    """Day after day, without end."""
    pace = Pace(rate, least=0.03)
    while True:
        for progress in simulation.play(day):
            show(progress)
            pace.after(progress)
        day += timedelta(days=1)
