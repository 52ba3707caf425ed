"""Whatever the field table allows goes in at one end, and comes out of the views as it went in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from receiver.fields import Field, FieldType, Group, Kind, KindTable
from receiver.intake.source import Source
from receiver.messages import Rules
from receiver.store.pushes import Outcome
from tests.support.corridor import Corridor, corridor
from tests.support.documents import Document, Values, documents
from tests.support.profiles import examples
from tests.support.reading import NAMES, RULES, TABLE, judge
from tests.support.values import Sent, field_values, meant, times, written_times

NOW = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)
JSON_COLUMNS = {"values", "warnings", "problems", "data_values"}
ACTIONS = {"New": "created", " CREATE": "created", "amend": "amended", "Updated": "amended", "DELETE": "removed"}
# What the order of a completion says of its booking where the booking says nothing.
OF_ORDER = {
    "secondaryOrderNumber": "secondary_order_number",
    "tertiaryOrderNumber": "tertiary_order_number",
    "contract": "contract",
    "locationID": "location_id",
    "targetDate": "target_date",
}


def values(of: Field) -> st.SearchStrategy[Sent]:
    """As the field table allows, and so that it can be applied: known words, and periods within the years there are."""
    if of.name == "Action":
        return st.sampled_from(list(ACTIONS)).map(lambda word: Sent(word, word))
    if of.name == "taskLifeCycleStatus":
        return st.sampled_from(["COMPLETED", "Completed ", "PLANNED"]).map(lambda word: Sent(word, word))
    if of.name in ("PeriodStart", "PeriodEnd"):
        within = times(datetime(1000, 1, 1), datetime(9998, 12, 31), ends=False)
        return written_times(within).map(lambda found: Sent(found, found))
    return field_values(of)


def entity(record: Values) -> object:
    return record.get("bookingId", record.get("ResourceId"))


def distinct(document: Document) -> bool:
    """Whether every record is of another booking or resource; what several say of one is not for here."""
    return len({entity(r) for r in document.records}) == len(document.records)


# What the views should say


def typed(found: Field, value: object) -> object:
    if value is None or found.type in (FieldType.TEXT, FieldType.BOOKING_ID, FieldType.TEXTS):
        return value
    return meant(str(value)) if found.type is FieldType.DATETIME else int(str(value))


def columns(record: Mapping[str, object], part: KindTable | Group) -> dict[str, object]:
    return {f.column: typed(f, record[f.name]) for f in part.fields if f.name in record}


def event_time(record: Values, name: str) -> datetime:
    said = record.get(name)
    return (meant(said) if isinstance(said, str) else None) or NOW


def booking(kind: Kind, record: Values) -> dict[str, object]:
    found: dict[str, object] = {**columns(record, TABLE.kinds[kind]), "status": "confirmed"}
    if kind is Kind.CANCELLATION:
        found |= {"status": "cancelled", "cancelled_at": event_time(record, "changedDate")}
    if kind is not Kind.COMPLETION:
        return found
    found.pop("completed_at", None)
    found.pop("completion_status", None)
    order = record.get("theOrder")
    said = columns(order, TABLE.groups["theOrder"]) if isinstance(order, dict) else {}
    of_order = {f.name: f.column for f in TABLE.groups["theOrder"].fields}
    for name, column in OF_ORDER.items():
        found.setdefault(column, said.get(of_order[name]))
    if completes(record):
        done = event_time(record, "taskCompletionDate")
        status = record.get("taskCompletionStatus")
        found |= {"status": "completed", "completed_at": done, "completion_status": status}
    return found


def codes(record: Values) -> list[dict[str, object]]:
    found = record.get("theBookingCodes")
    entries = found if isinstance(found, list) else []
    group, booking_id = TABLE.groups["theBookingCodes"], record["bookingId"]
    return [{**columns(c, group), "booking_id": booking_id, "position": n} for n, c in enumerate(entries, start=1)]


def completes(record: Values) -> bool:
    return str(record.get("taskLifeCycleStatus") or "COMPLETED").strip() != "PLANNED"


def completion(record: Values) -> dict[str, object]:
    """The completion's own row, with its order and the order's location."""
    order: Any = record.get("theOrder") or {}
    found = columns(record, TABLE.kinds[Kind.COMPLETION]) | columns(order, TABLE.groups["theOrder"])
    return found | columns(order.get("theLocation") or {}, TABLE.groups["theLocation"])


def lists(record: Values) -> dict[str, list[dict[str, object]]]:
    """The rows of a completion's lists, by table; those of business data say which part they belong to."""
    order: Any = record.get("theOrder") or {}
    found: dict[str, list[dict[str, object]]] = {}
    for name, of, part in (
        ("theResources", record, {}),
        ("theBusinessData", record, {"part": "booking"}),
        ("theBusinessData", order, {"part": "order"}),
    ):
        group = TABLE.groups[name]
        entries: Any = of.get(name) or []
        found.setdefault(group.table, []).extend({**columns(e, group), **part} for e in entries)
    return found


