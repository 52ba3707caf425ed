"""What a booking becomes when notifications come twice, late, early, undated, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.conftest import StartReceiver
from tests.support.pushes import CODE, SOAP11, cancellation, confirmation, element, fields, record
from tests.support.receiver import Receiver


def _statuses(receiver: Receiver) -> list[tuple[str, str]]:
    rows = receiver.rows("SELECT kind, status FROM v1_notifications ORDER BY received_at, id")
    return [(r["kind"], r["status"]) for r in rows]


def _changes(receiver: Receiver) -> list[str]:
    return [r["change"] for r in receiver.rows('SELECT change FROM v1_changes ORDER BY "cursor"')]


def _completion(**changes: str | None) -> str:
    done = {
        "bookingId": "731904",
        "primaryOrderNumber": "L835574",
        "taskLifeCycleStatus": "COMPLETED",
        "taskCompletionStatus": "CO",
        "taskCompletionDate": "2021-07-02T11:40:00",
    }
    return element("bookingCompletion", fields({**done, **changes}))


def test_the_same_twice_a_newer_and_a_late_older_one(receiver: Receiver) -> None:
    first = receiver.push(confirmation(codes=[CODE]))
    again = receiver.push(confirmation(codes=[CODE]))
    assert again.said("status") == "success"
    assert "Received before, on 20" in str(again.said("errorMsg"))
    assert first.push_id != again.push_id
    assert receiver.one("SELECT count(*) AS n FROM v1_notifications")["n"] == 1
    assert [r["outcome"] for r in receiver.rows("SELECT outcome FROM v1_pushes ORDER BY received_at, id")] == [
        "stored",
        "duplicate",
    ]
    moved = confirmation(
        changedDate="2021-05-28T10:00:00",
        bookingReason="Tenant changed",
        planningWindowStart="2021-07-05T12:00:00",
        planningWindowEnd="2021-07-05T16:00:00",
    )
    receiver.push(moved)
    receiver.push(confirmation(changedDate="2021-05-27T18:00:00", planningWindowStart="2021-07-03T08:00:00"))
    assert _statuses(receiver) == [
        ("confirmation", "applied"),
        ("confirmation", "applied"),
        ("confirmation", "superseded"),
    ]
    booking = receiver.booking("731904")
    assert booking["planning_window_start"] == datetime(2021, 7, 5, 11, 0, tzinfo=UTC)
    assert booking["booking_reason"] == "Tenant changed"
    assert booking["changed_at"] == datetime(2021, 5, 28, 9, 0, tzinfo=UTC)
    assert receiver.one("SELECT count(*) AS n FROM v1_booking_codes")["n"] == 1
    assert _changes(receiver) == ["created", "updated"]


def test_other_spellings_are_the_same_notification(receiver: Receiver) -> None:
    receiver.push(confirmation())
    vendor = confirmation(
        changedDate="27-MAY-2021 14:21:01",
        planningWindowStart="02-jul-2021 08:00",
        planningWindowEnd="2021-07-02T12:00:00+01:00",
        targetDate="2021-07-30T16:00:00Z",
        numberOfOperatives="01",
    )
    assert "Received before" in str(receiver.push(vendor).said("errorMsg"))


def test_missing_leaves_alone_and_empty_clears(receiver: Receiver) -> None:
    receiver.push(confirmation(codes=[CODE], secondaryOrderNumber="S1"))
    receiver.push(confirmation(changedDate="2021-05-28T10:00:00", contract=None, secondaryOrderNumber=""))
    booking = receiver.booking("731904")
    assert (booking["contract"], booking["secondary_order_number"]) == ("H01", None)
    assert receiver.one("SELECT count(*) AS n FROM v1_booking_codes")["n"] == 1
    cleared = record({"bookingId": "731904", "primaryOrderNumber": "L835574"}, changedDate="2021-05-29T10:00:00")
    receiver.push(element("bookingConfirmation", cleared + "<theBookingCodes/>"))
    assert receiver.one("SELECT count(*) AS n FROM v1_booking_codes")["n"] == 0


def test_three_bookings_of_one_order(receiver: Receiver) -> None:
    for number in ("1", "2", "3"):
        receiver.push(confirmation(bookingId=number, bookingSequence="FIRST"))
    found = receiver.rows("SELECT booking_id FROM v1_bookings WHERE primary_order_number = 'L835574' ORDER BY 1")
    assert [r["booking_id"] for r in found] == ["1", "2", "3"]


def test_cancelling_one_booking_leaves_the_other(receiver: Receiver) -> None:
    receiver.push(confirmation(bookingId="1"))
    receiver.push(confirmation(bookingId="2"))
    receiver.push(cancellation(bookingId="1"))
    assert receiver.booking("1")["status"] == "cancelled"
    assert receiver.booking("2")["status"] == "confirmed"


def test_a_cancellation_before_its_confirmation_stays(receiver: Receiver) -> None:
    receiver.push(cancellation(bookingId="1"))
    receiver.push(confirmation(bookingId="1"))
    booking = receiver.booking("1")
    assert booking["status"] == "cancelled"
    assert booking["cancelled_at"] == datetime(2021, 5, 28, 8, 0, tzinfo=UTC)
    # The confirmation fills what the cancellation did not say.
    assert booking["planning_window_start"] == datetime(2021, 7, 2, 7, 0, tzinfo=UTC)
    assert _statuses(receiver) == [("cancellation", "applied"), ("confirmation", "superseded")]
    receiver.push(confirmation(bookingId="1", changedDate="2021-05-29T10:00:00"))
    assert (receiver.booking("1")["status"], receiver.booking("1")["cancelled_at"]) == ("confirmed", None)


def test_an_undated_cancellation_before_its_undated_confirmation_stays(receiver: Receiver) -> None:
    receiver.push(cancellation(changedDate=None))
    receiver.push(confirmation(changedDate=None))
    receiver.push(confirmation(changedDate=None))
    assert receiver.booking("731904")["status"] == "cancelled"
    assert len(_statuses(receiver)) == 2


def test_confirmed_cancelled_confirmed_with_identical_bytes_and_no_date(receiver: Receiver) -> None:
    confirmed, cancelled = confirmation(changedDate=None), cancellation(changedDate=None)
    receiver.push(confirmed)
    receiver.push(confirmed)
    receiver.push(cancelled)
    receiver.push(cancelled)
    assert receiver.booking("731904")["status"] == "cancelled"
    receiver.push(confirmed)
    receiver.push(confirmed)
    assert _statuses(receiver) == [
        ("confirmation", "applied"),
        ("cancellation", "applied"),
        ("confirmation", "applied"),
    ]
    assert receiver.booking("731904")["status"] == "confirmed"
    assert receiver.one("SELECT count(*) AS n FROM v1_pushes")["n"] == 6
    assert _changes(receiver) == ["created", "cancelled", "updated"]


def test_completion_is_never_undone_by_a_confirmation(receiver: Receiver) -> None:
    receiver.push(_completion())
    receiver.push(confirmation())
    receiver.push(confirmation(changedDate="2021-07-05T10:00:00", contract="H02"))
    booking = receiver.booking("731904")
    assert booking["status"] == "completed"
    assert booking["completed_at"] == datetime(2021, 7, 2, 10, 40, tzinfo=UTC)
    assert booking["contract"] == "H02"
    assert booking["completed_successfully"] is None


def test_a_completion_older_than_the_last_change_still_completes(receiver: Receiver) -> None:
    receiver.push(confirmation(changedDate="2021-07-03T10:00:00"))
    receiver.push(_completion())
    assert receiver.booking("731904")["status"] == "completed"
    assert _statuses(receiver) == [("confirmation", "applied"), ("completion", "applied")]


def test_a_life_cycle_that_is_not_complete_is_kept_with_a_warning(receiver: Receiver) -> None:
    receiver.push(confirmation())
    receiver.push(_completion(taskLifeCycleStatus="PLANNED"))
    assert receiver.booking("731904")["status"] == "confirmed"
    heard = receiver.one("SELECT warnings FROM v1_notifications WHERE kind = 'completion'")
    assert [w["code"] for w in heard["warnings"]] == ["not_completed"]


def test_local_times_and_zones(receiver: Receiver) -> None:
    cases = {
        "1": ("2021-07-02T08:00:00", datetime(2021, 7, 2, 7, 0, tzinfo=UTC)),
        "2": ("2021-01-02T08:00:00", datetime(2021, 1, 2, 8, 0, tzinfo=UTC)),
        "3": ("2021-01-02T08:00:00+01:00", datetime(2021, 1, 2, 7, 0, tzinfo=UTC)),
        "4": ("2021-07-02T08:00:00Z", datetime(2021, 7, 2, 8, 0, tzinfo=UTC)),
        "5": ("02-JUL-2021 08:00", datetime(2021, 7, 2, 7, 0, tzinfo=UTC)),
        "6": ("2021-07-02T24:00:00", datetime(2021, 7, 2, 23, 0, tzinfo=UTC)),
        "7": ("02/07/2021 08:00:00", datetime(2021, 7, 2, 7, 0, tzinfo=UTC)),
    }
    for booking_id, (text, _) in cases.items():
        assert receiver.push(confirmation(bookingId=booking_id, targetDate=text)).status == 200
    for booking_id, (_, instant) in cases.items():
        assert receiver.booking(booking_id)["target_date"] == instant, booking_id


def test_times_that_a_clock_change_makes_odd(receiver: Receiver) -> None:
    receiver.push(confirmation(bookingId="1", targetDate="2021-03-28T01:30:00"))
    receiver.push(confirmation(bookingId="2", targetDate="2021-10-31T01:30:00"))
    heard = receiver.rows("SELECT * FROM v1_notifications ORDER BY booking_id")
    assert [h["status"] for h in heard] == ["applied", "applied"]
    assert [h["values"]["targetDate"] for h in heard] == ["2021-03-28T01:30:00", "2021-10-31T01:30:00"]
    flagged = [[(w["field"], w["code"]) for w in h["warnings"]] for h in heard]
    assert flagged == [[("targetDate", "nonexistent_time")], [("targetDate", "ambiguous_time")]]
    assert receiver.booking("2")["target_date"] == datetime(2021, 10, 31, 0, 30, tzinfo=UTC)


def test_the_same_on_a_host_in_any_time_zone(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, env={"TZ": "Pacific/Auckland"})
    receiver.push(confirmation())
    booking = receiver.booking("731904")
    assert booking["planning_window_start"] == datetime(2021, 7, 2, 7, 0, tzinfo=UTC)
    assert abs((datetime.now(UTC) - booking["first_received_at"]).total_seconds()) < 300


def test_odd_but_valid_is_stored_with_a_warning(receiver: Receiver) -> None:
    receiver.push(confirmation(planningWindowEnd="2021-07-01T08:00:00", targetDate="0001-01-01T00:00:00+14:00"))
    heard = receiver.one("SELECT * FROM v1_notifications")
    assert {w["code"] for w in heard["warnings"]} == {"ends_before_start", "out_of_range_time"}
    assert receiver.booking("731904")["target_date"] is None


def test_an_undated_confirmation_outlives_an_older_cancellation(receiver: Receiver) -> None:
    receiver.push(confirmation(changedDate=None))
    receiver.push(cancellation(changedDate="2021-06-02T10:00:00"))
    assert receiver.booking("731904")["status"] == "confirmed"
    assert _statuses(receiver) == [("confirmation", "applied"), ("cancellation", "superseded")]
    assert "cancelled" not in _changes(receiver)


def test_a_push_with_several_undated_events_is_one_delivery_however_often_it_comes(receiver: Receiver) -> None:
    confirmed, cancelled = confirmation(changedDate=None), cancellation(changedDate=None)
    three = f"<e:Envelope xmlns:e='{SOAP11}'><e:Body>{confirmed}{cancelled}{confirmed}</e:Body></e:Envelope>"
    for _ in range(3):
        assert receiver.push(three).said("status") == "success"
    # They happened in the order they stand in.
    assert receiver.booking("731904")["status"] == "confirmed"
    assert [kind for kind, _ in _statuses(receiver)] == ["confirmation", "cancellation", "confirmation"]
    outcomes = [r["outcome"] for r in receiver.rows("SELECT outcome FROM v1_pushes ORDER BY received_at, id")]
    assert outcomes == ["stored", "duplicate", "duplicate"]
    first = receiver.rows("SELECT id FROM v1_pushes ORDER BY received_at, id")[0]["id"]
    assert receiver.command("replay", "--push", first).returncode == 0
    assert len(_statuses(receiver)) == 3


def test_replaying_an_undated_push_does_not_apply_it_again(receiver: Receiver) -> None:
    first = receiver.push(confirmation(changedDate=None))
    receiver.push(cancellation(changedDate=None))
    assert receiver.command("replay", "--push", str(first.push_id)).returncode == 0
    assert receiver.booking("731904")["status"] == "cancelled"
    assert len(_statuses(receiver)) == 2


def test_the_feed_tells_of_a_completion_once(receiver: Receiver) -> None:
    receiver.push(confirmation())
    receiver.push(_completion())
    receiver.push(cancellation(changedDate="2021-07-01T10:00:00"))
    assert receiver.booking("731904")["status"] == "completed"
    assert _changes(receiver) == ["created", "completed", "updated"]


def test_an_outcome_under_both_of_its_names(receiver: Receiver) -> None:
    both = {"taskCompletionStatus": "CO", "bookingCompletionStatus": "CO", "bookingLifeCycleStatus": "COMPLETED"}
    assert receiver.push(_completion(**both)).said("status") == "success"
    assert receiver.booking("731904")["completion_status"] == "CO"
    assert receiver.push(_completion(**{**both, "bookingCompletionStatus": "REFUSAL"})).status == 422


def test_what_was_taken_is_not_refused_once_settings_are_stricter(
    database_url: str, start_receiver: StartReceiver
) -> None:
    before = start_receiver(database_url)
    push = confirmation(contract=None)
    assert before.push(push).status == 200
    before.stop()
    after = start_receiver(database_url, config='[sources.drs]\nrequired = ["contract"]\n')
    again = after.push(push)
    assert (again.status, again.said("status")) == (200, "success")
    assert "Received before" in str(again.said("errorMsg"))
    assert after.push(confirmation(contract=None, bookingId="2")).status == 422
