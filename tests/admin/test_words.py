"""Words find records a little after they came; they are gone with what they were of, and nothing brings them back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from receiver.app import utc_now
from receiver.fields import field_table
from receiver.messages.subject import Names, Subject, SubjectKind
from receiver.store.finding import pushes as finding
from receiver.store.finding import words
from receiver.store.finding.filter import Filter
from receiver.store.keeping.erasure import Eraser
from receiver.store.keeping.retention import Keep, Retention
from receiver.store.keeping.subjects import Found
from tests.support.corridor import Corridor, corridor
from tests.support.pushes import CODE, confirmation, element, unavailability


@pytest.fixture
def found(new_postgres_database: Any) -> Iterator[Corridor]:
    with corridor(new_postgres_database()) as found:
        yield found


def _index(found: Corridor) -> int:
    return words.index_words(found.store, utc_now(), 10_000)


def _ids(found: Corridor, wanted: str, **more: Any) -> list[str]:
    with found.store.reading() as connection:
        return [p.id for p in finding.find_pushes(connection, found.store.tables, Filter(words=wanted, **more))]


def _indexed(found: Corridor) -> int:
    with found.store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(found.store.tables.figures.record_words)) or 0


def test_all_words_must_be_in_one_record(found: Corridor) -> None:
    first = found.push(confirmation(codes=[{**CODE, "comments": "Zebra by the back-door, N° 7"}])).push_id
    second = found.push(confirmation(bookingId="2", userId="ZEBRA")).push_id
    held = found.push(confirmation(bookingId="x", userId="zebra")).push_id
    both = element(
        "unavailabilities", unavailability(Comments="red") + unavailability(ResourceId="W2", Comments="blue")
    )
    batch = found.push(both).push_id
    assert _ids(found, "zebra") == []
    _index(found)
    assert _ids(found, "zebra") == [held, second, first]
    assert _ids(found, "  ZEBRA carpenter ") == [first]
    assert _ids(found, "back-door") == [first]
    assert _ids(found, "red") == _ids(found, "blue") == [batch]
    assert _ids(found, "red blue") == []
    assert _ids(found, "quantity") == []  # the name of a field is no word of the record
    assert _ids(found, "!!") == _ids(found, "") == []
    assert len(_ids(found, "' | zebra:*")) == 3  # no language, only words


def test_what_came_late_is_indexed_as_well_and_nothing_twice(found: Corridor) -> None:
    for number in range(3):
        found.push(confirmation(bookingId=str(number + 1)))
    # One that began before the others and is committed after them.
    n = found.store.tables.notifications
    with found.store.transaction() as connection:
        row = dict(connection.execute(select(n).order_by(n.c.id).limit(1)).mappings().one())
    assert _index(found) == 3
    early = {**row, "id": words.id_from(utc_now() - timedelta(minutes=10)) + "-8000-0", "position": 2}
    with found.store.transaction() as connection:
        connection.execute(n.insert().values({**early, "content_key": "c", "event_key": "e"}))
    _index(found)
    assert _indexed(found) == 4
    _index(found)
    assert _indexed(found) == 4


def test_a_record_of_any_length_is_indexed(found: Corridor) -> None:
    long = [{**CODE, "comments": f"zebra{n} " + "stripes " * 20} for n in range(1500)]
    push = found.push(confirmation(codes=[*long, {**CODE, "comments": "q" * 3000}])).push_id
    assert _index(found) == 1
    assert _ids(found, "zebra0 stripes") == [push]


def test_what_is_erased_is_found_no_more(found: Corridor) -> None:
    for n in range(3):
        found.push(confirmation(bookingId=str(n + 1), userId="ZEBRA"))
    _index(found)
    erased = Found(bookings={("drs", "1")})
    subject = Subject(SubjectKind.BOOKING, ("1",), Names.of(field_table()))
    assert sum(Eraser(found.store, subject, utc_now()).slices(erased)) > 0
    assert _indexed(found) == len(_ids(found, "zebra")) == 2
    assert _index(found) >= 0
    assert _indexed(found) == 2


def test_what_has_expired_is_found_no_more(found: Corridor) -> None:
    found.push(confirmation())
    found.push(unavailability())
    _index(found)
    assert _indexed(found) == 2
    age = timedelta(seconds=1)
    later = utc_now() + timedelta(days=1000)
    list(Retention(found.store, Keep(age, age, age, None), later).slices())
    assert _indexed(found) == 0


@pytest.mark.parametrize("many", [0, 10**9], ids=["all common", "all rare"])
def test_common_and_rare_words_find_the_same(found: Corridor, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Common ones are looked for nearby first, in so many records that here some of them lie beyond."""
    monkeypatch.setattr("receiver.store.finding.words._MANY", many or -1)
    monkeypatch.setattr("receiver.store.finding.ways._LOOKED_AT", 4)
    for n in range(12):
        found.push(confirmation(bookingId=str(n + 1), userId="ZEBRA" if n < 3 else "GNU"))
    found.push(confirmation(bookingId="x", userId="ZEBRA"))
    _index(found)
    with found.store.transaction() as connection:
        connection.execute(text("ANALYZE"))
    assert len(_ids(found, "zebra")) == 4
    assert len(_ids(found, "zebra", sources=("drs",))) == 4
    assert _ids(found, "zebra", sources=("other",)) == []
    assert len(_ids(found, "zebra", status="held")) == len(_ids(found, "zebra", outcome="refused")) == 1
    assert len(_ids(found, "gnu")) == 9
    assert len(_ids(found, "gnu", booking_id="7")) == 1
    assert _ids(found, "zebra gnu") == []


def test_sqlite_reads_the_records(sqlite_url: str) -> None:
    with corridor(sqlite_url) as found:
        first = found.push(confirmation(codes=[{**CODE, "comments": "100% Zebra_1"}])).push_id
        found.push(confirmation(bookingId="2"))
        assert _index(found) == 0
        assert _ids(found, "zebra_1 100%") == [first]
        assert _ids(found, "zebra%1") == _ids(found, "zebra-1") == _ids(found, "quantity") == []
