"""A completion's values as the columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from receiver.fields import FieldTable, Kind

from .typed import Columns, columns, entries


def completion_columns(values: Mapping[str, object], table: FieldTable, zone: ZoneInfo) -> dict[str, Any]:
    """``columns`` of the completion with its order and location, ``resources``, and ``business_data`` of both parts."""
    entry = table.kinds[Kind.COMPLETION]
    order_group = entry.group("theOrder")
    order, location = _nested(values, "theOrder"), _nested(_nested(values, "theOrder"), "theLocation")
    location_group = {g.name: g for g in order_group.groups}["theLocation"]
    business = entry.group("theBusinessData")
    return {
        "columns": {
            **columns(values, entry, zone),
            **columns(order, order_group, zone),
            **columns(location, location_group, zone),
        },
        "resources": entries(values, entry.group("theResources"), zone) or [],
        "business_data": [
            *_of_part("booking", entries(values, business, zone)),
            *_of_part("order", entries(order, business, zone)),
        ],
    }


def _nested(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _of_part(part: str, found: list[Columns] | None) -> list[Columns]:
    return [{**columns, "part": part} for columns in found or []]
