"""Current unavailabilities of resources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, true, update

from receiver.messages import Absence, AbsenceKey, Action

from .copying import put
from .lookup import among, listed
from .tables import Tables

_KEY = ("source", "resource_id", "period_start", "period_end")
_NOT_FIELDS = frozenset(
    {
        *_KEY,
        *(
            "action",
            "status",
            "first_received_at",
            "last_received_at",
            "last_event_at",
            "applied_id",
            "applied_key",
        ),
    }
)


def field_columns(tables: Tables) -> list[str]:
    """The columns that come from the field table, the key aside."""
    return [c.name for c in tables.unavailabilities.columns if c.name not in _NOT_FIELDS]


def load(connection: Connection, tables: Tables, source: str, keys: Iterable[AbsenceKey]) -> dict[AbsenceKey, Absence]:
    """Those that are known, locked until the transaction ends, always in the same order."""
    u = tables.unavailabilities
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    columns = [u.c.resource_id, u.c.period_start, u.c.period_end]
    if connection.dialect.name == "postgresql":
        rows = listed(columns, wanted)
        # Said so that no index can answer it: else that of periods may be taken for the key's, and a night's absences
        # all have one period.
        same_end = u.c.period_end.is_not_distinct_from(rows.c.period_end)
        same = u.c.resource_id == rows.c.resource_id, u.c.period_start == rows.c.period_start, same_end
        # One look into the index for each key, whatever the planner thinks of the table's size.
        each = select(u).where(u.c.source == source, *same).with_for_update().lateral("found")
        query = select(each).select_from(rows.join(each, true()))
    else:
        # Three lists find a few rows more than the keys, by the index.
        lists = (
            among(connection, column, found) for column, found in zip(columns, zip(*wanted, strict=True), strict=True)
        )
        query = select(u).where(u.c.source == source, *lists)
    fields = field_columns(tables)
    found = [_absence(row, fields) for row in connection.execute(query).mappings()]
    chosen = set(wanted)
    return {absence.key: absence for absence in found if absence.key in chosen}


def _absence(row: Any, fields: list[str]) -> Absence:
    return Absence(
        source=row["source"],
        key=AbsenceKey(row["resource_id"], row["period_start"], row["period_end"]),
        first_received_at=row["first_received_at"],
        last_received_at=row["last_received_at"],
        fields={name: row[name] for name in fields},
        action=Action(row["action"]),
        last_at=row["last_event_at"],
        applied_id=row["applied_id"],
        applied_key=row["applied_key"],
    )


def _row(absence: Absence, fields: list[str]) -> dict[str, object]:
    return {
        **{name: absence.fields.get(name) for name in fields},
        "source": absence.source,
        "resource_id": absence.key.resource_id,
        "period_start": absence.key.period_start,
        "period_end": absence.key.period_end,
        "action": absence.action,
        "status": absence.status,
        "first_received_at": absence.first_received_at,
        "last_received_at": absence.last_received_at,
        "last_event_at": absence.last_at,
        "applied_id": absence.applied_id,
        "applied_key": absence.applied_key,
    }


def save(connection: Connection, tables: Tables, new: Sequence[Absence], known: Sequence[Absence]) -> None:
    """Store current states: ``new`` ones are inserted (StoreConflict when another got there first)."""
    u, fields = tables.unavailabilities, field_columns(tables)
    if new:
        put(connection, u, [_row(a, fields) for a in new])
    if known:
        rows = [_row(a, fields) for a in known]
        names = [n for n in rows[0] if n not in _KEY]
        statement = (
            update(u)
            .where(*(u.c[k] == bindparam(f"its_{k}") for k in _KEY))
            .values({n: bindparam(f"new_{n}") for n in names})
        )
        params = [{**{f"its_{k}": r[k] for k in _KEY}, **{f"new_{n}": r[n] for n in names}} for r in rows]
        connection.execute(statement, params)
