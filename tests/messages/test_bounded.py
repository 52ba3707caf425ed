"""Records with very much wrong in them: all of it is found as before, and no more is looked at than is told."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from receiver.fields.patterns import integer
from receiver.messages.moments import _remembered, read_moment
from tests.support.pushes import CANCELLATION, CODE, CONFIRMATION, element, fields
from tests.support.reading import judged, read, schemas

LONDON = ZoneInfo("Europe/London")
IDS = "<bookingId>1</bookingId><primaryOrderNumber>A</primaryOrderNumber>"


def confirmation(codes: list[dict[str, str]], wrapped: bool = False, **changes: str) -> str:
    name = "bookingCode" if wrapped else "theBookingCodes"
    inside = "".join(element(name, fields(code)) for code in codes)
    listed = element("theBookingCodes", inside) if wrapped else inside
    return element("bookingConfirmation", fields({**CONFIRMATION, **changes}) + listed)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("bad", [1, 49, 50, 51, 99, 100, 101, 333])
def test_a_bad_entry_is_found_wherever_it_stands(bad: int, wrapped: bool) -> None:
    codes = [dict(CODE) for _ in range(333)]
    codes[bad - 1]["orderId"] = "x"
    [found] = judged(confirmation(codes, wrapped))
    assert [(p.field, p.code, p.value) for p in found.problems] == [
        (f"theBookingCodes[{bad}]/orderId", "not_an_integer", "x")
    ]
    assert found.problems[0].text.startswith(f"theBookingCodes[{bad}]/orderId is “x”")


def test_entries_of_a_nested_list_have_their_place_too() -> None:
    data = "".join(element("theBusinessData", "<values><value>1</value></values>") for _ in range(60))
    data += element("theBusinessData", "<values><odd/></values><values/>")
    [found] = judged(element("bookingCompletion", IDS + element("theOrder", data)))
    assert [p.field for p in found.problems] == ["theOrder/theBusinessData[61]/values"]


def test_what_is_wrong_beside_a_long_list_is_told_once() -> None:
    codes = [dict(CODE) for _ in range(120)]
    codes[110]["orderId"] = "y"
    [found] = judged(confirmation(codes, numberOfOperatives="x"))
    assert [p.field for p in found.problems] == ["numberOfOperatives", "theBookingCodes[111]/orderId"]


def test_problems_come_in_the_order_of_the_document_up_to_the_cap() -> None:
    [found] = judged(confirmation([{**CODE, "orderId": "x"} for _ in range(400)]))
    assert [p.field for p in found.problems] == [f"theBookingCodes[{n}]/orderId" for n in range(1, 101)]


@pytest.mark.parametrize(
    ("times", "said"), [(2, "2 times;"), (9, "9 times;"), (10, "10 times or more;"), (5_000, "10 times or more;")]
)
def test_what_stands_too_often_is_counted_only_so_far(times: int, said: str) -> None:
    [found] = judged(element("bookingCancellation", IDS + "<userId>a</userId>" * times))
    [problem] = found.problems
    assert problem.code == "repeated"
    assert said in problem.text
    assert found.values["userId"] == ["a"] * times


def test_the_documents_of_a_record_stay_small() -> None:
    [found] = read(confirmation([dict(CODE) for _ in range(1_000)]).encode())[1]
    sizes = [sum(1 for _ in document.iter()) for _, document in found.documents()]
    assert len(sizes) == 20
    assert max(sizes) < 1_000
    assert all(schemas().accepts(found.kind, document) for _, document in found.documents())


def test_a_stray_is_told_of_as_one_and_nothing_is_missed_in_it() -> None:
    [stray, record] = judged(
        f"<bookingCancellations><x><y/></x>{element('bookingCancellation', IDS)}</bookingCancellations>"
    )
    assert [p.code for p in stray.problems] == ["unknown_record"]
    assert record.valid


def test_unknown_elements_are_told_up_to_the_cap_and_all_kept() -> None:
    inside = "".join(f"<x{n}/>" for n in range(500))
    [found] = judged(element("bookingCancellation", IDS + inside))
    assert len(found.warnings) == 100
    assert len(found.values) == 502


@pytest.mark.parametrize("name", ["PeriodStart", "assignedStart", "changedDate", "taskCompletionDate"])
@pytest.mark.parametrize("kind", ["bookingConfirmation", "bookingCancellation", "unavailability"])
def test_an_unknown_element_that_is_called_as_a_time_need_not_be_one(kind: str, name: str) -> None:
    ids = "<ResourceId>1</ResourceId><PeriodEnd>2021-07-02T08:00:00</PeriodEnd>"
    start = "<PeriodStart>2021-07-02T07:00:00</PeriodStart>"
    inner = (ids + start if name != "PeriodStart" else ids) if kind == "unavailability" else IDS
    [found] = judged(element(kind, f"{inner}<{name}>soon</{name}>"))
    known = (kind != "unavailability" and name == "changedDate") or (kind == "unavailability" and name == "PeriodStart")
    assert found.valid is not known


def test_a_fraction_without_end_is_a_time_and_not_remembered() -> None:
    before = _remembered.cache_info().currsize
    long = "2021-07-02T08:00:00." + "1" * 100_000
    assert read_moment(long, LONDON).utc == read_moment("2021-07-02T08:00:00.111111", LONDON).utc
    assert _remembered.cache_info().currsize <= before + 1
    [found] = judged(element("bookingCancellation", fields({**CANCELLATION, "changedDate": long})))
    assert found.valid


def test_the_pattern_of_a_number_can_be_read_in_one_way_only() -> None:
    """Two ways make a matcher keep every choice: thirty bytes for each digit sent."""
    assert integer() == "[+\\-]?(0+([1-9][0-9]{0,17})?|[1-9][0-9]{0,17})"
    [found] = judged(element("bookingConfirmation", IDS + f"<numberOfOperatives>{'0' * 60}</numberOfOperatives>"))
    assert not found.valid
