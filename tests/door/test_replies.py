"""The contract's table of replies, row by row, in each wrapping, with what the inbox then says."""

from __future__ import annotations

from itertools import count

import pytest
from lxml import etree

from tests.support.inbox import bytes_of, stored
from tests.support.pushes import (
    BACKGROUND,
    CANCELLATION,
    cancellation,
    confirmation,
    element,
    fields,
    soap,
    unavailability,
)
from tests.support.receiver import Receiver
from tests.support.replies import Said, Wrapping, read_reply, read_return

from .conftest import StartShared

ENVELOPES = [Wrapping.SOAP11, Wrapping.SOAP12]
HOLDING = """
[sources.drs]
[sources.holding]
on_invalid = "hold"
"""
_ids = count(1000)


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared, shared_url: str) -> Receiver:
    return start_shared(shared_url, config=HOLDING)


@pytest.fixture
def booking() -> str:
    """A booking that no other test speaks of."""
    return str(next(_ids))


def expected(wrapping: Wrapping, operation: str, error: str | None = None, namespace: str = BACKGROUND) -> Said:
    """A success in that wrapping."""
    answered = None if wrapping is Wrapping.PLAIN else f"{{{namespace}}}{operation}Response"
    return Said(None, answered, "success", error)


def refused(wrapping: Wrapping, plain: int, code11: str = "Client", code12: str = "Sender") -> tuple[int, str | None]:
    """HTTP status and fault code of a push that its sender got wrong."""
    codes = {Wrapping.PLAIN: None, Wrapping.SOAP11: code11, Wrapping.SOAP12: code12}
    return (plain if wrapping is Wrapping.PLAIN else wrapping.sender_fault), codes[wrapping]


@pytest.mark.parametrize("wrapping", Wrapping)
def test_stored(receiver: Receiver, wrapping: Wrapping, booking: str) -> None:
    body = wrapping.push("bookingConfirmation", confirmation(bookingId=booking))
    answer = receiver.push(body)
    assert answer.status == 200
    assert read_reply(answer, wrapping) == expected(wrapping, "bookingConfirmation")
    push = stored(receiver, answer)
    assert push.pop("received_at") is not None
    assert push == {
        "id": answer.push_id,
        "source": "drs",
        "size_bytes": len(body),
        "outcome": "stored",
        "records": 1,
        "reply_status": 200,
    }
    assert bytes_of(receiver, answer) == body.encode()


@pytest.mark.parametrize("wrapping", ENVELOPES)
@pytest.mark.parametrize(
    ("operation", "namespace"),
    [
        ("bookingCancellation", BACKGROUND),
        ("bookingcancellations", "urn:x"),
        ("ConfirmBookings", "http://www.sx3.com/X"),
    ],
)
def test_the_element_received_is_answered_in_its_own_namespace(
    receiver: Receiver, wrapping: Wrapping, operation: str, namespace: str, booking: str
) -> None:
    record = confirmation if operation == "ConfirmBookings" else cancellation
    answer = receiver.push(wrapping.push(operation, record(bookingId=booking), namespace=namespace))
    assert answer.status == 200
    assert read_reply(answer, wrapping) == expected(wrapping, operation, namespace=namespace)


@pytest.mark.parametrize("wrapping", ENVELOPES)
def test_an_element_without_a_namespace_is_answered_without_one(
    receiver: Receiver, wrapping: Wrapping, booking: str
) -> None:
    answer = receiver.push(wrapping.around(confirmation(bookingId=booking)))
    assert read_reply(answer, wrapping) == Said(None, "bookingConfirmationResponse", "success", None)


@pytest.mark.parametrize("wrapping", Wrapping)
def test_seen_before(receiver: Receiver, wrapping: Wrapping, booking: str) -> None:
    body = wrapping.push("bookingConfirmation", confirmation(bookingId=booking))
    first = receiver.push(body)
    again = receiver.push(body)
    since = stored(receiver, first)["received_at"]
    assert again.status == 200
    error = f"Received before, on {since:%Y-%m-%dT%H:%M:%SZ}."
    assert read_reply(again, wrapping) == expected(wrapping, "bookingConfirmation", error)
    push = stored(receiver, again)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("duplicate", 1, 200)
    assert again.push_id != first.push_id
    assert bytes_of(receiver, again) == body.encode()


