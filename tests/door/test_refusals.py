"""What cannot be taken as a push: refused with the reason, and kept byte for byte all the same."""

from __future__ import annotations

import codecs
import gzip

import pytest

from tests.support.inbox import bytes_of, counts, stored
from tests.support.pushes import (
    CODE,
    CONFIRMATION,
    confirmation,
    element,
    fields,
    record,
    unavailability,
)
from tests.support.receiver import Receiver
from tests.support.replies import Wrapping, read_reply, read_return

from .conftest import StartShared

DEPTH, ELEMENTS = 20, 1000
GOOD = confirmation(codes=[CODE])
LAUGHS = "".join(
    f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10 if n else "lol"}">' for n in range(10)
)  # ten to the tenth of them, were they spelt out


def declared(encoding: str, text: str = GOOD) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>{text}'


def deep(levels: int) -> str:
    """A record whose innermost element is that deep, the record's own element being 1."""
    inside = levels - 1
    return element("bookingConfirmation", record(CONFIRMATION) + "<x>" * inside + "</x>" * inside)


def wide(elements: int) -> str:
    """A record of that many elements in all."""
    return element("bookingConfirmation", record(CONFIRMATION) + "<x/>" * (elements - len(CONFIRMATION) - 1))


def entity(definition: str, use: str) -> str:
    return f"<!DOCTYPE bookingConfirmation [{definition}]>" + confirmation().replace("JSMITH", use)


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "not well-formed": (GOOD.replace("</userId>", ""), "Not well-formed XML"),
    "ends in the middle": (GOOD[: len(GOOD) // 2], "Not well-formed XML"),
    "two roots": (GOOD + GOOD, "Not well-formed XML"),
    "text after the root": (GOOD + "thanks", "Not well-formed XML"),
    "an attribute twice": (GOOD.replace("<userId>", '<userId a="1" a="2">'), "Not well-formed XML"),
    "an undeclared prefix": (GOOD.replace("<userId>", "<p:userId>").replace("</userId>", "</p:userId>"), "Not well-"),
    "an undefined entity": (GOOD.replace("JSMITH", "&smith;"), "Not well-formed XML"),
    "plain text": ("booking 1 confirmed", "Not well-formed XML"),
    "nothing": (b"", "The body is empty."),
    "white space alone": (b" \r\n\t", "The body is empty."),
    "a byte order mark alone": (codecs.BOM_UTF8, "The body is empty."),
    "an HTML page": ("<html><body>Log in</body></html>", "an HTML page"),
    "an HTML 5 page": ("<!doctype html><title>Log in</title>", "an HTML page"),
    "a JSON object": ('{"bookingId": 1}', "looks like JSON"),
    "a JSON list": ('\n [{"bookingId": 1}]', "looks like JSON"),
    "a DOCTYPE": ("<!DOCTYPE bookingConfirmation>" + GOOD, "A DOCTYPE is not taken"),
    "a DOCTYPE in UTF-16": (("\ufeff<!DOCTYPE bookingConfirmation>" + GOOD).encode("utf-16-le"), "A DOCTYPE is not"),
    "a DOCTYPE elsewhere": (f'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">{GOOD}', "A DOCTYPE is not taken"),
    "an internal entity": (entity('<!ENTITY who "someone">', "&who;"), "A DOCTYPE is not taken"),
    "an external entity": (entity('<!ENTITY who SYSTEM "file:///etc/hostname">', "&who;"), "A DOCTYPE is not taken"),
    "a parameter entity": (entity('<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;', "x"), "A DOCTYPE is not taken"),
    "a billion laughs": (entity(LAUGHS, "&lol9;"), "A DOCTYPE is not taken"),
    "too deep": (deep(DEPTH + 1), f"nested more than {DEPTH} deep"),
    "far too deep": ("<unavailabilities>" + "<a>" * 100_000, f"nested more than {DEPTH} deep"),
    "too many elements": (wide(ELEMENTS + 1), f"More than {ELEMENTS} elements"),
    "a NUL in a value": (GOOD.replace("JSMITH", "J\0SMITH"), "Not well-formed XML"),
    "a NUL at the end": (GOOD + "\0", "Not well-formed XML"),
    "NULs alone": (b"\0\0\0\0", "Not well-formed XML"),
    "a control character": (GOOD.replace("JSMITH", "J\x08SMITH"), "Not well-formed XML"),
    "the number of a control character": (GOOD.replace("JSMITH", "J&#8;SMITH"), "Not well-formed XML"),
    "Latin-1 that says nothing": (GOOD.replace("JSMITH", "JÖRG").encode("latin-1"), "Not well-formed XML"),
    "Latin-1 that says UTF-8": (declared("UTF-8").replace("JSMITH", "JÖRG").encode("latin-1"), "Not well-formed XML"),
    "UTF-8 that says UTF-16": (declared("UTF-16"), "declares encoding utf-16 but is not in UTF-16"),
    "UTF-16 that says UTF-8": (declared("UTF-8").encode("utf-16"), "is in UTF-16 but declares encoding utf-8"),
    "UTF-8 marked that says Latin-1": (codecs.BOM_UTF8 + declared("ISO-8859-1").encode(), "byte order mark but"),
    "half a UTF-16 character": (GOOD.encode("utf-16")[:-1], "Not well-formed XML"),
    "UTF-7": (declared("UTF-7"), "Encoding utf-7 is not taken"),
    "UTF-32": (declared("UTF-32").encode("utf-32"), "UTF-32, which is not taken"),
    "UTF-32 without a mark": (GOOD.encode("utf-32-be"), "UTF-32, which is not taken"),
    "EBCDIC": (declared("IBM037").encode("cp037"), "Not well-formed|not taken"),
    "EBCDIC by its label": (declared("cp037"), "Encoding cp037 is not taken"),
    "an encoding nobody knows": (declared("klingon"), "Encoding klingon is not taken"),
    "a root nobody knows": ("<jobCancelled/>", "The element jobCancelled is not a push"),
    "a record of a container's inside": ("<Booking><bookingId>1</bookingId></Booking>", "The element Booking is not"),
    "gzip without saying so": (gzip.compress(GOOD.encode()), "Not well-formed XML"),
}

INVALID: dict[str, tuple[str, str]] = {
    "no booking id": (confirmation(bookingId=None), "bookingId is missing"),
    "an empty booking id": (confirmation(bookingId=""), "bookingId is empty"),
    "no order number": (confirmation(primaryOrderNumber=None), "primaryOrderNumber is missing"),
    "a blank order number": (confirmation(primaryOrderNumber=" \t "), "primaryOrderNumber is empty"),
    "a booking id in letters": (confirmation(bookingId="B1"), "bookingId is “B1”"),
    "a code without its code": (
        confirmation(codes=[{"quantity": "1"}]),
        "theBookingCodes[1]/bookingCodeSORCode is mis",
    ),
    "no resource": (unavailability(ResourceId=None), "ResourceId is missing"),
    "no end": (unavailability(PeriodEnd=None), "PeriodEnd is missing"),
    "text over its length": (confirmation(bookingReason="x" * 51), "bookingReason is 51 characters long, at most 50"),
    "a code's text over its length": (confirmation(codes=[{**CODE, "comments": "x" * 251}]), "comments is 251 charact"),
    "an element twice": (element("bookingConfirmation", record(CONFIRMATION) + fields({"contract": "2"})), "2 times"),
    "elements in a text": (confirmation().replace("JSMITH", "<b>JSMITH</b>"), "userId holds elements"),
    **{
        f"the date {text}": (confirmation(planningWindowStart=text), f"planningWindowStart is “{text}”")
        for text in (
            "2021-02-29T08:00:00",
            "2021-07-02",
            "2021-07-02 08:00:00",
            "2021-07-02T25:00:00",
            "2021-07-02T24:00:01",
            "2021-07-02T08:60:00",
            "2021-07-02T08:00:00+15:00",
            "0000-01-01T00:00:00",
            "31-JUN-2021 08:00",
            "01-JUIN-2021 08:00",
            "1-JUN-2021 08:00",
            "12/31/2021 08:00:00",
            "tomorrow",
            "2021-07-02T08:00:0\N{ARABIC-INDIC DIGIT ZERO}",
        )
    },
}


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared, shared_url: str) -> Receiver:
    limits = {"RECEIVER_MAX_DEPTH": str(DEPTH), "RECEIVER_MAX_ELEMENTS": str(ELEMENTS)}
    return start_shared(shared_url, config="[sources.drs]\n[sources.other]\n", env=limits)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_and_kept(receiver: Receiver, name: str) -> None:
    sent, reasons = UNREADABLE[name]
    body = sent.encode() if isinstance(sent, str) else sent
    before = counts(receiver)
    answer = receiver.push(body)
    said = read_return(answer)
    assert (answer.status, said.status) == (400, "error")
    assert said.error is not None
    assert any(reason in said.error for reason in reasons.split("|")), said.error
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("refused", 0, 400)
    assert push["size_bytes"] == len(body)
    assert bytes_of(receiver, answer) == body
    assert counts(receiver) == {**before, "pushes": before["pushes"] + 1, "push_bodies": before["push_bodies"] + 1}


