"""Whether every story's end is in the receiver's views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from receiver.simulate import AbsenceEnd, BookingEnd
from receiver.store import reports

_BOOKINGS = """
    SELECT booking_id, status, planning_window_start, planning_window_end, primary_order_number, completion_status
      FROM v1_bookings WHERE source = :source
"""
_ABSENCES = """
    SELECT resource_id, period_start, period_end, status FROM v1_unavailabilities WHERE source = :source
"""


def _moment(value: object) -> datetime | None:
    """A time of a view, in UTC; SQLite has it as text without a zone."""
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _booking(row: Mapping[str, Any]) -> dict[str, object]:
    times = ("planning_window_start", "planning_window_end")
    return {name: _moment(value) if name in times else value for name, value in row.items()}


def differences(url: str, source: str, ends: Iterable[BookingEnd | AbsenceEnd]) -> list[str]:
    """What the views of the database at ``url`` show otherwise than ``ends`` say; a line for each story's end."""
    bookings = {row["booking_id"]: _booking(row) for row in reports.rows(url, _BOOKINGS, source=source)}
    absences = {
        (row["resource_id"], _moment(row["period_start"]), _moment(row["period_end"])): row["status"]
        for row in reports.rows(url, _ABSENCES, source=source)
    }
    found: list[str] = []
    for end in ends:
        if isinstance(end, BookingEnd):
            found.extend(_of_booking(end, bookings.get(end.booking_id)))
        else:
            stands = absences.get((end.resource_id, end.period_start, end.period_end))
            if stands != end.status:
                what = f"unavailability of {end.resource_id} from {end.period_start}"
                found.append(f"{what}: {stands or 'missing'}, not {end.status}")
    return found


def _of_booking(end: BookingEnd, row: Mapping[str, object] | None) -> Iterable[str]:
    if row is None:
        yield f"booking {end.booking_id}: missing"
        return
    for name, stands in row.items():
        wanted = getattr(end, name)
        if stands != wanted:
            yield f"booking {end.booking_id}: {name} is {stands}, not {wanted}"
