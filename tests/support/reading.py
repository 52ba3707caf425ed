"""What the receiver makes of bytes, up to and without the database; for one source with no settings of its own."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

from receiver.fields import Kind, field_table
from receiver.messages import Judge, Notification, Rules, Schemas
from receiver.messages.canonical import Canonical, canonical, levels
from receiver.wire import Envelope, Limits, Reading, Record, RootNames

TABLE = field_table()
NAMES = RootNames.of(TABLE)
LIMITS = Limits()
RULES = Rules("drs", ZoneInfo("Europe/London"))
_LEVELS = levels(TABLE, {})


@cache
def schemas() -> Schemas:
    """Every XSD, compiled once for all tests."""
    return Schemas(TABLE)


def judge(rules: Rules = RULES) -> Judge:
    """Judges by the rules."""
    return Judge(TABLE, schemas(), rules)


def canonical_of(record: Record) -> Canonical:
    """The record in canonical form."""
    return canonical(record, _LEVELS[record.kind], TABLE.kinds[record.kind])


def read(body: bytes, limits: Limits = LIMITS) -> tuple[Envelope, list[Canonical]]:
    """The envelope, and every record in canonical form."""
    reading = Reading(body, NAMES, limits)
    found = [canonical_of(r) for r in reading.records()]
    return reading.envelope, found


def judged(body: bytes | str, rules: Rules = RULES) -> list[Notification]:
    """Every record judged."""
    raw = body.encode() if isinstance(body, str) else body
    found = judge(rules)
    return [found.judge(r) for r in Reading(raw, NAMES, LIMITS).records()]


def values_of(body: bytes) -> list[tuple[Kind, dict[str, object]]]:
    """Kind and canonical values of every record."""
    return [(c.kind, c.values) for c in read(body)[1]]
