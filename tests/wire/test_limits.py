"""What may come without end in a document, and does not: each is refused as soon as it is seen, with its reason."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from receiver.errors import Unreadable
from receiver.wire import Limits, Reading
from tests.hostile.shapes import SHAPES, names
from tests.support.pushes import CANCELLATION, SOAP11, element, fields, soap
from tests.support.reading import NAMES, read
from tests.support.writing import ENCODINGS, Encoding

RECORD = element("bookingCancellation", fields(CANCELLATION))


def refused(body: bytes | str, limits: Limits | None = None) -> Unreadable:
    reading = Reading(body if isinstance(body, bytes) else body.encode(), NAMES, limits or Limits())
    with pytest.raises(Unreadable) as caught:
        list(reading.records())
    return caught.value


def attributes(count: int) -> str:
    found = names()
    return " ".join(f"{next(found)}='>'" for _ in range(count))


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_very_many_attributes_in_any_encoding(encoding: Encoding) -> None:
    label = f'<?xml version="1.0" encoding="{encoding.labels[-1]}"?>'
    inside = "<x {}/></bookingCancellation>"
    before = label + RECORD.removesuffix("</bookingCancellation>")
    assert len(read(encoding.encode(before + inside.format(attributes(1_000))))[1]) == 1
    assert refused(encoding.encode(before + inside.format(attributes(1_001)))).reason == "too_many_attributes"


def test_characters_that_hold_a_bracket_in_utf_16_hide_no_attributes() -> None:
    """U+3C3C is two of the bytes that begin a tag: a search of the bytes would start anew at each."""
    found = names()
    many = " ".join(f"{next(found)}='\u3c3c'" for _ in range(1_001))
    assert refused(f"<bookingCancellation {many}/>".encode("utf-16")).reason == "too_many_attributes"


def test_many_equals_signs_are_no_attributes() -> None:
    text = "a='b' " * 5_000
    assert read(RECORD.replace("JSMITH", "").replace("</bookingId>", f"</bookingId><x>{text}</x>").encode())[1]


def test_attributes_are_not_kept() -> None:
    body = RECORD.replace("<bookingId>", "<bookingId a='1' b='2'>").encode()
    record = next(Reading(body, NAMES, Limits()).records())
    assert [dict(e.attrib) for e in record.element.iter()] == [{}] * 4


@pytest.mark.parametrize("around", [str, soap])
def test_a_namespace_of_a_very_long_name(around: Callable[[str], str]) -> None:
    for length, reason in ((1_000, None), (1_001, "too_long")):
        body = around(RECORD.replace("<bookingCancellation>", f'<bookingCancellation xmlns="{"u" * length}">'))
        if reason is None:
            assert len(read(body.encode())[1]) == 1
        else:
            assert refused(body).reason == reason


def test_an_element_of_a_very_long_name() -> None:
    for length, reason in ((1_000, None), (1_001, "too_long")):
        body = RECORD.replace("<bookingId>", f"<{'n' * length}/><bookingId>")
        if reason is None:
            assert len(read(body.encode())[1]) == 1
        else:
            assert refused(body).reason == reason


def test_more_namespaces_than_elements() -> None:
    found = names()
    tags = "".join("<x " + " ".join(f'xmlns:{next(found)}="u"' for _ in range(900)) + "/>" for _ in range(12))
    assert refused(RECORD.replace("<bookingId>", f"{tags}<bookingId>")).reason == "too_many_attributes"


def test_a_namespace_for_every_element_is_taken() -> None:
    inside = '<a:x xmlns:a="u"/>' * 30_000
    assert read(RECORD.replace("<bookingId>", f"{inside}<bookingId>").encode())[1]


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "nested"])
def test_a_header_without_end(wide: bool) -> None:
    inside = "<x/>" * 50 if wide else element("h", "<x/>" * 50)
    body = f'<e:Envelope xmlns:e="{SOAP11}"><e:Header>{inside}</e:Header><e:Body>{RECORD}</e:Body></e:Envelope>'
    assert len(read(body.encode(), Limits(record_elements=100))[1]) == 1
    assert refused(body, Limits(record_elements=40)).reason == "too_many_elements"


def test_what_a_header_holds_is_not_kept() -> None:
    def kept(blocks: int) -> int:
        inside = "<x>text<y/></x>" * blocks
        body = f'<e:Envelope xmlns:e="{SOAP11}"><e:Header>{inside}</e:Header><e:Body>{RECORD}</e:Body></e:Envelope>'
        record = next(Reading(body.encode(), NAMES, Limits()).records())
        return sum(1 for _ in record.element.getroottree().iter())

    assert kept(2_000) == kept(2)


def test_leaves_that_are_named_as_records_count_as_elements_of_theirs() -> None:
    """They open a record each, and turn out to be none: what holds them is all one record."""
    body = element("bookingCancellations", element("bookingCancellation", "x") * 11)
    assert refused(body, Limits(record_elements=10)).reason == "too_many_elements"
    assert read(body.encode(), Limits(record_elements=11))[1]


def test_records_do_not_add_up_to_one() -> None:
    body = element("bookingCancellations", RECORD * 50)
    assert len(read(body.encode(), Limits(record_elements=5))[1]) == 50


@pytest.mark.parametrize(
    ("around", "bookings", "reason"),
    [
        ("<x/>" * 30, 1_000, None),
        ("<x/>" * 500, 1_000, "too_many_elements"),
        (f"<operatorComments>{'x' * 20_000}</operatorComments>", 50, None),
        (f"<operatorComments>{'x' * 20_000}</operatorComments>", 500, "too_many_elements"),
    ],
)
@pytest.mark.parametrize("inside", ["order", "completedBooking"])
def test_what_an_order_says_is_not_repeated_without_end(
    around: str, bookings: int, reason: str | None, inside: str
) -> None:
    """Each booking is stored with all that its order says: a small document would become a large one."""
    listed = element("theBookings", "<booking><bookingId>1</bookingId></booking>" * bookings)
    order = element("theOrders", element("order", listed + (around if inside == "order" else "")))
    body = element("completedBooking", order + (around if inside != "order" else ""))
    if reason is None:
        assert len(read(body.encode())[1]) == bookings
    else:
        assert refused(body).reason == reason


def test_very_many_records() -> None:
    body = element("bookingCancellations", RECORD * 11)
    assert refused(body, Limits(records=10)).reason == "too_many_records"
    assert len(read(body.encode(), Limits(records=11))[1]) == 11


@pytest.mark.parametrize("name", SHAPES)
def test_python_holds_no_more_than_a_few_times_the_document(name: str) -> None:
    body = SHAPES[name](100_000)
    tracemalloc.start()
    try:
        try:
            for _ in Reading(body, NAMES, Limits()).records():
                pass
        except Unreadable:
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 4 * len(body) + 4_000_000
