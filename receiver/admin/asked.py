"""The filter as it stands in an address: read, and written again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from receiver.fields import Kind
from receiver.store.finding.filter import Filter
from receiver.store.notifications import NotificationStatus
from receiver.store.pushes import Outcome

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)")
_TEXTS = ("booking_id", "order", "resource", "cause", "words", "push_id")
_LONGEST = 200
W = TypeVar("W", bound=StrEnum)


@dataclass(frozen=True)
class Asked:
    """What was asked for: the ``filter``, its parts as they were typed, and what of them cannot be read, by part."""

    filter: Filter
    typed: Mapping[str, str]
    problems: tuple[tuple[str, str], ...]

    @property
    def is_anything(self) -> bool:
        """Whether there is any criterion but whose sources may be seen."""
        return bool(self.typed)

    @property
    def words(self) -> list[tuple[str, str]]:
        """The criteria, for people."""
        return [(name.replace("_", " "), value) for name, value in self.typed.items()]


def read_filter(args: Mapping[str, str], visible: Sequence[str] | None, zone: ZoneInfo) -> Asked:
    """The filter of an address's arguments; days and times without a zone are of ``zone``.

    ``visible`` are the sources that the person may see, None all: what is asked for beyond them finds nothing.
    """
    typed = {name: args[name].strip()[:_LONGEST] for name in _names() if args.get(name, "").strip()}
    problems: list[tuple[str, str]] = []
    found = Filter(sources=None if visible is None else tuple(visible))
    source = typed.get("source")
    if source is not None:
        found = replace(found, sources=(source,) if visible is None or source in visible else ())
    found = replace(
        found,
        kind=_word(Kind, "kind", typed, problems),
        outcome=_word(Outcome, "outcome", typed, problems),
        status=_word(NotificationStatus, "status", typed, problems),
        since=_moment("since", typed, zone, problems, end=False),
        until=_moment("until", typed, zone, problems, end=True),
        booking_id=typed.get("booking_id"),
        order=typed.get("order"),
        resource=typed.get("resource"),
        cause=typed.get("cause"),
        words=typed.get("words"),
        push_id=typed.get("push_id"),
    )
    if found.since is not None and found.until is not None and found.since >= found.until:
        problems.append(("until", "The end of the time must come after its beginning"))
    return Asked(found, typed, tuple(problems))


def _names() -> tuple[str, ...]:
    return ("source", "since", "until", "kind", "outcome", "status", *_TEXTS)


def _word(of: type[W], name: str, typed: Mapping[str, str], problems: list[tuple[str, str]]) -> W | None:
    if name not in typed:
        return None
    try:
        return of(typed[name])
    except ValueError:
        problems.append((name, f"There is no {name} {typed[name]}"))
        return None


def _moment(
    name: str, typed: Mapping[str, str], zone: ZoneInfo, problems: list[tuple[str, str]], *, end: bool
) -> datetime | None:
    """A moment, UTC. A day as an end is the end of that day."""
    text = typed.get(name)
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime.combine(day, time(), zone).astimezone(UTC)
        found = _MOMENT.fullmatch(text)
        if found is not None:
            return datetime.fromisoformat("T".join(found.groups())).replace(tzinfo=zone).astimezone(UTC)
        given = datetime.fromisoformat(text)
        if given.tzinfo is not None:
            return given.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    problems.append((name, f"Write the time as 2026-11-21 or 2026-11-21 08:00, not {text}"))
    return None
