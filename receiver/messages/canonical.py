"""Canonical form: whatever names, order, wrappers and case a record came in, it becomes table order and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from receiver.fields import Field, FieldTable, FieldType, Group, Kind, KindTable
from receiver.wire import Record

from .document import Repeated, Values, build, further

__all__ = ["Canonical", "Level", "Values", "canonical", "level_of", "levels"]

_SPACE = " \t\r\n"
_ORDER = "theOrder"
_NUMBER = "primaryOrderNumber"
# Elements of a completion that hold other records, not fields of this one.
_AROUND = frozenset({"theorders", "order", "thebookings", "booking"})


@dataclass(frozen=True)
class Level:
    """The names that mean something inside one element, lower-cased."""

    fields: Mapping[str, Field]
    groups: Mapping[str, tuple[Group, Level]]


_NOTHING = Level({}, {})


@dataclass
class Canonical:
    """A record in canonical form.

    ``values``: what was sent by canonical name, None where it was empty, lists of mappings for groups. Unknown elements
    stand among them under the names they came with; those beside a list's items under the list's name and theirs
    (``theBookingCodes/count``), text in the place of a group likewise (``theBookingCodes/text()``). ``document`` is
    what the XSD describes, with the first entries of each list. ``unknown`` lists the paths of unknown elements,
    ``lines`` the line of each path.
    """

    kind: Kind
    values: Values
    document: etree._Element
    table: KindTable
    unknown: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def documents(self) -> Iterator[tuple[int, etree._Element]]:
        """``document``, then documents of further entries of its lists: each with how many entries came before.

        The record is valid when all of them are.
        """
        yield 0, self.document
        yield from further(self.values, self.table)


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _names(fields: Iterable[Field], extra: Mapping[str, str]) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for f in fields:
        for name in (f.name, *f.aliases):
            found[name.lower()] = f
    by_name = {f.name.lower(): f for f in fields}
    for alias, name in extra.items():
        if name.lower() in by_name and alias.lower() not in found:
            found[alias.lower()] = by_name[name.lower()]
    return found


def level_of(part: KindTable | Group, extra: Mapping[str, str]) -> Level:
    """The names of a kind or group; ``extra`` are a source's other names for fields: alias to canonical name."""
    groups: dict[str, tuple[Group, Level]] = {}
    for group in part.groups:
        inner = level_of(group, extra)
        for name in (group.name, *group.aliases):
            groups[name.lower()] = (group, inner)
    return Level(_names(part.fields, extra), groups)


def levels(table: FieldTable, extra: Mapping[str, str]) -> dict[Kind, Level]:
    """For each kind, the names of its records."""
    return {kind: level_of(entry, extra) for kind, entry in table.kinds.items()}


