"""The audit: what the receiver keeps against what was sent and what was answered.

Acknowledged means present and whole; everything else is absent or whole; nothing is ever there in part, and each effect
is there once. It reads the database with plain SQL, and trusts nothing that the receiver says of itself.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .events import Arrival, Ending, Event, Push, Story
from .ledger import Delivery, Ledger
from .stored import Row, Stored, read

Rows = Callable[..., list[Row]]
_OUTCOMES = {True: {"stored", "duplicate", "partly_held"}, False: {"refused", "failed"}}
_SHOWN = 12


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be."""

    rule: str
    about: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.about}" + (f" ({self.detail})" if self.detail else "")


class Audit:
    """One comparison. ``in_order``: whether every push was taken in when it was answered, and so in the order of its
    story; with a spool it may have been later."""

    def __init__(self, ledger: Ledger, rows: Rows, *, in_order: bool = True, source: str = "drs") -> None:
        self._ledger, self._in_order = ledger, in_order
        self._stored: Stored = read(rows, source)
        self._of_delivery: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in ledger.deliveries:
            self._of_delivery[delivery.push.sha256].append(delivery)
        self._acknowledged = {(d.push.name, d.push.again) for d in ledger.deliveries if d.acknowledged}
        self._notified: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for row in self._stored.notifications:
            self._notified[_identity(row)].append(row)
        self._changes: dict[str, list[Row]] = defaultdict(list)
        for row in self._stored.changes:
            self._changes[row["notification_id"]].append(row)

    def findings(self) -> list[Finding]:
        """Everything that is not as it must be; empty when all is well."""
        found = [*self._orphans(), *self._inbox(), *self._replies()]
        for story in self._ledger.stories:
            found.extend(self._story(story))
        found.extend(self._unheard_of())
        return found

    # The inbox: every delivery whole, and none that was not made

    def _orphans(self) -> Iterator[Finding]:
        for name, count in self._stored.orphans.items():
            if count:
                yield Finding("orphans", f"{count} rows: {name}")
        for name, hidden in self._stored.hidden.items():
            if hidden:
                yield Finding("hidden", f"{hidden} rows of {name} do not show in the view")

    def _inbox(self) -> Iterator[Finding]:
        pushes = {push.sha256: push for story in self._ledger.stories for push in story}
        kept: Counter[str] = Counter()
        for row in self._stored.pushes.values():
            body = self._stored.bodies.get(row["id"])
            if body is None:
                yield Finding("partial", f"push {row['id']} has no body")
                continue
            sha256, size = body
            kept[sha256] += 1
            if sha256 != row["sha256"] or size != row["size_bytes"]:
                yield Finding("partial", f"push {row['id']} has another body than it says")
            if sha256 not in pushes:
                yield Finding("unknown", f"push {row['id']} has a body that nobody sent")
                continue
            yield from self._records(row, pushes[sha256])
        for sha256, number in kept.items():
            if sha256 in pushes and number > self._ledger.begun(pushes[sha256]):
                sent = self._ledger.begun(pushes[sha256])
                yield Finding("twice", f"push {pushes[sha256].name} sent {sent} times and stored {number} times")

    def _records(self, row: Row, push: Push) -> Iterator[Finding]:
        """A delivery with its records, or one of which nothing was read."""
        expected = 0 if push.ending is Ending.UNREADABLE or row["outcome"] == "failed" else len(push.events)
        places = sorted(self._stored.places[row["id"]])
        if row["records"] != expected or places != list(range(1, expected + 1)):
            detail = f"says {row['records']}, has {len(places)}, of {expected}"
            yield Finding("partial", f"push {push.name} as {row['id']} lacks records", detail)

    def _replies(self) -> Iterator[Finding]:
        """Whatever a reply names is there, with the bytes that were sent and the reply that was given."""
        for delivery in self._ledger.deliveries:
            if delivery.status is not None and (delivery.status == 200) != (delivery.said == "success"):
                yield Finding("reply", f"{delivery.push.name} was told {delivery.said} with HTTP {delivery.status}")
            if delivery.acknowledged and delivery.push_id is None:
                yield Finding("reply", f"{delivery.push.name} was told yes, and not where it is kept")
            if delivery.push_id is None:
                continue
            row = self._stored.pushes.get(delivery.push_id)
            if row is None:
                rule = "lost" if delivery.acknowledged else "named but absent"
                yield Finding(rule, f"push {delivery.push.name}", f"answered {delivery.status} as {delivery.push_id}")
            elif self._stored.bodies.get(delivery.push_id, ("", 0))[0] != delivery.push.sha256:
                yield Finding("lost", f"push {delivery.push.name}: other bytes are kept as {delivery.push_id}")
            elif row["outcome"] not in _OUTCOMES[delivery.acknowledged] and not self._may_have_waited(delivery):
                yield Finding("reply", f"{delivery.push.name} answered {delivery.status}, kept as {row['outcome']}")

    def _may_have_waited(self, delivery: Delivery) -> bool:
        """Whether it was kept in a spool when it was answered, to be taken in later."""
        return not self._in_order and (delivery.acknowledged or delivery.status == 503)

    # Effects: each event once, and the state that they make together

    def _story(self, story: Story) -> Iterator[Finding]:
        heard: list[tuple[Event, Row]] = []
        used: Counter[tuple[str, str, str]] = Counter()
        for push in story:
            if push.again:
                continue
            here = [e for e in push.events if len(self._notified[e.identity]) > used[e.identity]]
            acknowledged = (push.name, False) in self._acknowledged
            if here and len(here) < len(push.events):
                yield Finding("partial", f"push {push.name}", f"{len(here)} of {len(push.events)} records are there")
            if acknowledged and len(here) < len(push.events):
                yield Finding("lost", f"push {push.name} was told yes", f"{len(here)} of {len(push.events)} records")
            for event in here:
                heard.append((event, self._notified[event.identity][used[event.identity]]))
                used[event.identity] += 1
        for identity in {e.identity for push in story for e in push.events}:
            more = len(self._notified[identity]) - used[identity]
            if more:
                yield Finding("twice", f"event {'/'.join(identity)} is there {more} more times than it happened")
        for event, row in heard:
            yield from self._effect(event, row)
        for key in {(e.kind == "unavailability", e.key) for push in story for e in push.events}:
            yield from self._state(*key, [(e, r) for e, r in heard if (e.kind == "unavailability", e.key) == key])

    def _effect(self, event: Event, row: Row) -> Iterator[Finding]:
        """One row in the feed for what was applied, none for what is held."""
        name = "/".join(event.identity)
        status = {"applied"} if self._in_order else {"applied", "superseded"}
        if row["status"] not in (status if event.valid else {"held"}):
            yield Finding("status", f"event {name} is {row['status']}")
        changes = self._changes[row["id"]]
        wanted = range(1, 2) if self._in_order else range(2)
        if len(changes) not in (wanted if event.valid else range(1)):
            yield Finding("effects", f"event {name} shows {len(changes)} times in the feed")
        entity = "unavailability" if event.kind == "unavailability" else "booking"
        for change in changes:
            if (change["entity"], change["entity_key"]) != (entity, event.entity):
                yield Finding("effects", f"event {name} shows as {change['entity']} {change['entity_key']}")
            if self._in_order and change["change"] != event.change:
                yield Finding("effects", f"event {name} shows as {change['change']}, not {event.change}")

    def _state(self, absence: bool, key: str, heard: list[tuple[Event, Row]]) -> Iterator[Finding]:
        """The row that the valid events make, in the order of the story; none without them."""
        valid = [(event, row) for event, row in heard if event.valid]
        name, rows = ("unavailability", self._stored.absences) if absence else ("booking", self._stored.bookings)
        row = rows.get(key)
        if not valid or row is None:
            if valid or row is not None:
                yield Finding("state", f"{name} {key} is {'missing' if valid else 'there without an event'}")
            return
        expected: dict[str, object] = {}
        codes: tuple[Any, ...] = ()
        for event, source in valid:
            expected |= {k: source["received_at"] if v is Arrival.TIME else v for k, v in event.state.items()}
            codes = codes if event.codes is None else event.codes
        wrong = {column: (row[column], value) for column, value in expected.items() if row[column] != value}
        for column, (has, value) in wrong.items():
            yield Finding("state", f"{name} {key}: {column}", f"has {has!r}, not {value!r}")
        stored = self._stored.codes.get(key, [])
        if [{k: v for k, v in row.items() if k in one} for row, one in zip(stored, codes, strict=False)] != [
            dict(one) for one in codes
        ] or len(stored) != len(codes):
            yield Finding("partial", f"booking {key}: its codes", f"{len(stored)} rows, not the {len(codes)} sent")
        if not absence and row["status"] == "completed" and self._stored.workers[key] != 1:
            yield Finding("partial", f"booking {key}: its completion's resources", f"{self._stored.workers[key]} rows")

    def _unheard_of(self) -> Iterator[Finding]:
        """Effects of nothing that was sent."""
        events = [e for story in self._ledger.stories for push in story for e in push.events]
        known = {e.identity for e in events}
        for identity in self._notified.keys() - known:
            if self._notified[identity]:
                yield Finding("unknown", f"notification {'/'.join(identity)} of nothing that was sent")
        keys = {e.key for e in events}
        for name, rows in (("booking", self._stored.bookings), ("unavailability", self._stored.absences)):
            for key in rows.keys() - keys:
                yield Finding("unknown", f"{name} {key} of nothing that was sent")


def _identity(row: Row) -> tuple[str, str, str]:
    values = row["values"] if isinstance(row["values"], dict) else json.loads(row["values"])
    absence = row["kind"] == "unavailability"
    key = row["resource_id"] if absence else row["booking_id"]
    return row["kind"], key or "", str(values.get("Comments" if absence else "userId", ""))


def audit(ledger: Ledger, rows: Rows, *, in_order: bool = True) -> list[Finding]:
    """Compare; ``rows`` runs a query on the receiver's database (``Receiver.rows``)."""
    return Audit(ledger, rows, in_order=in_order).findings()


def expect_none(found: Sequence[Finding]) -> None:
    """Fail with a readable list when the audit found anything."""
    rest = f"\n... and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    assert not found, f"{len(found)} findings:\n" + "\n".join(map(str, found[:_SHOWN])) + rest


def assert_whole(ledger: Ledger, rows: Rows, *, in_order: bool = True) -> None:
    """Audit, and fail when it finds anything."""
    expect_none(audit(ledger, rows, in_order=in_order))
