"""A booking's events with the state after each: what a late one changes is found without folding all of them again."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable

from .booking import Booking, BookingEvent, BookingFold, Order


class Chronicle:
    """All that was heard of one booking, in event order. ``empty`` is the state before anything was heard."""

    def __init__(self, fold: BookingFold, empty: Booking, events: Iterable[BookingEvent]) -> None:
        self._fold, self._empty = fold, empty
        self._events = sorted(events, key=lambda e: e.order)
        self._orders: list[Order] = [e.order for e in self._events]
        self._states: list[Booking] = []
        for event in self._events:
            self._states.append(fold.step(self._states[-1] if self._states else empty, event))

    def add(self, event: BookingEvent) -> Booking:
        """The state after all events, ``event`` among them where it belongs.

        What comes after it is folded again only until it no longer makes a difference: the next events that say the
        same fields. So a push of many late events costs in proportion to them, and not to their square.
        """
        place = bisect(self._orders, event.order)
        state = self._fold.step(self._states[place - 1] if place else self._empty, event)
        self._events.insert(place, event)
        self._orders.insert(place, event.order)
        self._states.insert(place, state)
        for later in range(place + 1, len(self._events)):
            state = self._fold.step(state, self._events[later])
            if state == self._states[later]:
                break
            self._states[later] = state
        return self._states[-1]
