"""Canonical values as typed columns: text as sent, integers as numbers, DateTimes as instants in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from receiver.fields import Field, FieldType, Group, KindTable

from .moments import Moment, read_moment

Columns = dict[str, object]


def column_value(found: Field, value: object, zone: ZoneInfo) -> object:
    """One valid value as its column holds it; None when empty, or when an instant is out of range."""
    if value is None:
        return None
    if found.type is FieldType.DATETIME:
        return read_moment(str(value), zone).utc
    if found.type is FieldType.INTEGER:
        return int(str(value))
    if found.type is FieldType.TEXTS:
        return list(value) if isinstance(value, list) else [str(value)]
    return str(value)


def columns(values: Mapping[str, object], part: KindTable | Group, zone: ZoneInfo) -> Columns:
    """The columns of a kind's or group's own fields, for those that were sent; nested groups are left out."""
    return {f.column: column_value(f, values[f.name], zone) for f in part.fields if f.name in values}


def entries(values: Mapping[str, object], group: Group, zone: ZoneInfo) -> list[Columns] | None:
    """A list group's entries as columns, in order; None when the group was not sent, empty when it was sent empty."""
    found = values.get(group.name)
    if not isinstance(found, list):
        return None
    return [columns(entry, group, zone) for entry in found if isinstance(entry, dict)]


def moment_of(values: Mapping[str, object], name: str, zone: ZoneInfo) -> datetime | None:
    """The instant of a DateTime in UTC, or None when it is missing, empty or out of range.

    Also None for what is no time: the kind may not know the field, and then nothing has been said of its text.
    """
    value = values.get(name)
    if not isinstance(value, str):
        return None
    try:
        return read_moment(value, zone).utc
    except ValueError:
        return None


def moments(
    values: Mapping[str, object], part: KindTable | Group, zone: ZoneInfo, path: str = ""
) -> Iterator[tuple[str, str, Moment]]:
    """Every DateTime sent, at any depth: path in the record, text as sent, and what it means."""
    for f in part.fields:
        value = values.get(f.name)
        if f.type is FieldType.DATETIME and isinstance(value, str):
            yield path + f.name, value, read_moment(value, zone)
    for group in part.groups:
        found = values.get(group.name)
        for position, entry in enumerate(found if isinstance(found, list) else [found], start=1):
            if isinstance(entry, dict):
                here = f"{path}{group.name}[{position}]/" if group.many else f"{path}{group.name}/"
                yield from moments(entry, group, zone, here)
