"""A record cut out of a push says alone what it said there, in whatever form and encoding it came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.fields import Kind, field_table
from receiver.messages import Notification
from receiver.wire import Limits, Reading, RootNames, as_text, cut, text_bytes
from tests.support.corridor import make_source
from tests.support.documents import Document, documents
from tests.support.pushes import CONFIRMATION, confirmation, element, record, soap

SOURCE = make_source()
LIMITS = Limits()


def _judged(body: bytes, names: RootNames = SOURCE.names) -> list[Notification]:
    return [SOURCE.judge.judge(r) for r in Reading(body, names, LIMITS).records()]


@given(documents())
def test_each_record_alone_says_what_it_said_in_its_push(document: Document) -> None:
    for said in _judged(document.body):
        found = cut(document.body, SOURCE.names, LIMITS, said.position)
        assert found is not None
        (alone,) = _judged(text_bytes(found.text))
        assert (alone.kind, alone.content_key, alone.valid) == (said.kind, said.content_key, said.valid)
        assert found.line == said.line
    assert cut(document.body, SOURCE.names, LIMITS, len(document.records) + 1) is None


@given(documents())
def test_a_whole_push_as_text_is_the_same_push(document: Document) -> None:
    again = _judged(text_bytes(as_text(document.body)))
    assert [n.content_key for n in again] == [n.content_key for n in _judged(document.body)]


@given(st.text())
def test_any_text_becomes_bytes(text: str) -> None:
    assert isinstance(text_bytes(text), bytes)


@pytest.mark.parametrize(
    "declaration",
    [
        '<?xml version="1.0" encoding="UTF-16"?>',
        "<?xml version='1.0' encoding = 'windows-1252' ?>",
        '<?xml version="1.0" encoding="x" standalone="yes"?>',
        '\ufeff<?xml version="1.0"?>',
        "",
    ],
)
def test_what_a_declaration_said_of_other_bytes_is_not_believed(declaration: str) -> None:
    (found,) = _judged(text_bytes(f"{declaration}\r\n{confirmation(contract='é€')}"))
    assert found.values["contract"] == "é€"


@pytest.mark.parametrize("wrapped", [True, False])
def test_only_what_counts_for_a_record_is_kept_around_it(wrapped: bool) -> None:
    def around(name: str, inner: str) -> str:
        return element(name, inner) if wrapped else inner

    def order(number: str, *ids: str) -> str:
        booked = "".join(element("booking", element("bookingId", i)) for i in ids)
        return element("order", element("primaryOrderNumber", number) + around("theBookings", booked))

    orders = order("L1", "1", "2") + order("L2", "3")
    body = soap(element("bookingCompletion", around("theOrders", orders))).encode()
    found = [cut(body, SOURCE.names, LIMITS, n) for n in (1, 2, 3)]
    texts = [f.text for f in found if f is not None]
    assert [("L1" in t, "L2" in t, t.count("<bookingId>")) for t in texts] == [
        (True, False, 1),
        (True, False, 1),
        (False, True, 1),
    ]
    assert all(t.startswith("<bookingCompletion>") for t in texts)


def test_a_sources_own_names_and_what_is_no_record() -> None:
    names = RootNames.of(field_table(), {"JobBooked": Kind.CONFIRMATION})
    inner = record(CONFIRMATION, bookingId="1")
    body = soap(element("jobs", element("JobBooked", inner) + element("JobBooked", inner))).encode()
    found = cut(body, names, LIMITS, 2)
    assert found is not None
    assert found.text == element("JobBooked", inner)
    stray = element("bookingConfirmations", confirmation() + "<odd><a>1</a></odd>").encode()
    found = cut(
        stray,
        SOURCE.names,
        LIMITS,
        1 + [n.problems[0].code if n.problems else "" for n in _judged(stray)].index("unknown_record"),
    )
    assert found is not None
    assert found.text == "<bookingConfirmations><odd><a>1</a></odd></bookingConfirmations>"


def test_one_of_very_many_is_found() -> None:
    body = element("bookingConfirmations", "".join(confirmation(bookingId=str(n)) for n in range(3000))).encode()
    found = cut(body, SOURCE.names, LIMITS, 2987)
    assert found is not None
    assert _judged(found.text.encode())[0].booking_id == "2986"
