"""zeep, a SOAP client that goes by the description alone, makes every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
import zeep
from requests import Session
from requests.auth import HTTPBasicAuth
from zeep.exceptions import Fault

from tests.support.receiver import Receiver

from .conftest import PASSWORD, USERNAME

Port = Any
_ids = count(1)
PORTS = ["Receiver_soap", "Receiver_soap12"]


@contextmanager
def client_of(receiver: Receiver, password: str) -> Iterator[zeep.Client]:
    with Session() as session:
        session.auth = HTTPBasicAuth(USERNAME, password)
        transport = zeep.Transport(session=session)  # type: ignore[no-untyped-call]
        yield zeep.Client(f"{receiver.url}/push/drs?WSDL", transport=transport)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def client(receiver: Receiver) -> Iterator[zeep.Client]:
    with client_of(receiver, PASSWORD) as found:
        yield found


@pytest.fixture(params=PORTS)
def port(request: pytest.FixtureRequest, client: zeep.Client) -> Port:
    """The service by SOAP 1.1 and by SOAP 1.2."""
    return client.bind("ReceiverService", request.param)


@pytest.fixture
def booking() -> int:
    return next(_ids)


def confirmation(booking: int, **changes: object) -> dict[str, object]:
    code = {"orderId": 8800, "bookingId": booking, "bookingCodeSORCode": 20060020, "quantity": "1.00"}
    return {
        "bookingId": booking,
        "primaryOrderNumber": f"0{booking}",
        "planningWindowStart": "2021-07-02T08:00:00",
        "planningWindowEnd": "02-JUL-2021 12:00",
        "numberOfOperatives": 2,
        "userId": "",
        "theBookingCodes": [code, {**code, "bookingCodeSORCode": "N373049"}],
        **changes,
    }


def is_success(result: Any, error: str | None = None) -> None:
    assert (result.id, result.status, result.errorMsg) == ("0", "success", error)


def utc(hour: int, minute: int = 0) -> datetime:
    return datetime(2021, 7, 2, hour, minute, tzinfo=UTC)


def test_a_confirmation(receiver: Receiver, port: Port, booking: int) -> None:
    is_success(port.bookingConfirmation(bookingConfirmation=confirmation(booking)))
    found = receiver.booking(str(booking))
    assert found["status"] == "confirmed"
    assert found["primary_order_number"] == f"0{booking}"
    assert (found["planning_window_start"], found["planning_window_end"]) == (utc(7), utc(11))
    assert (found["number_of_operatives"], found["user_id"]) == (2, None)
    codes = receiver.rows(
        "SELECT position, order_id, sor_code, quantity FROM v1_booking_codes WHERE booking_id = :id ORDER BY position",
        id=str(booking),
    )
    assert codes == [
        {"position": 1, "order_id": 8800, "sor_code": "20060020", "quantity": "1.00"},
        {"position": 2, "order_id": 8800, "sor_code": "N373049", "quantity": "1.00"},
    ]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2021, 7, 2, 8),
        datetime(2021, 7, 2, 7, tzinfo=UTC),
        datetime(2021, 7, 2, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        "2021-07-02T08:00:00",
        "02-JUL-2021 08:00",
        "02/07/2021 08:00:00",
    ],
    ids=str,
)
def test_times_as_datetimes_and_as_texts(receiver: Receiver, port: Port, booking: int, moment: object) -> None:
    is_success(port.bookingConfirmation(bookingConfirmation=confirmation(booking, planningWindowStart=moment)))
    assert receiver.booking(str(booking))["planning_window_start"] == utc(7)


def test_a_time_to_the_microsecond(receiver: Receiver, port: Port, booking: int) -> None:
    moment = datetime(2021, 7, 2, 8, 0, 0, 250_000)
    is_success(port.bookingConfirmation(bookingConfirmation=confirmation(booking, changedDate=moment)))
    assert receiver.booking(str(booking))["changed_at"] == moment.replace(hour=7, tzinfo=UTC)


@pytest.mark.parametrize("empty", ["", None])
def test_a_time_that_is_empty_or_missing(receiver: Receiver, port: Port, booking: int, empty: str | None) -> None:
    is_success(port.bookingConfirmation(bookingConfirmation=confirmation(booking, planningWindowStart=empty)))
    assert receiver.booking(str(booking))["planning_window_start"] is None


def test_several_confirmations(receiver: Receiver, port: Port) -> None:
    ids = [next(_ids) for _ in range(5)]
    is_success(port.bookingConfirmation(bookingConfirmation=[confirmation(n) for n in ids]))
    for n in ids:
        assert receiver.booking(str(n))["primary_order_number"] == f"0{n}"


def test_a_cancellation(receiver: Receiver, port: Port, booking: int) -> None:
    is_success(port.bookingConfirmation(bookingConfirmation=confirmation(booking)))
    cancelled = {"bookingId": booking, "primaryOrderNumber": f"0{booking}", "changedDate": datetime(2031, 7, 2, 8)}
    is_success(port.bookingCancellation(bookingCancellation=cancelled))
    found = receiver.booking(str(booking))
    assert (found["status"], found["cancelled_at"]) == ("cancelled", datetime(2031, 7, 2, 7, tzinfo=UTC))


def test_several_cancellations(receiver: Receiver, port: Port) -> None:
    ids = [next(_ids) for _ in range(3)]
    records = [{"bookingId": str(n), "primaryOrderNumber": n} for n in ids]
    is_success(port.bookingCancellation(bookingCancellation=records))
    assert [receiver.booking(str(n))["status"] for n in ids] == ["cancelled"] * 3


def completion(booking: int) -> dict[str, object]:
    return {
        "bookingId": booking,
        "primaryOrderNumber": f"0{booking}",
        "taskLifeCycleStatus": "COMPLETED",
        "taskCompletionStatus": "REFUSAL",
        "taskCompletionDate": datetime(2021, 7, 2, 8),
        "theResources": [{"resourceID": "W123"}, {"resourceID": "W124"}],
        "theBusinessData": [{"name": "Photos", "values": {"value": ["one", "two"]}}],
        "theOrder": {"orderId": 8800, "orderComplete": "false", "theLocation": {"locationId": 32896}},
    }


def test_a_completion(receiver: Receiver, port: Port, booking: int) -> None:
    is_success(port.bookingCompletion(bookingCompletion=completion(booking)))
    found = receiver.booking(str(booking))
    assert (found["status"], found["completion_status"], found["completed_at"]) == ("completed", "REFUSAL", utc(7))
    kept = receiver.one("SELECT * FROM v1_notifications WHERE booking_id = :id", id=str(booking))
    assert kept["warnings"] == []
    assert kept["values"]["theBusinessData"] == [{"name": "Photos", "values": ["one", "two"]}]
    assert [r["resourceID"] for r in kept["values"]["theResources"]] == ["W123", "W124"]
    assert kept["values"]["theOrder"]["theLocation"] == {"locationId": "32896"}


def test_several_completions(receiver: Receiver, port: Port) -> None:
    ids = [next(_ids) for _ in range(3)]
    is_success(port.bookingCompletion(bookingCompletion=[completion(n) for n in ids]))
    assert [receiver.booking(str(n))["status"] for n in ids] == ["completed"] * 3


def absence(resource: int, **changes: object) -> dict[str, object]:
    period = {"PeriodStart": datetime(2021, 7, 2, 8), "PeriodEnd": "02-JUL-2021 17:00"}
    return {"Action": "Create", "ResourceId": f"W{resource}", **period, "Reason": "LEAVE", **changes}


def test_an_unavailability(receiver: Receiver, port: Port, booking: int) -> None:
    is_success(port.unavailabilityNotification(unavailability=absence(booking)))
    found = receiver.one("SELECT * FROM v1_unavailabilities WHERE resource_id = :id", id=f"W{booking}")
    assert (found["period_start"], found["period_end"]) == (utc(7), utc(16))
    assert (found["action"], found["status"], found["reason"]) == ("created", "active", "LEAVE")


def test_several_unavailabilities(receiver: Receiver, port: Port, booking: int) -> None:
    hours = range(8, 12)
    records = [absence(booking, PeriodStart=datetime(2021, 7, 2, h)) for h in hours]
    is_success(port.unavailabilityNotification(unavailability=records))
    found = receiver.rows("SELECT period_start FROM v1_unavailabilities WHERE resource_id = :id", id=f"W{booking}")
    assert sorted(row["period_start"] for row in found) == [utc(h - 1) for h in hours]


def test_a_success_with_something_to_say(port: Port, booking: int) -> None:
    records = [absence(booking), absence(booking, Action="Bounced")]
    result = port.unavailabilityNotification(unavailability=records)
    assert result.status == "success"
    assert result.errorMsg.startswith("1 of 2 records are held for review: Record 2: Action “Bounced” is not a word")
    again = port.unavailabilityNotification(unavailability=absence(booking))
    assert again.status == "success"
    assert again.errorMsg.startswith("Received before, on ")


def invalid_calls(port: Port, booking: int) -> dict[str, Callable[[], Any]]:
    identity = {"bookingId": f"B{booking}", "primaryOrderNumber": "1"}
    return {
        "bookingId is “B": lambda: port.bookingConfirmation(bookingConfirmation=identity),
        "bookingId is ": lambda: port.bookingCancellation(bookingCancellation=identity),
        "primaryOrderNumber is empty": lambda: port.bookingCompletion(
            bookingCompletion={"bookingId": booking, "primaryOrderNumber": ""}
        ),
        "PeriodEnd is “soon”": lambda: port.unavailabilityNotification(
            unavailability=absence(booking, PeriodEnd="soon")
        ),
    }


@pytest.mark.parametrize("number", range(4))
def test_a_fault_for_an_invalid_record(port: Port, booking: int, number: int) -> None:
    said, call = list(invalid_calls(port, booking).items())[number]
    with pytest.raises(Fault) as caught:
        call()
    assert said in str(caught.value.message)
    code = str(caught.value.code).rpartition(":")[2]
    assert code == {"Receiver_soap": "Client", "Receiver_soap12": "Sender"}[port._binding.name.localname]
    (result,) = caught.value.detail
    assert {e.tag: e.text for e in result} == {"id": "0", "status": "error", "errorMsg": caught.value.message}


@pytest.mark.parametrize("name", PORTS)
def test_the_wrong_password(receiver: Receiver, name: str) -> None:
    with client_of(receiver, "wrong") as client, pytest.raises(Fault) as caught:
        client.bind("ReceiverService", name).unavailabilityNotification(unavailability=absence(0))
    assert b"The user name or password is missing or wrong." in caught.value.detail
