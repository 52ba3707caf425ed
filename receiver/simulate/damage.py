"""Records broken on purpose, each in a way that a receiver must notice."""

from __future__ import annotations

from enum import StrEnum
from random import Random

from receiver.fields import Field, FieldType, KindTable

from .sheet import Values

_LONG = 400
_NO_DATE = "31-FEB-2021 08:00"


class Damage(StrEnum):
    """What is wrong with a damaged record."""

    TOO_LONG = "too long"
    NO_IDENTITY = "no identity"
    BAD_DATE = "bad date"


def _candidates(kind: KindTable, damage: Damage, values: Values) -> list[Field]:
    sent = [f for f in kind.fields if f.name in values]
    match damage:
        case Damage.TOO_LONG:
            return [f for f in sent if f.type is FieldType.TEXT and f.length is not None]
        case Damage.NO_IDENTITY:
            return [f for f in sent if f is kind.identifying[0]]
        case Damage.BAD_DATE:
            return [f for f in sent if f.type is FieldType.DATETIME]


def broken(values: Values, kind: KindTable, damage: Damage, choice: Random) -> Values:
    """The record with one field damaged that way, or without its identity where it has no such field."""
    found = _candidates(kind, damage, values)
    if not found:
        return broken(values, kind, Damage.NO_IDENTITY, choice)
    field = choice.choice(found)
    if damage is Damage.NO_IDENTITY:
        return {name: value for name, value in values.items() if name != field.name}
    return {**values, field.name: _NO_DATE if damage is Damage.BAD_DATE else "X" * _LONG}
