"""The same values are the same notification in whatever form and spelling; any other value is another."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from receiver.fields import FieldType, Group, Kind, KindTable
from receiver.messages.identity import content_key, event_key, fallback_key, key_of
from receiver.wire import Record
from tests.support.documents import Document, Values, documents
from tests.support.profiles import examples
from tests.support.pushes import CONFIRMATION, SOAP12, element, form_a, record, soap
from tests.support.reading import RULES, TABLE, judged
from tests.support.values import Time, instant, meant, times
from tests.support.writing import ENCODINGS, Look, Node

OTHER_TIME = "1999-09-09T09:09:09.090909Z"
LATER = (datetime(1996, 1, 1), datetime(9998, 1, 1))


def key(kind: Kind, values: Values) -> str:
    return content_key(values, TABLE.kinds[kind], RULES.zone)


def nodes(values: Values, part: KindTable | Group | None) -> list[Node]:
    """Canonical values as elements again: groups repeated with direct fields, the rest as it stands."""
    found: list[Node] = []
    wrappers = {f.name for f in part.fields if f.type is FieldType.TEXTS} if part else set()
    groups = {g.name: g for g in part.groups} if part else {}
    for name, value in values.items():
        several = value if isinstance(value, list) and name not in wrappers else [value]
        for one in several or [None]:
            if isinstance(one, dict):
                found.append(Node(name, nodes(one, groups.get(name)), exact=True))
            elif isinstance(one, list):
                found.append(Node(name, [Node("value", text) for text in one], exact=True))
            else:
                found.append(Node(name, str(one or ""), exact=True))
    return found


@given(documents(), st.sampled_from(["UTF-8", "UTF-16 LE", "ISO-8859-1", "Windows-1252"]))
@settings(max_examples=examples(3))
def test_the_same_values_in_another_form_are_the_same(document: Document, encoding: str) -> None:
    entry = TABLE.kinds[document.kind]
    keys = [n.content_key for n in judged(document.body)]
    assert keys == [key(document.kind, values) for values in document.records]
    for name in (entry.root, *entry.records):
        rewritten = [Node(name, list(reversed(_groups_last(nodes(v, entry))))) for v in document.records]
        body = Look(0, ENCODINGS[encoding]).document(Node(entry.containers[0], rewritten))
        assert [n.content_key for n in judged(body)] == keys


def _groups_last(found: list[Node]) -> list[Node]:
    """Reversed later: elements of one name must come out in the order they have."""
    turns = {name: [n for n in found if n.name == name] for name in {n.name for n in found}}
    return [turns[n.name].pop() for n in found]


@pytest.mark.parametrize(
    "body",
    [
        form_a("bookingConfirmation", record(CONFIRMATION)),
        form_a("bookingConfirmation", record(CONFIRMATION), namespace=SOAP12),
        soap(element("bookingConfirmation", record(CONFIRMATION))),
        element("bookingConfirmations", element("bookingConfirmation", record(CONFIRMATION))),
        element("ConfirmBookings", element("Bookings", element("Booking", record(CONFIRMATION)))),
        element("BOOKINGCONFIRMATION", record(dict(reversed(CONFIRMATION.items())))),
        element("bookingConfirmation", record({**CONFIRMATION, "planningWindowStart": "02-JUL-2021 08:00"})),
        element("bookingConfirmation", record({**CONFIRMATION, "planningWindowStart": "02/07/2021 08:00:00"})),
        element("bookingConfirmation", record({**CONFIRMATION, "planningWindowStart": "2021-07-02T07:00:00Z"})),
        element("bookingConfirmation", record({**CONFIRMATION, "planningWindowStart": "2021-07-02T08:00:00.0+01:00"})),
        element("bookingConfirmation", record({**CONFIRMATION, "numberOfOperatives": " +01 "})),
    ],
)
def test_one_confirmation_in_many_dresses(body: str) -> None:
    [plain] = judged(element("bookingConfirmation", record(CONFIRMATION)))
    [found] = judged(body)
    assert found.content_key == plain.content_key


@given(times(*LATER, ends=False), times(*LATER, ends=False))
@settings(max_examples=examples(10))
def test_times_are_the_same_exactly_when_the_instant_is(one: Time, other: Time) -> None:
    for a in one.spellings():
        for b in other.spellings():
            same = key(Kind.CANCELLATION, {"targetDate": a}) == key(Kind.CANCELLATION, {"targetDate": b})
            assert same == (instant(one) == instant(other))


@given(times(*LATER, ends=False))
def test_every_spelling_of_a_time_is_the_same(time: Time) -> None:
    assert len({key(Kind.CANCELLATION, {"changedDate": text}) for text in time.spellings()}) == 1


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_spelling_of_a_number_is_the_same(number: int) -> None:
    sign = "-" if number < 0 else ""
    spellings = {str(number), f"{sign}000{abs(number)}", f"{sign}{abs(number):030d}"}
    spellings |= set() if sign else {f"+{number}"}
    assert len({key(Kind.CONFIRMATION, {"numberOfOperatives": text}) for text in spellings}) == 1


@pytest.mark.parametrize("text", ["1_000", "1000 ", "\u0661\u0660\u0660\u0660", "0" * 60 + "1000", "1000.0", "1,000"])
def test_what_is_no_number_is_not_the_same_as_one(text: str) -> None:
    of = [key(Kind.CONFIRMATION, {"numberOfOperatives": t}) for t in ("1000", text)]
    assert of[0] != of[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"contract": "H01"}, {"contract": "H01 "}),
        ({"contract": "H01"}, {"contract": "h01"}),
        ({"contract": None}, {}),
        ({"bookingId": "7"}, {"bookingId": "07"}),
        ({"primaryOrderNumber": "1.0"}, {"primaryOrderNumber": "1.00"}),
        ({"theBookingCodes": []}, {}),
        (
            {"theBookingCodes": [{"quantity": "1"}, {"quantity": "2"}]},
            {"theBookingCodes": [{"quantity": "2"}, {"quantity": "1"}]},
        ),
        ({"changedDate": "2021-07-02T08:00:00"}, {"changedDate": "2021-07-02T08:00:01"}),
        ({"changedDate": "2021-07-02T08:00:00"}, {"changedDate": "2021-07-02T08:00:00.000001"}),
        ({"changedDate": "soon"}, {"changedDate": "later"}),
        ({"changedDate": "9999-12-31T24:00:00"}, {"changedDate": None}),
        ({"unknown": "1"}, {"Unknown": "1"}),
        ({"unknown": "01"}, {"unknown": "1"}),
        ({"unknown": ["1", "2"]}, {"unknown": "12"}),
    ],
)
def test_these_are_not_the_same(one: Values, other: Values) -> None:
    assert key(Kind.CONFIRMATION, one) != key(Kind.CONFIRMATION, other)
    assert key(Kind.CONFIRMATION, one) == key(Kind.CONFIRMATION, dict(reversed(one.items())))


def test_the_same_values_of_another_kind_are_another_notification() -> None:
    values: Values = {"bookingId": "1", "primaryOrderNumber": "A1"}
    assert len({key(kind, values) for kind in Kind}) == len(Kind)


def test_a_time_is_that_of_the_site() -> None:
    entry, values = TABLE.kinds[Kind.CANCELLATION], {"changedDate": "2021-07-02T08:00:00"}
    zones = [ZoneInfo(z) for z in ("Europe/London", "Asia/Kathmandu")]
    assert len({content_key(values, entry, zone) for zone in zones}) == 2


# At any depth


def leaves(values: Any, part: KindTable | Group | None) -> Iterator[tuple[Any, Any, FieldType | None]]:
    """Every place of canonical values: what it is in, its key or index there, and its type where it is a field."""
    fields = {f.name: f.type for f in part.fields} if part else {}
    groups = {g.name: g for g in part.groups} if part else {}
    for name, value in values.items():
        yield values, name, fields.get(name)
        for place, one in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(one, dict):
                yield from leaves(one, groups.get(name))
            elif place is not None:
                yield value, place, None


def changed(value: object, kind: FieldType | None) -> object:
    """Another value in its place."""
    if isinstance(value, list):
        return [*value, {} if value and isinstance(value[0], dict) else "x"]
    if isinstance(value, dict):
        return {**value, "added": "x"}
    if value is None:
        return "1"
    if kind is FieldType.DATETIME:
        return OTHER_TIME
    return str(int(str(value)) + 1) if kind is FieldType.INTEGER else f"{value}\u2003"


@given(documents(most=1))
@settings(max_examples=examples(4))
def test_another_spelling_at_any_depth_is_the_same(document: Document) -> None:
    kind, values = document.kind, document.records[0]
    other = copy.deepcopy(values)
    for inside, name, of in leaves(other, TABLE.kinds[kind]):
        value = inside[name]
        if of is FieldType.INTEGER and value is not None:
            inside[name] = f"{int(value):+020d}"
        if of is FieldType.DATETIME and value is not None and meant(value) is not None:
            inside[name] = str(meant(value)).replace(" ", "T")
    assert key(kind, other) == key(kind, values)


@given(documents(most=1), st.data())
@settings(max_examples=examples(4))
def test_any_changed_or_missing_value_is_another_notification(document: Document, data: st.DataObject) -> None:
    kind, values = document.kind, document.records[0]
    entry = TABLE.kinds[kind]
    other = copy.deepcopy(values)
    inside, name, of = data.draw(st.sampled_from(list(leaves(other, entry))))
    if isinstance(inside, dict) and data.draw(st.booleans()):
        del inside[name]
    else:
        inside[name] = changed(inside[name], of)
    assert key(kind, other) != key(kind, values)
    assert key(kind, copy.deepcopy(values)) == key(kind, values)


# Events


def test_dated_content_is_one_event_whenever_it_comes() -> None:
    assert {event_key("c", True, after) for after in (None, "n1", "n2")} == {"c"}


def test_undated_content_is_another_event_after_something_else() -> None:
    found: Sequence[str] = [event_key("c", False, after) for after in (None, "n1", "n2", "n1")]
    assert found[0] == "c"
    assert found[1] == found[3]
    assert len(set(found)) == 3
    assert event_key("d", False, "n1") not in found


def test_a_record_that_cannot_be_judged_is_known_by_its_elements() -> None:
    def of(body: str) -> str:
        return fallback_key(Record(Kind.CANCELLATION, 1, 1, etree.fromstring(body)))

    plain = of("<a><b>1</b><c/></a>")
    assert of("<a>\n <b>1</b><!-- x --><c></c></a>") == plain
    assert of("<a><b>2</b><c/></a>") != plain
    assert of("<a><b>1</b></a>") != plain


def test_such_a_record_is_known_inside_an_envelope_too() -> None:
    body = '<e:E xmlns:e="urn:e" xmlns:d="urn:d"><d:a><d:b>{}</d:b></d:a></e:E>'

    def of(text: str) -> str:
        return fallback_key(Record(Kind.CANCELLATION, 1, 1, etree.fromstring(body.format(text))[0]))

    assert of("1") == of("1") != of("2")


_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_ANY_VALUES = st.dictionaries(
    _ANY_TEXT,
    st.recursive(
        _ANY_TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(_ANY_TEXT, inner)
    ),
)


@given(_ANY_VALUES)
def test_keys_are_what_they_have_always_been(values: dict[str, object]) -> None:
    """Stored keys are compared with new ones for years: whatever writes the text, it is this text."""
    text = json.dumps([Kind.CONFIRMATION, values], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    assert key_of(Kind.CONFIRMATION, values) == hashlib.sha256(text.encode()).hexdigest()
