"""Work that is cheaper done together: whoever is first does it for all who wait, and the others get what is theirs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, Protocol, TypeVar

from receiver.strands import Strands, elsewhere, here

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotReached(Exception):
    """Others were at work for as long as it may be waited for: nothing was done with the item."""


class Abandoned(Exception):
    """Who did the work was stopped in the middle of it: what came of the item is not known."""


class Bell(Protocol):
    """What one waits for: rung once, and heard whether before or after the wait began."""

    def wait(self, seconds: float | None = None) -> bool:
        """Until it is rung; False when the seconds have passed."""

    def ring(self) -> None:
        """End the wait."""


class ThreadBell:
    """The bell of a thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def wait(self, seconds: float | None = None) -> bool:
        """As Bell has it."""
        return self._lock.acquire(timeout=-1 if seconds is None else seconds)

    def ring(self) -> None:
        """As Bell has it."""
        self._lock.release()


class StrandBell:
    """The bell of the strand that makes it; rung by another strand of the same loop."""

    def __init__(self, strands: Strands) -> None:
        self._strands, self._strand, self._is_rung = strands, here(), False

    def wait(self, seconds: float | None = None) -> bool:
        """As Bell has it."""
        if not self._is_rung:
            self._strands.park(seconds)
        return self._is_rung

    def ring(self) -> None:
        """As Bell has it."""
        self._is_rung = True
        self._strands.wake(self._strand, found=True)


@dataclass(eq=False)
class _Place(Generic[Item, Result]):
    """One who waits: the bell is rung when it is to lead, or with what came of the item."""

    item: Item
    bell: Bell
    leads: bool = False
    outcome: list[Result | Exception] = field(default_factory=list)


class Together(Generic[Item, Result]):
    """Hands items to ``run``, in the order they came: all that wait, at most ``most`` at once, by one at a time.

    ``run`` gives for each item, in their order, its result or the exception that is to be raised for it alone; what it
    raises is raised for each of them. Who comes while nobody is at work waits for nobody. ``patience``, in seconds,
    bounds the wait for ``run`` to begin. ``bell`` makes what callers wait for: they are all threads, or all strands.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        most: int,
        patience: float,
        bell: Callable[[], Bell] = ThreadBell,
    ) -> None:
        self._run, self._most, self._patience, self._bell = run, most, patience, bell
        self._lock = Lock()
        self._waiting: deque[_Place[Item, Result]] = deque()
        self._at_work = False

    def submit(self, item: Item) -> Result:
        """What came of the item. Raises NotReached, Abandoned, and what ``run`` has for it."""
        place: _Place[Item, Result] = _Place(item, self._bell())
        with self._lock:
            self._waiting.append(place)
            place.leads = not self._at_work
            self._at_work = True
        if not place.leads:
            self._wait(place)
        if place.leads:
            self._lead()
        return _given(place.outcome)

    def _wait(self, place: _Place[Item, Result]) -> None:
        """Until there is an outcome, or it is this one's turn to lead."""
        if place.bell.wait(self._patience):
            return
        with self._lock:
            if not place.leads and place in self._waiting:
                self._waiting.remove(place)
                raise NotReached
        place.bell.wait()

    def _lead(self) -> None:
        """Do the work for the first of those who wait, oneself among them, and hand on."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        outcomes: Sequence[Result | Exception] = [Abandoned() for _ in group]
        try:
            outcomes = elsewhere(lambda: self._outcomes([place.item for place in group]))
        except Exception as error:  # noqa: BLE001 - it is raised for each of them
            outcomes = [error for _ in group]
        finally:
            self._hand_on()
            for place, outcome in zip(group, outcomes, strict=True):
                place.outcome.append(outcome)
                if not place.leads:
                    place.bell.ring()

    def _outcomes(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        found = self._run(items)
        if len(found) != len(items):
            raise ValueError(f"{len(found)} outcomes of {len(items)} items")
        return found

    def _hand_on(self) -> None:
        with self._lock:
            self._at_work = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].bell.ring()


def _given(outcome: Sequence[Result | Exception]) -> Result:
    found = outcome[0]
    if isinstance(found, Exception):
        # A copy: one that several threads raise would carry the frames of all.
        raise copy(found) from found
    return found
