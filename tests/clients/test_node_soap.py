"""node's SOAP client, which goes by the description alone, makes every call."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support import system
from tests.support.receiver import Receiver

from .conftest import PASSWORD, USERNAME

HERE = Path(__file__).parent / "node"
PORTS = ["Receiver_soap", "Receiver_soap12"]
OPERATIONS = {"bookingCancellation", "bookingCompletion", "bookingConfirmation", "unavailabilityNotification"}
_ids = count(1)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script beside its packages, of exactly the locked versions."""
    try:
        npm = system.npm()
    except system.Missing as missing:
        reason = str(missing)
        pytest.fail(reason, pytrace=False)
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc", "calls.mjs"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["no reason given"]
        pytest.fail(f"npm ci failed: {lines[0]}", pytrace=False)
    return folder / "calls.mjs"


def calls_made(script: Path, receiver: Receiver, *calls: dict[str, Any], password: str = PASSWORD) -> Any:
    given = {"wsdl": f"{receiver.url}/push/drs?wsdl", "username": USERNAME, "password": password, "calls": calls}
    done = subprocess.run(
        [system.node(), script.name],
        cwd=script.parent,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=PORTS)
def port(request: pytest.FixtureRequest) -> str:
    """The service by SOAP 1.1 and by SOAP 1.2."""
    name: str = request.param
    return name


@pytest.fixture
def ids() -> list[int]:
    return [next(_ids) for _ in range(4)]


def confirmation(booking: int) -> dict[str, Any]:
    code = {"orderId": 8800, "bookingId": booking, "bookingCodeSORCode": "20060020", "quantity": "1.00"}
    return {
        "bookingId": booking,
        "primaryOrderNumber": f"0{booking}",
        "planningWindowStart": "2021-07-02T07:00:00.000Z",
        "planningWindowEnd": "02-JUL-2021 12:00",
        "numberOfOperatives": 2,
        "contract": "R&M <2021>",
        "theBookingCodes": [code, {**code, "bookingCodeSORCode": "N373049"}],
    }


def identity(booking: int) -> dict[str, Any]:
    return {"bookingId": booking, "primaryOrderNumber": f"0{booking}"}


def completion(booking: int) -> dict[str, Any]:
    return {
        **identity(booking),
        "taskLifeCycleStatus": "COMPLETED",
        "taskCompletionStatus": "CO",
        "taskCompletionDate": "2021-07-02T08:00:00",
        "theOrder": {"orderId": 8800, "theLocation": {"postCode": "E8 1EA"}},
    }


def absence(resource: int) -> dict[str, Any]:
    period = {"PeriodStart": "2021-07-02T08:00:00", "PeriodEnd": "2021-07-02T17:00:00"}
    return {"Action": "New", "ResourceId": f"W{resource}", **period}


def call(port: str, operation: str, **values: Any) -> dict[str, Any]:
    return {"port": port, "operation": operation, "values": values}


def test_the_lock_names_no_registry_and_pins_everything() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    packages = {name: found for name, found in lock["packages"].items() if name}
    assert "node_modules/soap" in packages
    for found in packages.values():
        assert "resolved" not in found
        assert found["integrity"].startswith("sha512-")


def test_it_finds_every_operation_at_both_ports(script: Path, receiver: Receiver) -> None:
    described = calls_made(script, receiver)["described"]
    assert set(described) == {"ReceiverService"}
    found = {port: set(operations) for port, operations in described["ReceiverService"].items()}
    assert found == dict.fromkeys(PORTS, OPERATIONS)


