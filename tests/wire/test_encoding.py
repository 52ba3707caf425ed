"""Encodings: those of the facts are read, the others refused, and a label must be true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import Unreadable
from receiver.wire.encoding import encoding_of
from tests.support.pushes import element
from tests.support.reading import read, values_of
from tests.support.values import texts
from tests.support.writing import ENCODINGS

IDENTITY = element("bookingId", "1") + element("primaryOrderNumber", "A1")
MARKS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def declared(label: str, text: str = "é") -> str:
    inside = IDENTITY + element("userId", text)
    return f'<?xml version="1.0" encoding="{label}"?>' + element("bookingCancellation", inside)


def user(body: bytes) -> object:
    [(_, values)] = values_of(body)
    return values["userId"]


def refusal(body: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(body)
    return caught.value


@pytest.mark.parametrize("name", ENCODINGS)
@given(st.data())
def test_every_character_that_an_encoding_has_is_read(name: str, data: st.DataObject) -> None:
    """As itself, where the encoding has it; carriage returns alone need a reference in any."""
    encoding = ENCODINGS[name]
    text = data.draw(texts(50).filter(encoding.holds))
    for label in encoding.labels:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
        whole = declared(label, escaped)
        if not label:
            whole = whole.partition("?>")[2]
            if not encoding.may_be_undeclared:
                continue
        assert user(encoding.mark + whole.encode(encoding.codec)) == text


@pytest.mark.parametrize(
    ("codec", "taken"),
    [("latin-1", "ISO-8859-1"), ("cp1252", "windows-1252"), ("utf-8", "UTF-8"), ("ascii", "US-ASCII")],
)
def test_every_byte_of_a_narrow_encoding_is_what_the_encoding_says(codec: str, taken: str) -> None:
    characters = [bytes([b]).decode(codec, errors="ignore") for b in range(0x20, 0x100)]
    text = "".join(c for c in characters if c not in "<&>")
    assert user(declared(taken, text).encode(codec)) == text


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("label", ["", "UTF-16", "utf-16", "UTF-16LE", "UTF-16BE", "UTF16"])
def test_utf_16_is_known_by_its_mark_or_its_first_character(codec: str, label: str) -> None:
    whole = declared(label, "é\U0001f600") if label else declared(label, "é\U0001f600").partition("?>")[2]
    assert user(MARKS[codec] + whole.encode(codec)) == "é\U0001f600"
    assert user(whole.encode(codec)) == "é\U0001f600"


@pytest.mark.parametrize(
    "body",
    [
        declared("UTF-16").encode(),
        declared("UTF-8").encode("utf-16"),
        declared("ISO-8859-1").encode("utf-16-be"),
        MARKS["utf-8"] + declared("ISO-8859-1").encode(),
        MARKS["utf-8"] + declared("windows-1252").encode(),
        MARKS["utf-8"] + declared("UTF-16").encode(),
        declared("UTF-32").encode("utf-32"),
        declared("UTF-32").encode("utf-32-le"),
        declared("UTF-32").encode("utf-32-be"),
        declared("UTF-32").encode(),
        declared("UTF-7").encode("utf-7"),
        declared("KOI8-R", "").encode(),
        declared("EBCDIC-CP-US", "").encode(),
        declared("ISO-8859-15", "").encode(),
        declared("made-up", "").encode(),
    ],
)
def test_a_label_that_is_not_true_or_not_taken_is_refused(body: bytes) -> None:
    assert refusal(body).reason == "encoding"


@pytest.mark.parametrize(
    "body",
    [
        declared("UTF-8").encode("latin-1"),
        declared("UTF-8").partition("?>")[2].encode("cp1252"),
        declared("US-ASCII").encode("latin-1"),
        declared("windows-1252", "").encode("cp1252").replace(b"<userId>", b"<userId>\x81"),
        MARKS["utf-8"] + declared("UTF-8").encode("latin-1"),
        MARKS["utf-16-le"] + declared("UTF-16").encode("utf-16-le")[:-1],
        MARKS["utf-16-le"] + declared("UTF-16", "\U0001f600").encode("utf-16-le").replace(b"\x3d\xd8", b"\x3d\x00"),
        declared("UTF-8", "").encode().replace(b"<userId>", b"<userId>\xed\xa0\x80"),
        declared("UTF-8", "").encode().replace(b"<userId>", b"<userId>\xc0\xbc"),
    ],
)
def test_bytes_that_are_not_of_the_encoding_are_refused(body: bytes) -> None:
    assert refusal(body).reason == "not_well_formed"


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("doctype", ["<!DOCTYPE a>", '<!DOCTYPE a [<!ENTITY e "x">]>', "<!DOCTYPE a SYSTEM 'x.dtd'>"])
def test_a_doctype_is_refused_in_every_encoding(name: str, doctype: str) -> None:
    encoding = ENCODINGS[name]
    head, end, rest = declared(encoding.labels[-1], "").partition("?>")
    assert refusal(encoding.encode(f"{head}{end}\n{doctype}{rest}")).reason == "doctype"


@pytest.mark.parametrize("name", ["UTF-8 with BOM", "UTF-16 LE", "UTF-16 BE"])
def test_a_byte_order_mark_is_no_text_and_alone_no_push(name: str) -> None:
    encoding = ENCODINGS[name]
    assert user(encoding.encode("\n" + declared("").partition("?>")[2])) == "é"
    assert refusal(encoding.mark).reason in ("empty_body", "not_well_formed")


@pytest.mark.parametrize(
    ("declaration", "taken"),
    [
        ("<?xml version='1.0' encoding='ISO-8859-1'?>", "ISO-8859-1"),
        ('<?xml version="1.0"\n\tencoding = "iso-8859-1" standalone="yes" ?>', "ISO-8859-1"),
        ('<?xml version="1.0" encoding="Windows-1252"?>', "windows-1252"),
        ('<?xml version="1.0" encoding="utf8"?>', "UTF-8"),
        ('<?xml version="1.0"?><!-- encoding="ISO-8859-1" -->', "UTF-8"),
        ('<?xml-stylesheet encoding="ISO-8859-1"?>', "UTF-8"),
        ("", "UTF-8"),
    ],
)
def test_the_declaration_says_which(declaration: str, taken: str) -> None:
    assert encoding_of(declaration.encode() + b"<a/>") == taken


@given(st.binary(max_size=64))
def test_any_bytes_are_in_an_encoding_or_unreadable(body: bytes) -> None:
    try:
        found = encoding_of(body)
    except Unreadable as error:
        found = error.reason
    assert found in {"UTF-8", "UTF-16LE", "UTF-16BE", "ISO-8859-1", "windows-1252", "encoding"}
