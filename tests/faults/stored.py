"""What the database holds, read whole for an audit."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.waiting import wait_until

Row = dict[str, Any]

# Rows that lack what they belong to, or what belongs to them.
_ORPHANS = {
    "bodies without a push": "push_bodies b WHERE NOT EXISTS (SELECT 1 FROM pushes p WHERE p.id = b.push_id)",
    "pushes without a body": (
        "pushes p WHERE source = :source AND NOT EXISTS (SELECT 1 FROM push_bodies b WHERE b.push_id = p.id)"
    ),
    "notifications without a push": "notifications n WHERE NOT EXISTS (SELECT 1 FROM pushes p WHERE p.id = n.push_id)",
    "repeats without a push": "repeats r WHERE NOT EXISTS (SELECT 1 FROM pushes p WHERE p.id = r.push_id)",
    "repeats without a notification": (
        "repeats r WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.id = r.notification_id)"
    ),
    "changes without a notification": (
        "changes c WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.id = c.notification_id)"
    ),
    "bookings without their last notification": (
        "bookings b WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.id = b.applied_id"
        " AND n.source = b.source AND n.booking_id = b.booking_id)"
    ),
    "unavailabilities without their last notification": (
        "unavailabilities u WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.id = u.applied_id"
        " AND n.source = u.source AND n.resource_id = u.resource_id)"
    ),
    "codes without a booking": (
        "booking_codes c WHERE NOT EXISTS"
        " (SELECT 1 FROM bookings b WHERE b.source = c.source AND b.booking_id = c.booking_id)"
    ),
    "completions without a booking": (
        "completions c WHERE NOT EXISTS"
        " (SELECT 1 FROM bookings b WHERE b.source = c.source AND b.booking_id = c.booking_id)"
    ),
    "completed bookings without a completion": (
        "bookings b WHERE b.completed_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM completions c WHERE b.source = c.source AND b.booking_id = c.booking_id)"
    ),
    "resources without a completion": (
        "completion_resources r WHERE NOT EXISTS"
        " (SELECT 1 FROM completions c WHERE r.source = c.source AND r.booking_id = c.booking_id)"
    ),
    "applied notifications without an entity": (
        "notifications n WHERE n.status IN ('applied', 'superseded')"
        " AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.source = n.source AND b.booking_id = n.booking_id)"
        " AND NOT EXISTS (SELECT 1 FROM unavailabilities u WHERE u.source = n.source AND u.resource_id = n.resource_id)"
    ),
}
_VIEWS = {
    "pushes": "v1_pushes",
    "notifications": "v1_notifications",
    "bookings": "v1_bookings",
    "booking_codes": "v1_booking_codes",
    "unavailabilities": "v1_unavailabilities",
    "changes": "v1_changes",
}


@dataclass(frozen=True)
class Stored:
    """``bodies``: digest and size by push; ``places``: positions of a push's records, new or repeats; ``workers``:
    resources of each booking's completion; ``hidden``: rows of a table that its view does not show."""

    pushes: dict[str, Row]
    bodies: dict[str, tuple[str, int]]
    places: dict[str, list[int]]
    notifications: list[Row]
    changes: list[Row]
    bookings: dict[str, Row]
    codes: dict[str, list[Row]]
    absences: dict[str, Row]
    workers: Counter[str]
    orphans: dict[str, int]
    hidden: dict[str, int]


def read(rows: Callable[..., list[Row]], source: str) -> Stored:
    """Everything of a source, by ``rows``, which runs a query. On PostgreSQL the feed shows a change when every older
    transaction has ended, a moment after its commit."""
    hidden = _hidden(rows)

    def of(query: str) -> list[Row]:
        return rows(query, source=source)

    places: dict[str, list[int]] = defaultdict(list)
    for table in ("notifications", "repeats"):
        for row in rows(f"SELECT push_id, position FROM {table}"):
            places[row["push_id"]].append(row["position"])
    codes: dict[str, list[Row]] = defaultdict(list)
    for row in of("SELECT * FROM v1_booking_codes WHERE source = :source ORDER BY booking_id, position"):
        codes[row["booking_id"]].append(row)
    pushes = of("SELECT v.*, p.sha256 FROM v1_pushes v JOIN pushes p ON p.id = v.id WHERE v.source = :source")
    absences = of("SELECT * FROM v1_unavailabilities WHERE source = :source")
    completed = of("SELECT booking_id FROM completion_resources WHERE source = :source")
    return Stored(
        pushes={row["id"]: row for row in pushes},
        bodies=_bodies(rows),
        places=places,
        notifications=of("SELECT * FROM v1_notifications WHERE source = :source ORDER BY received_at, id"),
        changes=of('SELECT * FROM v1_changes WHERE source = :source ORDER BY "cursor"'),
        bookings={row["booking_id"]: row for row in of("SELECT * FROM v1_bookings WHERE source = :source")},
        codes=codes,
        absences={row["resource_id"]: row for row in absences},
        workers=Counter(row["booking_id"] for row in completed),
        orphans={name: _count(rows, which, source) for name, which in _ORPHANS.items()},
        hidden=hidden,
    )


def _count(rows: Callable[..., list[Row]], which: str, source: str | None = None) -> int:
    values = {"source": source} if ":source" in which else {}
    return int(rows(f"SELECT count(*) AS number FROM {which}", **values)[0]["number"])


def _hidden(rows: Callable[..., list[Row]]) -> dict[str, int]:
    found: dict[str, int] = {}

    def nothing_is_hidden() -> bool:
        found.update({table: _count(rows, table) - _count(rows, view) for table, view in _VIEWS.items()})
        return not any(found.values())

    with suppress(AssertionError):  # what stays hidden is a finding
        wait_until(nothing_is_hidden, 10, "views show all rows")
    return found


def _bodies(rows: Callable[..., list[Row]]) -> dict[str, tuple[str, int]]:
    """Digest and size of each body, in pieces that fit into memory."""
    found: dict[str, tuple[str, int]] = {}
    last = ""
    query = "SELECT push_id, body FROM push_bodies WHERE push_id > :last ORDER BY push_id LIMIT 2000"
    while piece := rows(query, last=last):
        for row in piece:
            body = bytes(row["body"])
            found[row["push_id"]] = hashlib.sha256(body).hexdigest(), len(body)
        last = piece[-1]["push_id"]
    return found
