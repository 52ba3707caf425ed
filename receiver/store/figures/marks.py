"""Where each of the figures has got to: a moment and a value by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from ..tables import Tables


@dataclass(frozen=True)
class Mark:
    """When it was set (UTC), and what it says, as JSON."""

    at: datetime
    value: object


def read(connection: Connection, tables: Tables, name: str) -> Mark | None:
    """The mark of that name, None before it is set."""
    f = tables.figures.figures
    row = connection.execute(select(f.c.at, f.c.value).where(f.c.name == name)).one_or_none()
    return Mark(row.at, row.value) if row is not None else None


def write(connection: Connection, tables: Tables, name: str, now: datetime, value: object) -> None:
    """Set it. Raises IntegrityError when another sets it for the first time at once."""
    f = tables.figures.figures
    written = connection.execute(update(f).where(f.c.name == name).values(at=now, value=value))
    if not written.rowcount:
        connection.execute(insert(f).values(name=name, at=now, value=value))
