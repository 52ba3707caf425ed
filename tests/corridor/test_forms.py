"""The same record in every form it is known to come in ends in the same rows."""

from __future__ import annotations

import pytest

from tests.conftest import StartReceiver
from tests.support.pushes import (
    BACKGROUND,
    CODE,
    CONFIRMATION,
    SOAP12,
    cancellation,
    confirmation,
    element,
    fields,
    form_a,
    record,
    soap,
    unavailability,
)
from tests.support.receiver import Receiver

_ONE = record(CONFIRMATION, codes=[CODE])
_CODES = "SELECT * FROM v1_booking_codes ORDER BY booking_id, position"

FORM_A = {
    "prefix": form_a("bookingConfirmation", _ONE),
    "soap 1.2": form_a("bookingConfirmation", _ONE, namespace=SOAP12),
    "another prefix": soap(
        f'<zz9:bookingConfirmation xmlns:zz9="{BACKGROUND}"><bookingConfirmation>{_ONE}</bookingConfirmation>'
        "</zz9:bookingConfirmation>"
    ),
    "default namespace undone": soap(
        f'<bookingConfirmation xmlns="{BACKGROUND}"><bookingConfirmation xmlns="">{_ONE}</bookingConfirmation>'
        "</bookingConfirmation>"
    ),
    "no inner element": soap(element("bookingConfirmation", _ONE)),
    "plain": element("bookingConfirmation", _ONE),
    "declared": '<?xml version="1.0" encoding="utf-8"?>\n' + element("bookingConfirmation", _ONE),
    "another case": element("BOOKINGCONFIRMATION", _ONE.replace("bookingId", "BookingID")),
}


def test_form_a_however_it_is_written(receiver: Receiver) -> None:
    first = receiver.push(FORM_A["prefix"])
    assert first.status == 200
    booking, codes = receiver.booking("731904"), receiver.rows(_CODES)
    assert booking["primary_order_number"] == "L835574"
    assert booking["location_id"] == "00032896"
    assert codes[0]["sor_code"] == "N373049"
    for name, push in FORM_A.items():
        again = receiver.push(push)
        assert (again.status, again.said("status")) == (200, "success"), name
        outcome = receiver.one("SELECT outcome FROM v1_pushes WHERE id = :id", id=again.push_id)
        assert outcome == {"outcome": "duplicate"}, name
    assert receiver.booking("731904") == booking
    assert receiver.rows(_CODES) == codes


def test_codes_as_siblings_or_in_one_wrapper(receiver: Receiver) -> None:
    two = [CODE, {**CODE, "bookingCodeSORCode": "20060020"}]
    wrapped = element("theBookingCodes", "".join(element("bookingCode", fields(c)) for c in two))
    receiver.push(confirmation(codes=two, bookingId="1"))
    receiver.push(element("bookingConfirmation", fields({**CONFIRMATION, "bookingId": "2"}) + wrapped))
    codes = receiver.rows("SELECT booking_id, position, sor_code FROM v1_booking_codes ORDER BY booking_id, position")
    assert [(c["booking_id"], c["position"], c["sor_code"]) for c in codes] == [
        ("1", 1, "N373049"),
        ("1", 2, "20060020"),
        ("2", 1, "N373049"),
        ("2", 2, "20060020"),
    ]


def test_any_order_an_unknown_field_and_no_contract(receiver: Receiver) -> None:
    values = {k: v for k, v in reversed(CONFIRMATION.items()) if k != "contract"}
    answer = receiver.push(element("bookingConfirmation", fields({"quantityUsed": "3", **values})))
    assert (answer.status, answer.said("status")) == (200, "success")
    booking = receiver.booking("731904")
    assert booking["contract"] is None
    assert booking["token_id"] == CONFIRMATION["tokenId"]
    heard = receiver.one("SELECT * FROM v1_notifications")
    assert heard["values"]["quantityUsed"] == "3"
    assert {"quantityUsed"} == {w["field"] for w in heard["warnings"]}


