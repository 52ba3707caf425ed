"""A chronicle says what folding all events anew would say, at every arrival, and steps no further than it must."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from receiver.fields import Kind
from receiver.messages import Booking, BookingEvent, BookingFold
from receiver.messages.chronicle import Chronicle
from tests.messages.test_booking import FOLD, Said, empty, heard, said
from tests.support.reading import TABLE

FIELDS = ("userId", "contract", "tokenId", "taskLifeCycleStatus", "taskCompletionStatus")
KINDS = st.sampled_from([Kind.CONFIRMATION, Kind.CANCELLATION, Kind.COMPLETION])
VALUES = st.dictionaries(st.sampled_from(FIELDS), st.none() | st.sampled_from(["a", "b", "completed"]), max_size=3)
HOURS = st.none() | st.integers(0, 200).map(float)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Said]:
    found = draw(st.lists(st.tuples(KINDS, HOURS, VALUES), min_size=1, max_size=12))
    return [said(kind, hours, **values) for kind, hours, values in found]


@given(arrivals(), st.integers(0, 12))
def test_at_every_arrival_it_is_the_fold_of_all(found: Sequence[Said], known: int) -> None:
    events = heard(found)
    chronicle = Chronicle(FOLD, empty(), events[:known])
    for number, event in enumerate(events[known:], start=known + 1):
        assert chronicle.add(event) == FOLD.fold(empty(), events[:number])


class _Counting(BookingFold):
    steps = 0

    def step(self, state: Booking, event: BookingEvent) -> Booking:
        self.steps += 1
        return super().step(state, event)


def test_late_events_cost_what_they_change() -> None:
    fold = _Counting(TABLE)
    falling = heard([said(Kind.CANCELLATION, -hours, userId=str(hours)) for hours in range(300)])
    chronicle = Chronicle(fold, empty(), [])
    for event in falling:
        chronicle.add(event)
    assert fold.steps < 4 * len(falling)
