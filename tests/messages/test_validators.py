"""Two validators, one verdict: lxml judges, xmlschema explains, and they never disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from receiver.fields import Field, FieldType, Group, Kind, KindTable
from receiver.messages import Finding
from receiver.messages.canonical import Canonical
from receiver.messages.schemas import Schemas
from tests.support.documents import Document, documents
from tests.support.profiles import examples
from tests.support.pushes import CANCELLATION, CODE, CONFIRMATION, UNAVAILABILITY, element, fields, record
from tests.support.reading import TABLE, judged, read, schemas
from tests.support.values import field_values, integers, xml_characters

# Values that no field, or few fields, may hold.
ODD = st.sampled_from(
    [
        *("", " ", "\n\t\r", "\u00a0", "\u2003", "\u0085", "x" * 50, "x" * 51, "x" * 250, "x" * 251, "\U0001f600" * 50),
        *(
            "\U0001f600" * 51,
            "é" * 51,
            "\ufeff1",
            "1\u00a0",
            " 12 ",
            "1 2",
            "+-1",
            "--1",
            "+",
            "-0",
            "1e3",
            "1.0",
            "0x1F",
        ),
        *("\u0661\u0662", "\uff11", "\u00b2", "1_000", "1,000", "0" * 49 + "1", "0" * 50 + "1", "9" * 18, "9" * 19),
        *("9" * 50, "9" * 51, "-" + "9" * 50, "0" * 40 + "9" * 18, "NaN", "INF", "true"),
        *("2021-02-29T00:00:00", "2020-02-29T00:00:00", "2021-07-02", "2021-07-02T08:00", "2021-07-02 08:00:00"),
        *(
            "2021-07-02T24:00:00",
            "2021-07-02T24:00:01",
            "2021-07-02T08:00:60",
            "2021-07-02T08:00:00z",
            "02-JUL-21 08:00",
        ),
        *("31-JUN-2021 08:00", "02-JUL-2021  08:00", "02-JUL-2021 8:00", "02/13/2021 08:00", "2/7/2021 08:00:00"),
        *("2021-07-02T08:00:00+14:01", "2021-07-02T08:00:00,5", "02-\u017fEP-2021 08:00", "\u0662021-07-02T08:00:00"),
    ]
)


def escaped(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in "<>&\r" or ord(c) > 126 else c for c in text)


def leaves(of: Field) -> st.SearchStrategy[str]:
    """The field as an element: right, odd, random, holding elements, or several times over."""
    right = st.just("") if of.type is FieldType.TEXTS else field_values(of).map(lambda sent: sent.wire)
    content = (right | ODD | integers() | st.text(xml_characters(), max_size=3)).map(escaped)
    nested = st.sampled_from(["<x/>", "a<x/>b", "<value>1</value><value/>", "<bookingId>1</bookingId>"])
    one = (content | content | content | nested).map(lambda inner: element(of.name, inner))
    return one | one | st.builds(lambda a, b: a + b, one, one)


def inside(part: KindTable | Group) -> st.SearchStrategy[str]:
    """Any of a part's fields and groups in any order, some twice, some out of place; often with what identifies."""
    usual = "".join(element(f.name, "2021-07-02T08:00:00" if f.type is FieldType.DATETIME else "1") for f in _ids(part))
    strange = st.sampled_from(
        ["", "<unknown>x</unknown>", " text ", "<bookingCode>1</bookingCode>", "<theBookingCodes/>"]
    )
    groups = [inside(g).map(lambda inner, name=g.name: element(name, inner)) for g in part.groups]  # type: ignore[misc]
    any_part = st.one_of(*[leaves(f) for f in part.fields], *groups, strange)
    return st.builds(
        lambda head, rest: head + "".join(rest), st.sampled_from([usual, usual, ""]), st.lists(any_part, max_size=4)
    )


def _ids(part: KindTable | Group) -> list[Field]:
    return [f for f in part.fields if f.identifies]


ROUGH = {
    kind: inside(entry).map(lambda inner, root=entry.root: element(root, "\n" + inner).encode())  # type: ignore[misc]
    for kind, entry in TABLE.kinds.items()
}


def verdicts(kind: Kind, document: etree._Element) -> tuple[bool, bool]:
    by_xmlschema = schemas().explainer(kind).is_valid(document)  # type: ignore[arg-type]
    return schemas().accepts(kind, document), by_xmlschema


def problems(found: Canonical, most: int = 100) -> list[Finding]:
    return schemas().problems(found.kind, found.document, found.lines, most)


