"""The receiver's clock is put back or forward: what comes later still counts as later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.support.corridor import Corridor, corridor
from tests.support.pushes import cancellation, confirmation, unavailability

HOUR = timedelta(hours=1)


class Clock:
    """A clock that a person may move."""

    def __init__(self) -> None:
        self.at = datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=10)
        return self.at


def _changes(found: Corridor) -> list[str]:
    with found.store.reading() as connection:
        return list(connection.scalars(text('SELECT change FROM v1_changes ORDER BY "cursor"')))


def _status(found: Corridor, view: str) -> str:
    with found.store.reading() as connection:
        return str(connection.scalar(text(f"SELECT status FROM {view}")))


@pytest.mark.parametrize("moved", [-HOUR, HOUR, timedelta(seconds=-1), timedelta(days=-400)], ids=str)
def test_undated_events_keep_the_order_in_which_they_came(database_url: str, moved: timedelta) -> None:
    clock = Clock()
    with corridor(database_url, now=clock) as found:
        found.push(confirmation(changedDate=None))
        clock.at += moved
        found.push(cancellation(changedDate=None))
        assert _status(found, "v1_bookings") == "cancelled"
        found.push(confirmation(changedDate=None))
        assert _status(found, "v1_bookings") == "confirmed"
        clock.at -= moved
        found.push(cancellation(changedDate=None))
        assert _status(found, "v1_bookings") == "cancelled"
        assert _changes(found) == ["created", "cancelled", "updated", "cancelled"]


@pytest.mark.parametrize("moved", [-HOUR, HOUR], ids=str)
def test_an_unavailability_that_is_removed_stays_removed(database_url: str, moved: timedelta) -> None:
    clock = Clock()
    with corridor(database_url, now=clock) as found:
        found.push(unavailability())
        clock.at += moved
        found.push(unavailability(Action="Deleted"))
        assert _status(found, "v1_unavailabilities") == "removed"
        assert _changes(found) == ["created", "removed"]


def test_what_is_told_of_arrivals_does_not_go_back_either(database_url: str) -> None:
    clock = Clock()
    with corridor(database_url, now=clock) as found:
        found.push(confirmation(changedDate=None))
        clock.at -= HOUR
        found.push(cancellation(changedDate=None))
        with found.store.reading() as connection:
            times = list(connection.scalars(text("SELECT received_at FROM v1_notifications ORDER BY received_at, id")))
            kinds = list(connection.scalars(text("SELECT kind FROM v1_notifications ORDER BY received_at")))
    assert times == sorted(set(times))
    assert kinds == ["confirmation", "cancellation"]