class _Reader:
    """Reads one record's elements into values, remembering lines and what was unknown."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.lines: dict[str, int] = {}
        self.spellings: dict[str, str] = {}

    def text(self, element: etree._Element, found: Field) -> object:
        if len(element):
            if found.type is FieldType.TEXTS:
                return [c.text or "" for c in element]
            return self.tree(element)
        text = element.text or ""
        if found.type is FieldType.TEXTS:
            return [text] if text.strip(_SPACE) else None
        if found.type is not FieldType.TEXT:
            text = text.strip(_SPACE)
        return text or None

    def tree(self, element: etree._Element) -> object:
        """An unknown element as it stands: text, or its children by name."""
        if not len(element):
            return element.text or None
        values: Values = {}
        for child in element:
            _add(values, _local(child), self.tree(child))
        return values

    def children(self, element: etree._Element, level: Level, path: str = "") -> Values:
        return self.split(element, level, _NOTHING, path)[0]

    def split(
        self, element: etree._Element, level: Level, other: Level, path: str = "", other_path: str = ""
    ) -> tuple[Values, Values]:
        """What belongs to ``level`` (unknown names included), and what only ``other`` knows, each with its path."""
        values: Values = {}
        aside: Values = {}
        for child in element:
            name = _local(child)
            key = name.lower()
            if other is not _NOTHING and key in _AROUND:
                continue
            if key in level.groups:
                self.group(values, child, *level.groups[key], path)
            elif key in level.fields:
                self.field(values, child, level.fields[key], path)
            elif key in other.groups:
                self.group(aside, child, *other.groups[key], other_path)
            elif key in other.fields:
                self.field(aside, child, other.fields[key], other_path)
            else:
                self.stray(values, child, name, path)
        return values, aside

    def stray(self, values: Values, element: etree._Element, name: str, path: str) -> None:
        self.lines.setdefault(path + name, element.sourceline or 0)
        self.unknown.append(path + name)
        _add(values, name, self.tree(element))

    def field(self, values: Values, element: etree._Element, found: Field, path: str) -> None:
        value, spelling = self.text(element, found), _local(element).lower()
        first = self.spellings.setdefault(path + found.name, spelling)
        self.lines.setdefault(path + found.name, element.sourceline or 0)
        if first != spelling and values.get(found.name) == value:
            return  # the same said twice, under the field's name and under another of its names
        _add(values, found.name, value)

    def group(self, values: Values, element: etree._Element, group: Group, level: Level, path: str) -> None:
        if not len(element) and (element.text or "").strip(_SPACE):
            self.stray(values, element, f"{group.name}/text()", path)
            return
        if not group.many:
            self.lines.setdefault(path + group.name, element.sourceline or 0)
            _add(values, group.name, self.children(element, level, f"{path}{group.name}/"))
            return
        entries = values.setdefault(group.name, [])
        if not isinstance(entries, list):
            return
        items: list[etree._Element] = []
        beside: list[etree._Element] = []
        for child in element:
            (items if _local(child).lower() == group.item.lower() and len(child) else beside).append(child)
        for item in items or ([element] if len(element) else []):
            here = f"{path}{group.name}[{len(entries) + 1}]"
            self.lines.setdefault(here, item.sourceline or 0)
            entries.append(self.children(item, level, here + "/"))
        for child in beside if items else []:
            self.stray(values, child, f"{group.name}/{_local(child)}", path)


def _add(values: Values, name: str, value: object) -> None:
    """Keep every occurrence: a second one of the same name makes a list, which no XSD takes for a plain field."""
    if name not in values:
        values[name] = value
        return
    before = values[name]
    if isinstance(before, Repeated):
        before.append(value)
    else:
        values[name] = Repeated([before, value])


def _completion(reader: _Reader, record: Record, level: Level) -> Values:
    """A completion's own fields, with what its order says under ``theOrder`` (facts, section 4).

    The booking's own word counts before that of the order around it.
    """
    _, order_level = level.groups[_ORDER.lower()]
    values, order = reader.split(record.element, level, order_level, other_path=f"{_ORDER}/")
    fields_only = Level(level.fields, {})
    for context in reversed(record.context):
        of_order, of_record = reader.split(context, order_level, fields_only, f"{_ORDER}/")
        order = {**of_order, **order}
        values = {**of_record, **values}
    given = values.pop(_ORDER, None)
    if isinstance(given, dict):
        order.update(given)
    if isinstance(given, Repeated):
        values[_ORDER] = Repeated([order, *given] if order else given)
    elif order:
        values[_ORDER] = order
    if values.get(_NUMBER) is None and _NUMBER in order:
        values[_NUMBER] = order[_NUMBER]
    return values


def canonical(record: Record, level: Level, table: KindTable) -> Canonical:
    """The record in canonical form. Never fails: what has no place is kept as unknown, what repeats is kept twice."""
    reader = _Reader()
    if record.kind is Kind.COMPLETION:
        values = _completion(reader, record, level)
    else:
        values = reader.children(record.element, level)
    document = build(values, table)
    reader.lines[""] = record.line
    return Canonical(record.kind, values, document, table, reader.unknown, reader.lines)
