"""Replays as jobs: planned, run in slices, stopped and gone on with; nothing is counted twice, whoever is at work."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from receiver.errors import LeaseLost, NotAllowed, NotFound, WrongState
from receiver.jobs.replay_plan import Planning
from receiver.jobs.replaying import LEASE, Asked, Dispatch
from receiver.messages import OnInvalid, Rules
from receiver.store.finding.filter import Filter
from receiver.store.notifications import NotificationStatus
from receiver.store.replays import jobs as replays
from receiver.store.replays.jobs import Advance, Outcome, Replay, ReplayKind, ReplayState, Wish
from tests.support.pushes import confirmation, element, unavailability

from .desk import Office, office

STRICT = Rules("drs", ZoneInfo("Europe/London"), required=("contract",))
ALL = Filter()


def _fill(url: str, count: int = 6) -> list[str]:
    """Pushes of which every third is held until the settings change; then a wreck, and one with a bit of each."""
    with office(url, STRICT) as found:
        contracts = (None if n % 3 == 2 else "H01" for n in range(count))
        ids = [found.push(confirmation(bookingId=str(n), contract=c)).push_id for n, c in enumerate(contracts)]
        ids.append(found.push("<wreck>").push_id)
        bits = (
            confirmation(bookingId="x") + confirmation(bookingId="971", contract=None) + confirmation(bookingId="972")
        )
        ids.append(found.push(element("bookingConfirmations", bits)).push_id)
        ids.append(found.push(unavailability()).push_id)
    return [str(i) for i in ids]


def _asked(kind: ReplayKind = ReplayKind.WALK, filter_: Filter = ALL) -> Asked:
    return Asked(kind, filter_, "jo", "because")


def _run(found: Office, asked: Asked) -> Replay:
    replaying = found.replaying()
    return replaying.run(replaying.start(asked).id, lambda: False)


def _outcomes(found: Office, replay: Replay) -> list[tuple[str, int, str, str | None]]:
    with found.store.reading() as connection:
        read = replays.outcomes(connection, found.store.tables, replay.id)
    return [(o.push_id, o.position, o.outcome, o.detail) for o in read]


@contextmanager
def _failing(found: Office, when: Callable[[str, object], bool], error: type[DBAPIError]) -> Iterator[None]:
    """The database fails over every statement that ``when`` is true of, given with its parameters."""

    def look(_c: object, _x: object, statement: str, parameters: object, _y: object, _m: object) -> None:
        if when(statement, parameters):
            raise error(statement, {}, Exception("it fails"))

    event.listen(found.store.engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(found.store.engine, "before_cursor_execute", look)


def test_a_walk_applies_what_is_valid_now_and_tells_what_came_of_each_record(database_url: str) -> None:
    ids = _fill(database_url)
    with office(database_url) as found:
        done = _run(found, _asked())
        assert (done.state, done.done, done.total) == (ReplayState.FINISHED, 9, 9)
        assert done.counts == {"settled_before": 6, "applied": 3, "held": 1, "unreadable": 1}
        assert _outcomes(found, done) == sorted(
            [
                (ids[2], 1, "applied", None),
                (ids[5], 1, "applied", None),
                (ids[6], 0, "unreadable", "not_well_formed"),
                (ids[7], 1, "held", "not_an_integer"),
                (ids[7], 2, "applied", None),
            ]
        )
        before = found.state()
        again = _run(found, _asked())
        assert again.counts == {"settled_before": 9, "held": 1, "unreadable": 1}
        assert found.state() == before


def test_what_a_walk_tells_is_what_retrying_each_push_tells(database_url: str) -> None:
    """In sets or one by one."""
    _fill(database_url)
    with office(database_url) as found:
        plan = Planning(found.work).plan(ReplayKind.WALK, ALL)
        counted: Counter[str] = Counter()
        for row in found.rows("pushes", "received_at", "id"):
            if (row["sha256"] and row["outcome"] != "refused") or row["records"]:
                tally = found.intake.retry(row["id"], found.sources, dry_run=True)
                assert tally is not None
                counted.update(str(outcome) for _, outcome, _ in tally.outcomes or ())
        assert plan.counts == {**counted, "unreadable": 1}


def test_a_plan_writes_nothing_and_says_how_far_it_looked(database_url: str) -> None:
    ids = _fill(database_url, 240)
    with office(database_url) as found:
        before = {
            table: found.rows(table) for table in ("notifications", "bookings", "changes", "replays", "decisions")
        }
        whole = Planning(found.work).plan(ReplayKind.WALK, ALL)
        assert (whole.total, whole.looked_at, whole.is_complete) == ((243, True), 243, True)
        assert whole.counts["applied"] == 81
        assert whole.examples[0] == Outcome(ids[2], 1, "applied")
        part = Planning(found.work, most=200).plan(ReplayKind.WALK, ALL)
        assert (part.looked_at, part.is_complete) == (200, False)
        assert Planning(found.work).plan(ReplayKind.DISCARD, ALL).counts == {"discarded": 83}
        assert Planning(found.work).plan(ReplayKind.TELL, Filter(booking_id="1")).counts == {"told": 1}
        assert Planning(found.work).plan(ReplayKind.REBUILD, ALL).counts["states"] == 162
        assert {table: found.rows(table) for table in before} == before


def test_what_one_push_brings_the_next_of_the_same_slice_repeats(database_url: str) -> None:
    with office(database_url, STRICT) as found:
        held = confirmation(contract=None)
        ids = [found.push(body).push_id for body in (held, held, element("bookingConfirmations", held))]
    with office(database_url) as found:
        done = _run(found, _asked())
        assert done.counts == {"applied": 1, "settled_before": 2}
        assert _outcomes(found, done) == [(ids[0], 1, "applied", None)]
        assert len(found.rows("notifications")) == 1


def test_a_repeat_of_what_was_held_until_just_now_stays_one(database_url: str) -> None:
    """Undated content is another event once something else is applied; not so when its delivery is walked again."""
    hold = replace(STRICT, on_invalid=OnInvalid.HOLD)
    first, other = (confirmation(contract=None, changedDate=None, bookingReason=r) for r in ("one", "two"))
    with office(database_url, hold) as found:
        for body in (first, other, first):
            found.push(body)
    with office(database_url) as found:
        assert _run(found, _asked()).counts == {"applied": 2, "settled_before": 1}
        assert [b["booking_reason"] for b in found.rows("bookings")] == ["two"]


def test_a_large_push_is_walked_as_small_ones_are(database_url: str) -> None:
    """More than is kept in memory of what it says; some of it is held until the settings change."""
    batch = "".join(confirmation(bookingId=str(n), contract=None if n == 700 else "H01") for n in range(1100))
    with office(database_url, STRICT) as found:
        pushed = found.push(element("bookingConfirmations", batch))
    with office(database_url) as found:
        done = _run(found, _asked())
        assert done.counts == {"applied": 1, "settled_before": 1099}
        assert _outcomes(found, done) == [(str(pushed.push_id), 701, "applied", None)]
        assert _run(found, _asked()).counts == {"settled_before": 1100}


def test_a_walk_of_some_leaves_the_others(database_url: str) -> None:
    ids = _fill(database_url)
    with office(database_url) as found:
        done = _run(found, _asked(filter_=Filter(booking_id="5")))
        assert (done.total, done.counts) == (1, {"applied": 1})
        assert found.waiting() == [i for i in ids if i in (ids[2], ids[6], ids[7])]


def test_what_arrives_after_the_start_is_not_walked(sqlite_url: str) -> None:
    with office(sqlite_url) as found:
        found.push(confirmation(bookingId="1"))
        replaying = found.replaying()
        made = replaying.start(_asked())
        found.push(confirmation(bookingId="2"))
        assert replaying.run(made.id, lambda: False).done == 1


def test_a_push_that_fails_or_has_no_bytes_does_not_stop_the_others(sqlite_url: str) -> None:
    ids = _fill(sqlite_url)
    with office(sqlite_url) as found:
        with found.store.transaction() as connection:
            connection.execute(text("DELETE FROM push_bodies WHERE push_id = :id"), {"id": ids[0]})
        settles = lambda statement, given: "UPDATE notifications" in statement and "'2'" in repr(given)  # noqa: E731
        with _failing(found, settles, ProgrammingError):
            done = _run(found, _asked())
        assert done.state is ReplayState.FINISHED
        assert done.counts == {"settled_before": 5, "applied": 2, "held": 1, "unreadable": 1, "gone": 1, "failed": 1}
        assert {(p, n, o) for p, n, o, _ in _outcomes(found, done)} >= {(ids[2], 0, "failed"), (ids[0], 0, "gone")}


def test_held_records_are_discarded_by_what_they_have_in_common(database_url: str) -> None:
    ids = _fill(database_url)
    with office(database_url) as found:
        with pytest.raises(NotAllowed):
            found.replaying().start(Asked(ReplayKind.DISCARD, ALL, "jo", " "))
        one = _run(found, _asked(ReplayKind.DISCARD, Filter(booking_id="971")))
        assert (one.counts, _outcomes(found, one)) == ({"discarded": 1}, [(ids[7], 2, "discarded", None)])
        held = _run(found, _asked(ReplayKind.DISCARD, Filter(status=NotificationStatus.HELD)))
        assert held.counts == {"discarded": 3}
        assert found.waiting() == [ids[6]]
        assert _run(found, _asked(ReplayKind.DISCARD)).counts == {"discarded": 1}
        assert found.waiting() == []
        assert {(d["made_by"], d["reason"], d["decision"]) for d in found.rows("decisions")} == {
            ("jo", "because", "discarded")
        }
        assert len(found.rows("decisions")) == 5


def test_telling_again_tells_each_thing_once(database_url: str) -> None:
    _fill(database_url)
    with office(database_url) as found:
        # Several pushes about one booking.
        for n in range(3):
            found.push(confirmation(bookingId="1", changedDate=f"2021-06-0{n + 1}T10:00:00", bookingReason=str(n)))
        before = len(found.rows("changes"))
        found.work = replace(found.work, pushes=2)
        done = _run(found, _asked(ReplayKind.TELL))
        told = found.rows("changes", "cursor")[before:]
        assert done.counts == {"told": len(told)}
        keys = [(c["entity"], c["entity_key"]) for c in told]
        assert sorted(keys) == sorted(
            [("booking", b["booking_id"]) for b in found.rows("bookings")]
            + [("unavailability", "W123/2021-07-02T07:00:00+00:00/2021-07-02T15:00:00+00:00")]
        )
        assert {c["change"] for c in told} == {"updated"}


def test_what_is_damaged_is_rebuilt_for_all_or_for_the_records_found(database_url: str) -> None:
    _fill(database_url)
    with office(database_url) as found:
        before = found.rows("bookings", "booking_id"), found.rows("unavailabilities")
        for filter_, rebuilt in ((Filter(booking_id="1"), 1), (Filter(sources=("drs",)), 4), (ALL, 0)):
            if rebuilt:
                with found.store.transaction() as connection:
                    connection.execute(text("UPDATE bookings SET contract = 'wrong'"))
                    connection.execute(text("DELETE FROM unavailabilities"))
            done = _run(found, _asked(ReplayKind.REBUILD, filter_))
            assert done.state is ReplayState.FINISHED
            wanted = {1: 1, 4: 6, 0: 0}[rebuilt]
            assert done.counts.get("rebuilt", 0) == wanted
        assert (found.rows("bookings", "booking_id"), found.rows("unavailabilities")) == before


# Who works on it, and whether


class _Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def test_of_two_who_ask_one_gets_it_and_the_other_when_that_one_is_gone(database_url: str) -> None:
    clock = _Clock()
    with office(database_url, now=clock) as found:
        first, second = found.replaying("first"), found.replaying("second")
        made = first.start(_asked())
        assert first.take(made.id) is not None
        assert second.take(made.id) is None
        assert first.take(made.id) is not None
        with pytest.raises(WrongState):
            second.run(made.id, lambda: False)
        clock.at += LEASE + timedelta(seconds=1)
        taken = second.take(made.id)
        assert taken is not None
        assert taken.owner == "second"
        late = Advance(1, {"at": "x", "id": "y"}, {"applied": 1}, [Outcome("p", 1, "applied")])
        with pytest.raises(LeaseLost), found.store.transaction() as connection:
            replays.advance(connection, found.store.tables, made.id, "first", late, clock.at)
        assert second.get(made.id).counts == {}
        assert found.rows("replay_outcomes") == []


def test_it_is_paused_resumed_and_cancelled_between_slices(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(database_url, 30)
    with office(database_url) as found:
        found.work = replace(found.work, pushes=5)
        replaying = found.replaying()
        made = replaying.start(_asked())
        seen: list[int] = []

        def wish_at(done: int, wish: Wish) -> Callable[[Replay], None]:
            def show(now: Replay) -> None:
                seen.append(now.done)
                if now.done == done:
                    replaying.ask(made.id, wish)

            return show

        paused = replaying.run(made.id, lambda: False, wish_at(10, Wish.PAUSE))
        assert (paused.state, paused.done, paused.owner) == (ReplayState.PAUSED, 15, None)
        with pytest.raises(WrongState):
            replaying.run(made.id, lambda: False)
        assert replaying.resume(made.id).state is ReplayState.WAITING
        cancelled = replaying.run(made.id, lambda: False, wish_at(20, Wish.CANCEL))
        assert (cancelled.state, cancelled.done) == (ReplayState.CANCELLED, 25)
        assert seen == [0, 5, 10, 15, 15, 20, 25]
        assert cancelled.counts["applied"] == len(found.rows("replay_outcomes")) == 8
        with pytest.raises(WrongState):
            replaying.resume(made.id)
        with pytest.raises(WrongState):
            replaying.ask(made.id, Wish.PAUSE)
        with pytest.raises(NotFound):
            replaying.ask("none", Wish.PAUSE)


def test_one_that_nobody_works_on_is_paused_and_cancelled_at_once(sqlite_url: str) -> None:
    with office(sqlite_url) as found:
        replaying = found.replaying()
        made = replaying.start(_asked())
        assert replaying.ask(made.id, Wish.PAUSE).state is ReplayState.PAUSED
        assert replaying.resume(made.id).state is ReplayState.WAITING
        assert replaying.ask(made.id, Wish.CANCEL).state is ReplayState.CANCELLED


def test_who_is_asked_to_end_leaves_it_for_another_to_go_on_at_once(sqlite_url: str) -> None:
    _fill(sqlite_url)
    with office(sqlite_url) as found:
        made = found.replaying("first").start(_asked())
        left = found.replaying("first").run(made.id, lambda: True)
        assert (left.state, left.owner, left.done) == (ReplayState.RUNNING, None, 0)
        assert found.replaying("second").run(made.id, lambda: False).state is ReplayState.FINISHED


def test_a_slice_that_is_undone_counts_for_nothing_and_is_done_again(database_url: str) -> None:
    """The database goes away at every second slice: as many outcomes as records all the same."""
    _fill(database_url, 30)
    with office(database_url) as found:
        found.work = replace(found.work, pushes=4)
        tries = Counter[str]()

        def is_second(statement: str, _: object) -> bool:
            tries["all"] += statement.startswith("UPDATE replays SET done")
            return statement.startswith("UPDATE replays SET done") and tries["all"] % 2 == 1

        with _failing(found, is_second, OperationalError):
            done = _run(found, _asked())
        assert (done.state, done.done) == (ReplayState.FINISHED, 33)
        assert tries["all"] == 18
        assert done.counts == {"settled_before": 22, "applied": 11, "held": 1, "unreadable": 1}
        assert len(found.rows("replay_outcomes")) == 13
        assert len(found.rows("bookings")) == 32


def test_a_replay_that_fails_says_so_and_can_be_tried_again(sqlite_url: str) -> None:
    _fill(sqlite_url)
    with office(sqlite_url) as found:
        with _failing(found, lambda statement, _: "UPDATE notifications" in statement, ProgrammingError):
            failed = _run(found, _asked(ReplayKind.DISCARD))
        assert (failed.state, failed.said, failed.done) == (ReplayState.FAILED, "store", 0)
        replaying = found.replaying()
        replaying.resume(failed.id)
        done = replaying.run(failed.id, lambda: False)
        assert (done.state, done.said) == (ReplayState.FINISHED, None)


def test_a_server_starts_a_process_for_what_waits_and_only_one_does(database_url: str) -> None:
    clock = _Clock()
    with office(database_url, now=clock) as found:
        begun: list[tuple[str, str]] = []
        running = threading.Event()

        def begin(replay_id: str, owner: str) -> Callable[[], bool]:
            begun.append((replay_id, owner))
            running.set()
            return running.is_set

        servers = [Dispatch(found.store, clock, lambda n=n: f"server {n}", begin) for n in range(3)]  # type: ignore[misc]
        assert [server.look(lambda: False) for server in servers] == [False] * 3
        made, other = (found.replaying().start(_asked()) for _ in range(2))
        assert [server.look(lambda: False) for server in servers] == [True, True, False]
        assert begun == [(made.id, "server 0"), (other.id, "server 1")]
        clock.at += LEASE + timedelta(seconds=1)
        # The process of the first never came to life; a server whose own is there still does not start another.
        assert [server.look(lambda: False) for server in servers] == [False, False, True]
        assert begun[2] == (made.id, "server 2")


def test_the_last_ones_are_listed_first_and_go_when_their_time_has_come(sqlite_url: str) -> None:
    with office(sqlite_url) as found:
        made = [found.replaying().start(_asked()) for _ in range(5)]
        with found.store.reading() as connection:
            page = replays.find(connection, found.store.tables, limit=2)
            rest = replays.find(connection, found.store.tables, before=page[-1])
        assert [r.id for r in page + rest] == [r.id for r in reversed(made)]
