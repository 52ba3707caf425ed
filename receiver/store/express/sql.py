"""The statements of the happy path, made from the same tables as all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    Boolean,
    Column,
    ColumnElement,
    FromClause,
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
    values,
)

from ..changes import FeedPosition
from ..notifications import NotificationStatus, saying
from ..pushes import Outcome
from ..tables import Tables

NEW, REPEAT = "new", "repeat"
MOST_SINGLE = 4  # so many codes are given as parameters of their own; more are a list
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
_LATER = frozenset({"body_state", "erased_at", "grouped_at"})  # columns that are set in the background
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
    """The columns of all parameters but a list of codes, by the parameter's name."""
    found = {f"{part}_{c.name}": c for part, table in _parts(tables).items() for c in table.columns}
    single = {f"{code_part(n)}_{c.name}": c for n in range(1, MOST_SINGLE + 1) for c in tables.codes.columns}
    return {**found, **single, "body": tables.bodies.c.body}


def code_part(position: int) -> str:
    """What the names of the parameters of one code begin with; positions count from 1."""
    return f"code{position}"


def parameters(tables: Tables) -> tuple[str, ...]:
    """What a candidate's rows are given as, the codes' aside."""
    wanted = [f"{part}_{c}" for part, table in _parts(tables).items() for c in _values(part, table)]
    return (*dict.fromkeys(_SAME.get(name, name) for name in wanted if name != "change_cursor"), "body", "dated")


def repeat_parameters(tables: Tables) -> tuple[str, ...]:
    """What a repeat is given as."""
    known = ("notification_position", "notification_content_key", "booking_booking_id", "body", "dated")
    return (*(f"push_{c}" for c in _values("push", tables.pushes)), *known)


def _bind(name: str, of: Column[Any]) -> ColumnElement[Any]:
    if isinstance(of.type, JSON):
        return cast(bindparam(name), JSON)  # it was written already: see express.as_json
    return bindparam(name, type_=of.type)


def _values(part: str, table: Table) -> dict[str, ColumnElement[Any]]:
    names = {c.name: f"{part}_{c.name}" for c in table.columns if c.name not in _LATER}
    return {c: _bind(_SAME.get(name, name), table.c[c]) for c, name in names.items() if name not in _NOT_YET}


class _Question:
    """What the verdict is made of: ``sources``, of one row, and in it ``seen``, what was heard of the same content.

    Each index is looked into once, and nothing is listed twice: most of what a look costs is its beginning.
    """

    def __init__(self, tables: Tables) -> None:
        n, p = tables.notifications, tables.pushes
        source = bindparam("push_source", type_=Text)
        content_key = bindparam("notification_content_key", type_=Text)
        said = saying(tables, (n.c.id, n.c.status, n.c.received_at), source, content_key).subquery("said")
        only = (func.max(said.c[name]).label(name) for name in ("id", "status", "received_at"))
        self.seen = select(func.count().label("times"), *only).select_from(said).subquery("seen")
        self._booking = b = tables.bookings
        its = and_(b.c.source == source, b.c.booking_id == bindparam("booking_booking_id", type_=Text))
        self.sources = self.seen.join(b, its, isouter=True)
        sha256 = bindparam("push_sha256", type_=Text)
        self._held = exists().where(p.c.source == source, p.c.sha256 == sha256, p.c.held > _NONE)

    def verdict(self) -> ColumnElement[str]:
        """New where nothing was heard of the content and the booking; a repeat where one notification said it, which
        is dated or was the last to be applied. NULL where it takes more to tell."""
        seen, booking = self.seen.c, self._booking.c
        settled = or_(bindparam("dated", type_=Boolean), booking.applied_id == seen.id)
        return case(
            (self._held, null()),
            (and_(seen.times == _NONE, booking.booking_id.is_(None)), _NEW),
            (and_(seen.times == _ONE, seen.status != _HELD, settled), _REPEAT),
        )

    def known(self, name: str) -> Label[Any]:
        """A column of the one notification that says the same."""
        return self.seen.c[name].label(f"known_{name}")


def _decided(tables: Tables, feed: FeedPosition) -> Select[Any]:
    """Verdict, id and arrival of the notification that is repeated, and the next cursor of the feed: one row."""
    asked = _Question(tables)
    return select(
        asked.verdict().label("verdict"), asked.known("id"), asked.known("received_at"), feed.next.label("cursor")
    ).select_from(feed.given.join(asked.sources, true()))


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


