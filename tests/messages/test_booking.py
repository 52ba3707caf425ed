"""What a booking becomes: whatever order its events arrive in, the state is that of their own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.fields import Kind
from receiver.messages import Booking, BookingEvent, BookingFold, BookingStatus, Change, Rules
from receiver.messages.booking import booking_change, booking_event
from tests.support.profiles import examples
from tests.support.reading import RULES, TABLE

START = datetime(2021, 7, 1, 12, tzinfo=UTC)
FOLD = BookingFold(TABLE)
CONFIRMATION, CANCELLATION, COMPLETION = Kind.CONFIRMATION, Kind.CANCELLATION, Kind.COMPLETION


@dataclass(frozen=True)
class Said:
    """A notification about booking 1; ``changed_at`` None: undated."""

    kind: Kind
    values: Mapping[str, object]
    changed_at: datetime | None


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def said(kind: Kind, hours: float | None = None, **values: object) -> Said:
    return Said(kind, {"bookingId": "1", "primaryOrderNumber": "A1", **values}, None if hours is None else at(hours))


def heard(arrivals: Sequence[Said], rules: Rules = RULES) -> list[BookingEvent]:
    """The notifications as events, arriving one an hour, the first at hour 100."""
    return [booking_event(s, rules, TABLE, at(100 + n), f"n{n:03}") for n, s in enumerate(arrivals)]


def empty() -> Booking:
    return Booking("drs", "1", at(100), at(100))


def end(*arrivals: Said, rules: Rules = RULES) -> Booking:
    return FOLD.fold(empty(), heard(arrivals, rules))


def shown(state: Booking) -> dict[str, object]:
    """What anyone downstream can see of it."""
    return {
        "fields": {k: v for k, v in state.fields.items() if v is not None},
        "codes": state.codes,
        "status": state.status,
        "changed_at": state.changed_at,
        "cancelled_at": state.cancelled_at,
        "completed_at": state.completed_at,
        "completion_status": state.completion_status,
        "completed_successfully": state.completed_successfully,
    }


# Random histories

TEXTS = st.fixed_dictionaries(
    {}, optional={n: st.sampled_from([None, "a", "b"]) for n in ("contract", "userId", "tokenId")}
)
CODES = st.sampled_from(
    [[], [{"bookingCodeSORCode": "N1"}], [{"bookingCodeSORCode": "N2"}, {"bookingCodeSORCode": "N3"}]]
)
CONFIRMED = st.fixed_dictionaries(
    {}, optional={"bookingReason": st.sampled_from([None, "FIRST", "moved"]), "theBookingCodes": CODES}
)
COMPLETED = st.fixed_dictionaries(
    {},
    optional={
        "taskLifeCycleStatus": st.sampled_from([None, "COMPLETED", " completed ", "PLANNED"]),
        "taskCompletionStatus": st.sampled_from([None, "CO", "REFUSAL"]),
    },
)
OF_KIND = {CONFIRMATION: CONFIRMED, CANCELLATION: st.just({}), COMPLETION: COMPLETED}


def saids(hours: st.SearchStrategy[int | None]) -> st.SearchStrategy[Said]:
    return st.sampled_from(list(OF_KIND)).flatmap(
        lambda kind: st.builds(lambda t, own, h: said(kind, h, **t, **own), TEXTS, OF_KIND[kind], hours)
    )


DATED = st.lists(saids(st.integers(0, 12)), max_size=7, unique_by=lambda s: (s.changed_at, s.kind))
MIXED = st.lists(saids(st.none() | st.integers(90, 110)), max_size=7)


@given(DATED.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
@settings(max_examples=examples(10))
def test_any_order_of_arrival_of_dated_events_ends_in_one_state(orders: tuple[list[Said], list[Said]]) -> None:
    assert shown(end(*orders[0])) == shown(end(*orders[1]))


@given(MIXED)
@settings(max_examples=examples(10))
def test_step_by_step_as_they_arrive_is_the_same_as_all_at_once(arrivals: list[Said]) -> None:
    """As the corridor does: the newest is a step, and a late one has everything folded again."""
    events, state = heard(arrivals), empty()
    for n, event in enumerate(events):
        newest = state.last is None or event.order >= state.last
        state = FOLD.step(state, event) if newest else FOLD.fold(empty(), events[: n + 1])
        assert state == FOLD.fold(empty(), events[: n + 1])
        assert state == FOLD.fold(empty(), reversed(events[: n + 1]))


@given(DATED)
@settings(max_examples=examples(10))
def test_the_state_is_what_was_last_said_of_each_part(arrivals: list[Said]) -> None:
    """Told part by part from the newest event back, as a person would look it up."""
    rank = {CONFIRMATION: 0, CANCELLATION: 1, COMPLETION: 2}
    newest_first = sorted(heard(arrivals), key=lambda e: (e.order.event_at, rank[e.kind]), reverse=True)
    state = end(*arrivals)
    for column in ("contract", "user_id", "token_id", "booking_reason"):
        known = [e for e in newest_first if column in e.fields]
        if column == "booking_reason":
            known = [e for e in known if e.kind is not CANCELLATION]
        assert state.fields.get(column) == (known[0].fields[column] if known else None)
    codes = [e.codes for e in newest_first if e.codes is not None]
    assert state.codes == (codes[0] if codes else ())
    standing = next((e for e in newest_first if e.kind is not COMPLETION), None)
    cancelled = standing is not None and standing.kind is CANCELLATION
    assert state.cancelled_at == (standing.order.event_at if standing is not None and cancelled else None)
    done = next((e for e in newest_first if e.completes), None)
    assert state.completed_at == (done.order.event_at if done else None)
    assert state.completion_status == (done.completion_status if done else None)
    assert state.changed_at == (standing.order.event_at if standing is not None else None)


# Named stories


def test_a_later_confirmation_clears_a_cancellation() -> None:
    state = end(said(CONFIRMATION, 1), said(CANCELLATION, 2), said(CONFIRMATION, 3))
    assert (state.status, state.cancelled_at, state.changed_at) == (BookingStatus.CONFIRMED, None, at(3))


def test_a_later_confirmation_never_clears_a_completion() -> None:
    state = end(said(COMPLETION, 2, taskCompletionStatus="CO"), said(CONFIRMATION, 3))
    assert (state.status, state.completed_at, state.completion_status) == (BookingStatus.COMPLETED, at(2), "CO")


@pytest.mark.parametrize(
    ("cancelled", "completed", "status"),
    [(1, 2, BookingStatus.COMPLETED), (2, 1, BookingStatus.CANCELLED), (2, 2, BookingStatus.COMPLETED)],
)
def test_of_cancelled_and_completed_the_later_counts(cancelled: int, completed: int, status: BookingStatus) -> None:
    state = end(said(CANCELLATION, cancelled), said(COMPLETION, completed))
    assert state.status is status
    assert (state.cancelled_at, state.completed_at) == (at(cancelled), at(completed))


def test_an_older_confirmation_does_not_overwrite_a_newer_one() -> None:
    state = end(said(CONFIRMATION, 2, contract="new"), said(CONFIRMATION, 1, contract="old", userId="u"))
    assert (state.fields["contract"], state.fields["user_id"], state.changed_at) == ("new", "u", at(2))


def test_a_confirmation_older_than_the_cancellation_that_overtook_it_fills_what_is_empty() -> None:
    late = said(CONFIRMATION, 1, contract="H01", userId="first", theBookingCodes=[{"bookingCodeSORCode": "N1"}])
    state = end(said(CANCELLATION, 2, userId="second"), late)
    assert (state.status, state.cancelled_at) == (BookingStatus.CANCELLED, at(2))
    assert (state.fields["contract"], state.fields["user_id"]) == ("H01", "second")
    assert state.codes == ({"sor_code": "N1"},)


def test_an_undated_confirmation_that_a_cancellation_overtook_leaves_it_cancelled() -> None:
    late = said(CONFIRMATION, contract="H01", userId="first")
    state = end(said(CANCELLATION, userId="second"), late)
    assert (state.status, state.cancelled_at) == (BookingStatus.CANCELLED, at(100))
    assert (state.fields["contract"], state.fields["user_id"]) == ("H01", "second")
    again = end(said(CANCELLATION, userId="second"), late, said(CONFIRMATION, userId="third"))
    assert (again.status, again.fields["user_id"]) == (BookingStatus.CONFIRMED, "third")


def test_confirmed_cancelled_and_confirmed_again_without_dates_is_confirmed() -> None:
    state = end(said(CONFIRMATION), said(CANCELLATION), said(CONFIRMATION))
    assert (state.status, state.cancelled_at, state.changed_at) == (BookingStatus.CONFIRMED, None, None)


def test_what_is_missing_stays_and_what_is_empty_is_cleared() -> None:
    code = {"bookingCodeSORCode": "N1", "quantity": "1.00"}
    first = said(CONFIRMATION, 1, contract="H01", userId="u", theBookingCodes=[code])
    assert end(first, said(CONFIRMATION, 2)).fields["contract"] == "H01"
    assert end(first, said(CONFIRMATION, 2)).codes == ({"sor_code": "N1", "quantity": "1.00"},)
    cleared = end(first, said(CONFIRMATION, 2, contract=None, theBookingCodes=[]))
    assert (cleared.fields["contract"], cleared.fields["user_id"], cleared.codes) == (None, "u", ())


def test_fields_are_held_as_what_they_are() -> None:
    state = end(said(CONFIRMATION, 1, numberOfOperatives="+02", targetDate="02-JUL-2021 08:00", contract="007"))
    assert state.fields["number_of_operatives"] == 2
    assert state.fields["target_date"] == datetime(2021, 7, 2, 7, tzinfo=UTC)
    assert state.fields["contract"] == "007"


@pytest.mark.parametrize("kinds", [(CONFIRMATION, CANCELLATION, COMPLETION), (COMPLETION, CANCELLATION, CONFIRMATION)])
def test_at_one_moment_confirmation_is_before_cancellation_before_completion(kinds: tuple[Kind, ...]) -> None:
    state = end(*(said(kind, 1, userId=kind) for kind in kinds))
    assert (state.cancelled_at, state.completed_at, state.status) == (at(1), at(1), BookingStatus.COMPLETED)
    assert state.fields["user_id"] == "completion"


def test_of_two_of_a_kind_at_one_moment_the_later_to_arrive_counts() -> None:
    one, other = said(CONFIRMATION, 1, userId="one"), said(CONFIRMATION, 1, userId="other")
    assert end(one, other).fields["user_id"] == "other"
    assert end(other, one).fields["user_id"] == "one"


# Completions


@pytest.mark.parametrize(
    ("word", "completes"),
    [("COMPLETED", True), ("Completed ", True), (None, True), ("PLANNED", False), ("COMPLETE", False), ("", False)],
)
def test_only_the_words_for_it_complete_a_booking(word: str | None, completes: bool) -> None:
    state = end(said(COMPLETION, 1, taskLifeCycleStatus=word, taskCompletionStatus="CO", contract="H01"))
    assert state.status is (BookingStatus.COMPLETED if completes else BookingStatus.CONFIRMED)
    assert (state.completed_at, state.completion_status) == ((at(1), "CO") if completes else (None, None))
    assert state.fields["contract"] == "H01"


def test_a_source_may_have_other_words_for_complete() -> None:
    rules = replace(RULES, complete_words=frozenset({"done"}))
    assert end(said(COMPLETION, 1, taskLifeCycleStatus="Done"), rules=rules).completed_at == at(1)
    assert end(said(COMPLETION, 1, taskLifeCycleStatus="COMPLETED"), rules=rules).completed_at is None


@pytest.mark.parametrize(
    ("codes", "code", "successful"),
    [
        (None, "CO", None),
        (frozenset({"co"}), "CO", True),
        (frozenset({"co"}), " co ", True),
        (frozenset({"co"}), "REFUSAL", False),
        (frozenset({"co"}), None, None),
        (frozenset[str](), "CO", False),
    ],
)
def test_success_is_by_the_list_of_the_source(
    codes: frozenset[str] | None, code: str | None, successful: bool | None
) -> None:
    state = end(said(COMPLETION, 1, taskCompletionStatus=code), rules=replace(RULES, success_codes=codes))
    assert (state.completed_successfully, state.completion_status) == (successful, code)


def test_a_second_completion_counts_by_its_own_time() -> None:
    first, second = said(COMPLETION, 1, taskCompletionStatus="REFUSAL"), said(COMPLETION, 2, taskCompletionStatus="CO")
    for state in (end(first, second), end(second, first)):
        assert (state.completed_at, state.completion_status) == (at(2), "CO")


def test_a_completion_leaves_the_date_of_change_alone() -> None:
    assert end(said(CONFIRMATION, 1), said(COMPLETION, 5)).changed_at == at(1)


def test_the_order_of_a_completion_speaks_where_the_booking_does_not() -> None:
    order = {"contract": "of order", "locationID": "0042", "targetDate": "2021-07-02T08:00:00Z", "status": "PLANNED"}
    own = end(said(COMPLETION, 1, contract="own", theOrder=order)).fields
    assert (own["contract"], own["location_id"], own["target_date"]) == (
        "own",
        "0042",
        datetime(2021, 7, 2, 8, tzinfo=UTC),
    )
    assert end(said(COMPLETION, 1, contract=None, theOrder=order)).fields["contract"] is None
    assert end(said(COMPLETION, 1, theOrder=order)).fields["contract"] == "of order"
    before = end(said(CONFIRMATION, 0, contract="H01"), said(COMPLETION, 1, theOrder={"contract": None}))
    assert before.fields["contract"] == "H01"


# The feed


@pytest.mark.parametrize(
    ("before", "event", "change"),
    [
        ([], said(CONFIRMATION, 1), Change.CREATED),
        ([], said(CANCELLATION, 1), Change.CANCELLED),
        ([], said(COMPLETION, 1), Change.COMPLETED),
        ([said(CONFIRMATION, 1)], said(CONFIRMATION, 2), Change.UPDATED),
        ([said(CONFIRMATION, 1)], said(CONFIRMATION, 1), None),
        ([said(CONFIRMATION, 2, contract="a")], said(CONFIRMATION, 1, contract="b"), None),
        ([said(CONFIRMATION, 2)], said(CONFIRMATION, 1, contract="b"), Change.UPDATED),
        ([said(CONFIRMATION, 1)], said(CANCELLATION, 2), Change.CANCELLED),
        ([said(CANCELLATION, 1)], said(CANCELLATION, 2), Change.CANCELLED),
        ([said(CANCELLATION, 1)], said(CONFIRMATION, 2), Change.UPDATED),
        ([said(CONFIRMATION, 1)], said(COMPLETION, 2), Change.COMPLETED),
        ([said(COMPLETION, 1)], said(COMPLETION, 2, taskCompletionStatus="CO"), Change.COMPLETED),
        ([said(CONFIRMATION, 1)], said(COMPLETION, 2, taskLifeCycleStatus="PLANNED"), None),
        ([said(COMPLETION, 1)], said(CONFIRMATION, 2), Change.UPDATED),
    ],
)
def test_what_the_feed_says_of_a_step(before: list[Said], event: Said, change: Change | None) -> None:
    first = end(*before) if before else None
    assert booking_change(first, end(*before, event)) is change
