"""Strands: pieces of work that share one thread, each giving way to the others while it waits.

To answer a push is a millisecond of work around one wait, for the database. A thread to wait in costs more than the
waiting: Python runs one thread at a time, and each wait hands that on twice. A strand waits in the same loop as the
connections do. What it calls is ordinary code that need not know; only where something is waited for it says so, by
``current`` or ``elsewhere``. In any other thread these mean nothing, and the work blocks as it always does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from selectors import BaseSelector
from time import monotonic
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

T = TypeVar("T")

TICK_SECONDS = 0.05


class Strand(greenlet):
    """One piece of work."""

    strands: Strands


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a strand's descriptors are registered with: called when one is ready."""

    strands: Strands
    strand: Strand

    def __call__(self, _descriptor: object) -> None:
        """Let the strand go on."""
        self.strands.is_ready(self.strand)


def current() -> Strands | None:
    """The strands of which the caller is one; None where it may block."""
    found = getcurrent()
    return found.strands if isinstance(found, Strand) else None


def here() -> Strand:
    """The strand that calls, to be woken later. Raises RuntimeError outside of strands."""
    found = getcurrent()
    if not isinstance(found, Strand):
        raise RuntimeError("Only a strand can wait to be woken.")  # noqa: TRY004 - nothing of a wrong type was given
    return found


def elsewhere(call: Callable[[], T]) -> T:
    """The result of ``call``, which may block: from a strand it is made in another thread, meanwhile others go on."""
    here = current()
    return call() if here is None else here.elsewhere(call)


class Strands:
    """The strands of one loop, which alone calls ``start``, ``go_on`` and ``end_waits``.

    ``poller``'s loop calls what is registered when a descriptor is ready; ``submit`` has work done in another thread;
    ``defer``, from there, has a function called by the loop.
    """

    def __init__(
        self,
        poller: BaseSelector,
        submit: Callable[[Callable[[], None]], object],
        defer: Callable[..., object],
    ) -> None:
        self._poller, self._submit, self._defer = poller, submit, defer
        self._ready: deque[tuple[Strand, Any]] = deque()
        self._parked: dict[Strand, float] = {}

    # For the loop

    def start(self, work: Callable[[], None]) -> None:
        """Do the work until it waits for the first time. It must not raise."""
        strand = Strand(work)
        strand.strands = self
        strand.switch()

    @property
    def longest(self) -> float:
        """For how long the loop may wait for the next event, in seconds."""
        if self._ready:
            return 0.0
        return TICK_SECONDS if self._parked else inf

    def go_on(self) -> None:
        """Let those go on that need not wait any more."""
        for _ in range(len(self._ready)):
            strand, found = self._ready.popleft()
            strand.switch(found)

    def end_waits(self, now: float) -> None:
        """Tell those whose time is up, by the monotonic clock."""
        for strand in [strand for strand, until in self._parked.items() if until <= now]:
            self.wake(strand, None)

    # For a strand

    def park(self, seconds: float | None = None) -> Any:
        """Wait to be woken; what was given then, None when ``seconds`` have passed."""
        strand = here()
        assert strand.parent is not None  # noqa: S101 - the loop itself never parks
        self._parked[strand] = inf if seconds is None else monotonic() + seconds
        return strand.parent.switch()

    def wake(self, strand: Strand, found: object) -> bool:
        """Let a strand go on with ``found`` in the loop's next turn; False when it is not parked any more."""
        if self._parked.pop(strand, None) is None:
            return False
        self._ready.append((strand, found))
        return True

    def wait(self, descriptor: int, events: int, seconds: float) -> bool:
        """Wait for the descriptor as the selectors module has it; False when the seconds have passed."""
        strand = here()
        self._poller.register(descriptor, events, Waiting(self, strand))
        try:
            return self.park(seconds) is not None
        finally:
            self._poller.unregister(descriptor)

    def is_ready(self, strand: Strand) -> None:
        """Let a strand go on at once: what it waits for is there."""
        if self._parked.pop(strand, None) is not None:
            strand.switch(True)

    def elsewhere(self, call: Callable[[], T]) -> T:
        """The result of ``call``, made in another thread; raises what it raises."""
        strand = here()

        def work() -> None:
            try:
                made: tuple[Any, BaseException | None] = call(), None
            except BaseException as error:  # noqa: BLE001 - it is the strand's
                made = None, error
            self._defer(self.wake, strand, made)

        self._submit(work)
        result, error = self.park()
        if error is not None:
            raise error
        return cast("T", result)
