"""Every field of the field table has its place in the simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

import pytest

from receiver.errors import SettingsError
from receiver.fields import Field, FieldType, Group, Kind, KindTable, field_table
from receiver.simulate import stories_of_day, suppressible
from receiver.simulate.facts import facts_of
from receiver.simulate.sheet import Sheet, made_up

TABLE = field_table()
DAY = date(2021, 5, 27)


def records(sheet: Sheet) -> Iterator[tuple[Kind, dict[str, object]]]:
    for story in stories_of_day(1, DAY, 48):
        for happening in story.happenings:
            yield happening.kind, sheet.record(happening.kind, facts_of(happening.what), happening.what.subject)


def paths(part: KindTable | Group, above: str = "") -> Iterator[tuple[str, Field]]:
    for field in part.fields:
        yield f"{above}{field.name}", field
    for group in part.groups:
        yield from paths(group, f"{above}{group.name}/")


def filled(values: dict[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        entries = value if isinstance(value, list) and name.startswith("the") else [value]
        for entry in entries:
            if isinstance(entry, dict):
                yield from filled(entry, f"{above}{name}/")
            else:
                yield f"{above}{name}", entry


@pytest.mark.parametrize("kind", list(Kind))
def test_every_field_of_every_kind_and_group_is_told_by_some_story(kind: Kind) -> None:
    told: dict[str, set[str]] = {}
    for of, values in records(Sheet(TABLE)):
        if of is kind:
            for path, value in filled(values):
                told.setdefault(path, set()).add(str(value))
    fields = dict(paths(TABLE.kinds[kind]))
    assert set(told) == set(fields), "each field stands in some record, and nothing else does"
    assert {path for path, values in told.items() if values == {""}} == set(), "and not always empty"


@pytest.mark.parametrize("kind", list(Kind))
def test_no_value_is_longer_than_its_field_or_of_another_type(kind: Kind) -> None:
    types = {FieldType.DATETIME: datetime, FieldType.INTEGER: int, FieldType.TEXTS: str}
    for of, values in records(Sheet(TABLE)):
        fields = dict(paths(TABLE.kinds[of]))
        for path, value in filled(values):
            field = fields[path]
            if value != "":
                assert isinstance(value, (list, types.get(field.type, str))), path
            assert len(str(value)) <= (field.length or 10_000), path


@pytest.mark.parametrize("type_", list(FieldType))
@pytest.mark.parametrize("place", ["confirmation", "unavailability", "theBookingCodes", "theLocation"])
def test_a_new_line_of_the_field_table_gets_a_value_by_its_type(type_: FieldType, place: str) -> None:
    new = Field("newThing", type_, "inferred", "something new", "new_thing", length=5)

    def extended(part: Group) -> Group:
        fields = (*part.fields, new) if part.name == place else part.fields
        return replace(part, fields=fields, groups=tuple(extended(g) for g in part.groups))

    kinds = {
        kind: replace(
            part,
            fields=(*part.fields, new) if kind == place else part.fields,
            groups=tuple(extended(g) for g in part.groups),
        )
        for kind, part in TABLE.kinds.items()
    }
    told = [
        value
        for _, values in records(Sheet(replace(TABLE, kinds=kinds)))
        for path, value in filled(values)
        if path.rpartition("/")[2] == "newThing"
    ]
    assert told
    if type_ is FieldType.TEXT:
        assert all(isinstance(value, str) and 0 < len(value) <= 5 for value in told)


def test_what_is_made_up_is_the_same_every_time() -> None:
    field = TABLE.kinds[Kind.CONFIRMATION].fields[1]
    assert made_up(field, "a") == made_up(field, "a")
    assert len({made_up(field, str(n)) for n in range(50)}) > 10


@pytest.mark.parametrize("name", sorted(suppressible(TABLE)))
def test_any_field_that_does_not_identify_can_be_left_out_everywhere(name: str) -> None:
    seen = Counter(path.rpartition("/")[2].lower() for _, v in records(Sheet(TABLE, [name])) for path, _ in filled(v))
    assert seen[name] == 0
    assert seen["bookingid"] > 0
    assert len(seen) == len({p.rpartition("/")[2].lower() for _, v in records(Sheet(TABLE)) for p, _ in filled(v)}) - 1


@pytest.mark.parametrize("name", ["bookingId", "primaryOrderNumber", "ResourceId", "PeriodStart", "bookingCodeSORCode"])
def test_what_identifies_cannot_be_left_out(name: str) -> None:
    with pytest.raises(SettingsError, match="identifies"):
        Sheet(TABLE, [name])


def test_a_field_that_is_unknown_cannot_be_left_out() -> None:
    with pytest.raises(SettingsError, match="no field of the field table"):
        Sheet(TABLE, ["colour"])
