"""Stored bytes without what is to be erased: whole records, or single texts; every other record says what it said."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from receiver.errors import Unreadable

from .encoding import encoding_of
from .names import RootNames
from .parser import Limits, events, local_name
from .reading import Reading
from .record import Record

ERASED = "[erased]"
# The only child of a record that was erased: it keeps the record's place.
_GONE = "{urn:receiver:erased}erased"
_KNOWN = 10_000
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"))
_WIDE = {"UTF-16LE": "utf-16-le", "UTF-16BE": "utf-16-be"}
_SPLITS = re.compile(r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[|\]\]>", re.DOTALL)
_TAGS = re.compile(r"<[^>]*>")
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")


@dataclass(frozen=True)
class Redacted:
    """What redacting made of a push: its ``body``, how many ``records`` it has and how many of them are ``erased``."""

    body: bytes
    records: int
    erased: int
    changed: bool


def is_erased(record: Record) -> bool:
    """Whether nothing of the record is left but its place."""
    return len(record.element) == 1 and record.element[0].tag == _GONE


def redact(
    body: bytes,
    names: RootNames,
    limits: Limits,
    whole: Callable[[Record], bool],
    holds: Callable[[str, str], bool],
) -> Redacted:
    """The push without the records of which ``whole`` is true, and without the texts of which ``holds`` is (the local
    name of their element or attribute, and the text).

    Records keep their positions. Raises Unreadable when the bytes cannot be read to their end.
    """
    reading = Numbered(body, names, limits)
    gone: set[int] = set()
    around: set[int] = set()
    kept_around: set[int] = set()
    records = erased = 0
    for record in reading.records():
        records += 1
        if is_erased(record):
            erased += 1
        elif whole(record):
            erased += 1
            gone.add(reading.number(record.element))
            around.update(reading.number(e) for e in record.context)
            continue
        else:
            kept_around.update(reading.number(e) for e in record.context)
    root, changed = _rewrite(body, limits, gone, around - kept_around, holds)
    if not changed:
        return Redacted(body, records, erased, changed=False)
    new = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    if sum(1 for _ in Reading(new, names, limits).records()) != records:
        raise Unreadable("What would be left is not the same push.", reason="redaction")
    return Redacted(new, records, erased, changed=True)


class Numbered(Reading):
    """A reading that knows each element's number in the document, as long as the element may be asked for."""

    def __init__(self, body: bytes, names: RootNames, limits: Limits) -> None:
        super().__init__(body, names, limits)
        self._numbers: dict[etree._Element, int] = {}
        self._most = _KNOWN

    def _records(self) -> Iterator[Record]:
        """Always event by event: every element is to be counted."""
        return self._one_by_one()

    def number(self, element: etree._Element) -> int:
        """The element's number, from 1."""
        return self._numbers[element]

    def _events(self) -> Iterator[tuple[str, etree._Element, int]]:
        number = 0
        for event, element, depth in super()._events():
            if event == "start":
                number += 1
                self._numbers[element] = number
                if number == 1:
                    self._numbers, root = {element: 1}, element
                elif len(self._numbers) > self._most:
                    self._forget(root)
            yield event, element, depth

    def _forget(self, root: etree._Element) -> None:
        """Let go of elements that were released: they hang on nothing any more."""
        self._numbers = {e: n for e, n in self._numbers.items() if e is root or _top(e) is root}
        self._most = 2 * len(self._numbers) + _KNOWN


def _top(element: etree._Element) -> etree._Element:
    top = element
    for ancestor in element.iterancestors():
        top = ancestor
    return top


def _rewrite(
    body: bytes, limits: Limits, gone: set[int], emptied: set[int], holds: Callable[[str, str], bool]
) -> tuple[etree._Element, bool]:
    """The document, with the elements of the numbers in ``gone`` erased, and with those in ``emptied`` left with
    nothing but the erased ones inside them."""
    changed = False
    root: etree._Element | None = None
    blank: list[etree._Element] = []
    hollow: list[etree._Element] = []
    for number, element in enumerate((e for event, e, _ in events(body, limits) if event == "start"), start=1):
        root = element if root is None else root
        # Attributes are only there now. They say nothing in a push, and none are left in what is written anew.
        changed = changed or any(holds(str(key).rpartition("}")[2], value) for key, value in element.attrib.items())
        if number in gone:
            blank.append(element)
        elif number in emptied:
            hollow.append(element)
    assert root is not None  # noqa: S101 - an empty document is Unreadable
    for element in blank:
        _erase(element)
        changed = True
    for element in hollow:
        changed |= _hollow(element)
    for element in root.iter():
        changed |= _without(element, holds)
    return root, changed


def _erase(element: etree._Element) -> None:
    tail = element.tail
    element.clear()
    element.tail = tail
    etree.SubElement(element, _GONE, nsmap={None: "urn:receiver:erased"})


def _hollow(element: etree._Element) -> bool:
    """Drop what an erased record's surroundings say; what leads to the record stays, so that it keeps its place."""
    changed = bool((element.text or "").strip())
    element.text = None
    for child in list(element):
        if next(child.iter(_GONE), None) is None:
            element.remove(child)
            changed = True
    return changed


def _without(element: etree._Element, holds: Callable[[str, str], bool]) -> bool:
    changed = False
    name = local_name(element)
    if element.text and holds(name, element.text):
        element.text, changed = ERASED, True
    if element.tail and holds("", element.tail):
        element.tail, changed = ERASED, True
    return changed


def readable(body: bytes) -> Iterator[str]:
    """Stored bytes as text, in every way in which a person could read something in them, for searching.

    Comments and the like are gone, character references are characters; once with tags, once with spaces for them.
    """
    for text in _decoded(body):
        joined = html.unescape(_SPLITS.sub("", text))
        if "\\u" in joined:
            joined = _ESCAPED.sub(lambda m: chr(int(m.group(1), 16)), joined)
        yield joined
        if "<" in joined:
            yield _TAGS.sub(" ", joined)


def _decoded(body: bytes) -> Iterator[str]:
    for mark, codec in _MARKS:
        if body.startswith(mark):
            yield body.decode(codec, errors="replace")
            return
    try:
        named = encoding_of(body)
    except Unreadable:
        named = "UTF-8"
    yield body.decode(_WIDE.get(named, named), errors="replace")
    if named not in _WIDE and b"\0" in body:
        for codec in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            yield body.decode(codec, errors="replace")
    elif named == "UTF-8" and not _is_utf8(body):
        yield body.decode("windows-1252", errors="replace")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
