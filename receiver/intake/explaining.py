"""What the corridor would make of a push, without a database: for whoever sets up an integration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from receiver.errors import Unreadable
from receiver.fields import FieldTable, Kind
from receiver.messages import Finding, Notification
from receiver.messages.booking import booking_columns
from receiver.messages.completion import completion
from receiver.messages.typed import columns, entries
from receiver.wire import Limits, Reading, form_of

from .source import Source

_SETTINGS = {
    "unknown_root": "[sources.{source}.roots]",
    "too_deep": "RECEIVER_MAX_DEPTH",
    "too_many_elements": "RECEIVER_MAX_ELEMENTS",
    "too_many_records": "RECEIVER_MAX_RECORDS",
    "too_large": "RECEIVER_MAX_PUSH_BYTES",
}


@dataclass(frozen=True)
class ExplainedRecord:
    """One record: what it is, the columns it would be stored in (times UTC), and what is wrong or odd."""

    position: int
    line: int
    kind: Kind
    identity: str
    applied: bool
    stored: dict[str, Any]
    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


@dataclass
class Explanation:
    """A whole push. ``unreadable`` says why it can't be read (``setting`` what could change that), or is None."""

    form: str = ""
    records: list[ExplainedRecord] = field(default_factory=list)
    unreadable: str | None = None
    line: int | None = None
    setting: str | None = None

    @property
    def exit_code(self) -> int:
        """0: every record would be applied; 1: some would not; 2: it cannot be read."""
        if self.unreadable is not None:
            return 2
        return 0 if all(r.applied for r in self.records) else 1


def explain(body: bytes, source: Source, table: FieldTable, limits: Limits, most_bytes: int) -> Explanation:
    """Explain ``body`` as a push of ``source``. Never raises for what is in it."""
    found = Explanation()
    if len(body) > most_bytes:
        found.unreadable = f"The push is larger than {most_bytes} bytes, the most that is taken."
        found.setting = _SETTINGS["too_large"]
        return found
    reading = Reading(body, source.names, limits)
    try:
        for record in reading.records():
            found.records.append(_record(source.judge.judge(record), source, table))
    except Unreadable as error:
        found.unreadable, found.line = str(error), error.line
        found.setting = _SETTINGS.get(error.reason, "").format(source=source.name) or None
    found.form = form_of(reading.envelope)
    return found


def _record(n: Notification, source: Source, table: FieldTable) -> ExplainedRecord:
    if n.kind is Kind.UNAVAILABILITY:
        identity = f"resource {n.resource_id}"
    else:
        identity = f"booking {n.booking_id}, order {n.values.get('primaryOrderNumber')}"
    stored = _stored(n, source, table) if n.valid else {}
    return ExplainedRecord(n.position, n.line, n.kind, identity, n.valid, stored, n.problems, n.warnings)


def _stored(n: Notification, source: Source, table: FieldTable) -> dict[str, Any]:
    entry, zone = table.kinds[n.kind], source.rules.zone
    if n.kind is Kind.UNAVAILABILITY:
        return {"unavailabilities": {**columns(n.values, entry, zone), "action": n.action}}
    if n.kind is Kind.COMPLETION:
        return {"completions": completion(n.values, table, zone, "").columns}
    wanted = {"booking_id", "changed_at", *booking_columns(table)}
    stored: dict[str, Any] = {
        "bookings": {k: v for k, v in columns(n.values, entry, zone).items() if k in wanted},
    }
    if entry.has_group("theBookingCodes"):
        stored["booking_codes"] = entries(n.values, entry.group("theBookingCodes"), zone) or []
    return stored