def test_every_call_with_one_record_and_with_several(
    script: Path, receiver: Receiver, port: str, ids: list[int]
) -> None:
    one, *several = ids
    made = calls_made(
        script,
        receiver,
        call(port, "bookingConfirmation", bookingConfirmation=confirmation(one)),
        call(port, "bookingConfirmation", bookingConfirmation=[confirmation(n) for n in several]),
        call(port, "bookingCompletion", bookingCompletion=completion(one)),
        call(port, "bookingCompletion", bookingCompletion=[completion(n) for n in several]),
        call(port, "bookingCancellation", bookingCancellation=identity(one)),
        call(port, "bookingCancellation", bookingCancellation=[identity(n) for n in several]),
        call(port, "unavailabilityNotification", unavailability=absence(one)),
        call(port, "unavailabilityNotification", unavailability=[absence(n) for n in several]),
    )
    assert made["outcomes"] == [{"result": {"return": {"id": "0", "status": "success"}}}] * 8
    for n in ids:
        found = receiver.booking(str(n))
        assert found["primary_order_number"] == f"0{n}"
        assert found["planning_window_start"] == datetime(2021, 7, 2, 7, tzinfo=UTC)
        assert found["planning_window_end"] == datetime(2021, 7, 2, 11, tzinfo=UTC)
        assert (found["contract"], found["number_of_operatives"]) == ("R&M <2021>", 2)
        assert found["completed_at"] == datetime(2021, 7, 2, 7, tzinfo=UTC)
        assert (found["completion_status"], found["cancelled_at"] is not None) == ("CO", True)
        codes = receiver.rows("SELECT sor_code FROM v1_booking_codes WHERE booking_id = :id", id=str(n))
        assert sorted(c["sor_code"] for c in codes) == ["20060020", "N373049"]
        away = receiver.one("SELECT * FROM v1_unavailabilities WHERE resource_id = :id", id=f"W{n}")
        assert (away["action"], away["status"]) == ("created", "active")
        assert away["period_start"] == datetime(2021, 7, 2, 7, tzinfo=UTC)
    forms = receiver.rows("SELECT DISTINCT form FROM pushes")
    version = {"Receiver_soap": "SOAP 1.1", "Receiver_soap12": "SOAP 1.2"}[port]
    assert {f"{version}, {operation}" for operation in OPERATIONS} <= {row["form"] for row in forms}


def test_a_success_with_something_to_say(script: Path, receiver: Receiver, port: str, ids: list[int]) -> None:
    records = [absence(ids[0]), {**absence(ids[1]), "Action": "Bounced"}]
    made = calls_made(script, receiver, call(port, "unavailabilityNotification", unavailability=records))
    (outcome,) = made["outcomes"]
    assert outcome["result"]["return"]["status"] == "success"
    assert outcome["result"]["return"]["errorMsg"].startswith("1 of 2 records are held for review: Record 2: Action")


def test_a_fault_for_an_invalid_record(script: Path, receiver: Receiver, port: str, ids: list[int]) -> None:
    record = {**confirmation(ids[0]), "planningWindowEnd": "noon"}
    (outcome,) = calls_made(script, receiver, call(port, "bookingConfirmation", bookingConfirmation=record))["outcomes"]
    fault = outcome["fault"]
    if port == "Receiver_soap":
        assert outcome["status"] == 500
        assert fault["faultcode"] == "soap:Client"
        text, detail = fault["faultstring"], fault["detail"]
    else:
        assert outcome["status"] == 400
        assert fault["Code"]["Value"] == "soap:Sender"
        text, detail = fault["Reason"]["Text"], fault["Detail"]
        text = text["$value"] if isinstance(text, dict) else text
    assert text.startswith("planningWindowEnd is “noon”, which is not a date and time")
    assert detail["return"] == {"id": "0", "status": "error", "errorMsg": text}
    assert receiver.rows("SELECT 1 FROM v1_bookings WHERE booking_id = :id", id=str(ids[0])) == []


def test_the_wrong_password(script: Path, receiver: Receiver, port: str, ids: list[int]) -> None:
    made = calls_made(
        script, receiver, call(port, "unavailabilityNotification", unavailability=absence(ids[0])), password="wrong"
    )
    assert [outcome.get("status") for outcome in made["outcomes"]] == [401]
