"""The service description: there for anyone, and its schemas mean the same to every validator."""

from __future__ import annotations

import base64

import pytest
import xmlschema
from lxml import etree

from receiver.fields import field_table
from receiver.fields.xsd import schema_files
from receiver.wire import wsdl
from tests.conftest import StartReceiver
from tests.support.pushes import BACKGROUND, confirmation, element, fields, unavailability
from tests.support.receiver import Receiver

from .conftest import PASSWORD, USERNAME

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
OPERATIONS = ["bookingCancellation", "bookingCompletion", "bookingConfirmation", "unavailabilityNotification"]

# Times in every form, and what each validator must say of them.
TIMES = {
    "2021-07-02T08:00:00": True,
    "2021-07-02T08:00:00.123456Z": True,
    "2021-07-02T08:00:00+01:00": True,
    "2021-07-02T24:00:00": True,
    "2020-02-29T08:00:00": True,
    "02-JUL-2021 08:00": True,
    "02-Jul-2021 08:00:59": True,
    "14/06/2016 13:53:38": True,
    "": False,  # identifies an unavailability
    "2021-07-02 08:00:00": False,
    "2021-07-02": False,
    "2021-02-29T08:00:00": False,
    "2021-07-02T08:00": True,
    "2021-07-02T08:00:00+0100": True,
    "2021-07-02T08": False,
    "2021-07-02T24:00:01": False,
    "2021-07-02T08:00:60": False,
    "2021-07-02T08:00:00+14:01": False,
    "0000-07-02T08:00:00": False,
    "-2021-07-02T08:00:00": False,
    "12021-07-02T08:00:00": False,
    "29-FEB-2021 08:00": False,
    "31/06/2016 13:53:38": False,
}


def described(receiver: Receiver, query: str = "wsdl") -> etree._Element:
    answer = receiver.get(f"/push/drs?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    return etree.fromstring(answer.body)


@pytest.fixture(scope="module")
def schema() -> bytes:
    """The schema inside, as a document of its own."""
    found = etree.fromstring(wsdl(field_table(), "http://receiver/push/drs")).find(f".//{XSD}schema")
    assert found is not None
    return etree.tostring(found)


@pytest.mark.parametrize("query", ["wsdl", "WSDL", "Wsdl", "wsdl=", "WSDL=1", "x=1&wsdl"])
def test_the_description_needs_no_credentials(receiver: Receiver, query: str) -> None:
    assert receiver.push(confirmation()).status == 401
    assert described(receiver, query).tag == f"{WSDL}definitions"


def test_it_describes_four_operations_and_two_ports(receiver: Receiver) -> None:
    document = described(receiver)
    port_type = document.find(f"{WSDL}portType")
    assert port_type is not None
    assert sorted(str(o.get("name")) for o in port_type.iter(f"{WSDL}operation")) == OPERATIONS
    addresses = document.xpath("//*[local-name() = 'address']")
    assert isinstance(addresses, list)
    found = {(str(a.tag), a.get("location")) for a in addresses if isinstance(a, etree._Element)}
    address = f"{receiver.url}/push/drs"
    assert found == {(f"{{http://schemas.xmlsoap.org/wsdl/{v}/}}address", address) for v in ("soap", "soap12")}


def test_it_names_the_address_that_the_world_knows(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url, env={"RECEIVER_PUBLIC_URL": "https://pushes.example.org/in/"})
    locations = described(receiver).xpath("//@location")
    assert locations == ["https://pushes.example.org/in/push/drs"] * 2


def test_it_imports_nothing(receiver: Receiver) -> None:
    document = described(receiver)
    assert document.xpath("//*[local-name() = 'import' or local-name() = 'include']") == []


def test_its_schema_compiles(schema: bytes) -> None:
    etree.XMLSchema(etree.fromstring(schema))
    xmlschema.XMLSchema(schema.decode(), allow="none", defuse="always").build()


def test_its_schema_takes_what_the_receiver_takes(schema: bytes) -> None:
    """By both validators, the schema of the description and that of the kind say the same of a time."""
    inside = (
        etree.XMLSchema(etree.fromstring(schema)),
        xmlschema.XMLSchema(schema.decode(), allow="none", defuse="always"),
    )
    alone_bytes = schema_files(field_table())["unavailability.xsd"]
    alone = (
        etree.XMLSchema(etree.fromstring(alone_bytes)),
        xmlschema.XMLSchema(alone_bytes.decode(), allow="none", defuse="always"),
    )
    for time, valid in TIMES.items():
        record = unavailability(PeriodStart=time)
        operation = f'<n:unavailabilityNotification xmlns:n="{BACKGROUND}">{record}</n:unavailabilityNotification>'
        for (by_lxml, by_xmlschema), text in ((inside, operation), (alone, record)):
            document = etree.fromstring(text)
            assert by_lxml.validate(document) is valid, time
            assert by_xmlschema.is_valid(text) is valid, time


def test_an_empty_time_is_taken_where_it_does_not_identify(schema: bytes) -> None:
    record = element("bookingConfirmation", fields({"bookingId": "1", "primaryOrderNumber": "1", "targetDate": ""}))
    text = f'<n:bookingConfirmation xmlns:n="{BACKGROUND}">{record}</n:bookingConfirmation>'
    assert etree.XMLSchema(etree.fromstring(schema)).validate(etree.fromstring(text))
    assert xmlschema.XMLSchema(schema.decode(), allow="none", defuse="always").is_valid(text)


def test_credentials_do_no_harm(receiver: Receiver) -> None:
    authorization = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    for given in (authorization, "Basic wrong"):
        assert receiver.request("GET", "/push/drs?wsdl", headers={"Authorization": given}).status == 200
