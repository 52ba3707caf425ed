"""The usual record, judged in one pass: nothing unknown, nothing twice, nothing odd, and valid.

Most records are that. What is anything else is None here and judged the careful way, which finds the words for it: so
this never says a record is wrong, and where it says one is right, the careful way says the same (a test holds that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import cast

from lxml import etree

from receiver.fields import Field, FieldType, Group, KindTable

from .canonical import Level
from .document import ENTRIES, Values, build
from .identity import key_of
from .moments import read_moment, written
from .rules import Rules
from .schemas import Layout, Schemas
from .typed import Columns

_SPACE = " \t\r\n"
_MOST_TAGS = 500
_MOST_SHAPES, _MOST_CHILDREN = 200, 100


@dataclass(frozen=True)
class _Known:
    """What a tag means: a field or a list, and its places in the orders that there are schemas of."""

    name: str
    field: Field | None
    entries: _Names | None
    in_table: int
    in_alphabet: int
    is_canonical: bool


@dataclass(frozen=True)
class _Shape:
    """What children with certain tags in a certain order mean, where all are known and no field comes twice.

    ``names`` and ``columns`` are those of each child, a list's column "". ``others`` are the fields that are no texts,
    ``lists`` the lists, by their place.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    others: tuple[tuple[int, Field], ...]
    lists: Mapping[int, _Known]
    is_canonical: bool
    in_table: bool
    in_alphabet: bool


class _Names:
    """The tags that mean something inside a record or an entry of a list. What was met is remembered, tags and whole
    shapes: a sender's records are alike."""

    def __init__(self, part: KindTable | Group, level: Level) -> None:
        self.item = part.item.lower() if isinstance(part, Group) else ""
        self._level = level
        names = [*(f.name for f in part.fields), *(g.name for g in part.groups)]
        alphabet = sorted(names, key=str.lower)
        self._places = {name: (place, alphabet.index(name)) for place, name in enumerate(names)}
        self._inside = {g.name: _Names(g, inner) for g, inner in level.groups.values() if g.many}
        self._met: dict[str, _Known | None] = {}
        self._shapes: dict[tuple[str, ...], _Shape | None] = {}

    def shape(self, tags: tuple[str, ...]) -> _Shape | None:
        """What children with these tags, namespaces and all, are; None where it takes a closer look."""
        try:
            return self._shapes[tags]
        except KeyError:
            found = self._shape_of(tags)
            if len(self._shapes) < _MOST_SHAPES and len(tags) <= _MOST_CHILDREN:  # anyone can invent them
                self._shapes[tags] = found
            return found

    def _shape_of(self, tags: tuple[str, ...]) -> _Shape | None:
        known = [found for tag in tags if (found := self._find(tag)) is not None]
        fields = [found.name for found in known if found.field is not None]
        if len(known) < len(tags) or len(set(fields)) < len(fields):
            return None
        return _Shape(
            names=tuple(found.name for found in known),
            columns=tuple(found.field.column if found.field is not None else "" for found in known),
            others=tuple(
                (place, found.field)
                for place, found in enumerate(known)
                if found.field is not None and found.field.type is not FieldType.TEXT
            ),
            lists={place: found for place, found in enumerate(known) if found.field is None},
            is_canonical=all(found.is_canonical for found in known),
            in_table=all(one.in_table <= next_.in_table for one, next_ in pairwise(known)),
            in_alphabet=all(one.in_alphabet <= next_.in_alphabet for one, next_ in pairwise(known)),
        )

    def _find(self, tag: str) -> _Known | None:
        try:
            return self._met[tag]
        except KeyError:
            found = self._look_up(tag)
            if len(self._met) < _MOST_TAGS:
                self._met[tag] = found
            return found

    def _look_up(self, tag: str) -> _Known | None:
        key = tag.rpartition("}")[2].lower()
        if key in self._level.groups:
            name = self._level.groups[key][0].name
            inside = self._inside.get(name)
            return _Known(name, None, inside, *self._places[name], tag == name) if inside is not None else None
        found = self._level.fields.get(key)
        if found is None or found.type is FieldType.TEXTS:
            return None
        return _Known(found.name, found, None, *self._places[found.name], tag == found.name)


@dataclass
class Plain:
    """What was read in one pass of a record, or of an entry of a list in it.

    ``values`` are as sent, ``same`` in the form that all spellings agree on, ``columns`` typed, without the lists;
    ``entries`` are the columns of those, by the list's name. ``moments`` are its own DateTimes in UTC.
    """

    values: Values = field(default_factory=dict)
    same: dict[str, object] = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)
    moments: dict[str, datetime] = field(default_factory=dict)
    entries: dict[str, list[Columns]] = field(default_factory=dict)


