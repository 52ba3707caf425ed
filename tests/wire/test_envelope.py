"""SOAP 1.1 and 1.2: which it is, what its headers demand, and what an envelope may hold."""

from __future__ import annotations

import pytest

from receiver.errors import NotUnderstood, Unreadable
from receiver.wire import Envelope, Limits, Reading, Soap
from receiver.wire.reading import form_of
from tests.support.pushes import BACKGROUND, SOAP11, SOAP12, cancellation, form_a, record, soap
from tests.support.reading import NAMES, read

NEXT11 = "http://schemas.xmlsoap.org/soap/actor/next"
ROLE = "http://www.w3.org/2003/05/soap-envelope/role/"
VERSIONS = {"1.1": (SOAP11, Soap.V11), "1.2": (SOAP12, Soap.V12)}
INNER = record({"bookingId": "1", "primaryOrderNumber": "A1"})
PUSH = f"<bookingCancellation>{INNER}</bookingCancellation>"


def with_header(block: str, namespace: str = SOAP11) -> bytes:
    header = f"<e:Header>{block}</e:Header>"
    return f'<e:Envelope xmlns:e="{namespace}">{header}<e:Body>{PUSH}</e:Body></e:Envelope>'.encode()


def around(body: str, namespace: str = SOAP11) -> bytes:
    return f'<e:Envelope xmlns:e="{namespace}">{body}</e:Envelope>'.encode()


