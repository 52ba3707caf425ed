"""The documents that the validators see: canonical values under known names, in table order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lxml import etree

from receiver.fields import Field, FieldType, Group, KindTable

Values = dict[str, object]

# Entries of a list that one document for the validators holds, and how often it holds what may stand once: both
# take more than their share of time over what is wrong a thousand times.
ENTRIES = 50
MOST_REPEATED = 10
# What a validator takes for a field that must be there, in documents that are about other things.
_FITTING = {FieldType.DATETIME: "2000-01-01T00:00:00"}


class Repeated(list[object]):
    """Several occurrences of what may stand once."""


def further(values: Values, table: KindTable) -> Iterator[tuple[int, etree._Element]]:
    """Documents of the entries of long lists beyond the first, each with how many entries came before."""
    fitting = {f.name: _FITTING.get(f.type, "1") for f in table.identifying}
    for start in range(ENTRIES, _longest(values, table), ENTRIES):
        yield start, build({**fitting, **_lists(values, table, start)}, table)


def _longest(values: Values, part: KindTable | Group) -> int:
    """The number of entries in the longest list."""
    found = 0
    for group in part.groups:
        value = values.get(group.name)
        if group.many and isinstance(value, list):
            found = max(found, len(value))
        elif isinstance(value, dict):
            found = max(found, _longest(value, group))
    return found


def _lists(values: Values, part: KindTable | Group, start: int) -> Values:
    """Nothing but the lists, each from one entry on to the last that a document holds."""
    found: Values = {}
    for group in part.groups:
        value = values.get(group.name)
        if group.many and isinstance(value, list):
            found[group.name] = value[start : start + ENTRIES]
        elif isinstance(value, dict):
            found[group.name] = _lists(value, group, start)
    return found


def build(values: Values, table: KindTable) -> etree._Element:
    """The canonical document of ``values``: known names only, in table order, and no more of them than tell."""
    document = etree.Element(table.root)
    _fill(document, values, table)
    return document


def _fill(parent: etree._Element, values: Values, part: KindTable | Group) -> None:
    for f in part.fields:
        if f.name in values:
            value = values[f.name]
            for one in value[:MOST_REPEATED] if isinstance(value, Repeated) else [value]:
                _put(parent, f, one)
    for group in part.groups:
        if group.name in values:
            entries = values[group.name]
            most = ENTRIES if group.many else MOST_REPEATED
            for entry in entries[:most] if isinstance(entries, list) else [entries]:
                element = etree.SubElement(parent, group.name)
                if isinstance(entry, dict):
                    _fill(element, entry, group)


def _put(parent: etree._Element, found: Field, value: object) -> None:
    element = etree.SubElement(parent, found.name)
    if isinstance(value, str):
        element.text = value
    elif isinstance(value, list) and found.type is FieldType.TEXTS:
        for text in value:
            etree.SubElement(element, "value").text = str(text)
    elif isinstance(value, dict):
        for name in islice(value, MOST_REPEATED):
            etree.SubElement(element, name)
