"""The trail says what was done, and nothing of it can be changed without being found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update
from structlog.testing import capture_logs

from receiver.errors import StoreError
from receiver.store.keeping.retention import Expired, Keep, Retention
from receiver.store.people import trail
from receiver.store.people.chain import SYSTEM, Action, Entry, digest, moment
from receiver.store.people.trail import Noted, Trail
from receiver.store.people.verification import Broken, Damage, Walk, verify
from receiver.store.store import Store
from tests.support.corridor import corridor

NOW = datetime(2026, 11, 21, 9, 30, 15, 123456, UTC)
TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.builds(
    Entry,
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    person=st.text(min_size=1, max_size=20),
    action=st.sampled_from(Action).filter(lambda action: action is not Action.TRAIL_EXPIRED),
    role=st.none() | st.just("operator"),
    about_kind=st.none() | st.just("push"),
    about=st.none() | TEXTS,
    reason=st.none() | TEXTS,
    details=st.dictionaries(TEXTS, JSON, max_size=3),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated database, one for all tests of this module: each begins with an empty trail."""
    if request.param == "sqlite":
        with corridor(f"sqlite:///{tmp_path_factory.mktemp('trail') / 'receiver.db'}") as found:
            yield found.store
        return
    from tests.support.postgres import empty_database  # noqa: PLC0415

    with empty_database(request.getfixturevalue("postgres_url")) as url, corridor(url) as found:
        yield found.store


@pytest.fixture(autouse=True)
def _empty(store: Store) -> None:
    clear(store)


def clear(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(delete(store.tables.people.trail))
        connection.execute(delete(store.tables.people.trail_ends))
        trail.begin(connection, store.tables)


def fill(store: Store, count: int = 5) -> list[Noted]:
    """So many entries, a minute apart."""
    with store.transaction() as connection:
        return [
            trail.append(
                connection,
                store.tables,
                Entry(
                    NOW + timedelta(minutes=n), f"person{n}", Action.VIEWED, "viewer", "push", f"p{n}", None, {"n": n}
                ),
            )
            for n in range(count)
        ]


def broken(store: Store, **expected: Any) -> list[Broken]:
    return list(verify(store, **expected))


def test_what_was_noted_is_found_the_newest_first(store: Store) -> None:
    fill(store, 7)

    def found(**criteria: Any) -> list[int]:
        with store.reading() as connection:
            return [noted.number for noted in trail.find(connection, store.tables, **criteria)]

    assert found() == [7, 6, 5, 4, 3, 2, 1]
    assert found(person="person3") == [4]
    assert found(action=Action.DISCARDED) == []
    assert found(about="p6") == [7]
    assert found(since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=4)) == [4, 3]
    assert found(before=5, limit=2) == [4, 3]
    with store.reading() as connection:
        newest = trail.find(connection, store.tables, limit=1)[0]
    assert (newest.entry.at, newest.entry.details) == (NOW + timedelta(minutes=6), {"n": 6})


def test_what_is_rolled_back_leaves_no_entry_and_is_not_logged(store: Store) -> None:
    def note_in_vain() -> None:
        with store.transaction() as connection:
            trail.append(connection, store.tables, Entry(NOW, "jo", Action.VIEWED))
            raise RuntimeError

    with capture_logs() as logs:
        with pytest.raises(RuntimeError):
            note_in_vain()
        assert logs == []
        noted = Trail(store, lambda: NOW).note("jo", Action.VIEWED)
    told = {"event": "trail_entry", "number": 1, "action": "viewed", "hash": noted.hash, "log_level": "info"}
    assert logs == [told]
    assert broken(store) == []