def check(found: Canonical) -> None:
    accepted, explained = verdicts(found.kind, found.document)
    assert accepted == explained
    told = problems(found)
    assert bool(told) == (not accepted)
    for problem in told:
        assert problem.field
        assert problem.code in {
            "missing",
            "too_long",
            "not_a_datetime",
            "not_an_integer",
            "repeated",
            "unexpected_elements",
        }
        assert problem.field in problem.text
        assert problem.line == found.lines.get(problem.field, problem.line)
        assert problem.line is not None
    assert len(told) == len(set(told))


@given(st.one_of(*ROUGH.values()))
@settings(max_examples=examples(25))
def test_both_accept_the_same_records_and_every_refusal_is_explained(body: bytes) -> None:
    for found in read(body)[1]:
        check(found)


@given(documents())
@settings(max_examples=examples(2))
def test_both_accept_whatever_the_field_table_allows(document: Document) -> None:
    for found in read(document.body)[1]:
        assert verdicts(found.kind, found.document) == (True, True)


@dataclass(frozen=True)
class Damage:
    """Something done to an element of a canonical document, which no push could bring about."""

    name: str
    do: Callable[[etree._Element, str], object]


def _remove(found: etree._Element, _text: str) -> None:
    parent = found.getparent()
    if parent is not None:
        parent.remove(found)


def _rename(found: etree._Element, _text: str) -> None:
    found.tag = "unheardOf"


def _last(found: etree._Element, _text: str) -> None:
    parent = found.getparent()
    if parent is not None:
        parent.append(found)


DAMAGES = [
    Damage("text", lambda e, text: setattr(e, "text", text)),
    Damage("remove", _remove),
    Damage("rename", _rename),
    Damage("last", _last),
    Damage("child", lambda e, _: etree.SubElement(e, "bookingId")),
    Damage("attribute", lambda e, text: e.set("odd", text)),
    Damage("namespace", lambda e, _: setattr(e, "tag", "{urn:x}" + etree.QName(e).localname)),
]


@given(documents(most=1), st.data())
@settings(max_examples=examples(4))
def test_both_refuse_the_same_damage(document: Document, data: st.DataObject) -> None:
    """Whatever canonical form may come to be, the verdicts agree."""
    for found in read(document.body)[1][:1]:
        elements = list(found.document.iterdescendants())
        for _ in range(data.draw(st.integers(1, 2))):
            damage = data.draw(st.sampled_from(DAMAGES))
            damage.do(data.draw(st.sampled_from(elements)), data.draw(ODD))
        accepted, explained = verdicts(found.kind, found.document)
        assert accepted == explained


# In words


def told(body: str) -> list[tuple[str, str, str, int | None]]:
    [found] = judged(body)
    return [(p.field, p.code, p.text, p.line) for p in found.problems]


def cancellation(inner: str = "", **changes: str | None) -> str:
    values = {**CANCELLATION, **changes}
    return (
        "<bookingCancellation>\n"
        + "\n".join(fields({k: v}) for k, v in values.items())
        + inner
        + "</bookingCancellation>"
    )


ASTRAL = "\U0001f600"
FORMS = "a date and time that exists, as DD-MMM-YYYY HH:MM[:SS], ISO 8601 or DD/MM/YYYY HH:MM[:SS]"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            cancellation(bookingId=None),
            ("bookingId", "missing", "bookingId is missing: without it the record cannot be identified.", 1),
        ),
        (
            cancellation(primaryOrderNumber="  "),
            (
                "primaryOrderNumber",
                "missing",
                "primaryOrderNumber is empty: without it the record cannot be identified.",
                3,
            ),
        ),
        (
            cancellation(bookingId="12a"),
            ("bookingId", "not_an_integer", "bookingId is “12a”, which is not a whole number.", 2),
        ),
        (
            cancellation(bookingId="1" * 51),
            (
                "bookingId",
                "too_long",
                f"bookingId is 51 characters long, at most 50 are allowed: “{'1' * 51}”.",
                2,
            ),
        ),
        (
            cancellation(primaryOrderNumber=ASTRAL * 61),
            (
                "primaryOrderNumber",
                "too_long",
                f"primaryOrderNumber is 61 characters long, at most 50 are allowed: “{ASTRAL * 60}…”.",
                3,
            ),
        ),
        (
            cancellation(changedDate="31-JUN-2021 08:00"),
            ("changedDate", "not_a_datetime", f"changedDate is “31-JUN-2021 08:00”, which is not {FORMS}.", 4),
        ),
        (
            cancellation("<changedDate>2021-05-28T09:00:00</changedDate>"),
            ("changedDate", "repeated", "changedDate stands 2 times; once is allowed.", 4),
        ),
        (
            cancellation("<userId>a<b>c</b></userId>"),
            ("userId", "unexpected_elements", "userId holds elements where only text belongs.", 4),
        ),
        (
            element("bookingConfirmation", record(CONFIRMATION, numberOfOperatives="two")),
            (
                "numberOfOperatives",
                "not_an_integer",
                "numberOfOperatives is “two”, which is not a whole number of at most 18 digits.",
                1,
            ),
        ),
        (
            element("bookingConfirmation", record(CONFIRMATION, codes=[CODE, {**CODE, "bookingCodeSORCode": None}])),
            (
                "theBookingCodes[2]/bookingCodeSORCode",
                "missing",
                "theBookingCodes[2]/bookingCodeSORCode is missing: without it the record cannot be identified.",
                1,
            ),
        ),
        (
            cancellation(bookingId="\u00a012"),
            ("bookingId", "not_an_integer", "bookingId is “\u00a012”, which is not a whole number.", 2),
        ),
        (
            element("unavailability", fields({**UNAVAILABILITY, "PeriodStart": ""})),
            ("PeriodStart", "missing", "PeriodStart is empty: without it the record cannot be identified.", 1),
        ),
    ],
)
def test_a_problem_in_words(body: str, expected: tuple[str, str, str, int]) -> None:
    assert told(body) == [expected]


