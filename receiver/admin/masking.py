"""What people who may only look do not see: names, comments, and whatever the field table calls personal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from receiver.fields import FieldTable

MASK = "••••••"


class Masking:
    """Hides values by their field. What is no known field is hidden too: nobody knows what it holds."""

    def __init__(self, table: FieldTable) -> None:
        parts = [k.fields for k in table.kinds.values()] + [g.fields for g in table.groups.values()]
        known = [f for part in parts for f in part]
        self._names = {name.lower() for f in known if not f.personal for name in (f.name, f.column)}
        self._names -= {name.lower() for f in known if f.personal for name in (f.name, f.column)}
        self._names |= {"status", "changed_at", "cancelled_at", "completed_at", "completed_successfully", "action"}
        self._groups = {g.lower() for g in table.groups}

    def value(self, name: str, value: object) -> object:
        """The value of a field by its name or column (``code 1: comments``), hidden where it must be."""
        last = name.rpartition(": ")[2].rpartition("/")[2].lower()
        return value if value is None or last in self._names else MASK

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A record's values, those of its groups too."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Mapping) and name.lower() in self._groups:
                found[name] = self.values(value)
            elif isinstance(value, list) and name.lower() in self._groups:
                found[name] = [self.values(item) if isinstance(item, Mapping) else MASK for item in value]
            else:
                found[name] = self.value(name, value)
        return found

    @staticmethod
    def findings(found: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Problems or warnings without their texts, which can quote what was sent."""
        return [{"field": f.get("field", ""), "code": f.get("code", ""), "text": MASK} for f in found]
