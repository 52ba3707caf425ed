"""The statements of the happy path, made from the same tables as all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Insert,
    Label,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
)

from .changes import FeedPosition
from .notifications import NotificationStatus, saying
from .pushes import Outcome
from .tables import Tables

NEW, REPEAT = "new", "repeat"
_NEW: ColumnElement[str] = literal_column(f"'{NEW}'")
_REPEAT: ColumnElement[str] = literal_column(f"'{REPEAT}'")
_HELD: ColumnElement[str] = literal_column(f"'{NotificationStatus.HELD.value}'")
_DUPLICATE: ColumnElement[str] = literal_column(f"'{Outcome.DUPLICATE.value}'")
_NONE: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")
# What one row of a new booking says as another does: parameter -> the one that stands for both. Fewer is faster.
_SAME = {
    "notification_source": "push_source",
    "booking_source": "push_source",
    "change_source": "push_source",
    "notification_push_id": "push_id",
    "notification_received_at": "push_received_at",
    "booking_first_received_at": "push_received_at",
    "booking_last_received_at": "push_received_at",
    "booking_last_event_received_at": "push_received_at",
    "notification_booking_id": "booking_booking_id",
    "change_entity_key": "booking_booking_id",
    "notification_event_key": "notification_content_key",
    "booking_applied_key": "notification_content_key",
    "booking_applied_id": "notification_id",
    "booking_last_event_id": "notification_id",
    "change_notification_id": "notification_id",
    "change_occurred_at": "booking_last_event_at",
    "booking_changed_at": "notification_changed_at",
    "notification_kind": "push_kind",
}
# What it says nothing of: it has not been completed.
_NOT_YET = frozenset(
    {
        "notification_resource_id",
        "booking_completed_at",
        "booking_completion_status",
        "booking_completed_successfully",
        "booking_completed_by",
    }
)
_LATER = frozenset({"body_state", "erased_at"})  # columns that housekeeping sets
Names = Mapping[str, Column[Any]]


def _parts(tables: Tables) -> dict[str, Table]:
    """What a candidate has one row of each for, by the beginning of its parameters' names."""
    return {
        "push": tables.pushes,
        "notification": tables.notifications,
        "booking": tables.bookings,
        "change": tables.changes,
    }


def names(tables: Tables) -> Names:
    """The columns of all parameters but the codes', by the parameter's name."""
    found = {f"{part}_{c.name}": c for part, table in _parts(tables).items() for c in table.columns}
    return {**found, "body": tables.bodies.c.body}


def parameters(tables: Tables) -> tuple[str, ...]:
    """What a candidate's rows are given as, the codes' aside."""
    wanted = [f"{part}_{c}" for part, table in _parts(tables).items() for c in _values(part, table)]
    return (*dict.fromkeys(_SAME.get(name, name) for name in wanted if name != "change_cursor"), "body", "dated")


def _bind(name: str, of: Column[Any]) -> ColumnElement[Any]:
    if isinstance(of.type, JSON):
        return cast(bindparam(name, type_=Text), JSON)  # it was written already: see express._json
    return bindparam(name, type_=of.type)


def _values(part: str, table: Table) -> dict[str, ColumnElement[Any]]:
    names = {c.name: f"{part}_{c.name}" for c in table.columns if c.name not in _LATER}
    return {c: _bind(_SAME.get(name, name), table.c[c]) for c, name in names.items() if name not in _NOT_YET}


class _Question:
    """What the verdict is made of."""

    def __init__(self, tables: Tables) -> None:
        n, b, p = tables.notifications, tables.bookings, tables.pushes
        source = bindparam("push_source", type_=Text)
        content_key = bindparam("notification_content_key", type_=Text)
        booking_id = bindparam("booking_booking_id", type_=Text)
        wanted = n.c.id, n.c.status, n.c.received_at
        self.seen = saying(tables, wanted, source, content_key).cte("seen")
        self.here = select(b.c.applied_id).where(b.c.source == source, b.c.booking_id == booking_id).cte("here")
        sha256 = bindparam("push_sha256", type_=Text)
        self.held = exists().where(p.c.source == source, p.c.sha256 == sha256, p.c.held > _NONE)

    def verdict(self) -> ColumnElement[str]:
        """New where nothing was heard of the content and the booking; a repeat where one notification said it, which
        is dated or was the last to be applied. NULL where it takes more to tell."""
        seen, here = self.seen, self.here
        dated = bindparam("dated", type_=Boolean)
        is_last = exists().where(here.c.applied_id == seen.c.id)
        settled = exists().where(seen.c.status != _HELD, or_(dated, is_last))
        times = select(func.count()).select_from(seen).scalar_subquery()
        return case(
            (self.held, null()),
            (and_(times == _NONE, ~exists(select(here.c.applied_id))), _NEW),
            (and_(times == _ONE, settled), _REPEAT),
        )

    def known(self, name: str) -> Label[Any]:
        """A column of the one notification that says the same."""
        only = select(func.max(self.seen.c[name])).scalar_subquery()
        return only.label(f"known_{name}")