@dataclass
class _Order:
    """How a record's elements stand: called as the schemas have them (``is_canonical``), and in which orders."""

    is_canonical: bool
    in_table: bool = True
    in_alphabet: bool = True

    def meets(self, shape: _Shape) -> None:
        """Have it hold for children of this shape too."""
        self.is_canonical = self.is_canonical and shape.is_canonical
        self.in_table = self.in_table and shape.in_table
        self.in_alphabet = self.in_alphabet and shape.in_alphabet

    @property
    def layout(self) -> Layout | None:
        """The schema by which they can be judged as they stand; None for none."""
        if not self.is_canonical:
            return None
        return Layout.TABLE if self.in_table else Layout.ALPHABET if self.in_alphabet else None


class _Unusual(Exception):
    """The careful way is needed."""


class PlainReader:
    """Reads the usual records of one kind from one source."""

    def __init__(self, table: KindTable, level: Level, rules: Rules, schemas: Schemas) -> None:
        self._table, self._zone, self._schemas = table, rules.zone, schemas
        self._names = _Names(table, level)

    def read(self, element: etree._Element) -> Plain | None:
        """The record in ``element``, when it is as usual and valid by the XSD; None otherwise."""
        order = _Order(element.tag == self._table.root)
        try:
            found = self._fields(element, self._names, order)
        except _Unusual:
            return None
        layout = order.layout
        document = build(found.values, self._table) if layout is None else element
        return found if self._schemas.accepts(self._table.kind, document, layout or Layout.TABLE) else None

    def key(self, found: Plain) -> str:
        """Its content key."""
        return key_of(self._table.kind, found.same)

    def _fields(self, element: etree._Element, names: _Names, order: _Order) -> Plain:
        """Raises _Unusual for anything that is not known, not once, or not as it should be."""
        children = list(element)
        shape = names.shape(cast("tuple[str, ...]", tuple([child.tag for child in children])))
        if shape is None:
            raise _Unusual
        order.meets(shape)
        texts = [child.text or None for child in children]
        values: Values = dict(zip(shape.names, texts, strict=True))
        found = Plain(values, dict(values), dict(zip(shape.columns, texts, strict=True)))
        if [place for place, child in enumerate(children) if len(child) and place not in shape.lists]:
            raise _Unusual
        for place, of in shape.others:
            self._field(texts[place], of, found, order)
        if shape.lists:
            del found.columns[""]
            for known in shape.lists.values():
                found.values[known.name], found.same[known.name] = [], []
            for place, known in shape.lists.items():
                self._list(children[place], known, found, order)
        return found

    def _field(self, text: str | None, of: Field, found: Plain, order: _Order) -> None:
        sent = text or None
        if sent is not None:
            sent = sent.strip(_SPACE) or None
            if sent != text:
                order.is_canonical = False
        same: object = sent
        typed: object = sent
        if sent is not None and of.type is FieldType.DATETIME:
            typed = found.moments[of.name] = self._moment(sent)
            same = written(typed)
        elif sent is not None and of.type is FieldType.INTEGER:
            same = typed = _integer(sent)
        found.values[of.name], found.same[of.name], found.columns[of.column] = sent, same, typed

    def _moment(self, sent: str) -> datetime:
        try:
            moment = read_moment(sent, self._zone)
        except ValueError:
            raise _Unusual from None
        if moment.utc is None or moment.oddity is not None:
            raise _Unusual
        return moment.utc

    def _list(self, element: etree._Element, known: _Known, found: Plain, order: _Order) -> None:
        """Add the entries in ``element``: its items, or itself as one."""
        assert known.entries is not None  # noqa: S101 - a known tag is a list or a field
        if not len(element):
            raise _Unusual
        item = known.entries.item
        tags = cast("list[str]", [child.tag for child in element])
        is_item = [tag.rpartition("}")[2].lower() == item for tag in tags]
        if any(is_item):
            is_item = [called and len(child) > 0 for called, child in zip(is_item, element, strict=True)]
        if any(is_item):
            if not all(is_item):
                raise _Unusual
            order.is_canonical = False
        read = [self._fields(entry, known.entries, order) for entry in (element if is_item[0] else (element,))]
        for whole, part in (
            (found.values, [entry.values for entry in read]),
            (found.same, [entry.same for entry in read]),
            (found.entries, [entry.columns for entry in read]),
        ):
            entries = whole.setdefault(known.name, [])
            assert isinstance(entries, list)  # noqa: S101
            entries.extend(part)
            if len(entries) > ENTRIES:
                raise _Unusual


def _integer(sent: str) -> int:
    try:
        return int(sent)
    except ValueError:
        raise _Unusual from None