@pytest.mark.parametrize("wrapping", Wrapping)
def test_some_of_a_batch_held(receiver: Receiver, wrapping: Wrapping, booking: str) -> None:
    records = [unavailability(ResourceId=booking), unavailability(PeriodStart="soon"), unavailability(ResourceId=None)]
    answer = receiver.push(wrapping.push("unavailabilities", *records))
    assert answer.status == 200
    said = read_reply(answer, wrapping)
    assert said == expected(wrapping, "unavailabilities", said.error)
    assert said.error is not None
    assert said.error.startswith("2 of 3 records are held for review: Record 2: PeriodStart is “soon”"), said.error
    assert "Record 3: ResourceId is missing" in said.error
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("partly_held", 3, 200)


@pytest.mark.parametrize("wrapping", Wrapping)
def test_no_record_valid(receiver: Receiver, wrapping: Wrapping, booking: str) -> None:
    body = wrapping.push(
        "bookingConfirmation",
        confirmation(bookingId=booking, targetDate="30 February", numberOfOperatives="two", contract="C" * 51),
        confirmation(bookingId=None, tokenId=booking),
    )
    answer = receiver.push(body)
    said = read_reply(answer, wrapping)
    assert (answer.status, said.fault) == refused(wrapping, 422)
    assert said.status == "error"
    assert said.error is not None
    for problem in (
        "Record 1: targetDate is “30 February”",
        "Record 1: numberOfOperatives is “two”",
        "Record 1: contract is 51 characters long",
        "Record 2: bookingId is missing",
    ):
        assert problem in said.error
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("refused", 2, answer.status)
    assert bytes_of(receiver, answer) == body.encode()
    held = receiver.rows("SELECT position, status FROM v1_notifications WHERE push_id = :id", id=answer.push_id)
    assert sorted((h["position"], h["status"]) for h in held) == [(1, "held"), (2, "held")]


@pytest.mark.parametrize("wrapping", Wrapping)
def test_problems_are_told_up_to_a_cap_and_the_rest_counted(receiver: Receiver, wrapping: Wrapping) -> None:
    records = [unavailability(ResourceId=None, Comments=f"{wrapping}{n}") for n in range(30)]
    said = read_reply(receiver.push(wrapping.push("unavailabilities", *records)), wrapping)
    assert said.error is not None
    assert said.error.count("ResourceId is missing") == 20
    assert said.error.endswith("And 10 more records."), said.error


@pytest.mark.parametrize("wrapping", Wrapping)
@pytest.mark.parametrize("space", ["&#10;", "&#13;&#10;", "&#x85;", "&#x2028;", "&#9;"])
def test_what_is_quoted_of_a_push_leaves_the_reply_one_line(receiver: Receiver, wrapping: Wrapping, space: str) -> None:
    record = element("bookingConfirmation", f"{fields({'bookingId': '1'})}<changedDate>to{space}day</changedDate>")
    said = read_reply(receiver.push(wrapping.push("bookingConfirmation", record)), wrapping)
    assert said.error is not None
    assert "“to day”" in said.error


@pytest.mark.parametrize("wrapping", Wrapping)
def test_no_record_valid_where_the_source_holds(receiver: Receiver, wrapping: Wrapping) -> None:
    body = wrapping.push("unavailability", unavailability(Action="Bounced", Comments=str(wrapping)))
    answer = receiver.push(body, source="holding")
    said = read_reply(answer, wrapping)
    assert answer.status == 200
    assert said == expected(wrapping, "unavailability", said.error)
    assert said.error is not None
    assert said.error.startswith("The record is held for review: Action “Bounced” is not a word")
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("held", 1, 200)

    again = receiver.push(body, source="holding")
    said = read_reply(again, wrapping)
    assert (again.status, said.status) == (200, "success")
    assert said.error is not None
    assert said.error.startswith("Received before, on ")
    assert stored(receiver, again)["outcome"] == "duplicate"