def _decided(tables: Tables, feed: FeedPosition) -> Select[Any]:
    """Verdict, id and arrival of the notification that is repeated, and the next cursor of the feed: one row."""
    asked = _Question(tables)
    return select(
        asked.verdict().label("verdict"), asked.known("id"), asked.known("received_at"), feed.next.label("cursor")
    ).select_from(feed.given)


def question(tables: Tables) -> Select[Any]:
    """Verdict, id and arrival of the notification that is repeated, and the next cursor of the feed: one row.

    For a database where the transaction writes alone.
    """
    return _decided(tables, FeedPosition(tables, "sqlite"))


def inserts(tables: Tables) -> dict[str, Insert]:
    """One statement a table, by the table's name, for a database that takes every value as it is given."""
    rows: dict[Table, dict[str, Any]] = {
        table: {c: bindparam(_SAME.get(f"{part}_{c}", f"{part}_{c}")) for c in _values(part, table)}
        for part, table in _parts(tables).items()
    }
    rows[tables.bodies] = {"push_id": bindparam("push_id"), "body": bindparam("body")}
    rows[tables.repeats] = {
        "push_id": bindparam("push_id"),
        "position": bindparam("notification_position"),
        "notification_id": bindparam("known_id"),
    }
    rows[tables.codes] = {c.name: bindparam(c.name) for c in tables.codes.columns}
    return {table.name: insert(table).values(values) for table, values in rows.items()}


def one_statement(tables: Tables) -> Select[Any]:
    """All of it on PostgreSQL: verdict and arrival of the notification that is repeated. No row when it is neither."""
    feed = FeedPosition(tables, "postgresql")
    decided = _decided(tables, feed).where(~feed.is_behind).cte("decided")
    new, repeat = decided.c.verdict == _NEW, decided.c.verdict == _REPEAT

    def stored(table: Table, values: Mapping[str, ColumnElement[Any]], when: ColumnElement[bool], source: Any) -> Any:
        rows = select(*values.values()).select_from(source).where(when)
        return insert(table).from_select(list(values), rows).cte(f"stored_{table.name}")

    push = _values("push", tables.pushes)
    push["outcome"] = case((new, push["outcome"]), else_=_DUPLICATE)
    body = {"push_id": _bind("push_id", tables.pushes.c.id), "body": _bind("body", tables.bodies.c.body)}
    again = {
        "push_id": body["push_id"],
        "position": _bind("notification_position", tables.notifications.c.position),
        "notification_id": decided.c.known_id,
    }
    change = {**_values("change", tables.changes), "cursor": decided.c.cursor}
    codes, listed = _codes(tables)
    return (
        select(decided.c.verdict, decided.c.known_received_at)
        .where(decided.c.verdict.is_not(None))
        .add_cte(
            stored(tables.pushes, push, or_(new, repeat), decided),
            stored(tables.bodies, body, or_(new, repeat), decided),
            stored(tables.repeats, again, repeat, decided),
            stored(tables.notifications, _values("notification", tables.notifications), new, decided),
            stored(tables.bookings, _values("booking", tables.bookings), new, decided),
            stored(tables.codes, codes, new, decided.join(listed, true())),
            stored(tables.changes, change, new, decided),
        )
    )


def _codes(tables: Tables) -> tuple[dict[str, ColumnElement[Any]], Any]:
    """The codes' columns, and the list they come from: one JSON text, as there can be any number of them."""
    own = [c for c in tables.codes.columns if c.name not in ("source", "booking_id")]
    sent = cast(bindparam("codes", type_=Text), JSON)
    listed = func.json_to_recordset(sent).table_valued(*(column(c.name, c.type) for c in own), name="listed")
    listed = listed.render_derived(with_types=True)
    keys = {"source": bindparam("push_source", type_=Text), "booking_id": bindparam("booking_booking_id", type_=Text)}
    return {**keys, **{c.name: listed.c[c.name] for c in own}}, listed