def test_texts_come_out_as_they_went_in(receiver: Receiver) -> None:
    code = {**CODE, "standardMinuteValue": "480", "quantity": "1.00", "itemValue": "0.0", "reference": "00032896"}
    spaced = "  two  spaces \u00a3 \U0001f6bf"
    receiver.push(confirmation(codes=[{**code, "comments": spaced}]))
    stored = receiver.one("SELECT * FROM v1_booking_codes")
    assert stored["standard_minute_value"] == "480"
    assert stored["quantity"] == "1.00"
    assert stored["item_value"] == "0.0"
    assert stored["sor_code"] == "N373049"
    assert stored["primary_order_number"] == "L835574"
    assert stored["reference"] == "00032896"
    assert stored["comments"] == spaced
    assert stored["order_id"] == 8800


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252"]
)
def test_every_encoding(receiver: Receiver, encoding: str) -> None:
    text = "caf\u00e9" if encoding == "iso-8859-1" else "caf\u00e9 \u20ac5"
    label = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(encoding, encoding)
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    document = f'{mark}<?xml version="1.0" encoding="{label}"?>' + confirmation(bookingReason=text)
    answer = receiver.push(document.encode(encoding))
    assert answer.status == 200, answer.body
    assert receiver.booking("731904")["booking_reason"] == text


def _form_c(*bookings: str) -> str:
    inner = element("Bookings", "".join(element("Booking", b) for b in bookings))
    namespace = "http://www.sx3.com/XMB-CONFIRM-BOOKINGS"
    return soap(f'<ConfirmBookings xmlns="{namespace}">{inner}</ConfirmBookings>')


def test_form_c_with_fifty_bookings_one_invalid(receiver: Receiver) -> None:
    changes = {"planningWindowStart": "02-JUL-2021 08:00", "changedDate": "27-MAY-2021 14:21:01"}
    bookings = [record({**CONFIRMATION, **changes}, bookingId=str(n)) for n in range(1, 51)]
    bookings[16] = bookings[16].replace("<planningWindowStart>02-JUL", "<planningWindowStart>31-JUN")
    bookings = [b + element("BookingCodes", element("BookingCode", fields(CODE))) for b in bookings]
    answer = receiver.push(_form_c(*bookings))
    assert (answer.status, answer.said("status")) == (200, "success")
    assert "1 of 50" in str(answer.said("errorMsg"))
    assert "Record 17" in str(answer.said("errorMsg"))
    assert answer.tree.xpath("//*[local-name() = 'ConfirmBookingsResponse']")
    assert receiver.one("SELECT count(*) AS n FROM v1_bookings")["n"] == 49
    assert receiver.one("SELECT count(*) AS n FROM v1_booking_codes")["n"] == 49
    held = receiver.one("SELECT * FROM v1_notifications WHERE status = 'held'")
    assert (held["position"], held["booking_id"]) == (17, "17")
    assert [p["field"] for p in held["problems"]] == ["planningWindowStart"]
    assert receiver.one("SELECT outcome, records FROM v1_pushes") == {"outcome": "partly_held", "records": 50}


def _form_b(outcome: str) -> str:
    def booking(number: int) -> str:
        done = {
            "bookingId": str(number),
            "taskLifeCycleStatus": "COMPLETED",
            "taskCompletionStatus": outcome,
            "taskCompletionDate": "2021-07-02T11:40:00",
        }
        codes = element("theBookingCodes", element("bookingCode", fields(CODE)))
        data = {"name": "Asbestos checked", "value": "14/06/2016 13:53:38", "type": "DATE"}
        return element(
            "booking", fields(done) + codes + element("theBusinessData", element("businessData", fields(data)))
        )

    def order(number: int) -> str:
        says = {
            "orderId": str(number),
            "primaryOrderNumber": f"L{number}",
            "contract": "H01",
            "status": "PLANNED",
            "orderComplete": "false",
        }
        location = element("theLocation", fields({"locationId": "00032896", "name": "1 High St", "postCode": "E8 1EA"}))
        bookings = element("theBookings", booking(number * 10) + booking(number * 10 + 1))
        return element("order", fields(says) + bookings + location)

    return soap(element("completedBooking", element("theOrders", order(1) + order(2))))


def test_form_b_completes_each_booking_of_each_order(database_url: str, start_receiver: StartReceiver) -> None:
    config = '[sources.drs.outcomes]\nsuccess = ["CO"]\n'
    receiver = start_receiver(database_url, config=config)
    answer = receiver.push(_form_b("REFUSAL"))
    assert (answer.status, answer.said("status"), answer.said("errorMsg")) == (200, "success", None)
    bookings = receiver.rows("SELECT * FROM v1_bookings ORDER BY booking_id")
    assert [b["booking_id"] for b in bookings] == ["10", "11", "20", "21"]
    assert {b["status"] for b in bookings} == {"completed"}
    assert {b["completed_successfully"] for b in bookings} == {False}
    assert {b["completion_status"] for b in bookings} == {"REFUSAL"}
    assert [b["primary_order_number"] for b in bookings] == ["L1", "L1", "L2", "L2"]
    assert bookings[0]["completed_at"].isoformat() == "2021-07-02T10:40:00+00:00"
    assert {b["contract"] for b in bookings} == {"H01"}
    receiver.push(_form_b("co").replace("11:40", "11:50"))
    assert {b["completed_successfully"] for b in receiver.rows("SELECT * FROM v1_bookings")} == {True}


