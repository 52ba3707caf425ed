"""The usual record, read at once and judged in one pass: never otherwise than the careful way does it."""

from __future__ import annotations

import json
from copy import deepcopy
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from receiver.fields import Field, Kind, field_table
from receiver.messages import Action, Judge, Rules, Schemas
from receiver.messages.canonical import canonical, levels
from receiver.messages.document import build
from receiver.messages.schemas import Layout
from receiver.wire import Limits, Reading, Record, RootNames
from receiver.wire.whole import read_whole
from tests.support.documents import Document, documents
from tests.support.pushes import (
    CANCELLATION,
    CONFIRMATION,
    SOAP12,
    cancellation,
    confirmation,
    form_a,
    record,
    unavailability,
)
from tests.support.values import Sent, field_values, texts

TABLE = field_table()
NAMES = RootNames.of(TABLE)
LEVELS = levels(TABLE, {})
SCHEMAS = Schemas(TABLE)
ZONE = ZoneInfo("Europe/London")
USUAL = (Kind.CONFIRMATION, Kind.CANCELLATION, Kind.UNAVAILABILITY)
RULES = st.builds(
    Rules,
    st.just("drs"),
    st.just(ZONE),
    required=st.sampled_from([(), ("contract",), ("userId", "Reason")]),
    field_aliases=st.sampled_from([{}, {"messageId": "tokenId"}]),
    actions=st.just({"new": Action.CREATED, "deleted": Action.REMOVED}),
)


def odd_values(field: Field) -> st.SearchStrategy[Sent]:
    """Values that are not always valid."""
    return field_values(field) | texts(60).map(lambda text: Sent(text, text))


DOCUMENTS = documents(USUAL, most=2) | documents(USUAL, values=odd_values, most=2)


def read(body: bytes, limits: Limits) -> tuple[Reading, list[Record]]:
    reading = Reading(body, NAMES, limits)
    return reading, list(reading.records())


@given(DOCUMENTS, RULES)
def test_the_usual_record_is_judged_as_the_careful_way_judges_it(document: Document, rules: Rules) -> None:
    judge = Judge(TABLE, SCHEMAS, rules)
    for each in Reading(document.body, NAMES, Limits()).records():
        before = etree.tostring(each.element)
        found, carefully = judge.judge(each), judge.judge_carefully(each)
        assert found == carefully
        assert json.dumps(found.values) == json.dumps(carefully.values), "values keep the order they were sent in"
        assert etree.tostring(each.element) == before


@given(DOCUMENTS)
def test_a_push_that_is_read_at_once_is_read_as_event_by_event(document: Document) -> None:
    whole = read_whole(document.body, NAMES, Limits())
    if whole is None:
        return
    envelope, record = whole
    reading, (other,) = read(document.body, Limits(depth=7))
    assert envelope == reading.envelope
    assert (record.kind, record.position, record.line, record.context, record.stray) == (
        (other.kind, other.position, other.line, other.context, other.stray)
    )


@pytest.mark.parametrize(
    "body",
    [
        form_a("bookingConfirmation", record(CONFIRMATION, codes=[{"bookingCode": "N1"}])),
        form_a("bookingConfirmation", record(CONFIRMATION), namespace=SOAP12),
        confirmation(codes=[{"bookingCode": "N1"}]),
        cancellation(),
        unavailability(),
    ],
)
def test_usual_pushes_are_read_at_once_and_judged_in_one_pass(body: str) -> None:
    found = read_whole(body.encode(), NAMES, Limits())
    assert found is not None
    judge = Judge(TABLE, SCHEMAS, Rules("drs", ZONE))
    assert judge.judge(found[1]).valid
    assert not judge.judge(found[1]).warnings


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE a SYSTEM "file:///etc/hostname">' + cancellation(),
        cancellation() + "<",
        "<bookingCancellation>" + "<a>" * 9 + "</a>" * 9 + "</bookingCancellation>",
        f"<bookingCancellation><{'a' * 1_100}/></bookingCancellation>",
        f"<bookingCancellation><a x='{'=' * 101}'/></bookingCancellation>",
        f"<bookingCancellation><tokenId>{' ' * 70_000}</tokenId></bookingCancellation>",
        form_a("bookingCancellation", *[record(CANCELLATION)] * 2),
        "<bookingCancellation/>",
        "<bookingCancellation><bookingCancellation>x</bookingCancellation></bookingCancellation>",
    ],
)
def test_anything_else_is_read_the_careful_way(body: str) -> None:
    assert read_whole(body.encode(), NAMES, Limits()) is None


def test_attributes_say_nothing_and_no_validator_sees_them() -> None:
    namespace = "http://www.w3.org/2001/XMLSchema-instance"
    sent = cancellation().replace(
        "<bookingCancellation>",
        f'<bookingCancellation xmlns:xsi="{namespace}" xsi:noNamespaceSchemaLocation="file:///etc/hostname" id="1">',
    )
    found = read_whole(sent.encode(), NAMES, Limits())
    assert found is not None
    assert [dict(element.attrib) for element in found[1].element.iter()] == [{}] * len(list(found[1].element.iter()))


@given(DOCUMENTS)
def test_the_alphabet_is_as_good_an_order_as_the_tables(document: Document) -> None:
    for each in Reading(document.body, NAMES, Limits()).records():
        values = canonical(each, LEVELS[each.kind], TABLE.kinds[each.kind]).values
        in_table = build(values, TABLE.kinds[each.kind])
        in_alphabet = deepcopy(in_table)
        for element in in_alphabet.iter():
            element[:] = sorted(element, key=lambda child: str(child.tag).lower())
        kind = each.kind
        assert SCHEMAS.accepts(kind, in_table) == SCHEMAS.accepts(kind, in_alphabet, Layout.ALPHABET)