def reason(body: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(body)
    return caught.value.reason


# Which envelope


@pytest.mark.parametrize(("namespace", "version"), VERSIONS.values(), ids=VERSIONS)
def test_the_envelope_and_its_operation_are_told(namespace: str, version: Soap) -> None:
    envelope, found = read(form_a("bookingCancellation", INNER, namespace=namespace).encode())
    assert envelope == Envelope(version, "bookingCancellation", BACKGROUND)
    assert len(found) == 1


def test_plain_xml_has_no_envelope() -> None:
    assert read(cancellation().encode())[0] == Envelope(None, "bookingCancellation", "")


def test_what_is_known_of_the_envelope_stays_known_when_the_rest_is_not_readable() -> None:
    reading = Reading(soap("<unknown/>", SOAP12).encode(), NAMES, Limits())
    with pytest.raises(Unreadable):
        list(reading.records())
    assert reading.envelope == Envelope(Soap.V12, "unknown", "")


@pytest.mark.parametrize("namespace", ["", "http://www.w3.org/2001/12/soap-envelope", SOAP11.rstrip("/")])
def test_an_envelope_of_another_version_is_refused(namespace: str) -> None:
    body = f'<Envelope xmlns="{namespace}"><Body>{PUSH}</Body></Envelope>'
    assert reason(body.encode()) == "soap_version"


@pytest.mark.parametrize(
    ("envelope", "words"),
    [
        (Envelope(Soap.V11, "a"), "SOAP 1.1, a"),
        (Envelope(Soap.V12, "b", "urn:x"), "SOAP 1.2, b"),
        (Envelope(None, "c"), "plain XML, c"),
        (Envelope(), "plain XML"),
    ],
)
def test_the_form_in_words(envelope: Envelope, words: str) -> None:
    assert form_of(envelope) == words


# Headers


@pytest.mark.parametrize(
    ("namespace", "attributes"),
    [
        (SOAP11, 'e:mustUnderstand="1"'),
        (SOAP11, 'e:mustUnderstand="true"'),
        (SOAP11, 'e:mustUnderstand=" 1 "'),
        (SOAP11, 'e:mustUnderstand="1" e:actor=""'),
        (SOAP11, f'e:mustUnderstand="1" e:actor="{NEXT11}"'),
        (SOAP11, 'e:mustUnderstand="1" e:role="http://example.com/other"'),
        (SOAP12, 'e:mustUnderstand="1"'),
        (SOAP12, 'e:mustUnderstand="true"'),
        (SOAP12, f'e:mustUnderstand="true" e:role="{ROLE}next"'),
        (SOAP12, f'e:mustUnderstand="true" e:role="{ROLE}ultimateReceiver"'),
        (SOAP12, 'e:mustUnderstand="true" e:actor="http://example.com/other"'),
    ],
)
def test_a_header_for_us_that_must_be_understood_is_not(namespace: str, attributes: str) -> None:
    block = f'<w:Security xmlns:w="urn:w" {attributes}/>'
    with pytest.raises(NotUnderstood) as caught:
        read(with_header(block, namespace))
    assert caught.value.reason == "must_understand"
    assert "Security" in str(caught.value)


@pytest.mark.parametrize(
    ("namespace", "attributes"),
    [
        (SOAP11, ""),
        (SOAP11, 'e:mustUnderstand="0"'),
        (SOAP11, 'mustUnderstand="1"'),
        (SOAP11, f'x:mustUnderstand="1" xmlns:x="{SOAP12}"'),
        (SOAP11, 'e:mustUnderstand="1" e:actor="http://example.com/other"'),
        (SOAP12, 'e:mustUnderstand="false"'),
        (SOAP12, f'e:mustUnderstand="true" e:role="{ROLE}none"'),
        (SOAP12, 'e:mustUnderstand="true" e:role="http://example.com/other"'),
    ],
)
def test_a_header_for_others_or_that_may_be_ignored_is_ignored(namespace: str, attributes: str) -> None:
    block = f'<w:Security xmlns:w="urn:w" {attributes}><w:inner e:mustUnderstand="1"/></w:Security>'
    assert len(read(with_header(block, namespace))[1]) == 1


def test_the_second_header_block_counts_too() -> None:
    blocks = '<a xmlns="urn:a"/><b xmlns="urn:b" e:mustUnderstand="1"/>'
    with pytest.raises(NotUnderstood, match="b must be understood"):
        read(with_header(blocks))


def test_a_push_in_the_header_is_no_push() -> None:
    assert reason(around(f"<e:Header>{PUSH}</e:Header><e:Body/>")) == "empty_body"
    both = around(f"<e:Header>{PUSH}</e:Header><e:Body>{PUSH}</e:Body>")
    assert len(read(both)[1]) == 1


# Structure


@pytest.mark.parametrize(
    "body",
    [
        f"<e:Body>{PUSH}</e:Body><e:Body>{PUSH}</e:Body>",
        f"<e:Body/><e:Body>{PUSH}</e:Body>",
        f"<e:Body>{PUSH}</e:Body><e:Header/>",
        f"<e:Body>{PUSH}</e:Body>{PUSH}",
        f"<e:Header/><e:Header/><e:Body>{PUSH}</e:Body>",
        f"<Body>{PUSH}</Body>",
        f"<e:body>{PUSH}</e:body>",
        f'<x:Body xmlns:x="{SOAP12}">{PUSH}</x:Body>',
        PUSH,
    ],
)
def test_an_envelope_holds_one_header_at_most_and_then_one_body(body: str) -> None:
    assert reason(around(body)) == "soap_structure"


@pytest.mark.parametrize("body", ["", "<e:Header/>", "<e:Body/>", "<e:Body> text </e:Body>", "<e:Header/><e:Body/>"])
def test_an_envelope_without_anything_in_its_body_is_refused(body: str) -> None:
    assert reason(around(body)) == "empty_body"


def test_an_envelope_in_an_envelope_is_no_push() -> None:
    assert reason(soap(soap(PUSH)).encode()) == "unknown_root"
    assert reason(soap(soap(PUSH, SOAP12)).encode()) == "unknown_root"


def test_a_body_may_hold_several_operations() -> None:
    envelope, found = read(soap(PUSH + cancellation()).encode())
    assert envelope.operation == "bookingCancellation"
    assert len(found) == 2
