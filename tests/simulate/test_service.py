"""The background service: rows are Actioned on a yes and on nothing else, and tried again otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import SettingsError
from receiver.fields import Kind, field_table
from receiver.simulate import (
    Credentials,
    Dialect,
    Encoding,
    Faults,
    Form,
    Plan,
    RowState,
    Sender,
    Simulation,
    SoapVersion,
    stories_of_day,
)
from receiver.simulate.activity import ActivityRow, ActivityTable
from receiver.simulate.archive import DeletionArchive
from receiver.simulate.job import Absence, Booking
from receiver.simulate.request import Batching
from tests.support.waiting import free_port, wait_until

from .listener import SUCCESS, Listener, Sent
from .reading import judged
from .test_reply import FAULT

TABLE = field_table()
DAY = date(2021, 5, 27)


def simulation(url: str, **plan: object) -> Simulation:
    return Simulation(Plan(**{"stories": 16, **plan}), TABLE, Sender(url))  # type: ignore[arg-type]


def play(simulated: Simulation) -> Simulation:
    for part in (simulated.play(DAY), simulated.drain()):
        for _ in part:
            pass
    return simulated


def states(simulated: Simulation) -> Counter[RowState]:
    return Counter(row.state for row in simulated.table)


def rows() -> list[ActivityRow]:
    told = sorted((h for s in stories_of_day(1, DAY, 32) for h in s.happenings), key=lambda h: h.at)
    return [ActivityRow(n, h.kind, h.what, h.at) for n, h in enumerate(told, start=1)]


@pytest.mark.parametrize(
    "answer",
    [(200, FAULT), (200, b"<return/>"), (500, SUCCESS), (200, b"garbage"), (401, b""), (302, SUCCESS)],
)
def test_rows_wait_and_are_tried_again_until_they_fail(answer: tuple[int, bytes]) -> None:
    with Listener(lambda _: answer) as listener:
        simulated = play(simulation(listener.url, max_attempts=3))
    assert set(states(simulated)) == {RowState.FAILED}
    assert {row.attempts for row in simulated.table} == {3}
    assert all(str(answer[0]) in row.outcome for row in simulated.table)
    assert simulated.ends() == []


def test_rows_are_actioned_on_success() -> None:
    with Listener() as listener:
        simulated = play(simulation(listener.url))
    assert set(states(simulated)) == {RowState.ACTIONED}
    assert {row.outcome for row in simulated.table} == {"success"}
    assert len(listener.heard) == len(simulated.table) == simulated.progress.figures.requests
    assert len(simulated.ends()) == sum(len(s.ends) for s in stories_of_day(1, DAY, 16))


def test_a_row_that_was_refused_once_is_actioned_later() -> None:
    refused = iter([(503, b"")] * 5)
    with Listener(lambda _: next(refused, (200, SUCCESS))) as listener:
        simulated = play(simulation(listener.url))
    assert set(states(simulated)) == {RowState.ACTIONED}
    assert max(row.attempts for row in simulated.table) > 1


def test_a_partly_held_batch_is_actioned_and_counted() -> None:
    held = b"<return><status>success</status><errorMsg>1 of 5 records held for review</errorMsg></return>"
    with Listener(lambda _: (200, held)) as listener:
        simulated = play(simulation(listener.url, dialects=(Dialect(batch=5),)))
    assert set(states(simulated)) == {RowState.ACTIONED}
    assert simulated.progress.figures.held == len(listener.heard)
    assert all(row.held for row in simulated.table)


def test_with_nobody_listening_rows_wait_and_only_the_first_is_tried() -> None:
    simulated = simulation(f"http://127.0.0.1:{free_port()}/push/drs")
    for progress in simulated.play(DAY):
        assert progress.unconnected > 0
    assert set(states(simulated)) == {RowState.WAITING}
    tried = [row for row in simulated.table if row.attempts]
    assert len(tried) == 1
    assert tried[0].outcome.startswith("no reply")


def test_the_request_says_what_drs_says() -> None:
    dialect = Dialect(Form.A, SoapVersion.V12, 3, Encoding.UTF_16)
    with Listener() as listener:
        sender = Sender(listener.url + "?site=1", Credentials("drs", "pâss:word"))
        play(Simulation(Plan(stories=4, dialects=(dialect,)), TABLE, sender))
    sent = listener.heard[0]
    assert sent.path == "/push/drs?site=1"
    assert sent.headers["content-type"] == "application/soap+xml; charset=utf-16"
    assert sent.headers["soapaction"] == '""'
    assert sent.headers["authorization"] == "Basic ZHJzOnDDonNzOndvcmQ="


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://host/x", "http://", "http://host:port/x", "http://h:99999"]
)
def test_what_is_no_address_is_said_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match="no address"):
        Sender(url)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_duplicates_are_the_same_bytes_again_and_change_no_row(share: float) -> None:
    with Listener() as listener:
        simulated = play(simulation(listener.url, faults=Faults(duplicates=share)))
    figures = simulated.progress.figures
    assert set(states(simulated)) == {RowState.ACTIONED}
    assert figures.repeated > 0
    assert len(listener.heard) == figures.requests == len(simulated.table) + figures.repeated
    assert max(Counter(sent.body for sent in listener.heard).values()) == 2
    if share == 1:
        assert figures.repeated == len(simulated.table)


def test_dropped_connections_leave_rows_waiting_though_the_whole_request_arrived() -> None:
    with Listener() as listener:
        simulated = play(simulation(listener.url, faults=Faults(drop=0.5), max_attempts=50))
        figures = simulated.progress.figures
        wait_until(lambda: len(listener.heard) == figures.requests, 10, "every request was heard whole")
    assert set(states(simulated)) == {RowState.ACTIONED}
    assert figures.dropped > 0
    assert sum(row.attempts for row in simulated.table) == len(simulated.table) + figures.dropped
    assert all(judged(sent.body) for sent in listener.heard)


def test_with_every_connection_dropped_all_rows_fail() -> None:
    with Listener() as listener:
        simulated = play(simulation(listener.url, stories=3, faults=Faults(drop=1.0), max_attempts=2))
    assert set(states(simulated)) == {RowState.FAILED}
    assert {row.outcome for row in simulated.table} == {"connection dropped before the reply was read"}


def heard_order(heard: Iterable[Sent]) -> list[tuple[str | None, str]]:
    return [(n.booking_id, str(n.changed_at)) for sent in heard for n in judged(sent.body) if n.booking_id]


def test_reordering_turns_the_events_of_bookings_round_and_never_those_of_absences() -> None:
    def play_with(faults: Faults) -> tuple[list[tuple[str | None, str]], list[str]]:
        with Listener() as listener:
            play(simulation(listener.url, stories=48, faults=faults, interval=timedelta(days=1)))
        absences = [n for sent in listener.heard for n in judged(sent.body) if n.kind is Kind.UNAVAILABILITY]
        return heard_order(listener.heard), [
            f"{n.resource_id} {n.period_start} {n.period_end} {n.action}" for n in absences
        ]

    in_order, absences = play_with(Faults())
    shuffled, shuffled_absences = play_with(Faults(reorder=True))
    assert sorted(in_order) == sorted(shuffled)
    assert by_booking(in_order) != by_booking(shuffled)
    assert by_absence(absences) == by_absence(shuffled_absences)


def by_booking(heard: list[tuple[str | None, str]]) -> dict[str | None, list[str]]:
    return {booking: [at for b, at in heard if b == booking] for booking, _ in heard}


def by_absence(heard: list[str]) -> dict[str, list[str]]:
    return {key: [line for line in heard if line.startswith(key)] for key in {h.rpartition(" ")[0] for h in heard}}


def test_suppressed_fields_are_nowhere_on_the_wire() -> None:
    with Listener() as listener:
        play(simulation(listener.url, suppressed=("changeddate", "contract")))
    assert not any(b"changedDate" in sent.body or b"contract" in sent.body for sent in listener.heard)


def test_without_changed_date_only_ends_that_can_be_known_are_expected() -> None:
    with Listener() as listener:
        every = play(simulation(listener.url)).ends()
        in_order = play(simulation(listener.url, suppressed=("changedDate",))).ends()
        faults = Faults(reorder=True)
        shuffled = play(simulation(listener.url, suppressed=("changedDate",), faults=faults)).ends()
    assert 0 < len(shuffled) < len(in_order) <= len(every)
    assert {type(end) for end in shuffled} == {type(end) for end in every}


def test_damaged_records_are_as_many_as_asked_for_and_their_ends_are_not_expected() -> None:
    with Listener() as listener:
        simulated = play(simulation(listener.url, stories=48, faults=Faults(damage=0.2)))
    damaged = [row for row in simulated.table if row.damage]
    invalid = [n for sent in listener.heard for n in judged(sent.body) if not n.valid]
    assert len(invalid) == len(damaged)
    assert 0.1 < len(damaged) / len(simulated.table) < 0.3
    expected = {getattr(end, "booking_id", None) for end in simulated.ends()}
    assert not expected & {row.subject for row in damaged}


@pytest.mark.parametrize("faults", [Faults(), Faults(0.3, reorder=True, drop=0.3, damage=0.1)])
def test_the_same_plan_sends_the_same(faults: Faults) -> None:
    def bodies() -> list[bytes]:
        with Listener() as listener:
            simulated = play(simulation(listener.url, faults=faults, dialects=(Dialect(batch=2), Dialect(Form.PLAIN))))
            wait_until(lambda: len(listener.heard) == simulated.progress.figures.requests, 10, "all was heard")
        return sorted(sent.body for sent in listener.heard)

    assert bodies() == bodies()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.randoms())
def test_every_row_is_in_one_request_within_its_batch_and_bookings_keep_their_order(
    batches: list[int],
    random: st.random.Random,  # type: ignore[name-defined]
) -> None:
    given_rows = rows()
    random.shuffle(given_rows)
    requests = list(Batching([Dialect(batch=n) for n in batches]).requests(given_rows))
    sent = [row for request in requests for row in request.rows]
    assert sorted(row.id for row in sent) == sorted(row.id for row in given_rows)
    assert all(len(r.rows) <= r.dialect.batch and {row.kind for row in r.rows} == {r.kind} for r in requests)
    for subject in {row.subject for row in given_rows}:
        assert [r.id for r in sent if r.subject == subject] == [r.id for r in given_rows if r.subject == subject]


def test_an_absence_waits_for_its_earlier_row() -> None:
    told = next(s for s in stories_of_day(1, DAY, 16) if s.name == "well again")
    table = ActivityTable()
    for happening in told.happenings:
        table.add(happening.kind, happening.what, happening.at)
    assert [row.id for row in table.ready()] == [1]
    table.log(1, accepted=True, outcome="success", held=False, max_attempts=2)
    assert [row.id for row in table.ready()] == [2]


def test_the_activity_table_counts_and_forgets_what_is_done() -> None:
    table = ActivityTable()
    for row in rows()[:3]:
        table.add(row.kind, row.what, row.created_at)
    table.log(1, accepted=True, outcome="success", held=False, max_attempts=1)
    table.log(2, accepted=False, outcome="HTTP 500", held=False, max_attempts=1)
    table.log(3, accepted=False, outcome="HTTP 500", held=False, max_attempts=2)
    assert [row.state for row in table] == [RowState.ACTIONED, RowState.FAILED, RowState.WAITING]
    table.purge()
    assert [row.id for row in table] == [3]
    assert (table.actioned, table.failed, table.waiting) == (1, 1, 1)


def test_a_deletion_is_extracted_once_and_in_order() -> None:
    def of(told: Callable[[ActivityRow], bool]) -> list[Booking]:
        return [row.what for row in rows() if told(row) and not isinstance(row.what, Absence)]

    cancelled = of(lambda row: row.kind is Kind.CANCELLATION)
    archive = DeletionArchive()
    archive.add(cancelled[0])
    archive.add(cancelled[1])
    assert archive.extract() == cancelled[:2]
    assert archive.extract() == []
    archive.add(cancelled[2])
    assert archive.extract() == [cancelled[2]]


def test_cancellations_come_with_the_extraction_and_absences_by_night() -> None:
    with Listener() as listener:
        simulated = play(simulation(listener.url))
    for row in simulated.table:
        if row.kind is Kind.CANCELLATION and isinstance(row.what, Booking):
            assert row.created_at.minute == 30
            assert row.created_at - timedelta(hours=4) < row.what.changed <= row.created_at
        if row.kind is Kind.UNAVAILABILITY:
            assert f"{row.created_at:%H:%M}" == "00:30"
