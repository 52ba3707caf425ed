"""Texts that mean something to somebody further on: a terminal, a page, a query, a spreadsheet, a template, a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from receiver.fields import Field, FieldType, Group, Kind, KindTable, field_table

# Stands in every text, so that a place that must not show any can be searched for all.
MARKER = "zq7"
_LONGEST = 100_000

CLASSES: dict[str, str] = {
    "C1 controls": "".join(map(chr, range(0x80, 0xA0))),
    "C0 as far as XML allows, and delete": "a\tb\nc\rd\x7fe",
    "bidi overrides": "\u202e\u2066gnp.exe\u2069\u202c\u200f",
    "right to left": "\u0634\u0627\u0631\u0639 \u05e8\u05d7\u05d5\u05d1",
    "zero width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "combining": "e" + "\u0301\u0489" * 15,
    "composed and not": "\u00e9e\u0301\u212b",
    "astral": "\U0001d4d0\U0002070e\U000e0041",
    "emoji joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3f4\U000e0067",
    "noncharacters": "\ufdd0\ufdef\U0001fffe\U0010ffff",
    "private and replacement": "\ue000\ufffd\uf8ff",
    "script": "<script>alert(1)</script>",
    "attribute of a page": "\" onmouseover='alert(1)' x=\"",
    "markup": "</bookingId>]]><!-- & &amp; &#0; -->",
    "SQL": "'; DROP TABLE pushes; --\\",
    "pattern of SQL": "100%_\\%",
    "template": "{{7*7}}${7*7}<%= 7*7 %>#{7*7}",
    "format": "%s%n%x%(x)s{0}{x!r}",
    "log4j": "${jndi:ldap://127.0.0.1:9/a}",
    "formula of equals": "=HYPERLINK(1)",
    "formula of plus": "+1+1",
    "formula of minus": "-1+1",
    "formula of at": "@SUM(1)",
    "formula after a tab": "\t=1",
    "formula after a return": "\r=1",
    "header": "a\r\nSet-Cookie: x=1\r\n\r\n",
    "line of a log": 'a\n{"event":"push_answered"}\n',
    "other line ends": "a\u0085b\u2028c\u2029d",
    "terminal": "\x9b2J\x9b31m\x9d0;x\x9c",
    "looks like NUL": "\\0\\x00\\u0000%00\u2400",
    "JSON": '\\"}],"x":"\\ud800',
    "paths": "../../etc/passwd\\..\\",
    "white space": "\u00a0\u3000 a \t",
}


def spread(text: str, length: int | None) -> str:
    """The text with the marker, in as many characters as a field takes; repeated where there is no limit."""
    most = length or _LONGEST
    whole = text[: most - len(MARKER)] + MARKER
    return whole if length else whole * (most // len(whole))


def escaped(text: str) -> str:
    """As XML holds it: the carriage return as a reference, since a parser makes a line feed of it."""
    for character, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        text = text.replace(character, reference)
    return text


@dataclass(frozen=True)
class Sent:
    """A record in which every text is naughty: its XML, and its values as they should come out."""

    kind: Kind
    xml: str
    values: dict[str, object]


_PLAIN = {
    FieldType.INTEGER: "7",
    FieldType.BOOKING_ID: "7",
    FieldType.DATETIME: "2021-07-02T08:00:00",
}


def _value(field: Field, text: str, number: int, length: int | None) -> str:
    if field.type is FieldType.BOOKING_ID or field.name == "bookingId":
        return str(number)
    return _PLAIN.get(field.type) or spread(text, field.length or length)


def _inside(part: KindTable | Group, text: str, number: int, length: int | None) -> tuple[str, dict[str, object]]:
    xml, values = "", dict[str, object]()
    for field in part.fields:
        if field.name == "Action":
            continue  # a word of a list: an unknown one is held
        value = _value(field, text, number, length)
        if field.name == "taskLifeCycleStatus":
            value = "COMPLETED"  # another word does not complete the booking
        inner = escaped(value)
        if field.type is FieldType.TEXTS:
            inner, values[field.name] = f"<value>{inner}</value>", [value]
        else:
            values[field.name] = value
        xml += f"<{field.name}>{inner}</{field.name}>"
    for group in part.groups:
        inner, found = _inside(group, text, number, length)
        xml += f"<{group.name}>{inner}</{group.name}>"
        values[group.name] = [found] if group.many else found
    return xml, values


def record(kind: Kind, text: str, number: int, *, length: int | None = 50) -> Sent:
    """A valid record of the kind; ``length`` is that of fields for which no length is known, None for very long."""
    entry = field_table().kinds[kind]
    xml, values = _inside(entry, text, number, length)
    return Sent(kind, f"<{entry.root}>{xml}</{entry.root}>", values)


def wrong_records(kind: Kind, text: str) -> Iterator[tuple[str, str]]:
    """Records with the text where none belongs: the field, and the XML. Each is of one field's making alone."""
    entry = field_table().kinds[kind]
    good = {f.name: _value(f, "x", 1, 50) for f in entry.identifying}
    for field in entry.fields:
        if field.type in (FieldType.INTEGER, FieldType.BOOKING_ID, FieldType.DATETIME):
            values = {**good, field.name: spread(text, 45)}
            inner = "".join(f"<{name}>{escaped(value)}</{name}>" for name, value in values.items())
            yield field.name, f"<{entry.root}>{inner}</{entry.root}>"