@pytest.mark.parametrize("wrapping", Wrapping)
def test_no_records_at_all(receiver: Receiver, wrapping: Wrapping) -> None:
    answer = receiver.push(wrapping.around("<unavailabilities/>"))
    said = read_reply(answer, wrapping)
    assert (answer.status, said.status, said.error) == (200, "success", "The push holds no records.")
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"]) == ("stored", 0)


@pytest.mark.parametrize("wrapping", Wrapping)
def test_an_unknown_root(receiver: Receiver, wrapping: Wrapping) -> None:
    body = wrapping.push("JobCancelled", fields(CANCELLATION))
    answer = receiver.push(body)
    said = read_reply(answer, wrapping)
    assert (answer.status, said.fault) == refused(wrapping, 400)
    assert (said.status, said.error) == ("error", "The element JobCancelled is not a push that is known. (line 1)")
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("refused", 0, answer.status)
    assert bytes_of(receiver, answer) == body.encode()


@pytest.mark.parametrize("wrapping", ENVELOPES)
@pytest.mark.parametrize("must", ["1", "true"])
def test_a_header_that_must_be_understood_gets_its_own_fault(
    receiver: Receiver, wrapping: Wrapping, must: str, booking: str
) -> None:
    # No wrapping but a SOAP 1.2 envelope knows "true"; taking it in 1.1 too errs on the safe side.
    block = f'<s:Session xmlns:s="urn:s" e:mustUnderstand="{must}">1</s:Session>'
    body = wrapping.around(confirmation(bookingId=booking)).replace("<e:Header/>", f"<e:Header>{block}</e:Header>")
    answer = receiver.push(body)
    said = read_reply(answer, wrapping)
    assert (answer.status, said.fault) == (wrapping.sender_fault, "MustUnderstand")
    assert said.error is not None
    assert "Session" in said.error
    push = stored(receiver, answer)
    assert (push["outcome"], push["reply_status"]) == ("refused", answer.status)
    assert bytes_of(receiver, answer) == body.encode()
    assert receiver.rows("SELECT 1 FROM v1_bookings WHERE booking_id = :id", id=booking) == []


@pytest.mark.parametrize("wrapping", ENVELOPES)
def test_a_header_that_need_not_be_understood_is_passed_over(
    receiver: Receiver, wrapping: Wrapping, booking: str
) -> None:
    role = "role" if wrapping is Wrapping.SOAP12 else "actor"
    blocks = (
        '<s:A xmlns:s="urn:s" e:mustUnderstand="0">1</s:A><s:B xmlns:s="urn:s"/>'
        f'<s:C xmlns:s="urn:s" e:mustUnderstand="1" e:{role}="urn:someone-else"/>'
    )
    body = wrapping.around(confirmation(bookingId=booking)).replace("<e:Header/>", f"<e:Header>{blocks}</e:Header>")
    assert receiver.push(body).status == 200


@pytest.mark.parametrize("wrapping", ENVELOPES)
def test_a_soap_body_without_anything_in_it(receiver: Receiver, wrapping: Wrapping) -> None:
    answer = receiver.push(wrapping.around(""))
    said = read_reply(answer, wrapping)
    assert (answer.status, said.fault) == refused(wrapping, 400)
    assert said.error == "The SOAP Body is missing or holds no element."
    assert stored(receiver, answer)["outcome"] == "refused"


def test_an_envelope_of_no_known_version(receiver: Receiver) -> None:
    answer = receiver.push(soap(confirmation(), "http://www.w3.org/2001/12/soap-envelope"))
    said = read_return(answer)
    assert (answer.status, said.status) == (400, "error")
    assert stored(receiver, answer)["outcome"] == "refused"


@pytest.mark.parametrize("wrapping", ENVELOPES)
def test_the_reply_says_nothing_of_content_types(receiver: Receiver, wrapping: Wrapping, booking: str) -> None:
    """What a sender calls its push, or names in SOAPAction, changes neither what is read nor what is answered."""
    body = wrapping.push("bookingConfirmation", confirmation(bookingId=booking))
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
        answer = receiver.push(body, Content_Type=content_type, SOAPAction='"urn:wrong"')
        assert answer.status == 200
        assert read_reply(answer, wrapping).operation == f"{{{BACKGROUND}}}bookingConfirmationResponse"
        assert etree.fromstring(answer.body).tag == f"{{{wrapping.value}}}Envelope"