def absence(record: Values) -> dict[str, object]:
    action = ACTIONS[str(record["Action"])] if record.get("Action") else "created"
    status = "removed" if action == "removed" else "active"
    return {**columns(record, TABLE.kinds[Kind.UNAVAILABILITY]), "action": action, "status": status}


# What they say


def plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str) and name in JSON_COLUMNS:
        return json.loads(value)
    if isinstance(value, str) and name.endswith(("_at", "_date", "_start", "_end")):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def rows(found: Corridor, view: str, order: str) -> list[dict[str, Any]]:
    query = text(f"SELECT * FROM {view} WHERE source = :source ORDER BY {order}")
    with found.store.engine.connect() as connection:
        result = connection.execute(query, {"source": found.source.name}).mappings().all()
    return [{name: plain(name, value) for name, value in row.items()} for row in result]


def only(row: Mapping[str, object], expected: Mapping[str, object]) -> dict[str, object]:
    """What is expected of the columns that the view has, all others of the field table being empty."""
    apart = {"source", "notification_id", "first_received_at", "last_received_at", "action_text"}
    return {name: expected.get(name) for name in row if name not in apart}


def check_stored(found: Corridor, document: Document) -> None:
    kind, records = document.kind, document.records
    notifications = rows(found, "v1_notifications", '"position"')
    assert [n["values"] for n in notifications] == list(records)
    assert [n["position"] for n in notifications] == list(range(1, len(records) + 1))
    assert {(n["kind"], n["status"], n["received_at"]) for n in notifications} == {(kind, "applied", NOW)}
    assert all(n["problems"] == [] for n in notifications)
    if kind is Kind.UNAVAILABILITY:
        stored = {row["resource_id"]: row for row in rows(found, "v1_unavailabilities", "resource_id")}
        assert {n["resource_id"] for n in notifications} == set(stored)
        expected = {str(r["ResourceId"]): absence(r) for r in records}
        assert {i: row["action_text"] for i, row in stored.items()} == {
            i: e.get("action_text") for i, e in expected.items()
        }
    else:
        stored = {row["booking_id"]: row for row in rows(found, "v1_bookings", "booking_id")}
        assert {n["booking_id"] for n in notifications} == set(stored)
        expected = {str(r["bookingId"]): booking(kind, r) for r in records}
        listed = rows(found, "v1_booking_codes", "booking_id, position")
        for record in records:
            mine = [row for row in listed if row["booking_id"] == record["bookingId"]]
            assert [only(r, r) for r in mine] == [only(listed[0], code) for code in codes(record)]
        assert len(listed) == sum(len(codes(record)) for record in records)
    assert set(stored) == set(expected)
    for name, row in stored.items():
        assert only(row, row) == only(row, expected[name])
        assert (row["first_received_at"], row["last_received_at"]) == (NOW, NOW)


def check_completions(found: Corridor, records: Sequence[Values]) -> None:
    """No view shows a completion whole: its tables hold it."""
    stored = {row["booking_id"]: row for row in rows(found, "completions", "booking_id")}
    assert set(stored) == {r["bookingId"] for r in records if completes(r)}
    for record in filter(completes, records):
        row = stored[record["bookingId"]]
        assert only(row, row) == only(row, {**completion(record), "booking_id": record["bookingId"]})
        for table, expected in lists(record).items():
            mine = [r for r in rows(found, table, "booking_id, position") if r["booking_id"] == record["bookingId"]]
            listed = [{k: v for k, v in r.items() if k not in ("source", "booking_id", "position")} for r in mine]
            assert listed == [{**dict.fromkeys(r), **e} for r, e in zip(listed, expected, strict=True)]
            assert [r["position"] for r in mine] == list(range(1, len(expected) + 1))


# The test


@pytest.fixture
def new_source(database_url: str) -> Iterator[Callable[[], Corridor]]:
    """Makes a corridor for a source that nothing was heard of yet, on one migrated database for the whole test."""
    numbers = count(1)
    with corridor(database_url, now=lambda: NOW) as one:

        def make() -> Corridor:
            rules = Rules(f"source{next(numbers)}", RULES.zone)
            return Corridor(one.store, Source(rules.source, NAMES, rules, judge(rules)), lambda: NOW)

        yield make


@settings(max_examples=examples(3), suppress_health_check=list(HealthCheck))
@given(document=documents(values=values).filter(distinct))
def test_what_comes_out_of_the_views_is_what_went_in(new_source: Callable[[], Corridor], document: Document) -> None:
    found = new_source()
    receipt = found.push(document.body)
    assert receipt.outcome is Outcome.STORED
    check_stored(found, document)
    if document.kind is Kind.COMPLETION:
        check_completions(found, document.records)
    [push] = rows(found, "v1_pushes", "id")
    assert (push["id"], push["size_bytes"], push["records"]) == (
        receipt.push_id,
        len(document.body),
        len(document.records),
    )
    changes = rows(found, "v1_changes", "cursor")
    assert sorted(c["entity_key"].partition("/")[0] for c in changes) == sorted(
        str(entity(r)).partition("/")[0] for r in document.records
    )
    assert found.push(document.body).outcome is Outcome.DUPLICATE
    check_stored(found, document)
    assert rows(found, "v1_changes", "cursor") == changes
