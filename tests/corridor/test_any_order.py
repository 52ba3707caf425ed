"""In whatever order, in whatever batches and however often a booking's events come, the tables end the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from receiver.intake.source import Source
from receiver.messages import Rules
from receiver.store.pushes import Outcome
from tests.support.corridor import Corridor, corridor
from tests.support.profiles import examples
from tests.support.pushes import element, fields
from tests.support.reading import NAMES, RULES, judge

START = datetime(2021, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DATES = {"bookingCompletion": "taskCompletionDate"}
TEXTS = st.sampled_from(["", "a", "b"])
CODES = st.sampled_from(
    ["", "<theBookingCodes/>", *(element("theBookingCodes", f"<bookingCode>{c}</bookingCode>") for c in "NM")]
)


@dataclass(frozen=True)
class Event:
    """A dated record about one of a few bookings."""

    root: str
    booking: int
    hour: int
    inner: str

    @property
    def push(self) -> str:
        at = (START + timedelta(hours=self.hour)).strftime("%Y-%m-%dT%H:%M:%SZ")
        own = {"bookingId": str(self.booking), "primaryOrderNumber": "A1", DATES.get(self.root, "changedDate"): at}
        return element(self.root, fields(own) + self.inner)


def inners(root: str) -> st.SearchStrategy[str]:
    usual = st.fixed_dictionaries({}, optional=dict.fromkeys(("contract", "userId", "tokenId"), TEXTS)).map(fields)
    extra = {
        "bookingConfirmation": CODES,
        "bookingCancellation": st.just(""),
        "bookingCompletion": st.sampled_from(
            [
                "<taskCompletionStatus>CO</taskCompletionStatus><theResources><resourceID>R</resourceID></theResources>",
                "<taskCompletionStatus>REFUSAL</taskCompletionStatus><operatorComments>no</operatorComments>",
                "<taskLifeCycleStatus>PLANNED</taskLifeCycleStatus>",
            ]
        ),
    }
    return st.builds("{}{}".format, usual, extra[root])


ROOTS = ["bookingConfirmation", "bookingCancellation", "bookingCompletion"]
EVENTS = st.sampled_from(ROOTS).flatmap(
    lambda root: st.builds(Event, st.just(root), st.integers(1, 2), st.integers(0, 9), inners(root))
)
HISTORIES = st.lists(EVENTS, min_size=1, max_size=8, unique_by=lambda e: (e.root, e.booking, e.hour))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """A history, and pushes that bring all of it: shuffled, cut into batches, parts of it again."""
    history = draw(HISTORIES)
    again = draw(st.lists(st.sampled_from(history), max_size=4))
    arriving = draw(st.permutations([*history, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(arriving)), max_size=4)))
    return history, [arriving[a:b] for a, b in zip([0, *cuts], [*cuts, len(arriving)], strict=True) if a < b]


def batch(events: Sequence[Event]) -> str:
    return element("bookingConfirmations", "".join(e.push for e in events))


def rows(found: Corridor, table: str) -> list[dict[str, Any]]:
    order = "booking_id" if table in ("v1_bookings", "completions") else "booking_id, position"
    query = text(f"SELECT * FROM {table} WHERE source = :source ORDER BY {order}")
    with found.store.engine.connect() as connection:
        result = connection.execute(query, {"source": found.source.name}).mappings().all()
    apart = {"source", "notification_id", "first_received_at", "last_received_at"}
    return [{k: v for k, v in row.items() if k not in apart} for row in result]


def number(found: Corridor, what: str) -> int:
    query = text(f"SELECT count(*) FROM {what} AND source = :source")
    with found.store.engine.connect() as connection:
        return int(connection.execute(query, {"source": found.source.name}).scalar_one())


@pytest.fixture
def new_source(database_url: str) -> Iterator[Callable[[], Corridor]]:
    """Makes a corridor for a source that nothing was heard of yet; every push arrives a second after the one before."""
    numbers, seconds = count(1), count(0)
    with corridor(database_url) as one:

        def make() -> Corridor:
            rules = Rules(f"source{next(numbers)}", RULES.zone)
            source = Source(rules.source, NAMES, rules, judge(rules))
            return Corridor(one.store, source, lambda: NOW + timedelta(seconds=next(seconds)))

        yield make


@settings(max_examples=examples(1.5), suppress_health_check=list(HealthCheck))
@given(told=deliveries())
def test_any_order_of_arrival_ends_in_one_state(
    new_source: Callable[[], Corridor], told: tuple[list[Event], list[list[Event]]]
) -> None:
    history, pushes = told
    orderly, disorderly = new_source(), new_source()
    for event in sorted(history, key=lambda e: (e.hour, ROOTS.index(e.root))):
        assert orderly.push(event.push).outcome is Outcome.STORED
    for events in pushes:
        assert disorderly.push(batch(events)).outcome in (Outcome.STORED, Outcome.DUPLICATE)
    for table in ("v1_bookings", "v1_booking_codes", "completions", "completion_resources"):
        assert rows(disorderly, table) == rows(orderly, table), table
    assert number(disorderly, "v1_notifications WHERE status IN ('applied', 'superseded')") == len(history)
    assert disorderly.push(batch(history)).outcome is Outcome.DUPLICATE
    assert rows(disorderly, "v1_bookings") == rows(orderly, "v1_bookings")