@pytest.mark.parametrize("name", INVALID)
def test_what_is_not_valid_is_refused_and_kept(receiver: Receiver, name: str) -> None:
    body, reason = INVALID[name]
    answer = receiver.push(body)
    said = read_return(answer)
    assert (answer.status, said.status) == (422, "error")
    assert said.error is not None
    assert reason in said.error
    push = stored(receiver, answer)
    assert (push["outcome"], push["records"], push["reply_status"]) == ("refused", 1, 422)
    assert bytes_of(receiver, answer) == body.encode()
    held = receiver.one("SELECT status FROM v1_notifications WHERE push_id = :id", id=answer.push_id)
    assert held == {"status": "held"}
    assert receiver.rows("SELECT 1 FROM v1_bookings WHERE source = 'drs'") == []
    assert receiver.rows("SELECT 1 FROM v1_unavailabilities WHERE source = 'drs'") == []


@pytest.mark.parametrize("wrapping", [Wrapping.SOAP11, Wrapping.SOAP12])
@pytest.mark.parametrize(
    "name",
    [
        "not well-formed",
        "too deep",
        "too many elements",
        "a NUL in a value",
        "an undefined entity",
        "a root nobody knows",
        "no booking id",
        "the date tomorrow",
    ],
)
def test_in_an_envelope_a_refusal_is_a_fault(receiver: Receiver, wrapping: Wrapping, name: str) -> None:
    inner = str({**UNREADABLE, **INVALID}[name][0])
    body = wrapping.around(inner)
    answer = receiver.push(body)
    said = read_reply(answer, wrapping)
    assert answer.status == wrapping.sender_fault
    assert said.fault == {Wrapping.SOAP11: "Client", Wrapping.SOAP12: "Sender"}[wrapping]
    assert said.status == "error"
    push = stored(receiver, answer)
    assert (push["outcome"], push["reply_status"]) == ("refused", answer.status)
    assert bytes_of(receiver, answer) == body.encode()


