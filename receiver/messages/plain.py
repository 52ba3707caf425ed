"""The usual record, judged in one pass: nothing unknown, nothing twice, nothing odd, and valid.

Most records are that. What is anything else is None here and judged the careful way, which finds the words for it: so
this never says a record is wrong, and where it says one is right, the careful way says the same (a test holds that).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
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


@dataclass(frozen=True)
class _Known:
    """What a tag means: a field or a list, and its places in the orders that there are schemas of."""

    name: str
    field: Field | None
    entries: _Names | None
    in_table: int
    in_alphabet: int
    is_canonical: bool


class _Names:
    """The tags that mean something inside a record or an entry of a list, remembered as they are met."""

    def __init__(self, part: KindTable | Group, level: Level) -> None:
        self.item = part.item.lower() if isinstance(part, Group) else ""
        self._level = level
        names = [*(f.name for f in part.fields), *(g.name for g in part.groups)]
        alphabet = sorted(names, key=str.lower)
        self._places = {name: (place, alphabet.index(name)) for place, name in enumerate(names)}
        self._inside = {g.name: _Names(g, inner) for g, inner in level.groups.values() if g.many}
        self.met: dict[str, _Known | None] = {}

    def find(self, tag: str) -> _Known | None:
        """What an element called ``tag``, namespace and all, is; None for nothing known."""
        try:
            return self.met[tag]
        except KeyError:
            found = self._look_up(tag)
            if len(self.met) < _MOST_TAGS:  # anyone can invent names
                self.met[tag] = found
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
        found = Plain()
        values, same, columns = found.values, found.same, found.columns
        in_table = in_alphabet = 0
        for child in element:
            tag = cast("str", child.tag)
            known = names.met.get(tag) or names.find(tag)
            if known is None:
                raise _Unusual
            if not known.is_canonical:
                order.is_canonical = False
            if known.in_table < in_table:
                order.in_table = False
            if known.in_alphabet < in_alphabet:
                order.in_alphabet = False
            in_table, in_alphabet = known.in_table, known.in_alphabet
            name, of = known.name, known.field
            if of is None:
                self._list(child, known, found, order)
            elif name in values or len(child):
                raise _Unusual
            elif of.type is FieldType.TEXT:
                values[name] = same[name] = columns[of.column] = child.text or None
            else:
                self._field(child.text, of, found, order)
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
        is_item = [len(child) > 0 and cast("str", child.tag).rpartition("}")[2].lower() == item for child in element]
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
