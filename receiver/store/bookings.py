"""Current bookings with their codes and completions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from receiver.messages import Booking
from receiver.messages.booking import Order

from .tables import Tables

_STATE = (
    "changed_at",
    "cancelled_at",
    "completed_at",
    "completion_status",
    "completed_successfully",
    "completed_by",
)
_NOT_FIELDS = frozenset(
    {
        *_STATE,
        *("source", "booking_id", "status", "ever_confirmed", "first_received_at", "last_received_at"),
        *(
            "applied_id",
            "applied_key",
            "last_event_at",
            "last_event_rank",
            "last_event_received_at",
            "last_event_id",
        ),
    }
)


def field_columns(tables: Tables) -> list[str]:
    """The columns that come from the field table."""
    return [c.name for c in tables.bookings.columns if c.name not in _NOT_FIELDS]


def load(connection: Connection, tables: Tables, source: str, ids: Iterable[str]) -> dict[str, Booking]:
    """The bookings of those ids that are known, locked until the transaction ends, always in the same order."""
    b, c = tables.bookings, tables.codes
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    query = select(b).where(b.c.source == source, b.c.booking_id.in_(wanted)).order_by(b.c.booking_id)
    rows = connection.execute(query.with_for_update()).mappings().all()
    codes: dict[str, list[dict[str, object]]] = {}
    if rows:
        names = [col for col in c.columns if col.name not in ("source", "booking_id", "position")]
        found = select(c.c.booking_id, *names).where(c.c.source == source, c.c.booking_id.in_(wanted))
        for code in connection.execute(found.order_by(c.c.booking_id, c.c.position)).mappings():
            row = dict(code)
            codes.setdefault(row.pop("booking_id"), []).append(row)
    fields = field_columns(tables)
    return {row["booking_id"]: _booking(row, fields, codes.get(row["booking_id"], [])) for row in rows}


def _booking(row: Any, fields: list[str], codes: list[dict[str, object]]) -> Booking:
    last = None
    if row["last_event_at"] is not None:
        last = Order(row["last_event_at"], row["last_event_rank"], row["last_event_received_at"], row["last_event_id"])
    return Booking(
        source=row["source"],
        booking_id=row["booking_id"],
        first_received_at=row["first_received_at"],
        last_received_at=row["last_received_at"],
        fields={name: row[name] for name in fields if row[name] is not None},
        codes=tuple({k: v for k, v in code.items() if v is not None} for code in codes),
        last=last,
        applied_id=row["applied_id"],
        applied_key=row["applied_key"],
        ever_confirmed=row["ever_confirmed"],
        **{name: row[name] for name in _STATE},
    )


def _row(booking: Booking, fields: list[str]) -> dict[str, object]:
    last = booking.last
    return {
        **{name: booking.fields.get(name) for name in fields},
        **{name: getattr(booking, name) for name in _STATE},
        "source": booking.source,
        "booking_id": booking.booking_id,
        "status": booking.status,
        "ever_confirmed": booking.ever_confirmed,
        "first_received_at": booking.first_received_at,
        "last_received_at": booking.last_received_at,
        "applied_id": booking.applied_id,
        "applied_key": booking.applied_key,
        "last_event_at": last.event_at if last else None,
        "last_event_rank": last.rank if last else None,
        "last_event_received_at": last.received_at if last else None,
        "last_event_id": last.notification_id if last else None,
    }


def save(connection: Connection, tables: Tables, new: Sequence[Booking], known: Sequence[Booking]) -> None:
    """Store current states: ``new`` ones are inserted (StoreConflict when another got there first)."""
    fields = field_columns(tables)
    if new:
        connection.execute(insert(tables.bookings), [_row(b, fields) for b in new])
    if known:
        b = tables.bookings
        rows = [_row(booking, fields) for booking in known]
        names = [n for n in rows[0] if n not in ("source", "booking_id")]
        statement = (
            update(b)
            .where(b.c.source == bindparam("its_source"), b.c.booking_id == bindparam("its_booking_id"))
            .values({n: bindparam(f"new_{n}") for n in names})
        )
        connection.execute(
            statement,
            [
                {
                    "its_source": r["source"],
                    "its_booking_id": r["booking_id"],
                    **{f"new_{n}": r[n] for n in names},
                }
                for r in rows
            ],
        )


def save_codes(connection: Connection, tables: Tables, bookings: Sequence[Booking]) -> None:
    """Replace the codes of those bookings."""
    _replace(
        connection,
        tables.codes,
        [(b.source, b.booking_id) for b in bookings],
        [
            {"source": b.source, "booking_id": b.booking_id, "position": position, **_all(tables.codes, code)}
            for b in bookings
            for position, code in enumerate(b.codes, start=1)
        ],
    )


def save_completions(connection: Connection, tables: Tables, found: Sequence[dict[str, Any]]) -> None:
    """Replace the completions of bookings.

    Each entry holds ``source``, ``booking_id``, ``columns`` of the completion itself, and ``resources`` and
    ``business_data`` as lists of columns.
    """
    keys = [(c["source"], c["booking_id"]) for c in found]
    key_of = [{"source": c["source"], "booking_id": c["booking_id"]} for c in found]
    for table, part in ((tables.resources, "resources"), (tables.business_data, "business_data")):
        rows = [
            {**key, "position": position, **_all(table, row)}
            for key, completion in zip(key_of, found, strict=True)
            for position, row in enumerate(completion[part], start=1)
        ]
        _replace(connection, table, keys, rows)
    rows = [{**key, **_all(tables.completions, c["columns"])} for key, c in zip(key_of, found, strict=True)]
    _replace(connection, tables.completions, keys, rows)


def _all(table: Any, columns: dict[str, object]) -> dict[str, object]:
    keys = ("source", "booking_id", "position")
    return {c.name: columns.get(c.name) for c in table.columns if c.name not in keys}


def _replace(connection: Connection, table: Any, keys: list[tuple[str, str]], rows: list[dict[str, Any]]) -> None:
    if keys:
        connection.execute(delete(table).where(tuple_(table.c.source, table.c.booking_id).in_(keys)))
    if rows:
        connection.execute(insert(table), rows)
