"""The two validators: lxml judges every record, xmlschema explains the few that fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from receiver.fields import Field, FieldTable, FieldType, Group, Kind, KindTable
from receiver.fields.xsd import XSD, schema

from .document import MOST_REPEATED
from .finding import Finding, quoted

if TYPE_CHECKING:
    import xmlschema

_BRIEF = 200
_EXPECTED = {
    FieldType.INTEGER: "a whole number of at most 18 digits",
    FieldType.BOOKING_ID: "a whole number",
    FieldType.DATETIME: "a date and time that exists, as DD-MMM-YYYY HH:MM[:SS], ISO 8601 or DD/MM/YYYY HH:MM[:SS]",
    FieldType.TEXTS: "repeated values",
}


class Layout(Enum):
    """An order that a record's elements stand in: the field table's, or the alphabet's, as DRS's background service
    sends them (facts, section 3, form A)."""

    TABLE = "table"
    ALPHABET = "alphabet"


def _alphabetical(document: etree._Element) -> etree._Element:
    """The same schema with the elements of every sequence in the order of the alphabet."""
    found = deepcopy(document)
    for sequence in found.iter(f"{{{XSD}}}sequence"):
        sequence[:] = sorted(sequence, key=lambda element: str(element.get("name")).lower())
    return found


class Schemas:
    """Every kind's XSD, compiled once. The explaining half is made when it is first needed."""

    def __init__(self, table: FieldTable) -> None:
        self._table = table
        self._documents = {kind: schema(entry) for kind, entry in table.kinds.items()}
        self._judges = {
            (kind, layout): etree.XMLSchema(document if layout is Layout.TABLE else _alphabetical(document))
            for kind, document in self._documents.items()
            for layout in Layout
        }
        # Apart from those that judge: what a validator found last is asked of it, one thread at a time.
        self._brief: dict[Kind, etree.XMLSchema] = {}
        self._explainers: dict[Kind, xmlschema.XMLSchema] = {}
        self._lock = Lock()

    def accepts(self, kind: Kind, document: etree._Element, layout: Layout = Layout.TABLE) -> bool:
        """Whether the canonical ``document``, its elements in the order of ``layout``, is valid, by lxml."""
        return bool(self._judges[kind, layout].validate(document))

    def explainer(self, kind: Kind) -> xmlschema.XMLSchema:
        """The kind's schema as xmlschema has it; nothing outside is ever fetched."""
        import xmlschema  # noqa: PLC0415 - slow to load, and of no use as long as everything is valid

        with self._lock:
            if kind not in self._explainers:
                source = etree.tostring(self._documents[kind], encoding="unicode")
                self._explainers[kind] = xmlschema.XMLSchema(source, allow="none", defuse="always")
            return self._explainers[kind]

    def problems(
        self, kind: Kind, document: etree._Element, lines: Mapping[str, int], most: int, before: int = 0
    ) -> list[Finding]:
        """Every problem of an invalid canonical ``document``, up to ``most``, in words, with line and value.

        ``lines`` gives the line of each path in the push as sent; ``before`` is the number of entries of each list that
        the record has before those in ``document``.
        """
        found: list[Finding] = []
        place = _Place(self._table.kinds[kind], document, lines, before)
        for error in self.explainer(kind).iter_errors(cast("Any", document)):
            for finding in _explain(error, place):
                if finding not in found:
                    found.append(finding)
            if len(found) >= most:
                break
        return found[:most]

    def in_short(
        self, kind: Kind, document: etree._Element, lines: Mapping[str, int], most: int, before: int = 0
    ) -> list[Finding]:
        """As ``problems``, at a small part of the cost: of what lxml alone finds, which may be less than is wrong."""
        place = _Place(self._table.kinds[kind], document, lines, before)
        with self._lock:
            if kind not in self._brief:
                self._brief[kind] = etree.XMLSchema(self._documents[kind])
            self._brief[kind].validate(document)
            log = list(self._brief[kind].error_log)
        found: dict[Finding, None] = {}
        for error in log:
            element = next(iter(cast("list[etree._Element]", document.xpath(str(error.path)))), document)
            lacks = error.type == etree.ErrorTypes.SCHEMAV_ELEMENT_CONTENT
            if lacks and "Missing child" not in error.message:  # the log names the first that has no place there
                parent = element.getparent()
                element = document if parent is None else parent
            found.update(dict.fromkeys(_told(element, str(error.message)[:_BRIEF], place, lacks=lacks)))
        return list(found)[:most]


