"""The field table as typed values, read from ``table.toml``: the one place that says what DRS's records hold."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any


class Kind(StrEnum):
    """The kinds of notification DRS pushes (facts, section 1)."""

    CONFIRMATION = "confirmation"
    CANCELLATION = "cancellation"
    COMPLETION = "completion"
    UNAVAILABILITY = "unavailability"


class FieldType(StrEnum):
    """The vendor's types (facts, section 2). ``TEXTS`` is a wrapper of repeated values, seen in business data."""

    TEXT = "text"
    INTEGER = "integer"
    DATETIME = "datetime"
    BOOKING_ID = "booking_id"
    TEXTS = "texts"


@dataclass(frozen=True)
class Field:
    """One field: ``name`` on the wire, ``column`` in the database, ``length`` in characters (None: no limit known)."""

    name: str
    type: FieldType
    sure: str
    meaning: str
    column: str
    length: int | None = None
    identifies: bool = False
    aliases: tuple[str, ...] = ()
    personal: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Fields that come together inside a record: a list (``many``), or one nested element."""

    name: str
    title: str
    table: str
    many: bool
    item: str
    section: str
    aliases: tuple[str, ...]
    fields: tuple[Field, ...]
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class KindTable:
    """All that is known of one kind: its names on the wire, its fields and its groups, in canonical order."""

    kind: Kind
    title: str
    root: str
    records: tuple[str, ...]
    containers: tuple[str, ...]
    inner_records: tuple[str, ...]
    operation: str
    section: str
    reconstructed: bool
    fields: tuple[Field, ...]
    groups: tuple[Group, ...]

    @property
    def identifying(self) -> tuple[Field, ...]:
        """The fields without which there is no record."""
        return tuple(f for f in self.fields if f.identifies)

    def group(self, name: str) -> Group:
        """The group of that name; KeyError when the kind has none."""
        return {g.name: g for g in self.groups}[name]

    def has_group(self, name: str) -> bool:
        """Whether records of this kind may hold the group."""
        return any(g.name == name for g in self.groups)


@dataclass(frozen=True)
class FieldTable:
    """The whole table. ``groups`` holds every group with all its fields, whatever kind they are limited to."""

    kinds: dict[Kind, KindTable] = field(hash=False)
    groups: dict[str, Group] = field(hash=False)

    def field_names(self) -> frozenset[str]:
        """Every canonical field name of every kind and group, lower-cased."""
        names = {f.name.lower() for k in self.kinds.values() for f in k.fields}
        return frozenset(names | {f.name.lower() for g in self.groups.values() for f in g.fields})


def snake_case(name: str) -> str:
    """``bookingId`` and ``ResourceId`` as a column name: ``booking_id``, ``resource_id``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _field(line: dict[str, Any], prefix: str = "") -> Field:
    return Field(
        name=line["name"],
        type=FieldType(line["type"]),
        sure=line["sure"],
        meaning=line["meaning"],
        column=line.get("column") or prefix + snake_case(line["name"]),
        length=line.get("length"),
        identifies=line.get("identifies", False),
        aliases=tuple(line.get("aliases", ())),
        personal=line.get("personal", False),
        only=tuple(line.get("only", ())),
    )


def _group(name: str, raw: dict[str, Any]) -> Group:
    line = raw["groups"][name]
    prefix = line.get("prefix", "")
    return Group(
        name=name,
        title=line["title"],
        table=line["table"],
        many=line["many"],
        item=line["item"],
        section=line["section"],
        aliases=tuple(line["aliases"]),
        fields=tuple(_field(f, prefix) for f in line["fields"] if "name" in f),
        groups=tuple(_group(f["group"], raw) for f in line["fields"] if "group" in f),
    )


def _for_kind(group: Group, kind: Kind) -> Group:
    return replace(
        group,
        fields=tuple(f for f in group.fields if not f.only or kind in f.only),
        groups=tuple(_for_kind(g, kind) for g in group.groups),
    )


def _kind(kind: Kind, raw: dict[str, Any]) -> KindTable:
    line = raw["kinds"][kind]
    return KindTable(
        kind=kind,
        title=line["title"],
        root=line["root"],
        records=tuple(line["records"]),
        containers=tuple(line["containers"]),
        inner_records=tuple(line["inner_records"]),
        operation=line["operation"],
        section=line["section"],
        reconstructed=line["reconstructed"],
        fields=tuple(_field(f) for f in line["fields"] if "name" in f),
        groups=tuple(_for_kind(_group(f["group"], raw), kind) for f in line["fields"] if "group" in f),
    )


@cache
def field_table() -> FieldTable:
    """The field table, read once."""
    raw = tomllib.loads(resources.files(__package__).joinpath("table.toml").read_text(encoding="utf-8"))
    return FieldTable(
        kinds={kind: _kind(kind, raw) for kind in Kind},
        groups={name: _group(name, raw) for name in raw["groups"]},
    )
