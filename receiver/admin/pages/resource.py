"""A resource: when it is off, on a calendar, beside what is known to be booked meanwhile."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, render_template, request

from receiver.store.finding import stories

from ..access import Role, current_person, needs
from ..desk import Desk
from ..masking import Masking
from ..noting import viewed


@dataclass(frozen=True)
class Day:
    """One day of the calendar, in the source's zone: what touches it, each with its times that day."""

    date: date
    in_month: bool
    absences: tuple[tuple[str, Mapping[str, Any]], ...]
    bookings: tuple[tuple[str, Mapping[str, Any]], ...]


def month_asked(text: str | None, today: date) -> date:
    """The first of the month ``2026-11``; of today's where nothing or no month is asked for."""
    try:
        return datetime.strptime(text or "", "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        return today.replace(day=1)


def weeks(
    month: date, zone: ZoneInfo, absences: Sequence[Mapping[str, Any]], bookings: Sequence[Mapping[str, Any]]
) -> list[list[Day]]:
    """The weeks of a month, Monday first, with what touches each day in the zone."""

    def touching(
        day: date, found: Sequence[Mapping[str, Any]], start: str, end: str
    ) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        begins, ends = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
        on = [row for row in found if row[start] < ends and row[end] > begins]
        return tuple((_hours(row[start], row[end], begins, ends, zone), row) for row in on)

    return [
        [
            Day(
                day,
                day.month == month.month,
                touching(day, absences, "period_start", "period_end"),
                touching(day, bookings, "planning_window_start", "planning_window_end"),
            )
            for day in week
        ]
        for week in Calendar().monthdatescalendar(month.year, month.month)
    ]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _hours(start: datetime, end: datetime, begins: datetime, ends: datetime, zone: ZoneInfo) -> str:
    if start <= begins and end >= ends:
        return "all day"
    first = "" if start < begins else f"{start.astimezone(zone):%H:%M}"
    last = "" if end > ends else f"{end.astimezone(zone):%H:%M}"
    return f"from {first}" if not last else f"until {last}" if not first else f"{first} to {last}"


def blueprint(desk: Desk) -> Blueprint:
    """``/resources/SOURCE/ID?month=2026-11``."""
    pages = Blueprint("resource", __name__)
    masking = Masking(desk.table)

    @pages.get("/resources/<source>/<path:resource_id>")
    @needs(Role.VIEWER)
    def show(source: str, resource_id: str) -> str:
        person, tables, zone = current_person(), desk.store.tables, desk.zone(source)
        month = month_asked(request.args.get("month"), desk.now().astimezone(zone).date())
        following = (month + timedelta(days=32)).replace(day=1)
        if not person.sees(source):
            abort(404)
        # A calendar's page begins and ends with days of the months around.
        since, until = _midnight(month - timedelta(days=7), zone), _midnight(following + timedelta(days=7), zone)
        with desk.store.reading() as connection:
            if not stories.is_known_resource(connection, tables, source, resource_id):
                abort(404, f"Nothing was ever heard of resource {resource_id} from {source}.")
            off = stories.absences(connection, tables, source, resource_id, since, until)
            booked = stories.booked(connection, tables, source, resource_id, since, until)
            heard = stories.about_resource(connection, tables, source, resource_id)
        viewed(desk, "resource", f"{source}/{resource_id}")
        active = [row for row in off if row["status"] == "active"]
        is_open = person.may(Role.OPERATOR)
        return render_template(
            "resource.html",
            source=source,
            resource_id=resource_id,
            month=month,
            before=(month - timedelta(days=1)).replace(day=1),
            following=following,
            weeks=weeks(month, zone, active, booked),
            off=off,
            booked=booked,
            heard=heard[:50],
            masked=(lambda _name, value: value) if is_open else masking.value,
        )

    return pages