@dataclass(frozen=True)
class _Place:
    """Where a document stands: its kind, and the lines and the entries of lists before it in the record."""

    table: KindTable
    root: etree._Element
    lines: Mapping[str, int]
    before: int


def _path(element: etree._Element, place: _Place) -> str:
    """``theBookingCodes[2]/quantity``: the path in the record, positions for lists only."""
    steps: list[str] = []
    at: KindTable | Group | None = place.table
    chain: list[etree._Element] = []
    current: etree._Element | None = element
    while current is not None and current is not place.root:
        chain.append(current)
        current = current.getparent()
    for node in reversed(chain):
        name = str(node.tag)
        group = next((g for g in at.groups if g.name == name), None) if at is not None else None
        if group is not None and group.many:
            position = place.before + 1 + sum(1 for _ in node.itersiblings(name, preceding=True))
            name = f"{name}[{position}]"
        steps.append(name)
        at = group
    return "/".join(steps)


def _fields(part: KindTable | Group) -> dict[str, Field]:
    return {f.name: f for f in part.fields}


def _part_at(path: str, part: KindTable) -> KindTable | Group:
    at: KindTable | Group = part
    for step in path.split("/"):
        name = re.sub(r"\[\d+\]$", "", step)
        group = next((g for g in at.groups if g.name == name), None)
        if group is None:
            break
        at = group
    return at


def _explain(error: xmlschema.XMLSchemaValidationError, place: _Place) -> Iterator[Finding]:
    from xmlschema import XMLSchemaChildrenValidationError  # noqa: PLC0415 - whoever found the error has loaded it

    element = cast("etree._Element | None", error.elem)
    lacks = isinstance(error, XMLSchemaChildrenValidationError)
    yield from _told(place.root if element is None else element, str(error.reason), place, lacks=lacks)


def _told(element: etree._Element, reason: str, place: _Place, *, lacks: bool) -> Iterator[Finding]:
    """What is wrong with ``element``, in words; ``lacks``: with what stands in it, or does not."""
    table, lines = place.table, place.lines
    path = _path(element, place)
    part = _part_at(path, table)
    name = re.sub(r"\[\d+\]$", "", path.rpartition("/")[2])
    found = _fields(part).get(name)
    if found is not None:
        yield _of_value(found, element, path, _line(path, lines))
    elif lacks:
        yield from _of_children(element, part, path, lines)
    else:
        yield Finding(path, "invalid", f"{path or table.root}: {' '.join(reason.split())}", _line(path, lines))


def _line(path: str, lines: Mapping[str, int]) -> int | None:
    while path and path not in lines:
        path = path.rpartition("/")[0]
    return lines.get(path) or None


def _of_value(found: Field, element: etree._Element, path: str, line: int | None) -> Finding:
    value = element.text or ""
    if len(element) and found.type is not FieldType.TEXTS:
        return Finding(path, "unexpected_elements", f"{path} holds elements where only text belongs.", line)
    if found.identifies and not value.strip():
        return Finding(path, "missing", f"{path} is empty: without it the record cannot be identified.", line, value)
    if found.length is not None and len(value) > found.length:
        text = f"{path} is {len(value)} characters long, at most {found.length} are allowed: {quoted(value)}."
        return Finding(path, "too_long", text, line, value)
    expected = _EXPECTED.get(found.type, "text")
    code = {FieldType.DATETIME: "not_a_datetime"}.get(found.type, "not_an_integer")
    return Finding(path, code, f"{path} is {quoted(value)}, which is not {expected}.", line, value)


def _of_children(
    element: etree._Element, part: KindTable | Group, path: str, lines: Mapping[str, int]
) -> Iterator[Finding]:
    """A missing or repeated child; xmlschema stops at the first in a sequence, so all are looked for here."""
    inside = f"{path}/" if path else ""
    line = _line(path, lines)
    for f in part.fields:
        count = len(element.findall(f.name))
        if count == 0 and f.identifies:
            text = f"{inside}{f.name} is missing: without it the record cannot be identified."
            yield Finding(inside + f.name, "missing", text, line)
        if count > 1:
            where = _line(inside + f.name, lines) or line
            yield _repeated(inside + f.name, count, where)
    for group in part.groups:
        count = len(element.findall(group.name))
        if count > 1 and not group.many:
            where = _line(inside + group.name, lines) or line
            yield _repeated(inside + group.name, count, where)


def _repeated(path: str, count: int, line: int | None) -> Finding:
    times = f"{count} times" if count < MOST_REPEATED else f"{count} times or more"
    return Finding(path, "repeated", f"{path} stands {times}; once is allowed.", line)
