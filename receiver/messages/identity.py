"""When two records are the same notification: the same values, in whatever form or spelling."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from zoneinfo import ZoneInfo

import orjson
from lxml import etree

from receiver.fields import Field, FieldType, Group, Kind, KindTable
from receiver.fields.patterns import integer
from receiver.wire import Record

from .moments import read_moment

_INTEGER = re.compile(integer())
_LONGEST_INTEGER = 50
_FOREIGN = re.compile(r"[^\x00-\x7e]+")
_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def same_form(found: Field, value: object, zone: ZoneInfo) -> object:
    """A value as all its spellings agree; as sent where it cannot be read."""
    if not isinstance(value, str):
        return value
    if found.type is FieldType.DATETIME:
        try:
            utc = read_moment(value, zone).utc
        except ValueError:
            return value
        return utc.isoformat() if utc is not None else value
    if found.type is FieldType.INTEGER:
        return int(value) if len(value) <= _LONGEST_INTEGER and _INTEGER.fullmatch(value) else value
    return value


def _same(values: Mapping[str, object], part: KindTable | Group, zone: ZoneInfo) -> dict[str, object]:
    fields = {f.name: f for f in part.fields}
    groups = {g.name: g for g in part.groups}
    result: dict[str, object] = {}
    for name, value in values.items():
        if name in fields:
            result[name] = same_form(fields[name], value, zone)
        elif name in groups and isinstance(value, list):
            result[name] = [_same(e, groups[name], zone) if isinstance(e, dict) else e for e in value]
        elif name in groups and isinstance(value, dict):
            result[name] = _same(value, groups[name], zone)
        else:
            result[name] = value
    return result


def content_key(values: Mapping[str, object], table: KindTable, zone: ZoneInfo) -> str:
    """A key that two records of one source share exactly when they say the same: 64 hexadecimal digits."""
    return key_of(table.kind, _same(values, table, zone))


def key_of(kind: Kind, same: Mapping[str, object]) -> str:
    """The key of values in the form that all spellings agree on."""
    whole = [kind, same]
    return hashlib.sha256(_written(whole)).hexdigest()


def _written(whole: Sequence[object]) -> bytes:
    """As the standard library's encoder writes it, keys sorted, in ASCII alone; keys are compared for ever."""
    try:
        written = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # numbers beyond 64 bits
        return _encoder.encode(whole).encode("ascii")
    if written.isascii() and b"\x7f" not in written:
        return written
    return _FOREIGN.sub(_escaped, written.decode()).encode("ascii")


def _escaped(found: re.Match[str]) -> str:
    return _encoder.encode(found[0])[1:-1]


def event_key(content: str, dated: bool, after: str | None) -> str:
    """The key of the *event*: unique in a source.

    Content with a date of its own is the same event whenever it comes. Without one it is the same only until
    something else is applied to the booking: ``after`` is the notification applied last before it, None for none.
    """
    if dated or after is None:
        return content
    return hashlib.sha256(f"{content} after {after}".encode("ascii")).hexdigest()


def fallback_key(record: Record) -> str:
    """A key for a record that could not be judged: its elements as they stand."""
    # A copy has the namespaces that are declared around the record, without which there is no canonical form.
    alone = deepcopy(record.element)
    content = etree.tostring(alone, method="c14n2", strip_text=True, with_comments=False)
    return hashlib.sha256(b"unjudged " + content).hexdigest()
