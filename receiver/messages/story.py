"""What each notification changed of a booking: its state before and after, in event order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .booking import Booking, BookingEvent, BookingFold

_STATE = ("changed_at", "cancelled_at", "completed_at", "completion_status", "completed_successfully")


@dataclass(frozen=True)
class Difference:
    """One value that became another; None where there was none, or is none now. Moments are aware UTC."""

    name: str
    before: object
    after: object


@dataclass(frozen=True)
class Step:
    """One event of a booking, and what it made of it."""

    event: BookingEvent
    differences: tuple[Difference, ...]


def steps(fold: BookingFold, empty: Booking, events: Iterable[BookingEvent]) -> Iterator[Step]:
    """The events in event order, each with what it changed. ``empty`` is the state before anything was heard."""
    state = empty
    shown: dict[str, object] = {}
    for event in sorted(events, key=lambda e: e.order):
        state = fold.step(state, event)
        after = shown_state(state)
        yield Step(event, differences(shown, after))
        shown = after


def shown_state(state: Booking) -> dict[str, object]:
    """What people see of a state: its columns that hold something; a code as its text, by its place."""
    found: dict[str, object] = {"status": state.status.value}
    found |= {name: getattr(state, name) for name in _STATE}
    found |= state.fields
    for place, code in enumerate(state.codes, start=1):
        found |= {f"code {place}: {name}": value for name, value in code.items()}
    return {name: value for name, value in found.items() if value is not None}


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Difference, ...]:
    """What differs, in the order of ``after``; what is gone comes last."""
    names = [*after, *(name for name in before if name not in after)]
    found = (Difference(name, before.get(name), after.get(name)) for name in names)
    return tuple(d for d in found if d.before != d.after)
