"""What comes out of a push is what went in, in every form; and of anything else, only Unreadable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from receiver.errors import Unreadable
from receiver.fields import Kind
from receiver.wire import Limits, Reading
from tests.support.documents import NEC, SOAPS, Document, documents
from tests.support.profiles import examples
from tests.support.pushes import BACKGROUND, CODE, CONFIRMATION, element, fields, record, soap
from tests.support.reading import NAMES, judge, read, schemas, values_of
from tests.support.values import texts
from tests.support.writing import ENCODINGS, Encoding

CANCELLED = element("bookingId", "1") + element("primaryOrderNumber", "A1")


def kinds(body: str) -> list[Kind]:
    return [kind for kind, _ in values_of(body.encode())]


def one(body: str) -> dict[str, object]:
    [(_, values)] = values_of(body.encode())
    return values


# Everything that the field table allows


@settings(max_examples=examples(5))
@given(documents())
def test_what_comes_out_is_what_went_in(document: Document) -> None:
    envelope, found = read(document.body)
    assert [c.values for c in found] == list(document.records)
    assert [c.kind for c in found] == [document.kind] * len(document.records)
    assert SOAPS.get(document.soap) == (envelope.soap.value if envelope.soap else None)
    assert (envelope.operation, envelope.operation_namespace) == (document.operation, document.namespace)
    assert all(schemas().accepts(c.kind, c.document) for c in found)


@given(documents(most=4))
def test_records_are_numbered_and_stand_where_their_line_says(document: Document) -> None:
    encoding = "utf-16" if document.body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    lines = document.body.decode(encoding, errors="replace").replace("\r\n", "\n").split("\n")
    found = [(r.position, r.line) for r in Reading(document.body, NAMES, Limits()).records()]
    assert [position for position, _ in found] == list(range(1, len(document.records) + 1))
    assert all("<" in lines[line - 1] for _, line in found)
    assert [line for _, line in found] == sorted(line for _, line in found)


def test_lines_are_right_beyond_the_first_65535() -> None:
    body = "<bookingCancellations>" + "\n" * 70_000
    body += element("bookingCancellation", CANCELLED) + "\n" * 10 + element("bookingCancellation", CANCELLED)
    reading = Reading(f"{body}</bookingCancellations>".encode(), NAMES, Limits())
    assert [r.line for r in reading.records()] == [70_001, 70_011]


# Forms, by name


@pytest.mark.parametrize("prefix", ["ns1", "x", "SOAP-ENV", "_"])
def test_form_a_reads_the_same_with_any_prefix(prefix: str) -> None:
    inner = element("bookingConfirmation", record(CONFIRMATION, codes=[CODE]))
    body = soap(f'<{prefix}:bookingConfirmation xmlns:{prefix}="{BACKGROUND}">{inner}</{prefix}:bookingConfirmation>')
    assert one(body) == {**CONFIRMATION, "theBookingCodes": [CODE]}


def test_form_a_reads_the_same_with_a_default_namespace_undone_on_the_child() -> None:
    inner = f'<bookingConfirmation xmlns="">{record(CONFIRMATION, codes=[CODE])}</bookingConfirmation>'
    body = soap(f'<bookingConfirmation xmlns="{BACKGROUND}">{inner}</bookingConfirmation>')
    assert one(body) == {**CONFIRMATION, "theBookingCodes": [CODE]}


def test_codes_read_the_same_in_both_wrappers() -> None:
    other = {**CODE, "bookingCodeSORCode": "20060020"}
    beside = record(CONFIRMATION, codes=[CODE, other])
    inside = fields(CONFIRMATION) + element(
        "theBookingCodes", "".join(element("bookingCode", fields(c)) for c in (CODE, other))
    )
    found = [one(element("bookingConfirmation", inner))["theBookingCodes"] for inner in (beside, inside)]
    assert found == [[CODE, other], [CODE, other]]


def test_what_stands_beside_the_items_of_a_list_is_kept() -> None:
    codes = element("theBookingCodes", "<count>1</count>" + element("bookingCode", fields(CODE)))
    values = one(element("bookingConfirmation", fields(CONFIRMATION) + codes))
    assert values["theBookingCodes"] == [CODE]
    assert values["theBookingCodes/count"] == "1"


def test_form_c_holds_many_bookings_with_codes_of_either_kind() -> None:
    direct = element("BookingCodes", fields(CODE))
    items = element("BookingCodes", element("BookingCode", fields(CODE)))
    bookings = "".join(element("Booking", fields(CONFIRMATION) + codes) for codes in (direct, items))
    body = f'<ConfirmBookings xmlns="{NEC}"><Bookings>{bookings}</Bookings></ConfirmBookings>'
    assert values_of(body.encode()) == [(Kind.CONFIRMATION, {**CONFIRMATION, "theBookingCodes": [CODE]})] * 2


def test_the_order_around_a_booking_speaks_where_the_booking_does_not() -> None:
    order = "<primaryOrderNumber>A1</primaryOrderNumber><status>PLANNED</status>"
    order += "<taskCompletionStatus>CO</taskCompletionStatus>"
    own = "<bookingId>2</bookingId><primaryOrderNumber/><taskCompletionStatus>REFUSAL</taskCompletionStatus>"
    bookings = element("theBookings", element("booking", "<bookingId>1</bookingId>") + element("booking", own))
    body = element("completedBooking", element("theOrders", element("order", order + bookings)))
    found = [values for _, values in values_of(body.encode())]
    about = {"primaryOrderNumber": "A1", "theOrder": {"primaryOrderNumber": "A1", "status": "PLANNED"}}
    assert found == [
        {"bookingId": "1", "taskCompletionStatus": "CO", **about},
        {"bookingId": "2", "taskCompletionStatus": "REFUSAL", **about},
    ]


def test_bookings_beside_the_orders_are_read_too() -> None:
    inside = element("theBookings", element("booking", "<bookingId>1</bookingId>"))
    beside = element("theBookings", element("booking", "<bookingId>2</bookingId>"))
    body = element("completedBooking", element("theOrders", element("order", inside)) + beside)
    assert [values["bookingId"] for _, values in values_of(body.encode())] == ["1", "2"]


def test_two_orders_of_one_completion_are_kept_and_refused() -> None:
    orders = "<theOrder><status>a</status></theOrder><theOrder><status>b</status></theOrder>"
    [found] = read(element("bookingCompletion", CANCELLED + orders).encode())[1]
    assert found.values["theOrder"] == [{"status": "a"}, {"status": "b"}]
    assert not schemas().accepts(found.kind, found.document)


def test_a_plural_container_may_hold_records_of_any_kind() -> None:
    unavailability = "<unavailability><ResourceId>W1</ResourceId></unavailability>"
    body = f"<bookingCancellations>{element('bookingCancellation', CANCELLED)}{unavailability}</bookingCancellations>"
    assert kinds(body) == [Kind.CANCELLATION, Kind.UNAVAILABILITY]


# Containers and roots with nothing, or with something else, in them


@pytest.mark.parametrize(
    "body",
    [
        "<bookingCancellations/>",
        "<unavailabilities>\n <!-- none --> \n</unavailabilities>",
        "<ConfirmBookings><Bookings/></ConfirmBookings>",
        soap("<completedBookings/>"),
    ],
)
def test_an_empty_plural_container_holds_no_records(body: str) -> None:
    assert kinds(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "<bookingCancellation/>",
        "<bookingCancellation> text </bookingCancellation>",
        f'<n:bookingCancellation xmlns:n="{BACKGROUND}"><bookingCancellation/></n:bookingCancellation>',
        "<bookingCancellations><bookingCancelation><bookingId>1</bookingId></bookingCancelation></bookingCancellations>",
    ],
)
def test_what_holds_nothing_known_is_one_invalid_record(body: str) -> None:
    [record] = Reading(body.encode(), NAMES, Limits()).records()
    assert not judge().judge(record).valid


def test_a_plural_container_with_the_fields_themselves_is_the_record() -> None:
    assert one(element("bookingCancellations", CANCELLED)) == {"bookingId": "1", "primaryOrderNumber": "A1"}


def test_a_wrapper_of_an_unknown_name_may_hold_known_records() -> None:
    inner = element("bookingCancellation", CANCELLED) * 2
    for body in (f"<Message>{inner}</Message>", soap(f'<x:send xmlns:x="urn:x">{inner}</x:send>')):
        assert kinds(body) == [Kind.CANCELLATION] * 2
    assert read(f"<Message>{inner}</Message>".encode())[0].operation == "Message"


@pytest.mark.parametrize("body", ["<Message/>", "<Message>x</Message>", "<Message><x/></Message>", "<a><b>{}</b></a>"])
def test_a_wrapper_of_an_unknown_name_alone_is_no_push(body: str) -> None:
    with pytest.raises(Unreadable) as caught:
        values_of(body.format(element("bookingCancellation", CANCELLED)).encode())
    assert caught.value.reason == "unknown_root"


@pytest.mark.parametrize("before", [0, 1, 2])
def test_what_stands_among_records_and_is_none_is_told_in_its_place(before: int) -> None:
    """An element that only looks like a record must not be passed over; a simple value beside them may be."""
    known = element("bookingCancellation", CANCELLED)
    odd = "<bookingCancelation><bookingId>9</bookingId></bookingCancelation><count>3</count>"
    body = element("bookingCancellations", known * before + odd + known * (2 - before))
    found = [(r.position, r.stray) for r in Reading(body.encode(), NAMES, Limits()).records()]
    assert found == [(n, n == before + 1) for n in (1, 2, 3)]
    valid = [judge().judge(r).valid for r in Reading(body.encode(), NAMES, Limits()).records()]
    assert valid == [n != before for n in range(3)]


# Limits, and what is not a push


def deep(levels: int) -> str:
    return element("bookingCancellation", "<x>" * (levels - 1) + "</x>" * (levels - 1))


@pytest.mark.parametrize(
    ("body", "limits", "reason"),
    [
        (deep(65), Limits(), "too_deep"),
        (deep(10_000), Limits(depth=100_000), "too_deep"),
        (soap(deep(63)), Limits(), "too_deep"),
        (element("bookingCancellation", "<x/>" * 10), Limits(elements=10), "too_many_elements"),
        (element("bookingCancellation", "<x/>" * 11), Limits(record_elements=10), "too_many_elements"),
        (element("bookingCancellations", "<x/>" * 11), Limits(record_elements=10), "too_many_elements"),
        ("", Limits(), "empty_body"),
        (" \n\t", Limits(), "empty_body"),
        ('{"bookingId": 1}', Limits(), "not_xml"),
        ("<!DOCTYPE html><html></html>", Limits(), "not_xml"),
        ("<html></html>", Limits(), "not_xml"),
        ("plain text", Limits(), "not_well_formed"),
        ("<bookingCancellation>", Limits(), "not_well_formed"),
        ("<bookingCancellation/>junk", Limits(), "not_well_formed"),
        ("<bookingCancellation/><bookingCancellation/>", Limits(), "not_well_formed"),
        ("<bookingCancellation>\0</bookingCancellation>", Limits(), "not_well_formed"),
        ("<bookingCancellation>&#1;</bookingCancellation>", Limits(), "not_well_formed"),
        ("<bookingCancellation>&who;</bookingCancellation>", Limits(), "not_well_formed"),
        ("<bookingCancellation><bookingId><a:b/></bookingId></bookingCancellation>", Limits(), "not_well_formed"),
        ("<bookingCancellation a:b='1'/>", Limits(), "not_well_formed"),
        ("<!DOCTYPE a><bookingCancellation/>", Limits(), "doctype"),
        ('<!DOCTYPE a [<!ENTITY e "x">]><bookingCancellation>&e;</bookingCancellation>', Limits(), "doctype"),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><bookingCancellation/>', Limits(), "doctype"),
        ("<somethingElse/>", Limits(), "unknown_root"),
        ("<Booking/>", Limits(), "unknown_root"),
        (soap("<somethingElse/>"), Limits(), "unknown_root"),
    ],
)
def test_anything_else_is_unreadable_for_a_reason(body: str, limits: Limits, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(body.encode(), limits)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (deep(64), Limits()),
        (element("bookingCancellation", "<x/>" * 9), Limits(elements=10)),
        (element("bookingCancellation", "<x/>" * 10), Limits(record_elements=10)),
        (element("bookingCancellations", element("bookingCancellation", "<x/>" * 9) * 3), Limits(record_elements=10)),
    ],
)
def test_a_limit_itself_is_allowed(body: str, limits: Limits) -> None:
    assert read(body.encode(), limits)[1]


def test_records_before_a_fault_come_before_it() -> None:
    body = "<bookingCancellations>" + element("bookingCancellation", CANCELLED) * 2 + "</oops>"
    found = Reading(body.encode(), NAMES, Limits()).records()
    assert [next(found).position, next(found).position] == [1, 2]
    with pytest.raises(Unreadable):
        next(found)


# Wherever the parser's slices fall


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("past", range(-3, 4))
def test_text_across_a_slice_of_the_body_is_whole(encoding: Encoding, past: int) -> None:
    label = encoding.labels[-1]
    head = f'<?xml version="1.0" encoding="{label}"?><bookingCancellation>{CANCELLED}<userId>'
    text = "é€\U0001f600" * 3
    width = len("x".encode(encoding.codec))
    pad = (64 * 1024 + past - len(encoding.encode(head))) // width
    body = encoding.encode(f"{head}{'x' * pad}{text}</userId></bookingCancellation>")
    [(_, values)] = values_of(body)
    assert values["userId"] == "x" * pad + text


@pytest.mark.parametrize("slices", [1, 2])
def test_a_body_that_ends_with_a_slice_is_read_to_its_end(slices: int) -> None:
    body = element("bookingCancellation", CANCELLED)
    whole = body + " " * (slices * 64 * 1024 - len(body))
    assert len(values_of(whole.encode())) == 1
    cut = f"<bookingCancellations>{whole[: -len('<bookingCancellations>')]}"
    with pytest.raises(Unreadable):
        values_of(cut.encode())


# Whatever comes, nothing but Unreadable


def read_and_judge(body: bytes) -> None:
    """As the corridor does; raises whatever is not Unreadable."""
    found = judge()
    try:
        for record in Reading(body, NAMES, Limits()).records():
            notification = found.judge(record)
            assert notification.valid or all(p.text and p.code for p in notification.problems)
    except Unreadable as error:
        said = str(error)
    else:
        return
    assert said.splitlines() == [said]


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b"<bookingConfirmation>" + b))
@settings(max_examples=examples(10))
def test_random_bytes_raise_nothing_but_unreadable(body: bytes) -> None:
    read_and_judge(body)


def _cut(body: bytes, a: int, b: int, _byte: int) -> bytes:
    return body[:a] + body[b:]


def _doubled(body: bytes, a: int, b: int, _byte: int) -> bytes:
    return body[:b] + body[a:]


def _changed(body: bytes, a: int, _b: int, byte: int) -> bytes:
    return body[:a] + bytes([byte]) + body[a + 1 :]


def _swapped(body: bytes, a: int, b: int, _byte: int) -> bytes:
    return body[:a] + body[b : b + 9] + body[a + 9 : b] + body[a : a + 9] + body[b + 9 :]


def _colon(body: bytes, a: int, _b: int, _byte: int) -> bytes:
    at = body.find(b"<", a) + 2
    return body[:at] + b":" + body[at:]


@given(documents(most=2), st.data())
@settings(max_examples=examples(5))
def test_damaged_documents_raise_nothing_but_unreadable(document: Document, data: st.DataObject) -> None:
    body = document.body
    damages: list[Callable[[bytes, int, int, int], bytes]] = [_cut, _doubled, _changed, _swapped, _colon]
    for _ in range(data.draw(st.integers(1, 3))):
        place = st.integers(0, len(body))
        a, b = sorted((data.draw(place), data.draw(place)))
        body = data.draw(st.sampled_from(damages))(body, a, min(b, a + 400), data.draw(st.integers(0, 255)))
    read_and_judge(body)


NAMES_OF_ANY_KIND = [
    *("bookingConfirmation", "Bookings", "Booking", "completedBooking", "theOrders", "order", "theBookings", "booking"),
    *(
        "theBookingCodes",
        "bookingCode",
        "theOrder",
        "theLocation",
        "theBusinessData",
        "businessData",
        "values",
        "value",
    ),
    *("bookingId", "primaryOrderNumber", "changedDate", "unavailability", "ResourceId", "PeriodStart", "x"),
]


def _trees() -> st.SearchStrategy[str]:
    leaves = st.builds(element, st.sampled_from(NAMES_OF_ANY_KIND), st.sampled_from(["", "1", "x", " "]))
    return st.recursive(
        leaves,
        lambda inner: st.builds(
            lambda name, found: element(name, "".join(found)),
            st.sampled_from(NAMES_OF_ANY_KIND),
            st.lists(inner, max_size=4),
        ),
        max_leaves=25,
    )


@given(_trees())
@settings(max_examples=examples(10))
def test_known_names_in_any_nesting_raise_nothing_but_unreadable(body: str) -> None:
    read_and_judge(body.encode())


@given(st.lists(st.sampled_from(NAMES_OF_ANY_KIND), max_size=4), texts(12, blank=False), st.lists(_trees(), max_size=3))
@settings(max_examples=examples(4))
def test_no_text_of_a_record_is_lost(path: list[str], text: str, beside: list[str]) -> None:
    inner = "".join(f"&#{ord(c)};" for c in text)
    for name in path:
        inner = element(name, inner)
    body = element("bookingConfirmation", element("x", "".join(beside)) + inner)
    assume(path and path[-1] != "bookingConfirmation")
    kept = [one for found in read(body.encode())[1] for one in _texts(found.values)]
    assert text in kept or text.strip(" \t\r\n") in kept


def _texts(values: object) -> Iterator[object]:
    """Every text in canonical values, at any depth."""
    if isinstance(values, dict):
        for value in values.values():
            yield from _texts(value)
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value)
    else:
        yield values


# Nothing outside is ever opened


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a SYSTEM "{file}">',
        '<!DOCTYPE a PUBLIC "x" "{file}">',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "{file}"> %p;]>',
        '<!DOCTYPE a [<!ENTITY p SYSTEM "{file}">]>',
        '<!DOCTYPE a SYSTEM "file://{file}">',
    ],
)
def test_a_file_that_a_doctype_names_is_not_opened(doctype: str, tmp_path: Path) -> None:
    """Opened, the file would be a syntax error, which comes before the refusal of the DOCTYPE."""
    file = tmp_path / "outside.dtd"
    file.write_text("<no dtd>")
    with pytest.raises(Unreadable) as caught:
        read(doctype.format(file=file).encode() + b"<bookingCancellation/>")
    assert caught.value.reason == "doctype"
