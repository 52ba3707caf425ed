"""A completion's values as the columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from receiver.fields import FieldTable, Kind

from .typed import Columns, columns, entries


@dataclass(frozen=True)
class Completion:
    """What a completion says, as columns: its own with those of its order and location, and its lists."""

    notification_id: str
    columns: Columns
    resources: tuple[Columns, ...]
    business_data: tuple[Columns, ...]


def completion(values: Mapping[str, object], table: FieldTable, zone: ZoneInfo, notification_id: str) -> Completion:
    """The completion that valid ``values`` tell of; instants in UTC."""
    entry = table.kinds[Kind.COMPLETION]
    order_group = entry.group("theOrder")
    order, location = _nested(values, "theOrder"), _nested(_nested(values, "theOrder"), "theLocation")
    location_group = {g.name: g for g in order_group.groups}["theLocation"]
    business = entry.group("theBusinessData")
    return Completion(
        notification_id,
        {
            **columns(values, entry, zone),
            **columns(order, order_group, zone),
            **columns(location, location_group, zone),
        },
        tuple(entries(values, entry.group("theResources"), zone) or ()),
        (
            *_of_part("booking", entries(values, business, zone)),
            *_of_part("order", entries(order, business, zone)),
        ),
    )


def _nested(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _of_part(part: str, found: list[Columns] | None) -> list[Columns]:
    return [{**columns, "part": part} for columns in found or []]