def test_every_problem_of_a_record_is_told_with_its_line() -> None:
    body = element(
        "bookingConfirmation",
        "\n<tokenId>"
        + "x" * 51
        + "</tokenId>\n<changedDate>soon</changedDate>\n<numberOfOperatives>q</numberOfOperatives>"
        "\n<primaryOrderNumber>1</primaryOrderNumber><primaryOrderNumber>2</primaryOrderNumber>"
        "\n<theBookingCodes>\n<quantity>1</quantity></theBookingCodes>",
    )
    assert {(field, code, line) for field, code, _, line in told(body)} == {
        ("tokenId", "too_long", 2),
        ("changedDate", "not_a_datetime", 3),
        ("numberOfOperatives", "not_an_integer", 4),
        ("primaryOrderNumber", "repeated", 5),
        ("theBookingCodes[1]/bookingCodeSORCode", "missing", 6),
        ("bookingId", "missing", 1),
    }


def test_problems_of_the_order_around_a_booking_stand_where_they_were_sent() -> None:
    order = "".join(
        "\n" + fields(f) for f in ({"primaryOrderNumber": "A1"}, {"targetDate": "x"}, {"taskCompletionDate": "x"})
    )
    booking = "\n" + element("booking", fields({"bookingId": "1"}) + "\n" + fields({"earliestBookingDate": "y"}))
    bookings = element("theBookings", booking)
    body = element("completedBooking", element("theOrders", element("order", order + bookings)))
    assert {(field, line) for field, _, _, line in told(body)} == {
        ("theOrder/targetDate", 3),
        ("taskCompletionDate", 4),
        ("theOrder/earliestBookingDate", 6),
    }


@pytest.mark.parametrize("group", ["theOrder", "theLocation"])
def test_what_stands_once_in_a_completion_and_comes_twice_is_told(group: str) -> None:
    inner = f"<{group}><contract>1</contract></{group}>" * 2
    order = inner if group == "theOrder" else element("theOrder", inner)
    [problem] = told(element("bookingCompletion", fields({"bookingId": "1", "primaryOrderNumber": "A"}) + order))
    path = group if group == "theOrder" else f"theOrder/{group}"
    assert problem == (path, "repeated", f"{path} stands 2 times; once is allowed.", 1)


def test_no_more_problems_are_told_than_asked_for() -> None:
    codes = element("theBookingCodes", "<quantity>1</quantity>") * 20
    [found] = read(element("bookingConfirmation", fields(CONFIRMATION) + codes).encode())[1]
    assert [p.field for p in problems(found, 3)] == [f"theBookingCodes[{n}]/bookingCodeSORCode" for n in (1, 2, 3)]
    [empty] = read(b"<bookingConfirmation/>")[1]
    assert [p.field for p in problems(empty, 1)] == ["bookingId"]


def test_one_compiled_schema_for_each_kind_is_enough() -> None:
    own = Schemas(TABLE)
    explainers: Sequence[object] = [own.explainer(kind) for kind in (*Kind, *Kind)]
    assert len(set(map(id, explainers))) == len(Kind)