def test_many_at_once_make_one_chain(store: Store) -> None:
    noting = Trail(store, lambda: NOW)
    threads = [threading.Thread(target=lambda: [noting.note("jo", Action.VIEWED) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    walk = Walk()
    assert broken(store, walk=walk) == []
    assert (walk.entries, walk.last_number) == (40, 40)


_SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_SLOW
@given(st.lists(ENTRIES, max_size=5))
def test_whatever_is_noted_verifies(store: Store, entries: list[Entry]) -> None:
    clear(store)
    with store.transaction() as connection:
        for entry in entries:
            trail.append(connection, store.tables, entry)
    assert broken(store) == []


# Every way to change what is stored

COLUMNS: dict[str, st.SearchStrategy[object]] = {
    "at": st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    "person": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10),
    "role": st.none() | st.sampled_from(["", "viewer ", "operator", "administrator"]),
    "action": st.sampled_from(["viewed ", "discarded", "", "trail_expired"]),
    "about_kind": st.none() | st.sampled_from(["", "booking"]),
    "about": st.none() | st.sampled_from(["", "p", "p99"]),
    "reason": st.sampled_from(["", "none"]),
    "details": st.sampled_from([{}, {"n": "0"}, {"n": -1}, {"n": 0, "m": None}, [], None, "n"]),
    "previous": st.text("0123456789abcdef", max_size=64),
    "hash": st.text("0123456789abcdef", max_size=64),
}
ENDS: dict[str, st.SearchStrategy[object]] = {
    "first_number": st.integers(-3, 9).filter(lambda n: n != 1),
    "first_previous": st.sampled_from(["", "1" * 64, "f" * 64]),
    "last_number": st.integers(-3, 9).filter(lambda n: n != 5),
    "last_hash": st.sampled_from(["", "0" * 64]),
}


@_SLOW
@given(st.data())
def test_every_change_of_a_value_is_found(store: Store, data: st.DataObject) -> None:
    clear(store)
    stored = fill(store)
    t = store.tables.people.trail
    column = data.draw(st.sampled_from(sorted(COLUMNS)))
    number = data.draw(st.integers(1, 5))
    value = data.draw(COLUMNS[column])
    with store.transaction() as connection:
        before = connection.execute(select(t.c[column]).where(t.c.number == number)).scalar_one()
        connection.execute(update(t).where(t.c.number == number).values({column: value}))
    changed = before != value
    found = broken(store)
    assert bool(found) is changed
    assert not changed or number in {b.number for b in found} or column == "hash"
    assert len(stored) == 5


ODD: dict[str, list[tuple[str, object]]] = {
    "sqlite": [("at", "yesterday"), ("details", "{"), ("person", b"jo"), ("hash", 7)],
    "postgresql": [("at", "infinity"), ("at", "-infinity"), ("details", "[1"), ("details", "null")],
}


@pytest.mark.parametrize("which", range(4))
def test_values_that_cannot_be_read_are_found_and_do_not_end_it(store: Store, which: int) -> None:
    fill(store)
    column, odd = ODD[store.engine.dialect.name][which]
    try:
        with store.transaction() as connection:
            connection.execute(text(f"UPDATE trail SET {column} = :odd WHERE number = 2"), {"odd": odd})
    except StoreError:
        assert column == "details"  # PostgreSQL takes no JSON that is none
        return
    assert 2 in {b.number for b in broken(store)}


@_SLOW
@given(st.sets(st.integers(1, 5), min_size=1))
def test_whatever_is_removed_is_missed(store: Store, numbers: set[int]) -> None:
    """The head, the tail, all of it, or some between."""
    clear(store)
    fill(store)
    t = store.tables.people.trail
    with store.transaction() as connection:
        connection.execute(delete(t).where(t.c.number.in_(numbers)))
    found = broken(store)
    assert Damage.MISSING in {b.damage for b in found}
    assert max(numbers) in {b.number for b in found} or {b.number for b in found} & {n + 1 for n in numbers}


@_SLOW
@given(st.permutations(range(1, 6)).filter(lambda order: list(order) != sorted(order)))
def test_every_other_order_is_found(store: Store, order: list[int]) -> None:
    clear(store)
    fill(store)
    t = store.tables.people.trail
    with store.transaction() as connection:
        connection.execute(update(t).values(number=t.c.number + 100))
        for old, new in enumerate(order, start=1):
            connection.execute(update(t).where(t.c.number == old + 100).values(number=new))
    assert {b.number for b in broken(store)} >= {n for n, new in enumerate(order, start=1) if n != new and n in order}


@_SLOW
@given(st.integers(-2, 8).filter(lambda n: not 1 <= n <= 5), st.booleans())
def test_every_addition_is_found(store: Store, number: int, is_copy: bool) -> None:
    clear(store)
    fill(store)
    t = store.tables.people.trail
    with store.transaction() as connection:
        row = dict(connection.execute(select(t).where(t.c.number == 3)).mappings().one())
        row |= {"number": number} if is_copy else {"number": number, "previous": row["hash"], "person": "mallory"}
        connection.execute(insert(t).values(row))
    assert number in {b.number for b in broken(store)}


@pytest.mark.parametrize(("number", "damage"), [(1, Damage.UNBOUND), (3, Damage.UNBOUND), (5, Damage.END)])
def test_an_entry_written_anew_with_a_hash_of_its_own_is_found(store: Store, number: int, damage: Damage) -> None:
    t, stored = store.tables.people.trail, fill(store)
    entry = replace(stored[number - 1].entry, person="mallory")
    said = {name: value for name, value in vars(entry).items() if name != "at"} | {"at": moment(entry.at)}
    with store.transaction() as connection:
        previous = connection.execute(select(t.c.previous).where(t.c.number == number)).scalar_one()
        forged = {"person": "mallory", "hash": digest(number, said, previous)}
        connection.execute(update(t).where(t.c.number == number).values(forged))
    assert [b.damage for b in broken(store)] == [damage]


def test_an_entry_between_two_is_found_though_those_behind_it_are_renumbered(store: Store) -> None:
    fill(store)
    t, e = store.tables.people.trail, store.tables.people.trail_ends
    with store.transaction() as connection:
        row = dict(connection.execute(select(t).where(t.c.number == 3)).mappings().one())
        connection.execute(update(t).where(t.c.number > 2).values(number=t.c.number + 100))
        connection.execute(update(t).where(t.c.number > 100).values(number=t.c.number - 99))
        connection.execute(insert(t).values(row))
        connection.execute(update(e).values(last_number=6))
    assert {b.number for b in broken(store)} >= {4, 5, 6}


@_SLOW
@given(st.data())
def test_every_change_of_where_it_begins_and_ends_is_found(store: Store, data: st.DataObject) -> None:
    clear(store)
    fill(store)
    column = data.draw(st.sampled_from(sorted(ENDS)))
    with store.transaction() as connection:
        connection.execute(update(store.tables.people.trail_ends).values({column: data.draw(ENDS[column])}))
    assert broken(store)


@pytest.mark.parametrize("rows_too", [True, False])
def test_that_nobody_knows_where_it_begins_is_found_and_stays_found(store: Store, rows_too: bool) -> None:
    fill(store)
    with store.transaction() as connection:
        connection.execute(delete(store.tables.people.trail_ends))
        if rows_too:
            connection.execute(delete(store.tables.people.trail))
    assert Damage.END in {b.damage for b in broken(store)}
    # What is done afterwards is noted all the same, and does not make it good.
    Trail(store, lambda: NOW).note("jo", Action.VIEWED)
    assert Damage.BEGINNING in {b.damage for b in broken(store)}


def test_a_tail_that_was_noted_elsewhere_tells_of_a_trail_written_anew(store: Store) -> None:
    last = fill(store)[-1]
    assert broken(store, expected={last.number: last.hash}) == []
    clear(store)
    fill(store, 4)
    assert broken(store) == []
    assert [b.damage for b in broken(store, expected={last.number: last.hash})] == [Damage.OTHERWISE_NOTED]
    Trail(store, lambda: NOW).note("mallory", Action.VIEWED)
    assert [b.number for b in broken(store, expected={last.number: last.hash})] == [5]


# What has been kept long enough


def keep(store: Store, now: datetime, days: int = 10) -> Expired:
    total = Expired()
    for expired in Retention(store, Keep.of_days(0, 0, 0, days), now).slices():
        total += expired
    return total


def test_the_oldest_expire_and_the_rest_still_verifies(store: Store) -> None:
    fill(store)
    later = NOW + timedelta(days=10, minutes=2, seconds=1)
    assert Retention(store, Keep.of_days(0, 0, 0, 10), later).preview() == Expired(trail=3)
    assert keep(store, later) == Expired(trail=3)
    walk = Walk()
    assert broken(store, walk=walk) == []
    assert (walk.first_number, walk.last_number) == (4, 6)
    with store.reading() as connection:
        said = trail.find(connection, store.tables, limit=1)[0].entry
    assert (said.person, said.action, said.details["entries"]) == (SYSTEM, Action.TRAIL_EXPIRED, 3)
    assert keep(store, later) == Expired()
    # All of it, what said so included, after as long again.
    assert keep(store, later + timedelta(days=30)) == Expired(trail=3)
    assert broken(store) == []


def test_a_head_that_somebody_cuts_off_is_none_that_expired(store: Store) -> None:
    fill(store)
    keep(store, NOW + timedelta(days=10, seconds=1))
    t, e = store.tables.people.trail, store.tables.people.trail_ends
    with store.transaction() as connection:
        cut = connection.execute(select(t.c.hash).where(t.c.number == 3)).scalar_one()
        connection.execute(delete(t).where(t.c.number <= 3))
        connection.execute(update(e).values(first_number=4, first_previous=cut))
    assert [b.damage for b in broken(store)] == [Damage.BEGINNING]
