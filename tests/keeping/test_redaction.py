"""Bytes with some records taken out: the others say the same, in the same places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import Unreadable
from receiver.messages.subject import Names, Subject, SubjectKind
from receiver.wire import Limits, Reading, Record
from receiver.wire.redaction import Redacted, is_erased, readable, redact
from tests.support.documents import Document, documents
from tests.support.pushes import confirmation, element, soap
from tests.support.reading import LIMITS, NAMES, TABLE, canonical_of, judge


def _never(_name: str, _text: str) -> bool:
    return False


def _without(body: bytes, positions: set[int]) -> Redacted:
    return redact(body, NAMES, LIMITS, lambda record: record.position in positions, _never)


def _said(body: bytes) -> dict[int, tuple[str, object]]:
    """By position, what each record that is left says."""
    return {
        record.position: (str(record.kind), canonical_of(record).values)
        for record in Reading(body, NAMES, Limits()).records()
        if not is_erased(record)
    }


@given(documents(), st.data())
def test_other_records_say_the_same_in_the_same_places(document: Document, data: st.DataObject) -> None:
    before = _said(document.body)
    gone = data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    found = _without(document.body, gone)
    after = _said(found.body)
    assert set(after) == set(before) - gone
    kept_alone = {position: after[position] for position in after}
    assert kept_alone == {position: before[position] for position in after}
    assert (found.records, found.erased) == (len(before), len(gone))
    assert found.changed == bool(gone)


@given(documents())
def test_identities_of_what_is_left_are_the_same(document: Document) -> None:
    found = _without(document.body, {1})
    keys = [
        {n.position: n.content_key for n in (judge().judge(r) for r in Reading(b, NAMES, LIMITS).records())}
        for b in (document.body, found.body)
    ]
    assert {p: k for p, k in keys[0].items() if p != 1} == {p: k for p, k in keys[1].items() if p != 1}


def test_nothing_of_an_erased_record_is_left() -> None:
    noted = confirmation(bookingId="1").replace("<bookingId>", "<bookingId note='secret'>").replace("FIRST", "secret")
    body = soap(element("bookingConfirmations", f"<!-- secret -->{noted}{confirmation(bookingId='2')}<?secret?>"))
    found = _without(body.encode(), {1})
    assert b"secret" not in found.body
    assert b"bookingConfirmations" in found.body
    assert set(_said(found.body)) == {2}
    assert not _without(found.body, set()).changed


def test_texts_are_taken_out_wherever_they_stand() -> None:
    def holds(_name: str, text: str) -> bool:
        return "secret" in text

    body = confirmation().replace("FIRST", "sec<!-- -->ret").replace("<userId>", "<x at='a secret'>k</x>secret<userId>")
    found = redact(body.encode(), NAMES, LIMITS, _no_record, holds)
    assert b"secret" not in found.body
    _, said = _said(found.body)[1]
    assert isinstance(said, dict)
    assert (said["bookingReason"], said["userId"]) == ("[erased]", "JSMITH")


def _no_record(_record: Record) -> bool:
    return False


def test_bytes_that_cannot_be_read_to_their_end_are_not_redacted() -> None:
    with pytest.raises(Unreadable):
        _without(element("bookingConfirmations", confirmation()).encode()[:-5], {1})


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "windows-1252"])
def test_bytes_are_searched_in_whatever_encoding_they_are(codec: str) -> None:
    body = "<a>Zebed&#233;e <!-- x -->Qu&#x69;ck<![CDATA[fall]]></a".encode(codec)
    assert any("Zebedée Quickfall" in text for text in readable(body))
    apart = readable("<a>Zebedée</a><b>Quickfall</b".encode(codec))
    assert any("Zebedée Quickfall" in " ".join(text.split()) for text in apart)


@pytest.mark.parametrize(
    ("text", "within"),
    [
        ("w7734", True),
        ("ask W7734.", True),
        ("W77345", False),
        ("xW7734", False),
        ("JO\n  SMITH, plumber", True),
        ("Jo Smithson", False),
        ("Zebede\u0301e", True),
        ("+44 7700 900123", True),
        ("+44 7700 9001234", False),
    ],
)
def test_a_person_is_found_as_whole_words_in_any_spelling(text: str, within: bool) -> None:
    texts = ("W7734", "Jo Smith", "Zebedée", "+44 7700 900123")
    subject = Subject(SubjectKind.PERSON, texts, Names.of(TABLE))
    assert subject.within(text) is within
    assert subject.concerns("comments", text) is within
