"""What one source's site does its own way, as plain values: judged by, never looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo


class OnInvalid(StrEnum):
    """What the sender is told of a push without one valid record: an error, or yes while a person is asked."""

    REFUSE = "refuse"
    HOLD = "hold"


class Action(StrEnum):
    """What an unavailability push says of the absence (facts, section 2, Action)."""

    CREATED = "created"
    AMENDED = "amended"
    REMOVED = "removed"


_WORDS = {
    Action.CREATED: ("new", "add", "added", "create", "created", "insert", "inserted"),
    Action.AMENDED: ("change", "changed", "amend", "amended", "update", "updated", "modify", "modified"),
    Action.REMOVED: ("delete", "deleted", "remove", "removed", "cancel", "cancelled"),
}


def usual_actions() -> dict[str, Action]:
    """The words that need no setting, lower-cased."""
    return {word: action for action, words in _WORDS.items() for word in words}


@dataclass(frozen=True)
class Rules:
    """A source's ways: ``zone`` of wall times, ``required`` fields beyond what identifies (canonical names), other
    names for fields, words of Action, outcome codes that mean success (None: no list), life-cycle words that mean
    complete, and what is told of invalid pushes. Words and codes are lower-cased.
    """

    source: str
    zone: ZoneInfo
    required: tuple[str, ...] = ()
    field_aliases: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=usual_actions)
    success_codes: frozenset[str] | None = None
    complete_words: frozenset[str] = frozenset({"completed"})
    on_invalid: OnInvalid = OnInvalid.REFUSE
    most_problems: int = 100
