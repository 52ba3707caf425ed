"""How values look on a page: moments in their source's zone, numbers, and names for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from markupsafe import Markup

from .desk import Desk

_OUTCOMES = {
    "stored": ("Stored", "green"),
    "duplicate": ("Seen before", "blue"),
    "partly_held": ("Partly held", "yellow"),
    "held": ("Held", "orange"),
    "refused": ("Refused", "red"),
    "failed": ("Failed", "purple"),
}
_STATUSES = {
    "applied": ("Applied", "green"),
    "superseded": ("Superseded", "grey"),
    "held": ("Held", "orange"),
    "discarded": ("Discarded", "grey"),
    "repeat": ("Repeat", "blue"),
    "confirmed": ("Confirmed", "green"),
    "cancelled": ("Cancelled", "red"),
    "completed": ("Completed", "blue"),
    "active": ("Active", "green"),
    "removed": ("Removed", "grey"),
    "open": ("Open", "red"),
    "acknowledged": ("Acknowledged", "yellow"),
    "resolved": ("Resolved", "green"),
    "waiting": ("Waiting", "grey"),
    "running": ("Running", "blue"),
    "paused": ("Paused", "yellow"),
    "finished": ("Finished", "green"),
    "failed": ("Failed", "red"),
    "settled_before": ("Settled before", "grey"),
}


def moment_text(moment: datetime, zone: ZoneInfo) -> str:
    """``21 November 2026, 19:18:05 GMT``: in the zone, which is named."""
    there = moment.astimezone(zone)
    return f"{there.day} {there:%B %Y, %H:%M:%S %Z}"


def time_element(moment: datetime | None, zone: ZoneInfo) -> Markup:
    """The moment for people and, in its attribute, for machines; nothing for None."""
    if moment is None:
        return Markup("")
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), moment_text(moment, zone))


def number_text(number: float) -> str:
    """With a comma between thousands."""
    return f"{number:,}"


def lasting(seconds: float | None) -> str:
    """``2 days 3 hours``: the two largest units that matter; "never" for None."""
    if seconds is None:
        return "never"
    left, said = int(seconds), []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            said.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(said[:2]) or "less than a second"


def milliseconds(microseconds: float | None) -> str:
    """``1.2 ms``; nothing for None."""
    return "" if microseconds is None else f"{microseconds / 1000:,.1f} ms"


def size_text(size: int) -> str:
    """``2.2 kB``."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000 or unit == "MB":
            return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return ""


def tag(words: Mapping[str, tuple[str, str]]) -> Callable[[object], Markup]:
    """Shows a word as a tag of the Design System."""

    def shown(word: object) -> Markup:
        text, colour = words.get(str(word), (str(word).replace("_", " ").capitalize(), "grey"))
        return Markup('<strong class="govuk-tag govuk-tag--{}">{}</strong>').format(colour, text)

    return shown


def install(app: Flask, desk: Desk) -> None:
    """Make all of it known to the templates."""

    def when(moment: datetime | None, source: str | None = None) -> Markup:
        return time_element(moment, desk.zone(source))

    def zone_name(source: str | None = None) -> str:
        return desk.zone(source).key

    filters: dict[str, Callable[..., Any]] = {
        "when": when,
        "number": number_text,
        "lasting": lasting,
        "milliseconds": milliseconds,
        "size": size_text,
        "outcome_tag": tag(_OUTCOMES),
        "status_tag": tag(_STATUSES),
        "words": lambda name: str(name).replace("_", " "),
    }
    app.jinja_env.filters.update(filters)
    app.jinja_env.tests["moment"] = lambda value: isinstance(value, datetime)
    app.jinja_env.globals.update(zone_name=zone_name, several_sources=len(desk.sources) > 1)