def one_statement(tables: Tables, codes: int | None = None) -> Select[Any]:
    """All of it on PostgreSQL: verdict and arrival of the notification that is repeated. No row when it is neither.

    ``codes`` is how many the booking has, up to MOST_SINGLE; None is any number, as one list.
    """
    feed = FeedPosition(tables, "postgresql")
    decided = _decided(tables, feed).where(~feed.is_behind).cte("decided")
    new, repeat = decided.c.verdict == _NEW, decided.c.verdict == _REPEAT
    push = _values("push", tables.pushes)
    push["outcome"] = case((new, push["outcome"]), else_=_DUPLICATE)
    body = _body(tables)
    change = {**_values("change", tables.changes), "cursor": decided.c.cursor}
    return (
        select(decided.c.verdict, decided.c.known_received_at)
        .where(decided.c.verdict.is_not(None))
        .add_cte(
            _stored(tables.pushes, push, or_(new, repeat), decided),
            _stored(tables.bodies, body, or_(new, repeat), decided),
            _stored(tables.repeats, _again(tables, decided.c.known_id), repeat, decided),
            _stored(tables.notifications, _values("notification", tables.notifications), new, decided),
            _stored(tables.bookings, _values("booking", tables.bookings), new, decided),
            *_stored_codes(tables, codes, new, decided),
            _stored(tables.changes, change, new, decided),
        )
    )


def repeat_statement(tables: Tables) -> Select[Any]:
    """What is stored of a repeat, on PostgreSQL: when it was heard first. No row when it is none."""
    asked = _Question(tables)
    columns = asked.known("id"), asked.known("received_at")
    known = select(*columns).select_from(asked.sources).where(asked.verdict() == _REPEAT).cte("known")
    repeats = _again(tables, known.c.known_id)
    return select(known.c.known_received_at).add_cte(
        _stored(tables.pushes, _values("push", tables.pushes), true(), known),
        _stored(tables.bodies, _body(tables), true(), known),
        _stored(tables.repeats, repeats, true(), known),
    )


def _stored(table: Table, values: Mapping[str, ColumnElement[Any]], when: ColumnElement[bool], source: Any) -> CTE:
    """A row of the table for each row of ``source``."""
    rows = select(*values.values()).select_from(source).where(when)
    return insert(table).from_select(list(values), rows).cte(f"stored_{table.name}")


def _body(tables: Tables) -> dict[str, ColumnElement[Any]]:
    return {"push_id": _bind("push_id", tables.pushes.c.id), "body": _bind("body", tables.bodies.c.body)}


def _again(tables: Tables, known_id: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    return {
        "push_id": _bind("push_id", tables.pushes.c.id),
        "position": _bind("notification_position", tables.notifications.c.position),
        "notification_id": known_id,
    }


def _stored_codes(tables: Tables, number: int | None, when: ColumnElement[bool], decided: CTE) -> Sequence[CTE]:
    """The booking's codes. A list is one JSON text, which costs more to read than so many parameters."""
    if number == 0:
        return ()
    own = [c for c in tables.codes.columns if c.name not in ("source", "booking_id")]
    like = [column(c.name, c.type) for c in own]
    listed: FromClause
    if number is None:
        sent = cast(bindparam("codes"), JSON)
        listed = func.json_to_recordset(sent).table_valued(*like, name="listed").render_derived(with_types=True)
    else:
        listed = values(*like, name="listed").data([_single(own, position) for position in range(1, number + 1)])
    keys = {"source": bindparam("push_source", type_=Text), "booking_id": bindparam("booking_booking_id", type_=Text)}
    rows = {**keys, **{c.name: listed.c[c.name] for c in own}}
    return (_stored(tables.codes, rows, when, decided.join(listed, true())),)


def _single(own: Sequence[Column[Any]], position: int) -> tuple[ColumnElement[Any], ...]:
    """One code's columns, parameters of their own but for the position."""
    named = ((c, f"{code_part(position)}_{c.name}") for c in own)
    return tuple(literal_column(str(position)) if c.name == "position" else _bind(name, c) for c, name in named)
