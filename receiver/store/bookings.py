"""Current bookings with their codes and completions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from receiver.messages import Booking
from receiver.messages.booking import Order
from receiver.messages.completion import Completion

from .copying import put
from .lookup import among
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
    return _load(connection, tables, source, ids, locked=True)


def read(connection: Connection, tables: Tables, source: str, booking_id: str) -> Booking | None:
    """The booking as it stands, to be looked at only."""
    return _load(connection, tables, source, [booking_id], locked=False).get(booking_id)


def _load(
    connection: Connection, tables: Tables, source: str, ids: Iterable[str], *, locked: bool
) -> dict[str, Booking]:
    b, c = tables.bookings, tables.codes
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    query = select(b).where(b.c.source == source, among(connection, b.c.booking_id, wanted)).order_by(b.c.booking_id)
    rows = connection.execute(query.with_for_update() if locked else query).mappings().all()
    codes: dict[str, list[dict[str, object]]] = {}
    if rows:
        names = [col for col in c.columns if col.name not in ("source", "booking_id", "position")]
        found = select(c.c.booking_id, *names).where(c.c.source == source, among(connection, c.c.booking_id, wanted))
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


def row(booking: Booking, fields: list[str]) -> dict[str, object]:
    """The state as columns; ``fields`` are those of the field table."""
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
        put(connection, tables.bookings, [row(b, fields) for b in new])
    if known:
        b = tables.bookings
        rows = [row(booking, fields) for booking in known]
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


def save_codes(connection: Connection, tables: Tables, source: str, bookings: Sequence[Booking]) -> None:
    """Replace the codes of those bookings."""
    found = {b.booking_id: b.codes for b in bookings}
    _replace(connection, tables.codes, source, found)


def save_completions(connection: Connection, tables: Tables, source: str, found: Mapping[str, Completion]) -> None:
    """Replace the completions of bookings, by booking id."""
    _replace(connection, tables.resources, source, {i: c.resources for i, c in found.items()})
    _replace(connection, tables.business_data, source, {i: c.business_data for i, c in found.items()})
    own = {i: ({**c.columns, "notification_id": c.notification_id},) for i, c in found.items()}
    _replace(connection, tables.completions, source, own)


def _replace(
    connection: Connection, table: Table, source: str, found: Mapping[str, Sequence[Mapping[str, object]]]
) -> None:
    """Make the rows of each booking id those given, numbered from 1 where the table numbers them."""
    if not found:
        return
    connection.execute(delete(table).where(table.c.source == source, among(connection, table.c.booking_id, found)))
    names = [c.name for c in table.columns]
    rows = [
        {**{n: entry.get(n) for n in names}, "source": source, "booking_id": booking_id, "position": position}
        for booking_id, entries in found.items()
        for position, entry in enumerate(entries, start=1)
    ]
    put(connection, table, [{n: row[n] for n in names} for row in rows])