@pytest.mark.parametrize("wrapping", [Wrapping.SOAP11, Wrapping.SOAP12])
def test_a_doctype_before_an_envelope_is_a_fault(receiver: Receiver, wrapping: Wrapping) -> None:
    body = '<!DOCTYPE e [<!ENTITY who SYSTEM "file:///etc/hostname">]>' + wrapping.around(GOOD).replace(
        "JSMITH", "&who;"
    )
    answer = receiver.push(body)
    said = read_reply(answer, wrapping)
    assert answer.status == wrapping.sender_fault
    assert said.fault == {Wrapping.SOAP11: "Client", Wrapping.SOAP12: "Sender"}[wrapping]
    assert stored(receiver, answer)["outcome"] == "refused"
    assert bytes_of(receiver, answer) == body.encode()


@pytest.mark.parametrize("body", [deep(DEPTH), wide(ELEMENTS)], ids=["depth", "elements"])
def test_up_to_its_limits_a_push_is_taken(receiver: Receiver, body: str) -> None:
    answer = receiver.push(body, source="other")
    assert answer.status == 200, answer.body


def test_an_external_entity_is_never_fetched(receiver: Receiver) -> None:
    """Neither refused silently nor read: what the entity would bring is nowhere."""
    secret = receiver.folder / "secret.txt"
    secret.write_text("the-content-of-a-file")
    answer = receiver.push(entity(f'<!ENTITY who SYSTEM "file://{secret}">', "&who;"))
    assert answer.status == 400
    assert b"the-content-of-a-file" not in answer.body
    assert receiver.rows("SELECT 1 FROM push_bodies WHERE body LIKE '%the-content-of-a-file%'") == []
