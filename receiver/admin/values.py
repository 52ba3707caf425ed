"""A record's values as rows for people: canonical names in table order, what is unknown apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.fields import FieldTable
from receiver.store.finding.stories import StoredRecord

from .masking import Masking


@dataclass(frozen=True)
class Shown:
    """``rows`` and ``unknown`` are names with their values as text; ``lists`` are groups: name, columns, rows."""

    rows: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]
    lists: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]


def shown_values(table: FieldTable, record: StoredRecord, masking: Masking | None) -> Shown:
    """The values of a record; hidden by ``masking`` where there is one."""
    part = table.kinds[record.kind]
    values = masking.values(record.values) if masking is not None else record.values
    known = {f.name for f in part.fields}
    groups = {g.name for g in part.groups}
    rows, unknown, lists = [], [], []
    for name, value in values.items():
        if name in groups and isinstance(value, list):
            lists.append(_list(name, value))
        elif name in groups and isinstance(value, Mapping):
            rows += [(f"{name}/{inner}", _text(found)) for inner, found in value.items()]
        elif name in known:
            rows.append((name, _text(value)))
        else:
            unknown.append((name, _text(value)))
    return Shown(tuple(rows), tuple(unknown), tuple(lists))


def _list(name: str, value: list[Any]) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    items = [item if isinstance(item, Mapping) else {"": item} for item in value]
    columns = tuple(dict.fromkeys(column for item in items for column in item))
    return name, columns, tuple(tuple(_text(item.get(column, "")) for column in columns) for item in items)


def _text(value: object) -> str:
    return "(empty)" if value is None else str(value)
