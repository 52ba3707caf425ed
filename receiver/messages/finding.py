"""What is wrong with a record (a problem: it is not applied) or odd about it (a warning: it is)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """``field`` is the path inside the record in canonical names, ``code`` is stable, ``text`` is for people.

    ``text`` may quote the value, so it may hold personal data: it is stored and shown, never logged. ``line`` counts
    from 1 in the push as sent. ``setting`` names the setting that would change the outcome, where there is one.
    """

    field: str
    code: str
    text: str
    line: int | None = None
    value: str | None = None
    setting: str | None = None

    def as_json(self) -> dict[str, str]:
        """The form that is stored and shown downstream."""
        return {"field": self.field, "code": self.code, "text": self.text}


def quoted(value: str, most: int = 60) -> str:
    """A value for people, cut when long."""
    return f"“{value}”" if len(value) <= most else f"“{value[:most]}…”"
