"""Records made as the field table has them: every field of it gets a value, known or made up from its type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from receiver.errors import SettingsError
from receiver.fields import Field, FieldTable, FieldType, Group, Kind, KindTable

from .chance import chance
from .facts import Facts

Value = str | int | datetime | list[str]
Values = dict[str, object]


def suppressible(table: FieldTable) -> dict[str, str]:
    """The fields that a site may leave out: every name, lower-cased, that identifies no record or code."""
    parts: list[KindTable | Group] = [*table.kinds.values(), *table.groups.values()]
    identifying = {f.name.lower() for part in parts for f in part.fields if f.identifies}
    return {f.name.lower(): f.name for p in parts for f in p.fields if f.name.lower() not in identifying}


class Sheet:
    """Fills in records of ``table``. ``suppressed`` fields are left out everywhere (facts, section 1: any may be).

    Raises SettingsError for a field that is unknown or identifies.
    """

    def __init__(self, table: FieldTable, suppressed: Iterable[str] = ()) -> None:
        self._table = table
        self.suppressed = frozenset(name.lower() for name in suppressed)
        for name in sorted(self.suppressed - suppressible(table).keys()):
            known = name in table.field_names()
            why = "identifies records" if known else "is no field of the field table"
            raise SettingsError(f"The field {name} cannot be suppressed: it {why}.")

    def record(self, kind: Kind, facts: Facts, salt: str) -> Values:
        """One record: values by canonical name, in table order. ``salt`` decides what is made up."""
        return self._part(self._table.kinds[kind], facts, salt)

    def _part(self, part: KindTable | Group, facts: Facts, salt: str) -> Values:
        values: Values = {}
        for field in part.fields:
            if field.name.lower() in self.suppressed:
                continue
            value = facts[field.name] if field.name in facts else made_up(field, salt)
            if value is not None:
                values[field.name] = value
        for group in part.groups:
            given = facts.get(group.name, [{}] if group.many else {})
            if isinstance(given, list):
                values[group.name] = [self._part(group, entry, f"{salt}/{n}") for n, entry in enumerate(given)]
            elif isinstance(given, Mapping):
                values[group.name] = self._part(group, given, salt)
        return values


def made_up(field: Field, salt: str) -> Value:
    """A value that fits the field's type and length, for a field that no story knows of. Times are naive local."""
    choice = chance("made up", field.name, salt)
    match field.type:
        case FieldType.INTEGER:
            return choice.randrange(1, 1000)
        case FieldType.BOOKING_ID:
            return str(choice.randrange(1, 1_000_000))
        case FieldType.DATETIME:
            return datetime(2021, 6, choice.randrange(1, 29), choice.randrange(8, 18))  # noqa: DTZ001 - wall time
        case FieldType.TEXTS:
            return [f"{field.name} {n}" for n in range(1, 3)]
        case FieldType.TEXT:
            return f"{field.name} {choice.randrange(1000)}"[: field.length]