def test_a_cancellation_with_only_the_vendors_fields(receiver: Receiver) -> None:
    eleven = {
        "bookingId": "5",
        "primaryOrderNumber": "L5",
        "secondaryOrderNumber": "S5",
        "tertiaryOrderNumber": "T5",
        "tokenId": "t",
        "planningWindowStart": "02-JUL-2021 08:00",
        "planningWindowEnd": "02-JUL-2021 12:00",
        "targetDate": "30-JUL-2021 17:00",
        "userId": "JSMITH",
        "changedDate": "28-MAY-2021 09:00:30",
        "contract": "H01",
    }
    assert receiver.push(form_a("bookingCancellation", fields(eleven))).status == 200
    booking = receiver.booking("5")
    assert booking["status"] == "cancelled"
    assert booking["cancelled_at"].isoformat() == "2021-05-28T08:00:30+00:00"
    assert (booking["tertiary_order_number"], booking["user_id"]) == ("T5", "JSMITH")
    assert receiver.one("SELECT warnings FROM v1_notifications") == {"warnings": []}


def test_plural_containers_and_mixed_kinds_of_wrapper(receiver: Receiver) -> None:
    absences = unavailability() + unavailability(ResourceId="W124")
    assert receiver.push(element("unavailabilities", absences)).said("status") == "success"
    inner = element("unavailabilityNotification", element("unavailability", record({"ResourceId": "W125", **_PERIOD})))
    assert receiver.push(soap(inner)).said("status") == "success"
    assert receiver.push(element("bookingCancellations", cancellation(bookingId="7"))).said("status") == "success"
    found = receiver.rows("SELECT resource_id FROM v1_unavailabilities ORDER BY resource_id")
    assert [r["resource_id"] for r in found] == ["W123", "W124", "W125"]
    empty = receiver.push("<unavailabilities/>")
    assert (empty.status, empty.said("status")) == (200, "success")


_PERIOD = {"PeriodStart": "02-JUL-2021 08:00", "PeriodEnd": "02-JUL-2021 16:00"}


def test_a_wrapper_of_an_unknown_name(receiver: Receiver) -> None:
    wrapped = soap(f'<w:send xmlns:w="urn:site">{confirmation()}</w:send>')
    answer = receiver.push(wrapped)
    assert (answer.status, answer.said("status")) == (200, "success")
    assert answer.tree.xpath("//*[local-name() = 'sendResponse']")
    assert receiver.booking("731904")["status"] == "confirmed"
    for unknown in ("<send/>", f"<send>{element('other', fields(CODE))}</send>", f"<send><x/>{confirmation()}</send>"):
        assert receiver.push(unknown).status == 400


def test_an_element_that_is_no_record_among_records_is_held(receiver: Receiver) -> None:
    stray = element("bookingAmendment", record(CONFIRMATION, bookingId="2"))
    answer = receiver.push(element("bookingConfirmations", confirmation(bookingId="1") + stray + "<sent>now</sent>"))
    assert (answer.status, answer.said("status")) == (200, "success")
    assert "1 of 2 records are held" in str(answer.said("errorMsg"))
    assert "bookingAmendment" in str(answer.said("errorMsg"))
    assert [b["booking_id"] for b in receiver.rows("SELECT booking_id FROM v1_bookings")] == ["1"]
    held = receiver.one("SELECT position, problems FROM v1_notifications WHERE status = 'held'")
    assert (held["position"], [p["code"] for p in held["problems"]]) == (2, ["unknown_record"])


def test_codes_that_stand_in_the_record_itself(receiver: Receiver) -> None:
    codes = element("bookingCode", fields(CODE)) + element("bookingCode", fields(CODE))
    receiver.push(element("bookingConfirmation", fields(CONFIRMATION) + codes))
    assert len(receiver.rows(_CODES)) == 2


def test_a_sites_own_name_for_form_c(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, config='[sources.drs.roots]\nJobs = "confirmation"\n')
    bookings = "".join(element("Booking", record(CONFIRMATION, bookingId=str(n))) for n in (1, 2))
    assert receiver.push(element("Jobs", bookings)).said("status") == "success"
    assert receiver.one("SELECT count(*) AS n FROM v1_bookings")["n"] == 2


def test_a_required_contract_may_stand_in_the_order(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, config='[sources.drs]\nrequired = ["contract"]\n')
    assert receiver.push(_form_b("CO")).said("status") == "success"
